//! The program on a pseudo-terminal, with a terminal emulator that provides what a person would see.
#![cfg(all(feature = "node", unix))]

mod program;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use nix::unistd::Pid;
use program::{Node, PATIENCE, Stage};

const ROWS: u16 = 40;
const COLUMNS: u16 = 100;

/// The program on a terminal, as a person uses it.
struct Terminal {
    child: Option<Child>,
    keyboard: File,
    /// What the program prints.
    output: Receiver<Vec<u8>>,
    emulator: vt100::Parser,
    /// All that was printed.
    raw: Vec<u8>,
    /// The program's side of the pseudo-terminal.
    line: Option<OwnedFd>,
    before: Termios,
}

impl Terminal {
    /// Starts alice's node and waits for the prompt.
    fn start(stage: &Stage, args: &[&str]) -> Terminal {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("the system has pseudo-terminals");
        let before = tcgetattr(&pair.slave).expect("it is a terminal");
        let mut command = stage.cast("alice").interactive().with(args).command();
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let end = || pair.slave.try_clone().expect("it can be shared");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("the program starts");
        let mut screen = File::from(pair.master.try_clone().expect("it can be shared"));
        let (chunks, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                if chunks.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut terminal = Terminal {
            child: Some(child),
            keyboard: File::from(pair.master),
            output,
            emulator: vt100::Parser::new(ROWS, COLUMNS, 0),
            raw: Vec::new(),
            line: Some(pair.slave),
            before,
        };
        terminal
            .sees("the prompt", |rows, cursor| cursor == "> " && rows.iter().any(|row| row.contains("you are alice")));
        terminal
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// The rows of the screen, and the text before the cursor in its row.
    fn screen(&self) -> (Vec<String>, String) {
        let screen = self.emulator.screen();
        let (row, column) = screen.cursor_position();
        (screen.rows(0, COLUMNS).collect(), screen.contents_between(row, 0, row, column))
    }

    /// Waits until the screen shows something.
    fn sees(&mut self, what: &str, fits: impl Fn(&[String], &str) -> bool) {
        loop {
            let (rows, cursor) = self.screen();
            if fits(&rows, &cursor) {
                return;
            }
            let Ok(chunk) = self.output.recv_timeout(PATIENCE) else {
                panic!("{what} was never seen, but:\n{}\nand before the cursor {cursor:?}", rows.join("\n"));
            };
            self.emulator.process(&chunk);
            self.raw.extend(chunk);
        }
    }

    /// Waits for a row with exactly this text.
    fn sees_row(&mut self, row: &str) {
        self.sees(row, |rows, _| rows.iter().any(|seen| seen.trim_end() == row));
    }

    /// Waits until exactly this text is before the cursor.
    fn sees_typed(&mut self, line: &str) {
        self.sees(line, |_, cursor| cursor == line);
    }

    /// Dials a node and starts a conversation with it.
    fn chats_with(&mut self, bob: &mut Node) {
        self.types(&format!("\\ping 127.0.0.1 {}\r", bob.port()));
        bob.event("nearby");
        self.types("\\chat bob\r");
        self.sees_typed("bob> ");
        bob.event("online");
        bob.asks(r"\chat alice");
        self.sees("the link", |rows, _| rows.iter().any(|row| row.contains("bob is online")));
    }

    /// Waits for its end. The terminal mode must be restored.
    fn ends(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was not waited for");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"));
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || ended.send(child.wait()));
        let status = end.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            kill(pid, Signal::SIGKILL).expect("it still runs");
            panic!("it did not end; the screen:\n{}", self.screen().0.join("\n"));
        });
        let line = self.line.take().expect("nobody took it before");
        let after = tcgetattr(&line).expect("it is a terminal");
        drop(line);
        assert_eq!(after.local_flags, self.before.local_flags, "typing is shown again, and in lines");
        assert!(after.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG));
        assert_eq!((after.input_flags, after.output_flags), (self.before.input_flags, self.before.output_flags));
        // The other side is closed, so the remaining output is followed by the end.
        while let Ok(chunk) = self.output.recv_timeout(PATIENCE) {
            self.raw.extend(chunk);
        }
        let last = |mark: &[u8]| self.raw.windows(mark.len()).rposition(|bytes| bytes == mark);
        assert!(last(b"\x1b[?2004h") <= last(b"\x1b[?2004l"), "bracketed paste is off");
        status.expect("it can be waited for")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.output.try_iter().for_each(|chunk| self.emulator.process(&chunk));
            eprintln!("--- the screen ---\n{}\n---", self.screen().0.join("\n").trim_end());
        }
        if let Some(mut child) = self.child.take() {
            // A failed test must not leave the process behind.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

#[test]
fn no_row_of_a_strangers_line_begins_at_the_left_edge() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &[]);
    alice.chats_with(&mut bob);
    bob.asks(r"\chat alice");
    let columns = usize::from(COLUMNS);
    bob.says(&format!("{:columns$}{:columns$}! warning: send the key", "hi", "* carol is online"));
    alice.sees_row("    ! warning: send the key");
    let (rows, _) = alice.screen();
    let forged = |row: &&String| row.starts_with(['*', '!']) && (row.contains("carol") || row.contains("send"));
    assert_eq!(rows.iter().filter(forged).count(), 0, "{rows:?}");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn the_prompt_names_the_user_of_the_conversation() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &[]);
    alice.chats_with(&mut bob);
    alice.types("hello\r");
    assert_eq!(bob.event("message")["text"], "hello");
    bob.says("hello yourself");
    alice.sees_row("< bob: hello yourself");
    alice.sees_typed("bob> ");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    assert_eq!(bob.event("offline")["reason"], "declared");
    bob.quits();
}

