//! The full screen, as a person uses it.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::program::{Node, TestBed};
use crate::terminal::Terminal;

/// The pause of a person between two keys. What comes faster counts as pasted.
const HAND: Duration = Duration::from_millis(15);

impl Terminal {
    /// Starts alice's node for the first time, and closes the greeting.
    pub fn full_screen(bed: &TestBed) -> Terminal {
        let mut terminal = Terminal::run(bed.node("alice").interactive().command());
        terminal.sees_text("Created a new identity");
        terminal.types("\x1b");
        terminal.sees_text("nobody is chosen");
        terminal
    }

    /// Waits until a row contains this.
    pub fn sees_text(&mut self, text: &str) {
        self.sees(text, |rows, _| rows.iter().any(|row| row.contains(text)));
    }

    /// Starts alice's node again.
    pub fn full_screen_again(bed: &TestBed) -> Terminal {
        Terminal::run(bed.node("alice").interactive().command())
    }

    /// Waits until no row contains this.
    fn hides(&mut self, text: &str) {
        self.sees(&format!("no {text}"), |rows, _| !rows.iter().any(|row| row.contains(text)));
    }

    /// Types key by key and presses Enter. Each key is seen before the next: a program that was held up for longer than a hand
    /// needs for several keys would take them for a paste.
    pub fn by_hand(&mut self, text: &str) {
        for (at, key) in text.char_indices() {
            let typed = &text[..at + key.len_utf8()];
            self.types_by_hand(&key.to_string());
            // The emulator does not tell a space at the end from nothing.
            self.sees(typed, |_, cursor| cursor.ends_with(typed.trim_end()));
        }
        self.enter();
    }

    pub fn types_by_hand(&mut self, text: &str) {
        for c in text.chars() {
            sleep(HAND);
            self.types(&c.to_string());
        }
    }

    pub fn enter(&mut self) {
        sleep(HAND);
        self.types("\r");
    }

    /// Dials a node and opens the conversation with it.
    pub fn opens(&mut self, name: &str, node: &mut Node) {
        self.by_hand(&format!("\\ping 127.0.0.1 {}", node.port()));
        node.event("nearby");
        self.by_hand(&format!("\\chat {name}"));
        self.sees_text(&format!("to {name} >"));
        node.event("online");
        node.asks(r"\chat alice");
        self.sees_text(&format!("│ {name} · here"));
    }

    pub fn leaves(mut self) {
        sleep(HAND);
        self.types("\x04");
        assert_eq!(self.ends().code(), Some(0));
    }
}

#[test]
fn whoever_starts_is_told_what_to_do_and_can_leave() {
    let bed = TestBed::new();
    let mut alice = Terminal::full_screen(&bed);
    alice.sees_text(r"\chat NAME  looks for somebody");
    assert!(alice.is_full_screen() && !alice.has_its_mode());
    alice.types("\x1bOP");
    alice.sees_text("Alt-Enter or ^J begins a new line");
    alice.sees_text(r"\chat USER");
    alice.types("\x1b");
    alice.hides("Alt-Enter or ^J");
    alice.by_hand(r"\char");
    alice.sees_text(r"\chat");
    alice.types("\x03");
    alice.sees("an empty line", |_, cursor| cursor == " > ");
    alice.types("\x03");
    alice.sees_text("Ctrl-C again leaves");
    alice.types("\x03");
    assert_eq!(alice.ends().code(), Some(0));
}

#[test]
fn two_people_chat_and_each_line_says_where_it_is() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.by_hand("hello");
    assert_eq!(bob.event("message")["text"], "hello");
    alice
        .sees("where it is", |rows, _| rows.iter().any(|row| row.contains("you  hello") && row.ends_with("delivered")));
    bob.says("hello yourself");
    alice.sees_text("bob  hello yourself");
    let port = bob.port();
    bob.quits();
    alice.sees_text("bob · away");
    alice.by_hand("are you there?");
    alice.sees("that it waits", |rows, _| {
        rows.iter().any(|row| row.contains("you  are you there?") && row.ends_with("waits"))
    });
    alice.sees_text("1 line waits");
    let mut bob = bed.node("bob").port(port).start();
    assert_eq!(bob.event("message")["text"], "are you there?");
    alice.sees("that it came", |rows, _| {
        rows.iter().any(|row| row.contains("you  are you there?") && row.ends_with("delivered"))
    });
    alice.leaves();
    assert_eq!(bob.event("offline")["reason"], "declared");
    bob.quits();
}

