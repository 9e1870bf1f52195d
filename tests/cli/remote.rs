//! Commands that speak to the running node: what they print, and their exit codes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use crate::program::{PATIENCE, TestBed, output_of};

/// The program with these arguments, for the node in the data directory of this name.
fn command(bed: &TestBed, dir: &str, args: &[&str]) -> Command {
    let mut command = bed.bare();
    command.args(["--data-dir", dir]).args(args).stdin(Stdio::null());
    command
}

fn run(bed: &TestBed, dir: &str, args: &[&str]) -> Output {
    command(bed, dir, args).output().expect("the program starts")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn out(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn events(output: &Output) -> Vec<Value> {
    out(output).iter().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

#[test]
fn a_script_sends_a_line_and_knows_that_it_arrived() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let sent = run(&bed, "alice", &["send", "bob", r"\quit is text", "--wait", "delivered"]);
    assert_eq!((code(&sent), out(&sent)[1].as_str()), (Some(0), "delivered"), "{}", error(&sent));
    let message = bob.event("message");
    assert_eq!((&message["text"], &message["message"]), (&r"\quit is text".into(), &out(&sent)[0].as_str().into()));
    let queued = alice.event("queued");
    assert_eq!(
        (&queued["text"], queued.get("line")),
        (&r"\quit is text".into(), None),
        "the node's own interface shows it"
    );
    let json = events(&run(&bed, "alice", &["send", "bob", "again", "--wait", "delivered", "--json"]));
    assert_eq!(json.iter().map(|event| event["event"].as_str()).collect::<Vec<_>>(), [Some("queued"), Some("state")]);
    alice.quits();
    bob.quits();
}

#[test]
fn alerts_at_the_same_moment_all_arrive() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let texts = ["water", "fire", "smoke"];
    let senders = texts.map(|text| {
        let mut command = command(&bed, "alice", &["send", "bob", text, "--wait", "delivered"]);
        command.stdout(Stdio::piped()).spawn().expect("the program starts")
    });
    for sender in senders {
        assert_eq!(code(&sender.wait_with_output().expect("it ends")), Some(0));
    }
    let mut arrived: Vec<String> =
        texts.map(|_| bob.event("message")["text"].as_str().expect("a text").to_owned()).into();
    arrived.sort();
    assert_eq!(arrived, ["fire", "smoke", "water"]);
    alice.quits();
    bob.quits();
}

#[test]
fn a_line_that_does_not_arrive_in_time_can_be_withdrawn_with_what_is_printed() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    bob.quits();
    alice.event("offline");
    let sent = run(&bed, "alice", &["send", "bob", "for later", "--wait", "delivered", "--timeout", "1"]);
    assert_eq!(code(&sent), Some(3));
    let error = error(&sent);
    let (_, cancel) = error.trim().split_once("darknode cancel ").expect("it says how to withdraw the line");
    assert_eq!(cancel, out(&sent)[0]);
    assert_eq!(code(&run(&bed, "alice", &["cancel", cancel])), Some(0));
    assert_eq!(code(&run(&bed, "alice", &["cancel", cancel])), Some(1), "it is gone");
    alice.quits();
}

#[test]
fn the_status_says_who_is_away_and_what_waits_for_them() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let here = out(&run(&bed, "alice", &["status"]));
    assert!(here[0].starts_with("alice  up ") && here[1].starts_with("here   bob direct "), "{here:?}");
    bob.quits();
    alice.event("offline");
    assert_eq!(code(&run(&bed, "alice", &["send", "bob", "for later"])), Some(0));
    let away = out(&run(&bed, "alice", &["status"]));
    assert!(away[1].starts_with("here   nobody; bob away "), "{away:?}");
    assert_eq!(away[2..4], ["waits  1 line: bob 1", "holds  nothing for others"], "{away:?}");
    assert!(away[4..].join("\n").contains("for later"), "{away:?}");
    let names: Vec<Value> =
        events(&run(&bed, "alice", &["status", "--json"])).iter().map(|event| event["event"].clone()).collect();
    assert_eq!(names, ["map", "status"]);
    alice.quits();
}

#[test]
fn without_a_node_and_for_unknown_users_the_exit_code_says_so() {
    let bed = TestBed::new();
    assert_eq!(code(&run(&bed, "alice", &["users"])), Some(4));
    let alice = bed.start("alice");
    let sent = run(&bed, "alice", &["send", "nobody", "hello", "--timeout", "1"]);
    assert_eq!(code(&sent), Some(3), "the search takes longer");
    let sent = run(&bed, "alice", &["send", "nobody", "hello"]);
    assert_eq!((code(&sent), out(&sent).len()), (Some(1), 0));
    assert!(error(&sent).contains("nobody"), "{}", error(&sent));
    for args in [&["send", "bob"][..], &["send", "bob", "x", "--wait", "read"], &["history", "bob", "-n", "0"]] {
        assert_eq!(code(&run(&bed, "alice", args)), Some(2), "{args:?}");
    }
    alice.quits();
    assert_eq!(code(&run(&bed, "alice", &["users"])), Some(4), "it has ended");
}

