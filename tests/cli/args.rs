//! The arguments: what cannot work is refused with one line and exit code 2, and changes nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::program::{clean, tested};

/// Runs the program without options from the environment, in its own home directory.
fn darknode(home: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(tested());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DARKNODE_")) {
        command.env_remove(name);
    }
    command.env("HOME", home).env_remove("XDG_DATA_HOME").current_dir(home);
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null()).output().expect("the program starts")
}

fn refused(args: &[&str], env: &[(&str, &str)], says: &str) {
    let home = TempDir::new().expect("a directory");
    refused_in(home.path(), args, env, says);
    assert_eq!(fs::read_dir(home.path()).expect("it is there").count(), 0, "something was left behind: {args:?}");
}

fn refused_in(home: &Path, args: &[&str], env: &[(&str, &str)], says: &str) {
    let output = darknode(home, args, env);
    let error = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!(output.status.code(), Some(2), "{args:?} {env:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{args:?} {env:?}: {error}");
    assert!(error.contains(says), "{args:?} {env:?}: {error:?} does not say {says:?}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
    assert!(output.stdout.is_empty(), "{args:?} {env:?}");
}

#[test]
fn bad_usage_is_one_line_that_says_what_to_do() {
    refused(&[], &[], "darknode -u NAME");
    refused(&["-u", ""], &[], "1 to 32 characters");
    refused(&["-u", &"x".repeat(33)], &[], "1 to 32 characters");
    refused(&["-u", "a\u{1b}[2Jb"], &[], "cannot be your name");
    refused(&["-u", "a\u{202e}b"], &[], "cannot be your name");
    refused(&["-u", "alice", "-p", "70000"], &[], "65535");
    refused(&["-u", "alice", "-p", "x"], &[], "--port");
    refused(&["-u", "alice", "-t", "0"], &[], "--threads");
    refused(&["-u", "alice", "--accept", "never"], &[], "--accept");
    refused(&["-u", "alice", "--nonsense"], &[], "--help");
    refused(&["-u", "alice", "--jso"], &[], "--json");
    refused(&["-u", "alice", "--plain", "--json"], &[], "--plain");
    refused(&["-u", "alice", "--bootstrap", "a:0"], &[], "--bootstrap");
    refused(&["-u", "alice", "--log", "a=b=c"], &[], "--log");
    for filter in ["[[", "degub", "darknode=degub", "darknode=debug,[["] {
        refused(&["-u", "alice", "--log", filter], &[], "try --log debug or --log darknode=debug");
    }
    refused(&["-u", "alice", "stray"], &[], "stray");
    refused(&["network"], &[], "--help");
    refused(&["identity", "words"], &[], "darknode identity words -u NAME");
    refused(&["identity", "restore"], &[], "darknode identity restore -u NAME");
}

#[test]
fn a_value_that_cannot_be_used_is_explained_without_terms_of_the_program() {
    refused(&["-u", "alice", "-p", "x"], &[], "it is a whole number from 0 to 65535");
    refused(&["history", "bob", "-n", "abc"], &[], "it is a whole number from 1 to 10000");
    refused(&["watch", "--count", "0"], &[], "it is a whole number, 1 or more");
    refused(&["sim", "figure3", "--seed", "-"], &[], "it is a whole number;");
    for blank in [&["send", "fred", ""][..], &["send", " ", "text"], &["cancel", ""], &["history", ""]] {
        refused(blank, &[], "it is blank");
    }
    refused(&["watch", "--events", "message,mesages"], &[], "there is no event mesages; did you mean message?");
    refused(&["watch", "--events", "foo"], &[], "there is no event foo; docs/json.md lists them");
}

#[test]
fn sip_and_sp_are_validated() {
    refused(&["-u", "alice", "-sp", "5"], &[], "-sip");
    refused(&["-u", "alice", "-sip", "host"], &[], "--bootstrap");
    refused(&["-u", "alice", "-sip", "192.0.2.1", "-sp", "70000"], &[], "65535");
    refused(&["-sip", "192.0.2.1", "-sp", "5"], &[], "darknode -u NAME");
}

#[test]
fn options_come_from_the_environment_too() {
    refused(&[], &[("DARKNODE_USERNAME", "")], "1 to 32 characters");
    refused(&["-u", "alice"], &[("DARKNODE_PORT", "70000")], "65535");
    refused(&["-u", "alice"], &[("DARKNODE_THREADS", "no")], "--threads");
    refused(&["-u", "alice"], &[("DARKNODE_BOOTSTRAP", "a:1,b:0")], "b:0");
    refused(&["-u", "alice"], &[("DARKNODE_ACCEPT", "never")], "--accept");
    refused(&["-u", "alice"], &[("DARKNODE_LOG", "a=b=c")], "--log");
    refused(&["-u", "alice"], &[("DARKNODE_NETWORK_KEY", "missing.key")], "missing.key");
    refused(&["-u", "alice"], &[("DARKNODE_PLAIN", "1"), ("DARKNODE_JSON", "yes")], "--plain");
    refused(&["-u", "alice"], &[("DARKNODE_DATA_DIR", "")], "--data-dir");
}

#[test]
fn an_invalid_network_key_is_refused() {
    let home = TempDir::new().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        fs::write(home.path().join(name), bytes).expect("it can be written");
        name.to_owned()
    };
    let args = |name: &str| ["-u".to_owned(), "alice".to_owned(), "--network-key".to_owned(), name.to_owned()];
    for (name, says) in [
        (file("empty", b""), "it is empty"),
        (file("foreign", b"-----BEGIN PRIVATE KEY-----\n"), "darknode network new"),
        (file("binary", b"\xff\xfe\x00"), "it is not text"),
        (file("huge", &vec![b'x'; 1 << 20]), "too long"),
        ("missing".to_owned(), "missing"),
        (".".to_owned(), "cannot be used"),
    ] {
        let args = args(&name);
        refused_in(home.path(), &args.each_ref().map(String::as_str), &[], says);
    }
}

