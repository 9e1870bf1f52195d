//! The scripts in `docs/scripts.md`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::program::{TestBed, clean, tested};

/// A script of the page, by the heading above it, for the node in this data directory.
fn script(bed: &TestBed, heading: &str, dir: &str) -> Command {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scripts.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let (_, below) = page.split_once(&format!("## {heading}\n")).expect("the heading is there");
    let (_, code) = below.split_once("\n```").expect("there is a script below it");
    let (_, code) = code.split_once('\n').expect("it has a language");
    let (code, _) = code.split_once("\n```").expect("it ends");
    let file = bed.path("script");
    std::fs::write(&file, code).expect("it can be written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    let bin = bed.path("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).expect("it can be made");
        symlink(tested(), bin.join("darknode")).expect("it can be made");
    }
    let mut command = Command::new(file);
    clean(&mut command, &bed.path(""));
    let path = std::env::var("PATH").expect("there is a path");
    command.env("PATH", format!("{}:{path}", bin.display())).env("DARKNODE_DATA_DIR", bed.path(dir));
    command
}

#[test]
fn the_alert_is_sent_when_the_disk_is_fuller_than_the_limit() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let run = |limit: &str| script(&bed, "An alert from cron", "alice").args(["bob", limit]).output().expect("it runs");
    assert_eq!(run("101").status.code(), Some(0));
    let output = run("0");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = bob.event("message")["text"].as_str().expect("a text").to_owned();
    assert!(text.ends_with("% full"), "{text}");
    alice.quits();
    bob.quits();
    assert_eq!(run("0").status.code(), Some(4));
}

#[test]
fn the_check_fails_if_no_node_is_running() {
    let bed = TestBed::new();
    let alice = bed.start("alice");
    let run = || script(&bed, "A check for a monitor", "alice").output().expect("it runs");
    let output = run();
    assert!(String::from_utf8_lossy(&output.stdout).contains("verdict"), "{output:?}");
    alice.quits();
    assert_eq!(run().status.code(), Some(4));
}

#[test]
fn the_bot_answers() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.links_with(&mut bob);
    let mut bot = script(&bed, "A bot", "alice").stdout(Stdio::null()).process_group(0).spawn().expect("it runs");
    // It answers what comes after it has begun to watch.
    let cursor = bed.path("echo.cursor");
    bob.asks(r"\chat alice");
    while !cursor.exists() {
        bob.asks(r"\users");
    }
    bob.says("is anybody there?");
    assert_eq!(bob.event("message")["text"], "echo: is anybody there?");
    alice.quits();
    // The commands that it runs end with it.
    killpg(Pid::from_raw(bot.id() as i32), Signal::SIGKILL).expect("it runs");
    bot.wait().expect("it was killed");
    bob.quits();
}