#[test]
fn all_commands_refuse_somebody_unknown_with_the_same_exit_code() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    for args in [
        &["watch", "--from", "nobody", "--reconnect"][..],
        &["history", "nobody", "--json"],
        &["search", "a word", "--with", "nobody"],
        &["export", "--with", "nobody"],
        &["status", "nobody"],
    ] {
        let refused = run(&bed, "alice", args);
        assert_eq!((code(&refused), out(&refused).len()), (Some(1), 0), "{args:?}: {}", error(&refused));
        assert!(error(&refused).contains("nobody"), "{args:?}: {}", error(&refused));
    }
    alice.quits();
}

#[test]
fn a_usage_error_names_the_help_of_its_command() {
    let bed = TestBed::new();
    for (args, help) in [
        (&["send", "bob"][..], "darknode send --help"),
        (&["history", "bob", "-n", "0"], "darknode history --help"),
        (&["network", "old"], "darknode network --help"),
        (&["--thread", "2"], "darknode --help"),
    ] {
        let refused = run(&bed, "alice", args);
        assert_eq!(code(&refused), Some(2), "{args:?}");
        assert!(error(&refused).contains(&format!("; see `{help}`")), "{}", error(&refused));
    }
    let tip = error(&run(&bed, "alice", &["status", "--onlin"]));
    assert!(!tip.contains("found tip"), "{tip}");
}

#[test]
fn what_the_node_advises_can_be_typed_at_the_shell() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    alice.says("first cable");
    let second = alice.says("second cable");
    let history = run(&bed, "alice", &["history", "bob", "-n", "1"]);
    let advice = format!("* there are older ones: darknode history bob --before {second}");
    assert_eq!(out(&history).last(), Some(&advice));
    let older = run(&bed, "alice", &["history", "bob", "--before", &second]);
    assert!(out(&older)[1].ends_with("first cable"), "{older:?}");
    let found = run(&bed, "alice", &["search", "cable", "-n", "1"]);
    assert_eq!(out(&found).last().map(String::as_str), Some("* a larger -n finds older ones"));
    let status = run(&bed, "alice", &["status", "bob"]);
    assert_eq!(out(&status)[0], "* your messages; darknode cancel MESSAGE withdraws an undelivered one");
    for (args, advice) in
        [(&["send", "nobody", "x"][..], "darknode users"), (&["cancel", "nothing"], "darknode status")]
    {
        let refused = run(&bed, "alice", args);
        assert!(error(&refused).contains(&format!("; {advice} lists")), "{}", error(&refused));
    }
    alice.quits();
    bob.quits();
}

#[test]
fn a_time_of_0_has_no_end_and_neither_has_a_very_long_one() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    for seconds in ["0", "18446744073709551615"] {
        let examined = run(&bed, "alice", &["doctor", "--no-probe", "--timeout", seconds]);
        assert_eq!(code(&examined), Some(0), "{}", error(&examined));
    }
    alice.quits();
}

#[test]
fn a_watcher_that_waits_for_the_node_does_not_wait_for_what_it_refuses() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    for (args, exit) in [(["--since", "yesterday"], 2), (["--cursor", "missing/cursor"], 1)] {
        let watched = run(&bed, "alice", &[&["watch", "--reconnect", "--timeout", "30"], &args[..]].concat());
        assert_eq!(code(&watched), Some(exit), "{}", error(&watched));
        assert!(error(&watched).contains(args[1]), "{}", error(&watched));
    }
    let written = run(&bed, "alice", &["export", "-o", "missing/file"]);
    assert_eq!(code(&written), Some(2));
    assert!(error(&written).contains("missing/file"), "{}", error(&written));
    alice.quits();
}