#[test]
fn help_and_version_succeed() {
    let home = TempDir::new().expect("a directory");
    for (args, says) in [(["--help"], "--bootstrap"), (["--version"], env!("CARGO_PKG_VERSION"))] {
        let output = darknode(home.path(), &args, &[]);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(says));
    }
}

/// Starts a node without input; returns the events it printed.
fn run_once(home: &Path, dir: &str) -> Vec<serde_json::Value> {
    let args = ["-u", "alice", "--data-dir", dir, "--no-lan", "-p", "0", "--json"];
    let output = darknode(home, &args, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[test]
fn the_end_of_input_ends_the_node_gracefully() {
    let home = TempDir::new().expect("a directory");
    let events = run_once(home.path(), "alice");
    assert_eq!(events.first().map(|first| &first["event"]), Some(&"ready".into()));
    assert_eq!(events.last().map(|last| &last["event"]), Some(&"stopped".into()));
}

#[test]
fn recovery_words_restore_a_user_into_an_empty_directory_only() {
    let home = TempDir::new().expect("a directory");
    let id = run_once(home.path(), "alice")[0]["id"].clone();
    let words = darknode(home.path(), &["identity", "words", "-u", "alice", "--data-dir", "alice"], &[]).stdout;
    assert_eq!(String::from_utf8_lossy(&words).split_whitespace().count(), 24);
    let restore = |dir: &str, words: &[u8]| {
        let file = home.path().join("words");
        fs::write(&file, words).expect("it can be written");
        let mut command = Command::new(tested());
        command.args(["identity", "restore", "-u", "alice", "--data-dir", dir]).current_dir(home.path());
        command
            .stdin(fs::File::open(&file).expect("it was written"))
            .output()
            .expect("the program starts")
            .status
            .code()
    };
    assert_eq!(restore("again", b"three words only"), Some(2));
    assert!(!home.path().join("again").exists());
    assert_eq!(restore("again", &words), Some(0));
    assert_eq!(restore("again", &words), Some(2));
    assert_eq!(run_once(home.path(), "again")[0]["id"], id);
}

#[test]
fn the_command_for_the_recovery_words_that_a_new_node_prints_works_when_copied_into_a_shell() {
    let home = TempDir::new().expect("a directory");
    for dir in [None, Some("mine"), Some("it's mine")] {
        let data: Vec<&str> = dir.map(|dir| vec!["--data-dir", dir]).unwrap_or_default();
        let args = [&["-u", "John Smith", "--no-lan", "-p", "0", "--plain"], &data[..]].concat();
        let said = String::from_utf8(darknode(home.path(), &args, &[]).stderr).expect("it is text");
        let (_, command) = said.trim_end().rsplit_once("recovery words: darknode ").expect("it is told");
        let mut shell = Command::new("sh");
        clean(&mut shell, home.path());
        let words = shell.args(["-c", &format!("\"$0\" {command}")]).arg(tested()).current_dir("/").output();
        let words = words.expect("a shell starts");
        assert_eq!(String::from_utf8_lossy(&words.stdout).split_whitespace().count(), 24, "{command}: {words:?}");
    }
}

#[test]
fn a_new_network_key_is_accepted() {
    let home = TempDir::new().expect("a directory");
    let key = darknode(home.path(), &["network", "new"], &[]).stdout;
    fs::write(home.path().join("field.key"), key).expect("it can be written");
    let args = ["-u", "alice", "--network-key", "field.key", "--data-dir", "alice", "--no-lan", "-p", "0", "--json"];
    let output = darknode(home.path(), &args, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""network":""#));
}
