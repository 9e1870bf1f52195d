//! What a person types: the table of macros, and a line made into a command.
//!
//! A line that does not begin with `\` is text; `\\` at the beginning is text with one backslash. USER is everything
//! behind the macro, because names may hold spaces; `\history` takes a last word that is a number as N.

use std::net::IpAddr;

use crate::identity::address::{BadAddress, SCHEME};
use crate::proto::event::Command;
use crate::proto::notice::ErrorCode;
use crate::proto::notice::Filter;
use crate::wire::content::MAX_TEXT;

/// Lines of history when no number is given: a screen's worth.
const HISTORY: u32 = 20;
/// Lines of history at most: with the longest texts still only 16 MB at once.
const MAX_HISTORY: u32 = 1000;
/// Sessions kept by `\prune` when no number is given: a hundred remembered ones survive the crash of nine nodes in ten
/// (design §5).
const PRUNE: u32 = 100;

/// A macro for `\help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Macro {
    pub name: &'static str,
    /// How it is typed.
    pub usage: &'static str,
    /// What it does.
    pub text: &'static str,
}

const fn entry(name: &'static str, usage: &'static str, text: &'static str) -> Macro {
    Macro { name, usage, text }
}

/// Every macro, in the order in which `\help` shows them.
pub const MACROS: &[Macro] = &[
    entry("help", r"\help", "lists the macros"),
    entry("chat", r"\chat USER", "switches to the conversation with USER"),
    entry("users", r"\users", "lists the users I know"),
    entry("online", r"\online", "lists those who are online"),
    entry("offline", r"\offline", "lists those who are offline"),
    entry("add", r"\add USER", "links USER and me"),
    entry("remove", r"\remove USER", "undoes the link with USER"),
    entry("block", r"\block USER", "refuses USER for good"),
    entry("ping", r"\ping IP [PORT]", r"dials that address, or one that \me shows, and says who is there"),
    entry("explode", r"\explode", "tells all within two hops of me, and counts them"),
    entry("me", r"\me", "shows my fingerprint and address"),
    entry("whois", r"\whois USER", "shows the fingerprint and address of USER"),
    entry("verify", r"\verify USER", "marks the fingerprint of USER as checked"),
    entry("status", r"\status [USER]", "shows who has which message"),
    entry("history", r"\history [USER] [N]", "shows what was said"),
    entry("cancel", r"\cancel MESSAGE", "withdraws a message that waits"),
    entry("prune", r"\prune [N]", "forgets sessions beyond N"),
    entry("quit", r"\quit", "leaves gracefully"),
    entry("exit", r"\exit", "leaves gracefully"),
];

/// A line that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// For the current conversation.
    Text(String),
    Command(Command),
    /// `\history` of the current conversation.
    HistoryHere {
        n: u32,
    },
    Help,
}

/// A line that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub code: ErrorCode,
    pub message: String,
}

impl Wrong {
    /// For a line longer than any text may be.
    pub fn too_long() -> Wrong {
        let message = format!("a line holds at most {MAX_TEXT} bytes; send it in pieces");
        Wrong { code: ErrorCode::TextTooLong, message }
    }

    /// For bytes that are no text.
    pub fn not_text() -> Wrong {
        Wrong { code: ErrorCode::BadArgument, message: "this line is not UTF-8; nothing was sent".to_owned() }
    }

    /// For text without anybody to send it to.
    pub fn no_conversation() -> Wrong {
        let message = r"there is no conversation yet; begin one with \chat USER".to_owned();
        Wrong { code: ErrorCode::NoConversation, message }
    }
}

/// What a line (without its line end) means; `None` for one that is empty or blank.
pub fn parse(line: &str) -> Result<Option<Typed>, Wrong> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let Some(typed) = line.strip_prefix('\\') else {
        return text(line).map(Some);
    };
    if typed.starts_with('\\') {
        return text(typed).map(Some);
    }
    let (name, arguments) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let Some(entry) = MACROS.iter().find(|entry| entry.name == name) else {
        return Err(unknown(name));
    };
    command(entry, arguments.trim()).map(Some)
}

fn text(line: &str) -> Result<Typed, Wrong> {
    if line.len() > MAX_TEXT { Err(Wrong::too_long()) } else { Ok(Typed::Text(line.to_owned())) }
}

/// Names the nearest macro. The typed name may be long: only its beginning is compared and shown.
fn unknown(name: &str) -> Wrong {
    let name: String = name.chars().take(32).collect();
    let near = |entry: &&Macro| strsim::damerau_levenshtein(&name.to_lowercase(), entry.name);
    let nearest = MACROS.iter().min_by_key(near).map_or("help", |entry| entry.name);
    let message = format!(r"there is no \{name}; the nearest is \{nearest}, and \help lists all");
    Wrong { code: ErrorCode::UnknownMacro, message }
}

