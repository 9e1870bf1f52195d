//! The table of macros, and the parser for input lines.
//!
//! A line that does not begin with `\` is text; `\\` at the beginning stands for one backslash. Several lines at once, which only
//! a line editor can take, are text. USER is everything after
//! the macro, because names may contain spaces; it may stand in quotes, which no name contains. Whether the number at the end of `\history John 5` belongs to the name or is N
//! depends on who is known, so the node decides.

use crate::id::MessageDigest;
use crate::identity::invitation::{self, BadCode, BadToken, Invitation};
use crate::identity::place::{BadTarget, Place, Target, parse_port};
use crate::proto::event::Command;
use crate::proto::notice::ErrorCode;
use crate::proto::notice::Filter;
use crate::wire::content::MAX_TEXT;

/// Messages shown by `\history` and `\search` by default: about one screen.
pub const HISTORY: u32 = 20;
/// Sessions kept by `\prune` by default. A network whose nodes remember a hundred survives a crash of 90 % (see
/// `docs/decisions.md`, "Ten neighbours").
const PRUNE: u32 = 100;

/// A macro, as `\help` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Macro {
    /// The name, without the backslash.
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
    entry("chat", r"\chat USER", "starts a conversation with USER"),
    entry("reply", r"\reply", "starts a conversation with whoever wrote last"),
    entry("r", r"\r", r"same as \reply"),
    entry("users", r"\users", "lists the users I know"),
    entry("online", r"\online", "lists the users who are online"),
    entry("offline", r"\offline", "lists the users who are offline"),
    entry("add", r"\add USER", "accepts or requests a link with USER"),
    entry("remove", r"\remove USER", "removes the link with USER"),
    entry("block", r"\block USER", "blocks USER"),
    entry(
        "requests",
        r"\requests [accept USER | dismiss USER]",
        "lists who wrote and was not answered; accepts or forgets USER",
    ),
    entry("ping", r"\ping HOST [PORT]", r"dials a host, an IP address, or an address from \me, and shows who answers"),
    entry("explode", r"\explode", "announces me to everyone within two hops and counts them"),
    entry("me", r"\me", "shows my fingerprint and address"),
    entry("whois", r"\whois USER", "shows the fingerprint and address of USER"),
    entry("verify", r"\verify USER", "marks the fingerprint of USER as verified"),
    entry("sessions", r"\sessions", "lists my sessions"),
    entry("link", r"\link CODE", "links a new session of mine; `darknode link` on its machine shows CODE"),
    entry("unlink", r"\unlink LABEL", "revokes a session of mine, by its label or the start of its id"),
    entry("status", r"\status [USER]", "shows where my messages are"),
    entry("doctor", r"\doctor [USER]", "finds out what is wrong here, or why USER is not reached"),
    entry(
        "history",
        r"\history [USER] [N] [before MESSAGE | after MESSAGE]",
        "shows past messages; MESSAGE is an id, as the end of a page shows it",
    ),
    entry("search", r"\search [TEXT]", "shows past messages that contain TEXT; without TEXT: older ones than before"),
    entry("cancel", r"\cancel MESSAGE", "withdraws an undelivered message"),
    entry("prune", r"\prune [N]", "forgets remembered sessions beyond N"),
    entry("quit", r"\quit", "goes offline and ends the program"),
    entry("exit", r"\exit", r"same as \quit"),
];

/// A valid line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// For the current conversation.
    Text(String),
    /// A command for the node.
    Command(Command),
    /// `\ping` of a place, which the node has to find first.
    Ping(Place),
    /// `\reply`: a conversation with whoever wrote last, whom the interface knows.
    Reply,
    /// `\history` of the current conversation.
    HistoryHere {
        /// The maximum number of messages to show.
        n: u32,
        /// The message before which they are.
        before: Option<String>,
        /// The message after which they are.
        after: Option<String>,
    },
    /// `\search` without a text, which continues the last one.
    SearchOlder,
    /// `\help`, which the interface answers itself.
    Help,
}

/// Why a line is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The code for programs.
    pub code: ErrorCode,
    /// One line for people: what is wrong and what to do.
    pub message: String,
}