#[test]
fn a_watcher_of_somebody_unknown_is_refused_and_of_somebody_known_it_is_not() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let refused = run(&bed, "alice", &["watch", "--from", "nobody", "--timeout", "30"]);
    assert_eq!((code(&refused), out(&refused).len()), (Some(1), 0));
    assert!(error(&refused).contains("no known user is called nobody; darknode users lists"), "{}", error(&refused));
    let id = "a".repeat(52);
    for from in ["BOB", bob.id(), &id] {
        let watched = run(&bed, "alice", &["watch", "--from", from, "--since", "start", "--timeout", "1"]);
        assert_eq!(code(&watched), Some(0), "{from}: {}", error(&watched));
    }
    let mut watcher =
        command(&bed, "alice", &["watch", "--from", "BOB", "--events", "message", "--count", "1", "--json"]);
    let watcher = watcher.stdout(Stdio::piped()).spawn().expect("the program starts");
    bob.asks(r"\chat alice");
    let watcher = std::thread::spawn(move || watcher.wait_with_output().expect("it ends"));
    while !watcher.is_finished() {
        let message = bob.says("hello");
        bob.knows_delivered(&message);
    }
    let watched = events(&watcher.join().expect("it does not panic"));
    assert!(watched.iter().any(|event| event["text"] == "hello"), "{watched:?}");
    alice.quits();
    bob.quits();
}

#[test]
fn a_watcher_ends_once_nobody_reads_what_it_prints() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let mut watcher = command(&bed, "alice", &["watch", "--json"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut output = BufReader::new(watcher.stdout.take().expect("it is a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it says that it has subscribed");
    drop(output);
    // Nothing more happens at the node.
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(watcher.wait().expect("it is a child")));
    let status = end.recv_timeout(PATIENCE).expect("it notices that nobody reads");
    assert_eq!(status.code(), Some(0));
    alice.quits();
}

#[test]
fn a_watcher_whose_node_stops_before_the_awaited_event_has_not_succeeded() {
    let bed = TestBed::new();
    for (awaited, expected) in [(&[][..], 0), (&["--events", "message", "--count", "1"][..], 1)] {
        let alice = bed.start("alice");
        let mut watch = command(&bed, "alice", &["watch", "--json"]);
        let mut watcher = watch.args(awaited).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(watcher.stdout.take().expect("it is a pipe"));
        output.read_line(&mut String::new()).expect("it says that it has subscribed");
        assert_eq!(code(&run(&bed, "alice", &["stop"])), Some(0));
        alice.ends_well();
        let status = watcher.wait().expect("it is a child");
        assert_eq!(status.code(), Some(expected), "{awaited:?}");
    }
}

#[test]
fn what_is_wrong_with_an_argument_is_said_of_that_argument() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let refused = run(&bed, "alice", &["history", "bob", "--before", "zzz"]);
    let says = "zzz is not the id of a message; darknode history USER shows one";
    assert!(code(&refused) == Some(1) && error(&refused).contains(says), "{}", error(&refused));
    let refused = alice.asks(r"\history bob before zzz");
    assert_eq!(refused["code"], "bad-argument", "{refused}");
    let unknown = alice.asks(r"\history fred before zzz");
    assert_eq!(unknown["message"], r"no known user is called fred; \users lists those who are known");
    for (typed, says) in
        [("192.0.2.1:9", "192.0.2.1:9 is a network address"), ("b!b", "b!b is neither a name nor an id")]
    {
        let refused = alice.asks(&format!(r"\whois {typed}"));
        assert!(refused["message"].as_str().is_some_and(|message| message.starts_with(says)), "{refused}");
    }
    alice.quits();
    bob.quits();
}

