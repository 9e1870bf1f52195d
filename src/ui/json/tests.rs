use serde_json::{Value, json};

use super::*;
use crate::handle::Ready;
use crate::id::{Address, MessageId, NetworkId, SessionId, StreamId, UserId};
use crate::proto::notice::map::{Map, MapNode, Way};
use crate::proto::notice::{
    Absence, By, Delivery, ErrorCode, Filter, HeldBy, Holder, Labelled, MessageView, Notice, OwnSession, Profile,
    Progress, SessionChange, SessionView, StatusView, UserView, Via, WarningCode, Which,
};
use crate::ui::greeting::Setup;
use crate::ui::macros::MACROS;

const ID: UserId = UserId([1; 32]);
const SESSION: SessionId = SessionId([2; 32]);
const CARRIER: SessionId = SessionId([9; 32]);

fn id() -> String {
    ID.to_string()
}

pub fn holder(session: SessionId) -> Holder {
    Holder { session, name: "pi".to_owned() }
}

fn carrier() -> String {
    CARRIER.to_string()
}

fn session() -> String {
    SESSION.to_string()
}

pub fn message_id() -> MessageId {
    MessageId { stream: StreamId { author: SESSION, epoch: 9, to: Address([3; 32]) }, n: 1 }
}

fn user() -> String {
    "bob".to_owned()
}

fn value(line: Option<u64>, event: Event<'_>) -> Value {
    let text = render(line, event);
    assert!(!text.contains('\n'));
    serde_json::from_str(&text).expect("a line is JSON")
}

fn renders(notice: Notice, expected: Value) {
    assert_eq!(value(None, Event::Notice(&notice)), expected);
}

pub fn view(text: &str) -> MessageView {
    MessageView {
        arrival: 5,
        message: message_id(),
        from: user(),
        from_id: ID,
        with: user(),
        text: text.into(),
        sent: Wall(1_700_000_000_123),
        order: 6,
        own: false,
        again: true,
        past: false,
        late: false,
        by: None,
    }
}

fn view_value() -> Value {
    json!({"message": message_id().token(), "from": "bob", "from_id": id(), "with": "bob", "text": "hi",
        "sent": "2023-11-14T22:13:20.123Z", "order": 6, "own": false, "again": true})
}

fn with_event(name: &str, mut value: Value) -> Value {
    value["event"] = name.into();
    value
}

#[test]
fn ready_has_the_identity_and_the_addresses() {
    let ready = Ready {
        user: user(),
        id: ID,
        session: SESSION,
        listen: vec!["192.0.2.1:5".parse().expect("an address"), "[2001:db8::1]:5".parse().expect("an address")],
        link_local: vec![],
        network: None,
        roles: vec!["relay"],
        fresh: true,
    };
    let expected = json!({"event": "ready", "user": "bob", "id": id(), "session": session(),
        "listen": ["192.0.2.1:5", "[2001:db8::1]:5"], "network": null, "roles": ["relay"],
        "version": env!("CARGO_PKG_VERSION")});
    assert_eq!(value(None, Event::Ready(&ready, &Setup::default())), expected);
    let closed = Ready { network: Some(NetworkId([4; 32])), ..ready };
    assert_eq!(value(None, Event::Ready(&closed, &Setup::default()))["network"], NetworkId([4; 32]).to_string());
}

