//! Names: several users with the same name, and pinning.

use crate::program::TestBed;

#[test]
fn two_users_with_the_same_name_can_be_told_apart_and_get_only_their_own_messages() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut bob = bed.start("bob");
    let mut other = bed.node("bob").dir("other").start();
    other.name = "the other bob".into();
    alice.meet(&mut bob);
    alice.meet(&mut other);
    assert_eq!(alice.fails(r"\chat bob"), "ambiguous-user");
    let users = alice.asks(r"\users");
    let handle = |id: &str| {
        let all = users["users"].as_array().expect("a list");
        let user = all.iter().find(|user| user["id"] == id).expect("both are known");
        user["user"].as_str().expect("they have names").to_owned()
    };
    for bob in [&mut bob, &mut other] {
        let name = handle(bob.id());
        assert!(name.starts_with("bob#"), "{name}");
        assert_eq!(alice.asks(&format!(r"\chat {name}"))["id"], bob.id());
        let said = alice.says(&format!("to {name}"));
        assert_eq!(bob.event("message")["message"], said);
    }
    for bob in [bob, other] {
        bob.quits();
    }
    alice.quits();
}

#[test]
fn the_first_user_written_to_keeps_the_name_across_a_restart_and_the_second_causes_a_warning() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let bobs_id = bob.id().to_owned();
    bob.quits();
    alice.quits();
    let mut alice = bed.start("alice");
    let mut other = bed.node("bob").dir("other").start();
    other.name = "the other bob".into();
    alice.asks(&format!(r"\ping 127.0.0.1 {}", other.port()));
    let warning = alice.event("warning");
    assert_eq!(warning["code"], "name-clash");
    assert!(warning["user"].as_str().is_some_and(|user| user.starts_with("bob#")), "{warning}");
    assert_eq!(alice.asks(r"\chat bob")["id"], bobs_id);
    let said = alice.says("for the first bob only");
    let status = alice.asks(r"\status");
    assert_eq!(status["messages"][0]["message"], said);
    other.types(r"\quit");
    let (_, rest, _) = other.ends();
    assert!(rest.iter().all(|event| event["event"] != "message"), "{rest:?}");
    alice.quits();
}

#[test]
fn a_name_with_spaces_and_non_ascii_letters_can_be_typed() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut zoe = bed.node("Zoë van der Ödland 張").dir("zoe").start();
    alice.meet(&mut zoe);
    assert_eq!(alice.asks(r"\chat Zoë van der Ödland 張")["id"], zoe.id());
    let said = alice.says("hello");
    assert_eq!(zoe.event("message")["message"], said);
    zoe.quits();
    alice.quits();
}

#[test]
fn who_was_accepted_automatically_keeps_the_name_and_a_name_that_looks_like_it_is_shown_with_an_id() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut bob = bed.start("bob");
    bob.meet(&mut alice);
    bob.asks(r"\chat alice");
    bob.says("hello");
    assert_eq!(alice.event("message")["from"], "bob");
    for name in ["bob", "b\u{43e}b"] {
        let mut other = bed.node(name).dir(&format!("other {name}")).start();
        alice.asks(&format!(r"\ping 127.0.0.1 {}", other.port()));
        let warning = alice.event("warning");
        assert_eq!(warning["code"], "name-clash");
        assert!(warning["user"].as_str().is_some_and(|user| user.starts_with(&format!("{name}#"))), "{warning}");
        assert_eq!(alice.asks(r"\chat bob")["id"], bob.id());
        other.types(r"\quit");
        other.ends();
    }
    bob.quits();
    alice.quits();
}

#[test]
fn a_number_at_the_end_of_a_line_belongs_to_the_name_if_somebody_is_called_that() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let mut john = bed.start("John 5");
    alice.meet(&mut john);
    for macro_name in ["whois", "verify", "add", "chat", "status", "history"] {
        alice.asks(&format!(r"\{macro_name} John 5"));
    }
    alice.says("one");
    alice.says("two");
    let count = |answer: &serde_json::Value| answer["messages"].as_array().map(Vec::len);
    assert_eq!(count(&alice.asks(r"\history John 5")), Some(2));
    assert_eq!(count(&alice.asks(r"\history John 5 1")), Some(1));
    assert_eq!(alice.fails(r"\history John 5 0"), "bad-argument");
    assert_eq!(alice.fails(r"\history John 5 10001"), "bad-argument");
    assert_eq!(alice.fails(r"\history Jim 5"), "unknown-user");
    john.quits();
    alice.quits();
}
