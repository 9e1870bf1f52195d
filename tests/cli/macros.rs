//! The macros and the form of their answers.

use serde_json::Value;

use crate::program::{TestBed, assert_form};

const PERSON: [&str; 8] = ["user", "id", "words", "address", "session", "sessions", "labels", "verified"];

fn named<'a>(users: &'a Value, name: &str) -> &'a Value {
    let all = users["users"].as_array().expect("users is a list");
    all.iter().find(|user| user["user"] == name).unwrap_or_else(|| panic!("{name} is not in {users}"))
}

#[test]
fn explode_counts_the_users_it_reached_and_is_limited_to_once_in_ten_minutes() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    let mut carol = bed.start("carol");
    bob.meet(&mut carol);
    let exploded = alice.asks(r"\explode");
    assert_form(&exploded, "exploded", &["users", "sessions", "messages", "elapsed_ms"]);
    assert_eq!([&exploded["users"], &exploded["sessions"], &exploded["messages"]], [2, 2, 4], "{exploded}");
    assert_eq!(alice.fails(r"\explode"), "bad-argument");
    [alice, bob, carol].into_iter().for_each(|node| node.quits());
}

#[test]
fn users_online_and_offline_list_users_with_status_and_distance() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let mut carol = bed.start("carol");
    alice.meet(&mut carol);
    alice.event_with("online", "user", "bob");
    let users = alice.asks(r"\users");
    assert_form(&users, "users", &["filter", "users"]);
    assert_eq!(users["filter"], "all");
    let bobs = named(&users, "bob");
    assert_form_of_user(bobs);
    assert_eq!((&bobs["status"], &bobs["distance"]), (&"online".into(), &1.into()));
    assert_eq!(bobs["sessions"][0]["session"], bob.session());
    assert_eq!(named(&users, "alice")["distance"], 0);
    assert_eq!(named(&users, "carol")["distance"], Value::Null);
    assert_eq!(named(&users, "carol")["nearby"], true);
    bob.quits();
    alice.event_with("offline", "user", "bob");
    let (online, offline) = (alice.asks(r"\online"), alice.asks(r"\offline"));
    assert_eq!((&online["filter"], &offline["filter"]), (&"online".into(), &"offline".into()));
    assert_eq!(named(&offline, "bob")["status"], "offline");
    assert_eq!(named(&offline, "bob")["sessions"][0]["status"], "offline");
    assert_eq!(named(&online, "carol")["status"], "online");
    assert!(online["users"].as_array().is_some_and(|users| users.iter().all(|user| user["user"] != "bob")));
    carol.quits();
    alice.quits();
}

fn assert_form_of_user(user: &Value) {
    assert_eq!(
        crate::program::keys(user),
        ["blocked", "distance", "id", "nearby", "sessions", "status", "user", "verified"]
    );
    let session = &user["sessions"][0];
    assert_eq!(crate::program::keys(session), ["addrs", "heard_s", "label", "session", "status", "via"]);
}

#[test]
fn me_and_whois_show_the_same_fingerprint_and_verify_marks_it() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    let (mut me, whois) = (bob.asks(r"\me"), alice.asks(r"\whois bob"));
    let keys = me.as_object_mut().expect("it is an object");
    assert!(keys.remove("qr").is_some_and(|rows| rows.as_array().is_some_and(|rows| rows.len() > 20)));
    // Only on machines that have such an address.
    keys.remove("link_local");
    assert_form(&me, "me", &PERSON);
    assert_form(&whois, "whois", &PERSON);
    ["user", "id", "words"].iter().for_each(|key| assert_eq!(me[key], whois[key]));
    assert_eq!(me["session"], bob.session());
    assert!(me["address"].as_str().is_some_and(|address| address.starts_with("darkchat:")));
    assert_eq!(whois["verified"], false);
    assert_form(&alice.asks(r"\verify bob"), "done", &["what"]);
    assert_eq!(alice.asks(r"\whois bob")["verified"], true);
    alice.quits();
    let mut alice = bed.start("alice");
    assert_eq!(alice.asks(r"\whois bob")["verified"], true, "it is remembered");
    bob.quits();
    alice.quits();
}

#[test]
fn help_lists_every_macro_and_an_unknown_one_suggests_the_nearest() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let help = alice.asks(r"\help");
    assert_form(&help, "help", &["macros"]);
    let macros = help["macros"].as_array().expect("a list");
    macros.iter().for_each(|entry| assert_eq!(crate::program::keys(entry), ["name", "text", "use"]));
    for name in ["chat", "users", "online", "offline", "add", "ping", "quit", "exit", "me", "whois", "verify", "status"]
    {
        assert!(macros.iter().any(|entry| entry["name"] == name), "{name}");
    }
    let error = alice.asks(r"\hlep");
    assert_form(&error, "error", &["code", "message"]);
    assert_eq!(error["code"], "unknown-macro");
    assert!(error["message"].as_str().is_some_and(|message| message.contains(r"\help")));
    alice.quits();
}

