//! Closed networks: only those who have a key can talk, and others learn nothing.

use crate::program::{Node, TestBed};

fn member(bed: &TestBed, name: &str, key: &str) -> Node {
    bed.node(name).with(&["--network-key", key]).start()
}

fn cannot_meet(one: &mut Node, other: &mut Node) {
    let (ports, ids) = ([one.port(), other.port()], [one.id().to_owned(), other.id().to_owned()]);
    for (dialler, port, stranger) in [(one, ports[1], &ids[1]), (other, ports[0], &ids[0])] {
        assert_eq!(dialler.fails(&format!(r"\ping 127.0.0.1 {port}")), "unreachable");
        let users = dialler.asks(r"\users");
        assert!(!users.to_string().contains(stranger), "{} has learnt of the other: {users}", dialler.name);
    }
}

#[test]
fn members_talk_and_nodes_without_the_key_learn_no_name() {
    let bed = TestBed::new();
    bed.network_key("field.key");
    bed.network_key("other.key");
    let mut alice = member(&bed, "alice", "field.key");
    let mut bob = member(&bed, "bob", "field.key");
    assert_eq!(alice.ready["network"], bob.ready["network"]);
    assert!(alice.ready["network"].is_string());
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    let said = alice.says("inside");
    assert_eq!(bob.event("message")["message"], said);
    let mut eve = member(&bed, "eve", "other.key");
    cannot_meet(&mut alice, &mut eve);
    let mut mallory = bed.start("mallory");
    assert!(mallory.ready["network"].is_null());
    cannot_meet(&mut alice, &mut mallory);
    for node in [alice, bob, eve, mallory] {
        node.quits();
    }
}

#[test]
fn keys_are_replaced_node_by_node_and_a_node_with_only_the_old_key_is_excluded() {
    let bed = TestBed::new();
    let old = bed.network_key("old.key");
    let fresh = bed.network_key("fresh.key");
    let key_of =
        |text: &str| text.lines().filter(|line| line.starts_with("key ")).map(str::to_owned).collect::<Vec<_>>();
    let (old_keys, fresh_keys) = (key_of(&old), key_of(&fresh));
    assert_eq!((old_keys.len(), fresh_keys.len()), (1, 1), "{old}");
    let both = old.replace(&old_keys[0], &format!("{}\n{}", fresh_keys[0], old_keys[0]));
    bed.keep_secret("both.key", &both);
    bed.keep_secret("new.key", &old.replace(&old_keys[0], &fresh_keys[0]));

    let mut alice = member(&bed, "alice", "both.key");
    let mut bob = member(&bed, "bob", "old.key");
    assert_eq!(alice.ready["network"], bob.ready["network"], "it is the same network");
    alice.meet(&mut bob);
    alice.chats_with(&mut bob);
    let said = alice.says("change your key");
    assert_eq!(bob.event("message")["message"], said);
    bob.quits();
    let mut bob = member(&bed, "bob", "new.key");
    bob.asks(&format!(r"\ping 127.0.0.1 {}", alice.port()));
    bob.event("online");
    alice.quits();
    let mut alice = member(&bed, "alice", "new.key");
    let mut lost = member(&bed, "lost", "old.key");
    cannot_meet(&mut alice, &mut lost);
    alice.asks(&format!(r"\ping 127.0.0.1 {}", bob.port()));
    alice.event_with("online", "user", "bob");
    for node in [alice, bob, lost] {
        node.quits();
    }
}

#[test]
fn a_member_without_the_key_is_refused_instead_of_joining_the_open_network() {
    let bed = TestBed::new();
    bed.network_key("field.key");
    bed.start("alice").quits();
    member(&bed, "alice", "field.key").quits();
    let output = bed.bare().args(["-u", "alice", "--data-dir", "alice", "-p", "0", "--no-lan"]).output();
    let output = output.expect("the program starts");
    let why = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{why}");
    assert!(why.lines().count() == 1 && why.contains("--network-key"), "{why}");
    member(&bed, "alice", "field.key").quits();
}