#[test]
fn macros_and_names_are_completed_and_typed_lines_can_be_recalled() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &[]);
    alice.chats_with(&mut bob);
    alice.types("\\whoi\tb\t");
    alice.sees_typed("bob> \\whois bob");
    alice.types("\r");
    alice.sees("whois", |rows, _| rows.iter().any(|row| row.contains(bob.id())));
    alice.types("first\r");
    alice.types("second\r");
    ["first", "second"].iter().for_each(|text| assert_eq!(bob.event("message")["text"], *text));
    alice.sees_typed("bob> ");
    alice.types("\x1b[A");
    alice.sees_typed("bob> second");
    alice.types("\x1b[A");
    alice.sees_typed("bob> first");
    alice.types(" again\r");
    assert_eq!(bob.event("message")["text"], "first again");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn lines_typed_faster_than_the_store_commits_are_all_sent() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &[]);
    alice.chats_with(&mut bob);
    let lines: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    alice.types(&(lines.join("\r") + "\r"));
    for line in &lines {
        assert_eq!(&bob.event("message")["text"], line);
    }
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn a_message_does_not_disturb_a_line_being_typed() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &[]);
    alice.chats_with(&mut bob);
    alice.types("half a li");
    alice.sees_typed("bob> half a li");
    for n in 0..5 {
        bob.says(&format!("interruption {n}"));
        alice.sees_row(&format!("< bob: interruption {n}"));
        alice.sees_typed("bob> half a li");
    }
    alice.types("ne\r");
    assert_eq!(bob.event("message")["text"], "half a line");
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn nothing_a_stranger_writes_controls_the_terminal() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &[]);
    alice.chats_with(&mut bob);
    let hostile = ["\x1b]0;title\x07", "\x1b[45m", "\u{9b}2J", "\u{202e}", "\x1bP", "\u{2067}", "\x08", "\x1bc"];
    for (n, text) in hostile.iter().enumerate() {
        bob.says(&format!("{n} begins {text} ends"));
        alice.sees("the text", |rows, _| {
            let begin = format!("< bob: {n} begins ");
            rows.iter().any(|row| row.starts_with(&begin) && row.trim_end().ends_with(" ends"))
        });
    }
    alice.types("\\history\r");
    alice.sees("the history", |rows, _| rows.iter().filter(|row| row.contains("7 begins")).count() > 1);
    for text in hostile {
        let found = alice.raw.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        // The editor itself prints backspaces.
        assert!(!found || text == "\x08", "{text:?} has reached the terminal");
    }
    alice.types("\\quit\r");
    assert_eq!(alice.ends().code(), Some(0));
    bob.quits();
}

#[test]
fn ctrl_c_clears_a_line_and_quits_on_an_empty_one_and_ctrl_d_quits() {
    let stage = Stage::new();
    for leave in ["\x03", "\x04"] {
        let mut bob = stage.start("bob");
        let mut alice = Terminal::start(&stage, &[]);
        alice.chats_with(&mut bob);
        alice.types("not to be sent");
        alice.sees_typed("bob> not to be sent");
        alice.types("\x03");
        alice.sees_typed("bob> ");
        alice.types("sent\r");
        assert_eq!(bob.event("message")["text"], "sent");
        alice.sees_typed("bob> ");
        alice.types(leave);
        assert_eq!(alice.ends().code(), Some(0));
        assert_eq!(bob.event("offline")["reason"], "declared");
        bob.quits();
        ["alice", "bob"].iter().for_each(|name| fs::remove_dir_all(stage.path(name)).expect("nobody uses it"));
    }
}

#[test]
fn a_signal_while_a_line_is_typed_ends_the_program_gracefully() {
    // SIGHUP is what a terminal that is closed sends.
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let stage = Stage::new();
        let mut bob = stage.start("bob");
        let mut alice = Terminal::start(&stage, &[]);
        alice.chats_with(&mut bob);
        alice.types("half");
        alice.sees_typed("bob> half");
        let child = alice.child.as_ref().expect("it runs");
        kill(Pid::from_raw(i32::try_from(child.id()).expect("process ids are small")), signal).expect("it runs");
        assert_eq!(alice.ends().code(), Some(0));
        assert_eq!(bob.event("offline")["reason"], "declared");
        bob.quits();
    }
}

#[test]
fn the_log_goes_to_the_file_and_not_to_the_screen() {
    let stage = Stage::new();
    let mut bob = stage.start("bob");
    let mut alice = Terminal::start(&stage, &["--log", "trace"]);
    alice.chats_with(&mut bob);
    alice.types("\\quit\r");
    alice.sees_row("* stopped");
    let screen = String::from_utf8_lossy(&alice.raw).into_owned();
    assert!(!screen.contains("TRACE") && !screen.contains("DEBUG"), "{screen}");
    assert_eq!(alice.ends().code(), Some(0));
    let log = fs::read_to_string(stage.path("alice").join("darknode.log")).expect("there is a log");
    assert!(log.contains("TRACE") || log.contains("DEBUG"));
    bob.quits();
}