impl InputError {
    /// For a line that is longer than a text may be.
    pub fn too_long() -> InputError {
        let message = format!("a line holds at most {MAX_TEXT} bytes; send several lines");
        InputError { code: ErrorCode::TextTooLong, message }
    }

    /// For bytes that are not UTF-8.
    pub fn not_text() -> InputError {
        InputError { code: ErrorCode::BadArgument, message: "this line is not UTF-8; nothing was sent".to_owned() }
    }

    /// For `\reply` when nobody has written.
    pub fn nobody_wrote() -> InputError {
        let message = r"nobody has written since the start; \chat USER starts a conversation".to_owned();
        InputError { code: ErrorCode::NoConversation, message }
    }

    /// For `\search` without a text after a search that was complete, or none.
    pub fn nothing_to_continue() -> InputError {
        let message = r"there is nothing older to search; \search TEXT searches for a text".to_owned();
        InputError { code: ErrorCode::BadArgument, message }
    }

    /// For text without a conversation.
    pub fn no_conversation() -> InputError {
        let message = r"no conversation is selected; start one with \chat USER".to_owned();
        InputError { code: ErrorCode::NoConversation, message }
    }
}

/// Parses a line, without its line ending. `None` if it is blank.
pub fn parse(line: &str) -> Result<Option<Typed>, InputError> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let several = line.trim_end_matches('\n');
    if several.contains('\n') {
        return text(several).map(Some);
    }
    let Some(typed) = several.strip_prefix('\\') else {
        return text(several).map(Some);
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

fn text(line: &str) -> Result<Typed, InputError> {
    if line.len() > MAX_TEXT { Err(InputError::too_long()) } else { Ok(Typed::Text(line.to_owned())) }
}

/// Suggests the most similar macro. Only the beginning of a long name is compared and shown.
fn unknown(name: &str) -> InputError {
    let name: String = name.chars().take(32).collect();
    let near = |entry: &&Macro| strsim::damerau_levenshtein(&name.to_lowercase(), entry.name);
    let nearest = MACROS.iter().min_by_key(near).map_or("help", |entry| entry.name);
    let message = format!(r"unknown macro \{name}; did you mean \{nearest}? \help lists all macros");
    InputError { code: ErrorCode::UnknownMacro, message }
}

fn command(entry: &Macro, arguments: &str) -> Result<Typed, InputError> {
    let user = || required(entry, arguments).map(unquoted);
    let command = match entry.name {
        "help" => return no_arguments(entry, arguments).map(|()| Typed::Help),
        "reply" | "r" => return no_arguments(entry, arguments).map(|()| Typed::Reply),
        "history" => return Ok(history(arguments)),
        "search" if arguments.is_empty() => return Ok(Typed::SearchOlder),
        "search" => Command::Search { text: arguments.to_owned(), with: None, n: HISTORY, before: None },
        "ping" => return ping(entry, arguments),
        "quit" | "exit" => no_arguments(entry, arguments).map(|()| Command::Quit)?,
        "users" => no_arguments(entry, arguments).map(|()| Command::Users { filter: Filter::All })?,
        "online" => no_arguments(entry, arguments).map(|()| Command::Users { filter: Filter::Online })?,
        "offline" => no_arguments(entry, arguments).map(|()| Command::Users { filter: Filter::Offline })?,
        "me" => no_arguments(entry, arguments).map(|()| Command::Me)?,
        "sessions" => no_arguments(entry, arguments).map(|()| Command::Sessions)?,
        "unlink" => Command::Unlink { label: user()? },
        "requests" => requests(entry, arguments)?,
        "explode" => no_arguments(entry, arguments).map(|()| Command::Explode)?,
        "chat" => Command::Chat { user: user()? },
        "add" => Command::Add { user: user()? },
        "remove" => Command::Remove { user: user()? },
        "block" => Command::Block { user: user()? },
        "whois" => Command::Whois { user: user()? },
        "verify" => Command::Verify { user: user()? },
        "doctor" => Command::Examine { user: user().ok(), probe: true, redact: false },
        "status" => Command::Status { user: user().ok() },
        "link" => Command::Link { invitation: invitation(entry, arguments)? },
        "cancel" => Command::Cancel { message: user()? },
        "prune" if arguments.is_empty() => Command::Prune { keep: PRUNE },
        "prune" => Command::Prune { keep: arguments.parse().map_err(|_| bad_argument(entry, "N must be a number"))? },
        other => unreachable!("every macro of the table is handled, {other} too"),
    };
    Ok(Typed::Command(command))
}

fn ping(entry: &Macro, arguments: &str) -> Result<Typed, InputError> {
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
fn invitation(entry: &Macro, arguments: &str) -> Result<Invitation, InputError> {
    let typed = required(entry, arguments)?;
    if typed.starts_with(invitation::SCHEME) {
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

fn requests(entry: &Macro, arguments: &str) -> Result<Command, InputError> {
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

fn history(arguments: &str) -> Typed {
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

/// What stands before `before MESSAGE` or `after MESSAGE`, and the message. Names that end like that are typed in quotes.
fn page(arguments: &str) -> (&str, Option<String>, Option<String>) {
    let parts = arguments.rsplit_once(char::is_whitespace).map(|(rest, id)| (rest.trim_end(), id));
    let Some((rest, id)) = parts.filter(|(_, id)| id.parse::<MessageDigest>().is_ok()) else {
        return (arguments, None, None);
    };
    let is_bounded_by = |word: &str| {
        let before = rest.strip_suffix(word)?;
        (before.is_empty() || before.ends_with(char::is_whitespace)).then(|| before.trim_end())
    };
    match (is_bounded_by("before"), is_bounded_by("after")) {
        (Some(rest), _) => (rest, Some(id.to_owned()), None),
        (None, Some(rest)) => (rest, None, Some(id.to_owned())),
        (None, None) => (arguments, None, None),
    }
}

/// USER without the quotes in which it may stand.
fn unquoted(user: &str) -> String {
    let inner = user.strip_prefix('"').and_then(|user| user.strip_suffix('"'));
    inner.unwrap_or(user).to_owned()
}

fn required<'a>(entry: &Macro, arguments: &'a str) -> Result<&'a str, InputError> {
    if arguments.is_empty() { Err(bad_argument(entry, "an argument is missing")) } else { Ok(arguments) }
}

fn no_arguments(entry: &Macro, arguments: &str) -> Result<(), InputError> {
    if arguments.is_empty() { Ok(()) } else { Err(bad_argument(entry, "it takes no argument")) }
}

fn bad_argument(entry: &Macro, why: &str) -> InputError {
    InputError { code: ErrorCode::BadArgument, message: format!("usage: {} ({why})", entry.usage) }
}

/// The beginning of a long text.
pub(super) fn truncated(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::address::ContactAddress;

    fn parsed(line: &str) -> Typed {
        parse(line).expect("it is valid").expect("it is not empty")
    }

    fn code(line: &str) -> ErrorCode {
        parse(line).expect_err("it is refused").code
    }

    #[test]
    fn a_line_without_a_backslash_is_text_as_it_is() {
        assert_eq!(parsed("hello"), Typed::Text("hello".into()));
        assert_eq!(parsed("  two  spaces "), Typed::Text("  two  spaces ".into()));
        assert_eq!(parsed(" \\help"), Typed::Text(" \\help".into()));
        assert_eq!(parsed(r"\\help"), Typed::Text(r"\help".into()));
        assert_eq!(parsed(r"\\"), Typed::Text("\\".into()));
    }

    #[test]
    fn several_lines_are_text_whatever_they_begin_with() {
        assert_eq!(parsed("\\quit\n\\\\two\n"), Typed::Text("\\quit\n\\\\two".into()));
        assert_eq!(parsed("\\quit\n"), Typed::Command(Command::Quit), "it is one line");
    }

    #[test]
    fn history_is_shown_in_pages() {
        let id = "a".repeat(25) + "q";
        let (before, none) = (Some(id.clone()), None);
        assert_eq!(
            parsed(&format!(r"\history before {id}")),
            Typed::HistoryHere { n: 20, before: before.clone(), after: none }
        );
        let command = |user: &str, n: Option<u32>, before, after| {
            let numbered = n.map(|n| (user.to_owned(), n));
            let user = n.map_or(user.to_owned(), |n| format!("{user} {n}"));
            Typed::Command(Command::History { user, n: 20, numbered, before, after })
        };
        assert_eq!(parsed(&format!(r"\history bob 5 before {id}")), command("bob", Some(5), before.clone(), None));
        assert_eq!(parsed(&format!(r"\history John Smith after {id}")), command("John Smith", None, None, before));
        assert_eq!(parsed(r"\history the day before yesterday"), command("the day before yesterday", None, None, None));
    }

    #[test]
    fn a_search_without_a_text_continues_the_last_one() {
        assert_eq!(parsed(r"\search"), Typed::SearchOlder);
        let command = Command::Search { text: "bob 5".to_owned(), with: None, n: 20, before: None };
        assert_eq!(parsed(r"\search bob 5 "), Typed::Command(command));
    }

    #[test]
    fn blank_lines_are_ignored() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse(" \t"), Ok(None));
    }

    #[test]
    fn text_has_at_most_sixteen_thousand_bytes() {
        assert_eq!(parsed(&"x".repeat(16_000)), Typed::Text("x".repeat(16_000)));
        assert_eq!(parsed(&format!(r"\\{}", "x".repeat(15_999))), Typed::Text(format!(r"\{}", "x".repeat(15_999))));
        assert_eq!(code(&"x".repeat(16_001)), ErrorCode::TextTooLong);
        assert_eq!(code(&"ä".repeat(8_001)), ErrorCode::TextTooLong);
        assert!(InputError::too_long().message.contains("16000"));
    }

    #[test]
    fn an_invalid_address_is_not_pinged() {
        let address = ContactAddress { user: crate::id::UserId([7; 32]), addrs: vec![([192, 0, 2, 1], 9).into()] };
        assert_eq!(parsed(&format!(r"\ping {address}")), Typed::Command(Command::PingAddress { address }));
        assert_eq!(code(r"\ping darkchat:bob@192.0.2.1:9"), ErrorCode::BadAddress);
    }

    #[test]
    fn a_host_may_be_pinged_by_name_or_address_and_its_port_written_in_both_ways() {
        for (line, place) in [
            (r"\ping 192.0.2.1", "192.0.2.1:27272"),
            (r"\ping 192.0.2.1 9", "192.0.2.1:9"),
            (r"\ping 192.0.2.1:9", "192.0.2.1:9"),
            (r"\ping pi.example.org", "pi.example.org:27272"),
            (r"\ping pi 9", "pi:9"),
            (r"\ping fe80::1%eth0 9", "[fe80::1%eth0]:9"),
            (r"\ping [fe80::1%2]", "[fe80::1%2]:27272"),
            (r"\ping fe80::1", "[fe80::1]:27272"),
        ] {
            let Typed::Ping(parsed) = parsed(line) else { panic!("{line}") };
            assert_eq!(parsed.to_string(), place, "{line}");
        }
    }

    #[test]
    fn every_macro_is_parsed() {
        let user = || "bob".to_owned();
        let all = Command::Users { filter: Filter::All };
        for (line, command) in [
            (r"\chat bob", Command::Chat { user: user() }),
            (r"\chat  John Smith ", Command::Chat { user: "John Smith".into() }),
            (r"\users", all),
            (r"\online", Command::Users { filter: Filter::Online }),
            (r"\offline", Command::Users { filter: Filter::Offline }),
            (r"\add bob", Command::Add { user: user() }),
            (r"\remove bob", Command::Remove { user: user() }),
            (r"\block bob", Command::Block { user: user() }),
            (r"\requests", Command::Requests),
            (r"\requests accept John Smith", Command::Add { user: "John Smith".into() }),
            (r"\requests accept accept", Command::Add { user: "accept".into() }),
            (r#"\chat "John 5""#, Command::Chat { user: "John 5".into() }),
            (
                r#"\history "John 5""#,
                Command::History { user: "John 5".into(), n: 20, numbered: None, before: None, after: None },
            ),
            (r"\requests dismiss bob", Command::Dismiss { user: user() }),
            (r"\explode", Command::Explode),
            (r"\me", Command::Me),
            (r"\whois bob#k7q2mz", Command::Whois { user: "bob#k7q2mz".into() }),
            (r"\verify bob", Command::Verify { user: user() }),
            (r"\sessions", Command::Sessions),
            (r"\unlink old laptop", Command::Unlink { label: "old laptop".into() }),
            (r"\status", Command::Status { user: None }),
            (r"\status bob", Command::Status { user: Some(user()) }),
            (r"\doctor", Command::Examine { user: None, probe: true, redact: false }),
            (r"\doctor John Smith", Command::Examine { user: Some("John Smith".into()), probe: true, redact: false }),
            (r"\history bob", Command::History { user: user(), n: 20, numbered: None, before: None, after: None }),
            (
                r"\history John Smith  5",
                Command::History {
                    user: "John Smith  5".into(),
                    n: 20,
                    numbered: Some(("John Smith".into(), 5)),
                    before: None,
                    after: None,
                },
            ),
            (
                r"\link Zoo-abandon able",
                Command::Link { invitation: Invitation::Code("zoo abandon able".parse().expect("words")) },
            ),
            (r"\cancel abc", Command::Cancel { message: "abc".into() }),
            (r"\prune", Command::Prune { keep: 100 }),
            (r"\prune 7", Command::Prune { keep: 7 }),
            (r"\quit", Command::Quit),
            (r"\exit", Command::Quit),
        ] {
            assert_eq!(parsed(line), Typed::Command(command), "{line}");
        }
        assert_eq!(parsed(r"\help"), Typed::Help);
        assert_eq!(parsed(r"\reply"), Typed::Reply);
        assert_eq!(parsed(r"\r"), Typed::Reply);
        assert_eq!(parsed(r"\history"), Typed::HistoryHere { n: 20, before: None, after: None });
        assert_eq!(parsed(r"\history 7"), Typed::HistoryHere { n: 7, before: None, after: None });
        assert_eq!(parsed(r"\history 99999999999"), Typed::HistoryHere { n: u32::MAX, before: None, after: None });
    }

    #[test]
    fn every_macro_of_the_table_is_reachable() {
        for entry in MACROS {
            let line = entry
                .usage
                .replace("HOST", "192.0.2.1")
                .replace("[PORT]", "5")
                .replace("CODE", "zoo zoo zoo")
                .replace("[N]", "5")
                .replace("[accept USER | dismiss USER]", "accept USER");
            assert!(parse(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn an_unknown_macro_suggests_the_most_similar() {
        for (line, nearest) in
            [(r"\usres", r"\users"), (r"\Chat bob", r"\chat"), (r"\expode", r"\explode"), (r"\", r"\r")]
        {
            let error = parse(line).expect_err("there is no such macro");
            assert_eq!(error.code, ErrorCode::UnknownMacro);
            assert!(error.message.contains(&format!("did you mean {nearest}?")), "{}", error.message);
        }
        assert!(parse(&format!(r"\{}", "x".repeat(60_000))).expect_err("unknown").message.len() < 200);
    }

    #[test]
    fn an_invalid_argument_is_answered_with_the_usage() {
        for line in [
            r"\chat",
            r"\add ",
            r"\me now",
            r"\explode now",
            r"\ping",
            r"\prune many",
            r"\sessions now",
            r"\unlink",
            r"\link",
            r"\link zoo zoo",
            r"\link darklink:zoo",
            r"\requests accept",
            r"\requests forget bob",
        ] {
            assert_eq!(code(line), ErrorCode::BadArgument, "{line}");
        }
        for line in [r"\ping 192.0.2.1 0", r"\ping 192.0.2.1 65536", r"\ping 192.0.2.1 1 2", r"\ping 192.0.2.1:1 2"] {
            assert_eq!(code(line), ErrorCode::BadArgument, "{line}");
        }
        assert_eq!(code(r"\ping bob!"), ErrorCode::BadAddress);
        assert!(parse(r"\chat").expect_err("refused").message.contains(r"\chat USER"));
        let error = parse(r"\link zoo abandn able").expect_err("refused");
        assert!(error.message.contains("abandn is not one of the words; did you mean abandon?"), "{}", error.message);
    }
}