#[test]
fn presence_and_links() {
    renders(
        Notice::Nearby { user: user(), id: ID, session: SESSION },
        json!({"event": "nearby", "user": "bob", "id": id(), "session": session()}),
    );
    renders(
        Notice::Away { user: user(), id: ID, session: SESSION },
        json!({"event": "away", "user": "bob", "id": id(), "session": session()}),
    );
    renders(
        Notice::Linked { user: user(), id: ID, by: By::Them, auto: true },
        json!({"event": "linked", "user": "bob", "id": id(), "by": "them", "auto": true}),
    );
    renders(
        Notice::Unlinked { user: user(), id: ID, by: By::Me },
        json!({"event": "unlinked", "user": "bob", "id": id(), "by": "me"}),
    );
    renders(Notice::Asked { user: user(), id: ID }, json!({"event": "asked", "user": "bob", "id": id()}));
    renders(
        Notice::Online { user: user(), id: ID, session: SESSION, which: Which::default(), via: Via::Direct },
        json!({"event": "online", "user": "bob", "id": id(), "session": session(), "own": false, "via": "direct"}),
    );
    renders(
        Notice::Path { user: user(), id: ID, session: SESSION, which: phone(), via: Via::Relayed },
        json!({"event": "path", "user": "bob", "session": session(), "label": "phone", "own": true, "via": "relayed"}),
    );
    for (reason, text) in [(Absence::Declared, "declared"), (Absence::Lost, "lost")] {
        renders(
            Notice::Offline { user: user(), id: ID, session: SESSION, which: Which::default(), reason },
            json!({"event": "offline", "user": "bob", "id": id(), "session": session(), "own": false, "reason": text}),
        );
    }
}

fn phone() -> Which {
    Which { label: Some("phone".into()), own: true }
}

fn progress() -> Box<Progress> {
    Box::new(Progress { label: "phone".into(), reached: 1, of: 2, holder: "pi".into() })
}

#[test]
fn messages_and_their_delivery() {
    let token = message_id().token();
    renders(Notice::Chat { with: user(), id: ID, online: true }, json!({"event": "chat", "with": "bob", "id": id()}));
    renders(
        Notice::Queued {
            message: message_id(),
            to: user(),
            text: "hi".into(),
            sent: Wall(1_700_000_000_123),
            order: 6,
        },
        json!({"event": "queued", "message": token, "to": "bob", "text": "hi", "sent": "2023-11-14T22:13:20.123Z", "order": 6}),
    );
    for (state, text) in [(Delivery::Carried, "carried"), (Delivery::Delivered, "delivered")] {
        renders(
            Notice::State {
                message: message_id(),
                to: user(),
                session: SESSION,
                state,
                by: CARRIER,
                progress: progress(),
            },
            json!({"event": "state", "message": token, "to": "bob", "session": session(), "label": "phone", "state": text, "by": carrier(), "holder": "pi"}),
        );
    }
    renders(Notice::Message(Box::new(view("hi"))), with_event("message", view_value()));
    renders(
        Notice::History { with: user(), messages: vec![view("hi")], next: Some(message_id()) },
        json!({"event": "history", "with": "bob", "messages": [view_value()], "next": token}),
    );
    let held = |state, by| HeldBy { session: SESSION, label: "phone".into(), state, by };
    let status = StatusView {
        message: message_id(),
        to: user(),
        text: "hi".into(),
        sent: Wall(1_700_000_000_123),
        sessions: vec![
            held(Delivery::Queued, vec![]),
            held(Delivery::Carried, vec![holder(CARRIER), holder(SESSION)]),
            held(Delivery::Delivered, vec![holder(SESSION)]),
            held(Delivery::Settled, vec![]),
        ],
    };
    renders(
        Notice::Status { messages: vec![status] },
        json!({"event": "status", "messages": [{"message": token, "to": "bob", "text": "hi", "sent": "2023-11-14T22:13:20.123Z", "sessions": [
            {"session": session(), "label": "phone", "state": "queued", "by": null, "carriers": []},
            {"session": session(), "label": "phone", "state": "carried", "by": carrier(), "carriers": [carrier(), session()]},
            {"session": session(), "label": "phone", "state": "delivered", "by": session(), "carriers": []},
            {"session": session(), "label": "phone", "state": "settled", "by": null, "carriers": []}]}]}),
    );
}