#[test]
fn every_invalid_request_has_its_error_code() {
    let bed = TestBed::new();
    let (mut alice, bob) = bed.two();
    assert_eq!(alice.fails("hello?"), "no-conversation");
    for (line, code) in [
        (r"\chat", "bad-argument"),
        (r"\add", "bad-argument"),
        (r"\ping", "bad-argument"),
        (r"\ping no-such-host.invalid", "bad-address"),
        (r"\ping fe80::1%no-such-interface", "bad-address"),
        (r"\ping 10.0.0.300", "bad-address"),
        (r"\ping 127.0.0.1 70000", "bad-argument"),
        (r"\ping 0.0.0.0 5", "bad-address"),
        (r"\ping 224.0.0.1 5", "bad-address"),
        (r"\whois nobody", "unknown-user"),
        (r"\remove nobody", "unknown-user"),
        (r"\history nobody", "unknown-user"),
        (r"\history bob 0", "bad-argument"),
        (r"\verify nobody", "unknown-user"),
        (r"\status nobody", "unknown-user"),
        (r"\cancel nothing", "bad-argument"),
        (r"\prune many", "bad-argument"),
        (r"\unlink", "bad-argument"),
        (r"\unlink nothing", "bad-argument"),
        (r"\chat alice", "bad-argument"),
        (r"\quit now", "bad-argument"),
    ] {
        assert_eq!(alice.fails(line), code, "{line}");
    }
    let own = format!(r"\ping 127.0.0.1 {}", alice.port());
    let code = alice.fails(&own);
    assert!(code == "unreachable" || code == "bad-address", "a peer that is myself: {code}");
    bob.quits();
    alice.quits();
}

#[test]
fn an_unknown_name_is_looked_up_and_leaves_no_conversation() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    assert_eq!(alice.fails(r"\chat zoe"), "unknown-user");
    assert_eq!(alice.fails("meant for zoe"), "no-conversation");
    bob.quits();
    alice.quits();
}

#[test]
fn a_chat_begins_when_the_user_comes_online_during_the_look_up() {
    let bed = TestBed::new();
    let mut alice = bed.start("alice");
    let chat = alice.types(r"\chat bob");
    let text = alice.types("the first line");
    let place = alice.place();
    let mut bob = bed.node("bob").with(&["--bootstrap", &place]).start();
    assert_eq!(alice.answer(chat)["event"], "chat");
    assert_eq!(alice.answer(text)["event"], "queued");
    assert_eq!(bob.event("message")["text"], "the first line");
    bob.quits();
    alice.quits();
}

#[test]
fn a_host_can_be_pinged_by_name() {
    let bed = TestBed::new();
    let (mut alice, bob) = bed.two();
    for place in [format!("localhost {}", bob.port()), format!("localhost:{}", bob.port())] {
        assert_eq!(alice.asks(&format!(r"\ping {place}"))["id"], bob.id(), "{place}");
    }
    bob.quits();
    alice.quits();
}

#[test]
fn a_ping_without_an_answer_is_unreachable() {
    let bed = TestBed::new();
    let (mut alice, bob) = (bed.start("alice"), bed.start("bob"));
    let port = bob.port();
    bob.quits();
    assert_eq!(alice.fails(&format!(r"\ping 127.0.0.1 {port}")), "unreachable");
    alice.quits();
}

#[test]
fn an_undelivered_message_can_be_cancelled_and_a_delivered_one_cannot() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let arrived = alice.says("arrived");
    alice.knows_delivered(&arrived);
    assert_eq!(alice.fails(&format!(r"\cancel {arrived}")), "bad-argument");
    let port = bob.port();
    bob.quits();
    alice.event("offline");
    let (withdrawn, kept) = (alice.says("withdrawn"), alice.says("kept"));
    let status = alice.asks(r"\status");
    assert_form(&status, "status", &["messages"]);
    let waiting = status["messages"].as_array().expect("a list");
    assert_eq!(waiting.iter().map(|view| &view["text"]).collect::<Vec<_>>(), ["withdrawn", "kept"]);
    assert_eq!(crate::program::keys(&waiting[0]), ["message", "sent", "sessions", "text", "to"]);
    assert_eq!(crate::program::keys(&waiting[0]["sessions"][0]), ["by", "carriers", "label", "session", "state"]);
    assert_form(&alice.asks(&format!(r"\cancel {withdrawn}")), "done", &["what"]);
    let told = alice.event("cancelled");
    assert_form(&told, "cancelled", &["message", "to"]);
    assert_eq!((&told["message"], &told["to"]), (&withdrawn.as_str().into(), &"bob".into()));
    let mut bob = bed.node("bob").port(port).start();
    assert_eq!(bob.event_with("message", "text", "kept")["message"], kept);
    alice.knows_delivered(&kept);
    let history = bob.asks(r"\history alice");
    assert!(!history.to_string().contains("withdrawn"), "{history}");
    bob.quits();
    alice.quits();
}

#[test]
fn prune_forgets_sessions_but_never_the_last_of_a_link() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let port = bob.port();
    bob.quits();
    alice.event("offline");
    assert_form(&alice.asks(r"\prune 0"), "done", &["what"]);
    let mut bob = bed.node("bob").port(port).start();
    alice.event("online");
    bob.event("online");
    bob.quits();
    alice.quits();
}