fn command(entry: &Macro, arguments: &str) -> Result<Typed, Wrong> {
    let user = || some(entry, arguments).map(str::to_owned);
    let command = match entry.name {
        "help" => return nothing(entry, arguments).map(|()| Typed::Help),
        "history" => return history(entry, arguments),
        "quit" | "exit" => nothing(entry, arguments).map(|()| Command::Quit)?,
        "users" => nothing(entry, arguments).map(|()| Command::Users { filter: Filter::All })?,
        "online" => nothing(entry, arguments).map(|()| Command::Users { filter: Filter::Online })?,
        "offline" => nothing(entry, arguments).map(|()| Command::Users { filter: Filter::Offline })?,
        "me" => nothing(entry, arguments).map(|()| Command::Me)?,
        "explode" => nothing(entry, arguments).map(|()| Command::Explode)?,
        "chat" => Command::Chat { user: user()? },
        "add" => Command::Add { user: user()? },
        "remove" => Command::Remove { user: user()? },
        "block" => Command::Block { user: user()? },
        "whois" => Command::Whois { user: user()? },
        "verify" => Command::Verify { user: user()? },
        "status" => Command::Status { user: user().ok() },
        "cancel" => Command::Cancel { message: user()? },
        "prune" if arguments.is_empty() => Command::Prune { keep: PRUNE },
        "prune" => Command::Prune { keep: arguments.parse().map_err(|_| misused(entry, "N is a number"))? },
        "ping" => ping(entry, arguments)?,
        other => unreachable!("every macro of the table is understood, {other} too"),
    };
    Ok(Typed::Command(command))
}

fn ping(entry: &Macro, arguments: &str) -> Result<Command, Wrong> {
    if some(entry, arguments)?.starts_with(SCHEME) {
        let address = arguments.parse();
        let wrong = |why: BadAddress| Wrong { code: ErrorCode::BadAddress, message: why.to_string() };
        return address.map(|address| Command::PingAddress { address }).map_err(wrong);
    }
    let mut words = arguments.split_whitespace();
    let ip = words.next().unwrap_or_default();
    let ip: IpAddr = ip.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| {
        let message = format!("{} is no IP address; type {}", shortened(ip), entry.usage);
        Wrong { code: ErrorCode::BadAddress, message }
    })?;
    let port = match words.next() {
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => Some(port),
            _ => return Err(misused(entry, "a port is a number from 1 to 65535")),
        },
        None => None,
    };
    match words.next() {
        Some(_) => Err(misused(entry, "there is too much behind it")),
        None => Ok(Command::Ping { ip, port }),
    }
}

fn history(entry: &Macro, arguments: &str) -> Result<Typed, Wrong> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
    let (user, n) = match arguments.rsplit_once(char::is_whitespace) {
        Some((user, n)) if number(n) => (user.trim_end(), Some(n)),
        None if number(arguments) => ("", Some(arguments)),
        _ => (arguments, None),
    };
    let n = match n.map(str::parse) {
        None => HISTORY,
        Some(Ok(n)) if (1..=MAX_HISTORY).contains(&n) => n,
        Some(_) => return Err(misused(entry, &format!("N is a number from 1 to {MAX_HISTORY}"))),
    };
    Ok(match user {
        "" => Typed::HistoryHere { n },
        user => Typed::Command(Command::History { user: user.to_owned(), n }),
    })
}

fn some<'a>(entry: &Macro, arguments: &'a str) -> Result<&'a str, Wrong> {
    if arguments.is_empty() { Err(misused(entry, "something is missing behind it")) } else { Ok(arguments) }
}

fn nothing(entry: &Macro, arguments: &str) -> Result<(), Wrong> {
    if arguments.is_empty() { Ok(()) } else { Err(misused(entry, "nothing belongs behind it")) }
}

fn misused(entry: &Macro, why: &str) -> Wrong {
    Wrong { code: ErrorCode::BadArgument, message: format!("type {}: {why}", entry.usage) }
}

