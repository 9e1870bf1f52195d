//! `darknode send`: a line to somebody, and how far it came.

use std::io::{self, Read, Write};
use tokio::time::Instant;

use serde_json::json;

use super::node::{Event, Node};
use super::show::print;
use super::{Failed, deadline};
use crate::config::remote::{SendArgs, Wait};
use crate::wire::content::MAX_TEXT;

/// The number of the request that sends.
const SAY: u64 = 2;

/// Sends a line and waits for what was asked.
pub fn send(node: &mut Node, args: &SendArgs, began: Instant) -> Result<(), Failed> {
    let text = if args.text == "-" { read_text()? } else { args.text.clone() };
    let by = deadline(began, args.timeout);
    node.request(&json!({ "line": 1, "do": "subscribe", "events": ["state"] }))?;
    node.request(&json!({ "line": SAY, "do": "say", "to": args.user, "text": text }))?;
    // A receipt may be told before the answer.
    let mut states = Vec::new();
    let queued =
        node.answer_soon(SAY, by, |event| states.push(event)).map_err(|failed| unknown(failed, &args.user, by))?;
    if let Some(error) = queued.error() {
        return Err(error);
    }
    let message = queued.key("message").to_owned();
    tell(&queued, args, &message)?;
    let mut states = states.into_iter();
    let mut reached = Wait::Queued;
    while reached < args.wait {
        let event = match states.next() {
            Some(event) => event,
            None => node.next(by).map_err(|failed| late(failed, &message))?,
        };
        if event.key("message") != message || event.name() != "state" {
            continue;
        }
        let state = if event.key("state") == "carried" { Wait::Carried } else { Wait::Delivered };
        if state > reached {
            reached = state;
            let by =
                if state == Wait::Carried { format!("carried by {}", holder(&event)) } else { "delivered".to_owned() };
            tell(&event, args, &by)?;
        }
    }
    Ok(())
}

fn tell(event: &Event, args: &SendArgs, text: &str) -> Result<(), Failed> {
    if args.form.json {
        return print(event, args.form);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Who carries it: their name if the node knows it.
fn holder(event: &Event) -> &str {
    let name = event.key("holder");
    if name.is_empty() { event.key("by") } else { name }
}

/// The text on standard input, without its last line ending. One that is too long is refused by the node.
fn read_text() -> Result<String, Failed> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_TEXT as u64 + 2).read_to_end(&mut bytes);
    read.map_err(|error| Failed::Usage(format!("cannot read standard input: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| Failed::Usage("standard input is not UTF-8".to_owned()))?;
    if text.trim().is_empty() {
        return Err(Failed::Usage("standard input is blank; nothing was sent".to_owned()));
    }
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// The node ended, hangs, or still looks for the user, before it has said that it has the line.
fn unknown(failed: Failed, user: &str, by: Option<Instant>) -> Failed {
    let is_due = by.is_some_and(|by| by <= Instant::now());
    match failed {
        Failed::TimedOut(why) if is_due => {
            Failed::TimedOut(format!("{why}; it may send the line yet: darknode history {user} -n 1"))
        }
        Failed::Ended(why) | Failed::TimedOut(why) => {
            Failed::Ended(format!("{why}; it may have the line: darknode history {user} -n 1"))
        }
        other => other,
    }
}

fn late(failed: Failed, message: &str) -> Failed {
    match failed {
        Failed::TimedOut(_) => Failed::TimedOut(format!("it stays queued: darknode cancel {message}")),
        Failed::Ended(why) => Failed::Ended(format!("{why}; the line stays queued there")),
        other => other,
    }
}