#[test]
fn what_is_pasted_is_one_message_and_no_macro() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    for paste in ["\x1b[200~one\r\\quit\rthree\x1b[201~", "one\r\\quit\rthree"] {
        alice.types(paste);
        alice.sees("the end", |_, cursor| cursor.ends_with(" three"));
        alice.enter();
        alice.sees_text(r"send this to bob? \quit in it is sent as text");
        alice.types("y");
        assert_eq!(bob.event("message")["text"], "one\n\\quit\nthree");
        alice.sees_typed(" to bob > ");
    }
    alice.types("\x1b[200~\\quit\x1b[201~");
    alice.sees_typed(" to bob > \\quit");
    alice.enter();
    alice.sees_text("obey this? It was pasted");
    alice.types("\x03");
    alice.hides("obey this? It was pasted");
    alice.types("\x03");
    alice.sees_typed(" to bob > ");
    alice.by_hand("still here");
    assert_eq!(bob.event("message")["text"], "still here");
    alice.leaves();
    bob.quits();
}

#[test]
fn a_line_that_comes_at_once_with_its_enter_is_sent_and_what_is_in_doubt_asked_about() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.types("typed ahead\r");
    assert_eq!(bob.event("message")["text"], "typed ahead");
    sleep(HAND);
    alice.types("one\rtwo\rthree\rfour\r");
    alice.sees_text("four");
    alice.enter();
    alice.sees_text("send 4 lines to bob? Y sends");
    alice.types("n");
    alice.hides("Y sends");
    alice.types("\x03");
    alice.sees_typed(" to bob > ");
    sleep(HAND);
    alice.types("/quit\r");
    alice.sees_text(r"send this as text to bob? The macro is \quit.");
    alice.types("y");
    assert_eq!(bob.event("message")["text"], "/quit");
    alice.leaves();
    bob.quits();
}

#[test]
fn a_line_for_somebody_who_is_looked_for_is_not_sent_to_the_open_conversation() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.by_hand(r"\chat carla");
    alice.sees_typed(" looking for carla > ");
    alice.by_hand("secret for carla");
    alice.sees_text("the line stays here");
    alice.sees_text("no user called carla");
    alice.sees_typed(" to bob > secret for carla");
    alice.enter();
    alice.sees_text("send this to bob, not carla? Y sends");
    alice.types("n");
    alice.hides("Y sends");
    alice.types("\x03");
    alice.sees_typed(" to bob > ");
    alice.by_hand("for bob");
    assert_eq!(bob.event("message")["text"], "for bob");
    alice.leaves();
    bob.quits();
}

#[test]
fn no_message_opens_another_conversation_and_each_keeps_its_draft() {
    let bed = TestBed::new();
    let (mut bob, mut carol) = (bed.start("bob"), bed.start("carol"));
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.opens("carol", &mut carol);
    alice.types("half a line");
    alice.sees_typed(" to carol > half a line");
    bob.says("over here");
    alice.sees_text("bob: over here");
    alice.sees_typed(" to carol > half a line");
    alice.sees("the count", |rows, _| rows.iter().any(|row| row.starts_with(" bob ") && row.contains(" 1 │")));
    alice.types("\x0e\x10");
    alice.types("\x1b1");
    alice.sees_typed(" to bob > ");
    alice.sees_text("bob  over here");
    alice.sees("that it was read", |rows, _| !rows.iter().any(|row| row.contains(" 1 │")));
    alice.types("\x1b2");
    alice.sees_typed(" to carol > half a line");
    alice.types("\x03");
    alice.sees_typed(" to carol > ");
    alice.leaves();
    bob.quits();
    carol.quits();
}

/// Whether a row begins what is new, and the next one has this text.
fn is_new(rows: &[String], text: &str) -> bool {
    rows.windows(2).any(|two| two[0].contains("─ new ─") && two[1].contains(text))
}

#[test]
fn what_nobody_has_seen_is_new_after_a_restart_and_what_was_seen_is_not() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    bob.says("seen");
    alice.sees_text("bob  seen");
    // The terminal loses the focus.
    alice.types("\x1b[O");
    bob.says("unseen");
    alice.sees("the count", |rows, _| rows.iter().any(|row| row.starts_with("▌bob ") && row.contains(" 1 │")));
    alice.leaves();
    let mut alice = Terminal::full_screen_again(&bed);
    alice.sees("what is new", |rows, _| is_new(rows, "bob  unseen"));
    alice.sees("that it was seen now", |rows, _| !rows.iter().any(|row| row.contains(" 1 │")));
    alice.leaves();
    let mut alice = Terminal::full_screen_again(&bed);
    alice.sees_text("bob  unseen");
    assert!(!alice.screen().0.iter().any(|row| row.contains("─ new ─")), "{:?}", alice.screen().0);
    // The terminal takes nothing, so nobody can see what comes.
    alice.pauses(true);
    let message = bob.says("to a paused terminal");
    bob.knows_delivered(&message);
    alice.signals(Signal::SIGKILL);
    alice.ends_as_it_is();
    let mut alice = Terminal::full_screen_again(&bed);
    alice.sees("what is new", |rows, _| is_new(rows, "bob  to a paused terminal"));
    alice.leaves();
    bob.quits();
}