#[test]
fn users_with_their_sessions() {
    let sessions = vec![
        SessionView {
            session: SESSION,
            label: "phone".into(),
            online: true,
            via: Some(Via::Direct),
            heard_s: 3,
            addrs: vec!["192.0.2.1:5".parse().expect("an address")],
        },
        SessionView { session: SESSION, label: "pi".into(), online: false, via: None, heard_s: 9, addrs: vec![] },
    ];
    let bob = UserView {
        user: user(),
        id: ID,
        online: true,
        distance: Some(1),
        nearby: true,
        verified: false,
        blocked: false,
        sessions,
    };
    let far = UserView { distance: None, online: false, sessions: vec![], ..bob.clone() };
    renders(
        Notice::Users { filter: Filter::All, users: vec![bob, far] },
        json!({"event": "users", "filter": "all", "users": [
            {"user": "bob", "id": id(), "status": "online", "distance": 1, "nearby": true, "verified": false, "blocked": false, "sessions": [
                {"session": session(), "label": "phone", "status": "online", "via": "direct", "heard_s": 3, "addrs": ["192.0.2.1:5"]},
                {"session": session(), "label": "pi", "status": "offline", "via": null, "heard_s": 9, "addrs": []}]},
            {"user": "bob", "id": id(), "status": "offline", "distance": null, "nearby": true, "verified": false, "blocked": false,
                "sessions": []}]}),
    );
    for (filter, name) in [(Filter::Online, "online"), (Filter::Offline, "offline")] {
        renders(Notice::Users { filter, users: vec![] }, json!({"event": "users", "filter": name, "users": []}));
    }
}

#[test]
fn own_sessions() {
    let own = |via, this| OwnSession { session: SESSION, label: "pi".into(), is_this: this, via, since: None };
    let on = OwnSession { since: Some(Wall(0)), ..own(Some(Via::Relayed), true) };
    renders(
        Notice::Sessions { sessions: vec![on, own(None, false)] },
        json!({"event": "sessions", "sessions": [
            {"session": session(), "label": "pi", "this": true, "status": "online", "via": "relayed",
                "since": "1970-01-01T00:00:00.000Z"},
            {"session": session(), "label": "pi", "this": false, "status": "offline", "via": null, "since": null}]}),
    );
    for (state, text) in [(SessionChange::Linked, "linked"), (SessionChange::Unlinked, "unlinked")] {
        renders(
            Notice::Session { label: "pi".into(), session: SESSION, state },
            json!({"event": "session", "label": "pi", "session": session(), "state": text, "own": true}),
        );
    }
}

#[test]
fn people_and_addresses() {
    renders(
        Notice::Pong {
            addr: "192.0.2.1:5".parse().expect("an address"),
            user: user(),
            id: ID,
            session: SESSION,
            rtt_ms: 1.5,
        },
        json!({"event": "pong", "addr": "192.0.2.1:5", "user": "bob", "id": id(), "session": session(), "rtt_ms": 1.5}),
    );
    renders(
        Notice::Exploded { users: 2, sessions: 3, messages: 9, elapsed_ms: 40 },
        json!({"event": "exploded", "users": 2, "sessions": 3, "messages": 9, "elapsed_ms": 40}),
    );
    let profile = Profile {
        user: user(),
        id: ID,
        words: "one two".into(),
        address: "darkchat:x".into(),
        link_local: Vec::new(),
        session: Some(SESSION),
        sessions: vec![Labelled { session: SESSION, label: "phone".into() }],
        verified: true,
        drops: Default::default(),
    };
    let mut expected = json!({"event": "me", "user": "bob", "id": id(), "words": "one two", "address": "darkchat:x",
        "session": session(), "sessions": [session()], "labels": ["phone"], "verified": true});
    let mut theirs = with_event("whois", expected.clone());
    theirs["session"] = Value::Null;
    expected["qr"] = json!(crate::ui::qr::rows("darkchat:x"));
    renders(Notice::Me(Box::new(profile.clone())), expected.clone());
    let mut dropping = expected.clone();
    dropping["drops"] = json!({"bad hello": 2});
    let drops = [("bad hello", 2)].into();
    renders(Notice::Me(Box::new(Profile { drops, ..profile.clone() })), dropping);
    renders(Notice::Whois(Box::new(Profile { session: None, ..profile })), theirs);
}