/// Enough of a long text to recognise it.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::address::ContactAddress;

    fn is(line: &str) -> Typed {
        parse(line).expect("it is understood").expect("it is not empty")
    }

    fn code(line: &str) -> ErrorCode {
        parse(line).expect_err("it is refused").code
    }

    #[test]
    fn a_line_without_a_backslash_is_text_as_it_is() {
        assert_eq!(is("hello"), Typed::Text("hello".into()));
        assert_eq!(is("  two  spaces "), Typed::Text("  two  spaces ".into()));
        assert_eq!(is(" \\help"), Typed::Text(" \\help".into()));
        assert_eq!(is(r"\\help"), Typed::Text(r"\help".into()));
        assert_eq!(is(r"\\"), Typed::Text("\\".into()));
    }

    #[test]
    fn blank_lines_mean_nothing() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse(" \t"), Ok(None));
    }

    #[test]
    fn text_ends_at_sixteen_thousand_bytes() {
        assert_eq!(is(&"x".repeat(16_000)), Typed::Text("x".repeat(16_000)));
        assert_eq!(is(&format!(r"\\{}", "x".repeat(15_999))), Typed::Text(format!(r"\{}", "x".repeat(15_999))));
        assert_eq!(code(&"x".repeat(16_001)), ErrorCode::TextTooLong);
        assert_eq!(code(&"ä".repeat(8_001)), ErrorCode::TextTooLong);
        assert!(Wrong::too_long().message.contains("16000"));
    }

    #[test]
    fn an_address_is_pinged_whole_or_refused() {
        let address = ContactAddress { user: crate::id::UserId([7; 32]), places: vec![([192, 0, 2, 1], 9).into()] };
        assert_eq!(is(&format!(r"\ping {address}")), Typed::Command(Command::PingAddress { address }));
        assert_eq!(code(r"\ping darkchat:bob@192.0.2.1:9"), ErrorCode::BadAddress);
    }

    #[test]
    fn every_macro_is_understood() {
        let user = || "bob".to_owned();
        let all = Command::Users { filter: Filter::All };
        let ip = "192.0.2.1".parse().expect("an address");
        for (line, command) in [
            (r"\chat bob", Command::Chat { user: user() }),
            (r"\chat  John Smith ", Command::Chat { user: "John Smith".into() }),
            (r"\users", all),
            (r"\online", Command::Users { filter: Filter::Online }),
            (r"\offline", Command::Users { filter: Filter::Offline }),
            (r"\add bob", Command::Add { user: user() }),
            (r"\remove bob", Command::Remove { user: user() }),
            (r"\block bob", Command::Block { user: user() }),
            (r"\ping 192.0.2.1", Command::Ping { ip, port: None }),
            (r"\ping 192.0.2.1 9", Command::Ping { ip, port: Some(9) }),
            (r"\explode", Command::Explode),
            (r"\me", Command::Me),
            (r"\whois bob#k7q2mz", Command::Whois { user: "bob#k7q2mz".into() }),
            (r"\verify bob", Command::Verify { user: user() }),
            (r"\status", Command::Status { user: None }),
            (r"\status bob", Command::Status { user: Some(user()) }),
            (r"\history bob", Command::History { user: user(), n: 20 }),
            (r"\history John Smith 5", Command::History { user: "John Smith".into(), n: 5 }),
            (r"\cancel abc", Command::Cancel { message: "abc".into() }),
            (r"\prune", Command::Prune { keep: 100 }),
            (r"\prune 7", Command::Prune { keep: 7 }),
            (r"\quit", Command::Quit),
            (r"\exit", Command::Quit),
        ] {
            assert_eq!(is(line), Typed::Command(command), "{line}");
        }
        assert_eq!(is(r"\help"), Typed::Help);
        assert_eq!(is(r"\history"), Typed::HistoryHere { n: 20 });
        assert_eq!(is(r"\history 7"), Typed::HistoryHere { n: 7 });
    }

    #[test]
    fn every_macro_of_the_table_is_reachable() {
        for entry in MACROS {
            let line = entry.usage.replace("IP", "192.0.2.1").replace("[PORT]", "5").replace("[N]", "5");
            assert!(parse(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn an_unknown_macro_names_the_nearest() {
        for (line, nearest) in
            [(r"\usres", r"\users"), (r"\Chat bob", r"\chat"), (r"\expode", r"\explode"), (r"\", r"\me")]
        {
            let wrong = parse(line).expect_err("there is no such macro");
            assert_eq!(wrong.code, ErrorCode::UnknownMacro);
            assert!(wrong.message.contains(&format!("nearest is {nearest}")), "{}", wrong.message);
        }
        assert!(parse(&format!(r"\{}", "x".repeat(60_000))).expect_err("unknown").message.len() < 200);
    }

    #[test]
    fn a_misused_macro_says_how_it_is_typed() {
        for line in [
            r"\chat",
            r"\add ",
            r"\me now",
            r"\explode now",
            r"\ping",
            r"\prune many",
            r"\history bob 0",
            r"\history 1001",
        ] {
            assert_eq!(code(line), ErrorCode::BadArgument, "{line}");
        }
        for line in [r"\ping 192.0.2.1 0", r"\ping 192.0.2.1 65536", r"\ping 192.0.2.1 1 2", r"\history 99999999999"] {
            assert_eq!(code(line), ErrorCode::BadArgument, "{line}");
        }
        assert_eq!(code(r"\ping bob"), ErrorCode::BadAddress);
        assert!(parse(r"\chat").expect_err("refused").message.contains(r"\chat USER"));
    }
}