#[test]
fn a_watcher_goes_on_where_it_ended_although_the_node_was_killed() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let watch = ["watch", "--events", "message", "--count", "1", "--json", "--timeout", "20", "--cursor"];
    let watch: Vec<&str> = watch.into_iter().chain(["seen"]).collect();
    let begun = run(&bed, "bob", &["watch", "--since", "now", "--cursor", "seen", "--timeout", "1"]);
    assert_eq!(code(&begun), Some(2), "--since and --cursor exclude each other");
    let begun = run(&bed, "bob", &["watch", "--cursor", "seen", "--timeout", "1", "--json"]);
    assert_eq!(code(&begun), Some(0), "{}", error(&begun));
    let in_vain = run(&bed, "bob", &["watch", "--events", "message", "--count", "1", "--timeout", "1"]);
    assert_eq!(code(&in_vain), Some(3), "{}", error(&in_vain));
    alice.asks(r"\chat bob");
    for text in ["one", "two"] {
        let message = alice.says(text);
        alice.knows_delivered(&message);
    }
    let texts = |output: &Output| -> Vec<String> {
        let messages = events(output).into_iter().filter(|event| event["event"] == "message");
        messages.map(|event| event["text"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(texts(&run(&bed, "bob", &watch)), ["one"]);
    bob.killed();
    let bob = bed.start("bob");
    assert_eq!(texts(&run(&bed, "bob", &watch)), ["two"]);
    alice.quits();
    bob.quits();
}

#[test]
fn what_was_said_is_found_and_exported_once() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    alice.asks(r"\chat bob");
    for text in ["The GENERATOR is off", "who brings the cable?"] {
        let message = alice.says(text);
        alice.knows_delivered(&message);
    }
    let found = run(&bed, "bob", &["search", "generator"]);
    assert!(out(&found).iter().any(|line| line.contains("The GENERATOR is off")), "{:?}", out(&found));
    assert!(!out(&found).iter().any(|line| line.contains("cable")));
    let history = run(&bed, "bob", &["history", "alice", "-n", "1"]);
    assert!(out(&history).iter().any(|line| line.ends_with("who brings the cable?")), "{:?}", out(&history));
    assert_eq!(code(&run(&bed, "bob", &["export", "-o", "all.jsonl"])), Some(0));
    let exported = std::fs::read_to_string(bed.path("all.jsonl")).expect("it was written");
    assert_eq!(exported.lines().count(), 2);
    assert_eq!(mode(&bed.path("all.jsonl")), 0o600);
    let again = run(&bed, "bob", &["export", "-o", "all.jsonl"]);
    assert_eq!((code(&again), std::fs::read_to_string(bed.path("all.jsonl")).ok()), (Some(2), Some(exported)));
    let text = out(&run(&bed, "bob", &["export", "--with", "alice", "--format", "text"]));
    assert!(text[0].ends_with("  alice: The GENERATOR is off"), "{text:?}");
    alice.quits();
    bob.quits();
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn a_node_is_stopped_in_good_order() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    assert_eq!(code(&run(&bed, "alice", &["stop"])), Some(0));
    alice.ends_well();
    assert!(!bed.path("alice").join("api.sock").exists());
}

#[test]
fn the_help_of_every_command_fits_80_columns() {
    let bed = TestBed::new();
    let commands = "send watch history search export users status doctor cancel web attach stop link sim network identity completions";
    let commands = [""].into_iter().chain(commands.split(' '));
    for name in commands {
        for flag in ["-h", "--help"] {
            let output = bed.bare().args([name, flag].into_iter().filter(|arg| !arg.is_empty())).output();
            for line in out(&output.expect("the program starts")) {
                assert!(line.chars().count() <= 80, "{name} {flag}: {line}");
            }
        }
    }
}

#[test]
fn the_help_of_a_command_begins_with_its_own_options() {
    let bed = TestBed::new();
    for (name, own) in [("send", &["--wait", "--timeout", "--json"][..]), ("history", &["-n", "--before", "--json"])] {
        let help = String::from_utf8(output_of(&mut bed.bare(), &[name, "-h"])).expect("it is text");
        // What goes on in another row is indented further.
        let is_option = |row: &&str| row.starts_with("  -") || row.starts_with("      -");
        let rows =
            help.lines().filter(is_option).filter_map(|row| row.trim_start().strip_prefix('-')?.split(' ').next());
        let rows: Vec<String> = rows.map(|option| format!("-{option}")).collect();
        assert_eq!(rows, [own, &["-u,", "--data-dir", "-h,"]].concat(), "{help}");
    }
    let help = String::from_utf8(output_of(&mut bed.bare(), &["-h"])).expect("it is text");
    let (_, options) = help.split_once("Options:\n").expect("there are options");
    assert!(options.trim_start().starts_with("-u, --username"), "{help}");
}

#[test]
fn the_manual_page_and_the_completions_name_every_option_and_command() {
    let bed = TestBed::new();
    let said = |args: &[&str]| String::from_utf8(output_of(&mut bed.bare(), args)).expect("it is text");
    let page = said(&["man"]);
    assert!(page.is_ascii(), "roff has its own names for other characters");
    let (page, bash, help) = (page.replace('\\', ""), said(&["completions", "bash"]), said(&["--help"]));
    let (_, commands) = help.split_once("Commands:\n").expect("there are commands");
    let (commands, options) = commands.split_once("\n\n").expect("then come options");
    // What does not fit into a row goes on in an indented one.
    let rows = commands.lines().filter(|line| !line.starts_with("    "));
    let commands: Vec<&str> = rows.filter_map(|line| line.split_whitespace().next()).collect();
    let options =
        options.split(|c: char| c.is_whitespace() || ",;.`".contains(c)).filter(|word| word.starts_with("--"));
    let options: Vec<&str> = options.collect();
    assert!(options.len() > 15 && commands.len() > 10, "{options:?} {commands:?}");
    for word in options.into_iter().chain(commands) {
        assert!(page.contains(word) && bash.contains(word), "{word} is not named");
    }
    for text in
        ["EXIT STATUS", "FILES", "ENVIRONMENT", "--wait delivered", "possible values: queued, carried, delivered"]
    {
        assert!(page.contains(text), "{text} is not in the manual page");
    }
}
