//! Requests of the local API: one JSON object a line, `{"line":N,"do":NAME, …}`. Unknown keys are ignored, as readers of
//! events ignore them. What is also a macro is put together as the line that a person would type, so that both mean the same.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::filter::Filter;
use crate::hub::cursor::Cursor;
use crate::hub::feed::Since;
use crate::identity::place::Place;
use crate::proto::event::Command;
use crate::ui::macros::{self, InputError, Typed};

/// The longest request in bytes, without its line ending.
pub const MAX_REQUEST: usize = 128 * 1024;
/// Names in a filter. More than there are events.
const MAX_NAMES: usize = 64;
/// The highest number of a line: the upper bits of 64 are the hub's.
const MAX_LINE: u64 = 1 << 39;

/// A request, and the client's number for it, which the answer repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The number.
    pub line: Option<u64>,
    /// The answer is also wanted as the text that `--plain` shows.
    pub shown: bool,
    /// What is requested.
    pub what: Do,
}

/// What a client requests.
#[derive(Debug, Clone, PartialEq)]
pub enum Do {
    /// Send a text to a user, who is found as `\chat` finds them.
    Say(Say),
    /// What a person types, with a conversation of its own.
    Typed(Result<Option<Typed>, InputError>),
    /// Give events.
    Subscribe(Since, Filter),
    /// A macro.
    Command(Command),
    /// `\ping` of a place.
    Ping(Place),
    /// `\help`.
    Help,
    /// What the node counts.
    Counts,
    /// Serve the web page, or serve it no more.
    Page(bool),
    /// Every message up to this arrival was printed.
    Printed(u64),
    /// Stop the node.
    Stop,
}

/// A text for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    /// The user, as typed.
    pub to: String,
    /// The text. It is never a macro.
    pub text: String,
    /// A person can be asked first, if the text is probably not meant to be sent as it is.
    pub ask: bool,
    /// Several lines of it were pasted.
    pub pasted: bool,
}

/// Why a line is not a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// The number of the request, if it could be read.
    pub line: Option<u64>,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Raw {
    line: Option<u64>,
    #[serde(rename = "do")]
    what: Option<String>,
    #[serde(default)]
    shown: bool,
    #[serde(flatten)]
    keys: Map<String, Value>,
}

/// Parses a line, without its line ending.
///
/// # Errors
/// A line that is not a request. A request whose macro is wrong is one: [`Do::Typed`] holds what is wrong with it.
pub fn parse(line: &[u8]) -> Result<Request, BadRequest> {
    let bad = |line: Option<u64>, message: String| BadRequest { line, message };
    let raw: Raw = serde_json::from_slice(line)
        .map_err(|error| bad(None, format!("a request is one JSON object a line, with \"do\": {error}")))?;
    let number = raw.line;
    if number.is_some_and(|line| line >= MAX_LINE) {
        return Err(bad(None, format!("\"line\" is a number below {MAX_LINE}")));
    }
    let Some(what) = raw.what else { return Err(bad(number, "\"do\" is missing".to_owned())) };
    let what = understand(&what, &Keys(raw.keys)).map_err(|message| bad(number, message))?;
    Ok(Request { line: number, shown: raw.shown, what })
}

/// Makes a request of its keys, or says what is wrong with them.
type Parse = fn(&Keys) -> Result<Do, String>;

/// The requests that are no macros, or have more keys than those have arguments.
const REQUESTS: &[(&str, Parse)] = &[
    ("say", say),
    ("typed", |keys| Ok(Do::Typed(macros::parse(&keys.text("text")?)))),
    ("subscribe", |keys| Ok(Do::Subscribe(since(keys)?, filter(keys)?))),
    ("conversations", |_| Ok(Do::Command(Command::Conversations))),
    ("history", history),
    ("search", search),
    ("export", |keys| {
        Ok(Do::Command(Command::Export { user: keys.optional("with")?, after: keys.optional("after")? }))
    }),
    ("read", |keys| Ok(Do::Command(Command::Read { user: keys.text("with")?, through: keys.text("through")? }))),
    ("printed", printed),
    ("doctor", doctor),
    ("counts", |_| Ok(Do::Counts)),
    ("web", |keys| Ok(Do::Page(keys.flag("on", true)?))),
    ("stop", |_| Ok(Do::Stop)),
    ("quit", |_| Ok(Do::Stop)),
    ("exit", |_| Ok(Do::Stop)),
];

fn understand(what: &str, keys: &Keys) -> Result<Do, String> {
    match REQUESTS.iter().find(|(name, _)| *name == what) {
        Some((_, parse)) => parse(keys),
        None => of_macro(what, keys),
    }
}

/// A blank text is no line, as it is when typed.
fn say(keys: &Keys) -> Result<Do, String> {
    let (to, text) = (keys.text("to")?, keys.text("text")?);
    if text.trim().is_empty() {
        return Err("\"text\" is blank".to_owned());
    }
    Ok(Do::Say(Say { to, text, ask: keys.flag("ask", false)?, pasted: keys.flag("pasted", false)? }))
}