#[test]
fn answers_warnings_and_errors() {
    renders(Notice::Done { what: "pruned".into() }, json!({"event": "done", "what": "pruned"}));
    let clash = |user| Notice::Warning { code: WarningCode::NameClash, message: "two bobs".into(), user };
    renders(clash(None), json!({"event": "warning", "code": "name-clash", "message": "two bobs"}));
    renders(
        clash(Some(user())),
        json!({"event": "warning", "code": "name-clash", "message": "two bobs", "user": "bob"}),
    );
    renders(
        Notice::Error { code: ErrorCode::AmbiguousUser, message: "which bob".into() },
        json!({"event": "error", "code": "ambiguous-user", "message": "which bob"}),
    );
    assert_eq!(value(None, Event::Stopped), json!({"event": "stopped"}));
    assert_eq!(value(Some(4), Event::Stopped), json!({"event": "stopped", "line": 4}));
    let help = value(Some(3), Event::Help);
    assert_eq!((&help["event"], &help["line"]), (&json!("help"), &json!(3)));
    assert_eq!(help["macros"][1], json!({"name": "chat", "use": r"\chat USER", "text": MACROS[1].text}));
    assert_eq!(help["macros"].as_array().map(Vec::len), Some(MACROS.len()));
}

#[test]
fn any_clock_reading_has_a_time() {
    for (wall, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1970-01-01T00:00:00.000Z"),
        (i64::MIN, "1970-01-01T00:00:00.000Z"),
        (i64::MAX, "9999-12-31T23:59:59.999Z"),
        (LAST_MILLISECOND, "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(rfc3339(Wall(wall)), text);
    }
}

#[test]
fn terminal_control_characters_are_escaped_and_parse_back_unchanged() {
    let text = "\u{1b}[2J \u{7f} \u{9b}31m \u{202e}evil\u{200b} \u{e0041} \"quoted\" \\ tab\there\nnext ä 😀";
    let line = render(None, Event::Notice(&Notice::Message(Box::new(view(text)))));
    for c in ['\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{e0041}', '\n', '\t'] {
        assert!(!line.contains(c), "{c:?} in {line:?}");
    }
    assert!(line.contains("ä 😀"));
    let value: Value = serde_json::from_str(&line).expect("it is JSON still");
    assert_eq!(value["text"], text);
}

/// A map on which every key is there and missing, and has every value.
pub fn mapped() -> Map {
    let id = |n| UserId([n; 32]);
    let bare = |n, name: &str, way| MapNode {
        id: id(n),
        name: name.to_owned(),
        me: false,
        distance: None,
        linked: false,
        online: way != Way::Away,
        relay: false,
        server: false,
        nearby: false,
        way,
        through: None,
        rtt_ms: None,
        since: None,
        held: 0,
        waiting: 0,
    };
    let pi = MapNode { rtt_ms: Some(0.42), relay: true, held: 2, ..bare(2, "pi", Way::Direct) };
    let carol = MapNode { through: Some("pi".to_owned()), ..bare(3, "carol", Way::Through) };
    let dora = MapNode { waiting: 1, since: Some(Wall(0)), ..bare(4, "dora", Way::Away) };
    let me = MapNode { me: true, ..bare(1, "alice", Way::Direct) };
    let nodes = [(0, me), (1, pi), (2, carol), (2, dora)];
    let placed = nodes.map(|(distance, node)| MapNode { distance: Some(distance), linked: distance == 1, ..node });
    let erik = MapNode { nearby: true, ..bare(6, "erik", Way::Away) };
    let frida = MapNode { nearby: true, ..bare(7, "frida", Way::Direct) };
    let nodes = placed.into_iter().chain([bare(5, "vps", Way::Away), erik, frida]).collect();
    Map { nodes, edges: vec![(id(1), id(2)), (id(2), id(3))], more: 7 }
}
