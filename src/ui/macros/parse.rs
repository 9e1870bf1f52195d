//! The parser for input lines.
//!
//! A line that does not begin with `\` is text; `\\` at the beginning stands for one backslash. Several lines at once, which
//! only a line editor can take, are text.

use super::arguments::{bad_argument, history, invitation, no_arguments, ping, requests, required, unquoted};
use super::{HISTORY, InputError, MACROS, Macro, Typed};
use crate::proto::event::Command;
use crate::proto::notice::{ErrorCode, Filter};
use crate::wire::content::MAX_TEXT;

/// Sessions kept by `\prune` by default. A network whose nodes remember a hundred survives a crash of 90 % (see
/// `docs/decisions.md`, "Ten neighbours").
const PRUNE: u32 = 100;

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
        "map" => no_arguments(entry, arguments).map(|()| Command::Map)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::address::ContactAddress;
    use crate::identity::invitation::Invitation;

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
        // The node says that it is none.
        let wrong = Some("zzz".to_owned());
        assert_eq!(parsed(r"\history John Smith before zzz"), command("John Smith", None, wrong.clone(), None));
        assert_eq!(parsed(r"\history before zzz"), Typed::HistoryHere { n: 20, before: wrong, after: None });
        let quoted = r#"\history "the day before yesterday""#;
        assert_eq!(parsed(quoted), command("the day before yesterday", None, None, None));
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
            (r"\map", Command::Map),
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
