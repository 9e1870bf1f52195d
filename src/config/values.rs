//! How the values of options are read. What is wrong with one is said in words that need no knowledge of the program.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::ValueParser;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The filter that `--log` is added to, and may override. On an isolated network, dialling remembered addresses fails with
/// "network unreachable" every minute, which is not worth logging.
const QUIET: &str = "quinn_udp=error";

/// A whole number in a range, of which `T` holds every one.
pub fn number<T>(range: RangeInclusive<u64>) -> ValueParser
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    let bounds = match (*range.start(), *range.end()) {
        (0, u64::MAX) => String::new(),
        (start, u64::MAX) => format!(", {start} or more"),
        (start, end) => format!(" from {start} to {end}"),
    };
    ValueParser::new(move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| format!("it is a whole number{bounds}"))
    })
}

/// The filter of `--log`: a level, or parts such as `darknode=debug`. Another word would be taken for a target, and so would
/// characters that no path of Rust has: nothing would ever be logged of it.
pub fn log_filter(text: &str) -> Option<Targets> {
    let is_path = |target: &str| target.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c));
    let is_part = |part: &str| match part.split_once('=') {
        Some((target, _)) => is_path(target.trim()),
        None => part.trim().parse::<LevelFilter>().is_ok(),
    };
    text.split(',').all(is_part).then_some(())?;
    format!("{QUIET},{text}").parse().ok()
}

/// Whole seconds.
pub fn seconds() -> ValueParser {
    ValueParser::new(|text: &str| text.parse().map(Duration::from_secs).map_err(|_| "it is a number of seconds"))
}

/// A text with something in it.
pub fn not_blank() -> ValueParser {
    ValueParser::new(|text: &str| if text.trim().is_empty() { Err("it is blank") } else { Ok(text.to_owned()) })
}
