//! What follows a macro.
//!
//! USER is everything after the macro, because names may contain spaces; it may stand in quotes, which no name contains.
//! Whether the number at the end of `\history John 5` belongs to the name or is N depends on who is known, so the node decides.

use super::error::truncated;
use super::{HISTORY, InputError, Macro, Typed};
use crate::identity::invitation::{self, BadCode, BadToken, Invitation};
use crate::identity::place::{BadTarget, Place, Target, parse_port};
use crate::proto::event::Command;
use crate::proto::notice::ErrorCode;

pub fn ping(entry: &Macro, arguments: &str) -> Result<Typed, InputError> {
    let mut words = required(entry, arguments)?.split_whitespace();
    let target = words.next().unwrap_or_default();
    let error = |why: BadTarget| {
        let message = format!("{}: {why}; usage: {}", truncated(target), entry.usage);
        InputError { code: ErrorCode::BadAddress, message }
    };
    let parsed = target.parse().map_err(error)?;
    let port = words.next().map(parse_port);
    if words.next().is_some() {
        return Err(bad_argument(entry, "too many arguments"));
    }
    match (parsed, port) {
        (_, Some(None)) => Err(bad_argument(entry, "PORT must be a number from 1 to 65535")),
        (Target::Contact(_), Some(_)) | (Target::Place(Place { port: Some(_), .. }), Some(_)) => {
            Err(bad_argument(entry, "the address contains a port already"))
        }
        (Target::Contact(address), None) => Ok(Typed::Command(Command::PingAddress { address })),
        (Target::Place(place), None) => Ok(Typed::Ping(place)),
        (Target::Place(place), Some(port)) => Ok(Typed::Ping(Place { port, ..place })),
    }
}

/// CODE: a token, or three words.
pub fn invitation(entry: &Macro, arguments: &str) -> Result<Invitation, InputError> {
    let typed = required(entry, arguments)?;
    if typed.get(..invitation::SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(invitation::SCHEME)) {
        return typed.parse().map(Invitation::Token).map_err(|why: BadToken| bad_argument(entry, &why.to_string()));
    }
    typed.parse().map(Invitation::Code).map_err(|why| match &why {
        BadCode::Count(_) => bad_argument(entry, &why.to_string()),
        BadCode::Unknown(word) => {
            let word = truncated(word);
            let near = |known: &&&str| strsim::damerau_levenshtein(&word, known);
            let nearest = invitation::word_list().iter().min_by_key(near).copied().unwrap_or_default();
            bad_argument(entry, &format!("{word} is not one of the words; did you mean {nearest}?"))
        }
    })
}

pub fn requests(entry: &Macro, arguments: &str) -> Result<Command, InputError> {
    let (verb, user) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let user = unquoted(user.trim_start());
    match verb {
        "" => Ok(Command::Requests),
        "accept" | "dismiss" if user.is_empty() => Err(bad_argument(entry, "USER is missing")),
        "accept" => Ok(Command::Add { user }),
        "dismiss" => Ok(Command::Dismiss { user }),
        _ => Err(bad_argument(entry, "it is accept or dismiss")),
    }
}

pub fn history(arguments: &str) -> Typed {
    let (arguments, before, after) = page(arguments);
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    // One that is too high stays too high.
    let number = |text: &str| text.parse().unwrap_or(u32::MAX);
    if arguments.is_empty() || is_number(arguments) {
        let n = if arguments.is_empty() { HISTORY } else { number(arguments) };
        return Typed::HistoryHere { n, before, after };
    }
    let numbered = match arguments.rsplit_once(char::is_whitespace) {
        Some((user, n)) if is_number(n) => Some((unquoted(user.trim_end()), number(n))),
        _ => None,
    };
    Typed::Command(Command::History { user: unquoted(arguments), n: HISTORY, numbered, before, after })
}

/// What stands before `before MESSAGE` or `after MESSAGE`, and the message, as typed. Names that end like that are typed in quotes.
fn page(arguments: &str) -> (&str, Option<String>, Option<String>) {
    let parts = arguments.rsplit_once(char::is_whitespace).filter(|(_, message)| !message.ends_with('"'));
    let Some((rest, message)) = parts else { return (arguments, None, None) };
    let rest = rest.trim_end();
    let is_bounded_by = |word: &str| {
        let before = rest.strip_suffix(word)?;
        (before.is_empty() || before.ends_with(char::is_whitespace)).then(|| before.trim_end())
    };
    match (is_bounded_by("before"), is_bounded_by("after")) {
        (Some(rest), _) => (rest, Some(message.to_owned()), None),
        (None, Some(rest)) => (rest, None, Some(message.to_owned())),
        (None, None) => (arguments, None, None),
    }
}

/// USER without the quotes in which it may stand.
pub fn unquoted(user: &str) -> String {
    let inner = user.strip_prefix('"').and_then(|user| user.strip_suffix('"'));
    inner.unwrap_or(user).to_owned()
}

pub fn required<'a>(entry: &Macro, arguments: &'a str) -> Result<&'a str, InputError> {
    if arguments.is_empty() { Err(bad_argument(entry, "an argument is missing")) } else { Ok(arguments) }
}

pub fn no_arguments(entry: &Macro, arguments: &str) -> Result<(), InputError> {
    if arguments.is_empty() { Ok(()) } else { Err(bad_argument(entry, "it takes no argument")) }
}

pub fn bad_argument(entry: &Macro, why: &str) -> InputError {
    InputError { code: ErrorCode::BadArgument, message: format!("usage: {} ({why})", entry.usage) }
}