/// The macro, and how it is carried out and shown: `probe` is true and `redact` false unless they are given.
fn doctor(keys: &Keys) -> Result<Do, String> {
    let user = keys.0.contains_key("user").then(|| keys.text("user")).transpose()?;
    Ok(Do::Command(Command::Examine { user, probe: keys.flag("probe", true)?, redact: keys.flag("redact", false)? }))
}

/// A macro by its name. Its arguments are keys.
fn of_macro(name: &str, keys: &Keys) -> Result<Do, String> {
    if !macros::MACROS.iter().any(|entry| entry.name == name) {
        return Err("unknown \"do\"; see docs/api.md, or request \"help\" for the macros".to_owned());
    }
    let arguments = match name {
        "ping" => keys.joined(&["host", "port"])?,
        "link" => keys.joined(&["code"])?,
        "unlink" => keys.joined(&["label"])?,
        "cancel" => keys.joined(&["message"])?,
        "prune" => keys.joined(&["n"])?,
        "requests" => requests(keys)?,
        _ => keys.joined(&["user"])?,
    };
    match macros::parse(&format!("\\{name} {arguments}")) {
        Ok(Some(Typed::Command(command))) => Ok(Do::Command(command)),
        Ok(Some(Typed::Ping(place))) => Ok(Do::Ping(place)),
        Ok(Some(Typed::Help)) => Ok(Do::Help),
        wrong => Ok(Do::Typed(wrong)),
    }
}

fn history(keys: &Keys) -> Result<Do, String> {
    let (user, n) = (keys.text("user")?, keys.count("n")?);
    let (before, after) = (keys.optional("before")?, keys.optional("after")?);
    Ok(Do::Command(Command::History { user, n, numbered: None, before, after }))
}

fn search(keys: &Keys) -> Result<Do, String> {
    let (text, with) = (keys.text("text")?, keys.optional("with")?);
    Ok(Do::Command(Command::Search { text, with, n: keys.count("n")?, before: keys.optional("before")? }))
}

/// `{"accept":USER}`, `{"dismiss":USER}` or nothing.
fn requests(keys: &Keys) -> Result<String, String> {
    for verb in ["accept", "dismiss"] {
        if keys.0.contains_key(verb) {
            return Ok(format!("{verb} {}", keys.text(verb)?));
        }
    }
    Ok(String::new())
}

fn since(keys: &Keys) -> Result<Since, String> {
    match keys.0.get("since").map(|since| since.as_str()) {
        None | Some(Some("now")) => Ok(Since::Now),
        Some(Some("start")) => Ok(Since::Start),
        Some(Some(cursor)) => cursor.parse::<Cursor>().map(Since::Cursor).map_err(|error| error.to_string()),
        Some(None) => Err("\"since\" is a cursor, \"now\" or \"start\"".to_owned()),
    }
}

fn printed(keys: &Keys) -> Result<Do, String> {
    keys.text("at")?.parse::<Cursor>().map(|cursor| Do::Printed(cursor.arrival)).map_err(|error| error.to_string())
}

fn filter(keys: &Keys) -> Result<Filter, String> {
    Ok(Filter { events: keys.names("events")?, with: keys.names("with")? })
}

struct Keys(Map<String, Value>);

impl Keys {
    fn text(&self, key: &str) -> Result<String, String> {
        match self.0.get(key) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(format!("\"{key}\" is a string")),
            None => Err(format!("\"{key}\" is missing")),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        let value = self.0.get(key).map_or(Some(default), Value::as_bool);
        value.ok_or_else(|| format!("\"{key}\" is true or false"))
    }

    fn optional(&self, key: &str) -> Result<Option<String>, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.text(key).map(Some),
        }
    }

    /// A number of messages.
    fn count(&self, key: &str) -> Result<u32, String> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(macros::HISTORY),
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number.ok_or_else(|| format!("\"{key}\" is a number below 4294967296"))
            }
        }
    }

    /// Strings and numbers, as they would be typed one after the other. Missing ones are left out.
    fn joined(&self, keys: &[&str]) -> Result<String, String> {
        let mut typed = Vec::new();
        for key in keys {
            match self.0.get(*key) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => typed.push(text.clone()),
                Some(Value::Number(number)) => typed.push(number.to_string()),
                Some(_) => return Err(format!("\"{key}\" is a string or a number")),
            }
        }
        Ok(typed.join(" "))
    }

    fn names(&self, key: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("\"{key}\" is a list of at most {MAX_NAMES} strings");
        let Some(value) = self.0.get(key) else { return Ok(Vec::new()) };
        let names = value.as_array().filter(|names| names.len() <= MAX_NAMES).ok_or_else(wrong)?;
        names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }
}

#[cfg(test)]
mod tests;