#[test]
fn the_map_leads_to_a_conversation() {
    let bed = TestBed::new();
    let (mut bob, mut carol) = (bed.start("bob"), bed.start("carol"));
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    alice.opens("carol", &mut carol);
    alice.types("\x14");
    alice.sees_text("▌alice (you)");
    alice.sees_text("├ bob        direct");
    alice.types("\x1b[B");
    alice.sees_text("▌├ bob");
    alice.enter();
    alice.sees_typed(" to bob > ");
    alice.sees_text("│ bob · here");
    alice.leaves();
    bob.quits();
    carol.quits();
}

#[test]
fn a_storm_of_sizes_ends_in_the_right_one() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    bob.says("a line that is long enough to be broken where the terminal becomes narrow");
    alice.sees_text("bob  a line");
    for n in 0..60u16 {
        alice.resizes(10 + n % 50, 30 + n * 3);
    }
    alice.resizes(20, 50);
    alice.sees("the narrow screen", |rows, _| rows.len() == 20 && rows[0].starts_with(" bob · here"));
    alice.resizes(30, 100);
    alice.sees("the wide one", |rows, _| {
        rows.len() == 30 && rows[0].starts_with(" darknode  alice") && rows[29].starts_with(" Enter sends")
    });
    alice.leaves();
    bob.quits();
}

#[test]
fn a_signal_and_an_unfinished_paste_leave_the_terminal_as_it_was() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let bed = TestBed::new();
        let mut bob = bed.start("bob");
        let mut alice = Terminal::full_screen(&bed);
        alice.opens("bob", &mut bob);
        alice.types("half");
        alice.sees_typed(" to bob > half");
        alice.types("\x1b[200~a paste without an end");
        alice.signals(signal);
        assert_eq!(alice.ends().code(), Some(0));
        assert_eq!(bob.event("offline")["reason"], "declared");
        bob.quits();
    }
}

#[test]
fn a_closed_terminal_ends_the_program_gracefully() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let mut alice = Terminal::full_screen(&bed);
    alice.opens("bob", &mut bob);
    assert_eq!(alice.closes().code(), Some(0));
    assert_eq!(bob.event("offline")["reason"], "declared");
    bob.quits();
}

#[test]
fn the_screen_can_be_attached_to_a_node_without_a_terminal() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.asks(r"\chat bob");
    bob.asks(r"\chat alice");
    bob.says("from before");
    alice.event("message");
    let attach = || {
        let mut command = bed.bare();
        command.args(["attach", "--data-dir"]).arg(bed.path("alice"));
        Terminal::run(command)
    };
    let mut screen = attach();
    screen.sees_typed(" to bob > ");
    screen.sees_text("bob  from before");
    screen.by_hand("from the screen");
    assert_eq!(bob.event("message")["text"], "from the screen");
    alice.event("queued");
    screen.leaves();
    let mut screen = attach();
    screen.sees_text("you  from the screen");
    screen.by_hand(r"\quit");
    assert_eq!(screen.exits_with("the node of alice goes on, and darknode stop ends it"), Some(0));
    let mut screen = attach();
    screen.sees_text("you  from the screen");
    alice.quits();
    assert_eq!(screen.exits_with("the node has stopped"), Some(1));
    bob.quits();
}

#[test]
fn a_screen_whose_own_node_is_stopped_elsewhere_says_so() {
    let bed = TestBed::new();
    let screen = Terminal::full_screen(&bed);
    let mut stop = bed.bare();
    stop.args(["stop", "--data-dir"]).arg(bed.path("alice"));
    assert!(stop.status().expect("it runs").success());
    assert_eq!(screen.exits_with("the node has stopped"), Some(0));
}

impl Terminal {
    /// Waits for its end, after which it has printed this.
    fn exits_with(mut self, text: &str) -> Option<i32> {
        self.sees_text(text);
        self.ends().code()
    }
}

#[test]
#[ignore = "the next test runs it on a terminal"]
fn takes_the_terminal_and_panics() {
    let _terminal = darknode::screen::terminal::Terminal::take().expect("it runs on a terminal");
    panic!("on purpose");
}

#[test]
fn a_panic_is_seen_on_a_terminal_that_is_as_it_was() {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.args(["--ignored", "--exact", "screen::takes_the_terminal_and_panics", "--nocapture"]);
    let mut terminal = Terminal::run(command);
    terminal.sees_text("on purpose");
    assert!(!terminal.is_full_screen());
    assert_eq!(terminal.ends().code(), Some(101));
}
