//! Several sessions of one user. Their machines have one host name here, so their labels are equal.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Node, NodeOptions, TestBed, assert_form, keys, output_of};

/// Gives the directory `dir` the user key of `user`'s directory, as recovery words would.
fn restore(bed: &TestBed, user: &str, dir: &str) {
    fs::create_dir(bed.path(dir)).expect("it can be made");
    let key = fs::read_to_string(bed.path(user).join("user.pem")).expect("it is there");
    bed.keep_secret(&format!("{dir}/user.pem"), &key);
}

/// Alice's nodes in the directories `alice` and `laptop`, which know each other.
fn sisters(bed: &TestBed) -> (Node, Node) {
    let alice = bed.start("alice");
    restore(bed, "alice", "laptop");
    let mut laptop = bed.node("alice").dir("laptop").with(&["--bootstrap", &alice.place()]).start();
    laptop.name = "laptop".to_owned();
    let mut alice = alice;
    for (one, other) in [(&mut alice, laptop.session().to_owned()), (&mut laptop, alice_session(bed))] {
        let online = one.event_with("online", "session", &other);
        assert_form(&online, "online", &["user", "id", "session", "label", "own", "via"]);
        assert_eq!(online["own"], true);
    }
    (alice, laptop)
}

/// The session in the directory `alice`.
fn alice_session(bed: &TestBed) -> String {
    let owner = fs::read_to_string(bed.path("alice").join("owner")).expect("it is there");
    let line = owner.lines().find_map(|line| line.strip_prefix("session "));
    line.expect("it names the session").to_owned()
}

fn entry<'a>(sessions: &'a Value, id: &str) -> &'a Value {
    let all = sessions["sessions"].as_array().expect("a list");
    all.iter().find(|own| own["session"] == id).unwrap_or_else(|| panic!("{id} is not in {sessions}"))
}

#[test]
fn sessions_lists_mine_and_unlink_revokes_one_which_says_so_and_keeps_its_history() {
    let bed = TestBed::new();
    let (mut alice, mut laptop) = sisters(&bed);
    let mut bob = bed.start("bob");
    laptop.meet(&mut bob);
    laptop.chats_with(&mut bob);
    laptop.says("before");
    let mirrored = alice.event_with("message", "text", "before");
    let sessions = alice.asks(r"\sessions");
    assert_form(&sessions, "sessions", &["sessions"]);
    let (this, other) = (entry(&sessions, alice.session()), entry(&sessions, laptop.session()));
    assert_eq!(keys(this), ["label", "session", "since", "status", "this", "via"]);
    assert_eq!((&this["this"], &other["this"], &other["status"]), (&true.into(), &false.into(), &"online".into()));
    let label = other["label"].as_str().expect("a label").to_owned();
    assert_ne!(this["label"], label, "equal labels are told apart");
    let history = alice.asks(r"\history bob");
    assert_eq!((&mirrored["label"], &history["messages"][0]["label"]), (&other["label"], &other["label"]));
    let history = laptop.asks(r"\history bob");
    assert!(history["messages"][0]["label"].is_null(), "it was written there: {history}");
    let me = alice.asks(r"\me");
    assert!(me["labels"].as_array().is_some_and(|labels| labels.contains(&label.clone().into())), "{me}");

    let unlinked = alice.asks(&format!(r"\unlink {label}"));
    assert_form(&unlinked, "session", &["label", "session", "state", "own"]);
    assert_eq!((&unlinked["session"], &unlinked["state"]), (&laptop.session().into(), &"unlinked".into()));
    assert_eq!(laptop.event_with("warning", "code", "unlisted")["user"], "alice");
    assert_eq!(laptop.fails("nobody takes this"), "unreachable");
    let history = laptop.asks(r"\history bob");
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(alice.asks(r"\sessions")["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(alice.fails(&format!(r"\unlink {label}")), "bad-argument");
    let own = alice.session().to_owned();
    assert_eq!(alice.fails(&format!(r"\unlink {own}")), "bad-argument");
    let history = alice.asks(r"\history bob");
    assert_eq!(history["messages"][0]["label"], label, "its lines are still its own");
    alice.quits();
    let mut alice = bed.start("alice");
    let (history, found) = (alice.asks(r"\history bob"), alice.asks(r"\search before"));
    for messages in [&history["messages"], &found["messages"]] {
        assert_eq!(messages[0]["label"], label, "after a restart too");
    }
    [alice, laptop, bob].into_iter().for_each(Node::quits);
}

/// Alice restored from her recovery words into an empty directory.
fn restore_from_words<'a>(bed: &'a TestBed, dir: &str) -> NodeOptions<'a> {
    let words = output_of(&mut bed.bare(), &["identity", "words", "-u", "alice", "--data-dir", "alice"]);
    let mut restoring = bed.bare();
    restoring
        .args(["identity", "restore", "-u", "alice", "--data-dir", dir])
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    let mut restoring = restoring.spawn().expect("the program starts");
    restoring.stdin.take().expect("it is a pipe").write_all(&words).expect("it reads");
    assert!(restoring.wait().expect("it ends").success());
    bed.node("alice").dir(dir)
}

/// Asks until a node lists this many sessions of its user.
fn lists(node: &mut Node, count: usize) {
    loop {
        let sessions = node.asks(r"\sessions");
        if sessions["sessions"].as_array().map(Vec::len) == Some(count) {
            return;
        }
        node.wait("a session", |event| event["event"] == "session");
    }
}

#[test]
fn words_on_a_new_machine_lead_to_the_same_person_with_links_from_friends_and_one_roster_with_the_old_session() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let (id, old) = (alice.id().to_owned(), alice.session().to_owned());
    alice.quits();
    bob.event("offline");

    let mut new = restore_from_words(&bed, "new").with(&["--bootstrap", &bob.place()]).start();
    new.name = "new".to_owned();
    assert_eq!(new.id(), id);
    assert_ne!(new.session(), old);
    new.event_with("linked", "user", "bob");
    let session = new.session().to_owned();
    bob.event_with("online", "session", &session);
    lists(&mut new, 2);
    new.asks(r"\chat bob");
    new.says("it is me");
    assert_eq!(bob.event("message")["from_id"], id);
    bob.asks(r"\chat alice");
    bob.says("welcome back");
    assert_eq!(new.event("message")["text"], "welcome back");

    let mut alice = bed.node("alice").with(&["--bootstrap", &bob.place()]).start();
    alice.event_with("session", "session", &session);
    [&mut alice, &mut new].into_iter().for_each(|node| lists(node, 2));
    [alice, new, bob].into_iter().for_each(Node::quits);
}

#[test]
fn a_sister_gives_a_restored_session_the_links_while_no_friend_is_there() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.quits();
    alice.event("offline");
    let mut new = restore_from_words(&bed, "new").with(&["--bootstrap", &alice.place()]).start();
    new.name = "new".to_owned();
    new.event_with("linked", "user", "bob");
    for node in [&mut new, &mut alice] {
        lists(node, 2);
    }
    [alice, new].into_iter().for_each(Node::quits);
}
