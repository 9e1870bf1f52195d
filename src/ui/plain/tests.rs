use super::*;
use crate::id::{Address, MessageId, SessionId, StreamId, UserId};
use crate::proto::notice::{ErrorCode, Filter, MessageView, Profile, StatusView, UserView, WarningCode};
use crate::time::Wall;
use crate::ui::doctor::tests::with_every_state;

pub const PLAIN: Style = Style { colours: false, columns: None, rows: None };

pub fn printed(notice: Notice) -> String {
    render(PLAIN, Event::Notice(&notice))
}

pub fn view(text: &str) -> MessageView {
    let stream = StreamId { author: SessionId([1; 32]), epoch: 1, to: Address([2; 32]) };
    MessageView {
        arrival: 1,
        message: MessageId { stream, n: 1 },
        from: "bob".into(),
        from_id: UserId([3; 32]),
        with: "bob".into(),
        text: text.into(),
        sent: Wall(1_700_000_000_123),
        order: 1,
        own: false,
        again: false,
        past: false,
        late: false,
        by: None,
    }
}

pub fn session() -> SessionId {
    SessionId([4; 32])
}

#[test]
fn a_message_is_a_name_and_a_text() {
    assert_eq!(printed(Notice::Message(Box::new(view("hello")))), "< bob: hello\n");
    assert_eq!(printed(Notice::Message(Box::new(MessageView { again: true, ..view("x") }))), "< bob (again): x\n");
    assert_eq!(printed(Notice::Message(Box::new(MessageView { own: true, ..view("x") }))), "> you to bob: x\n");
    let from_pi = MessageView { own: true, by: Some("pi".into()), ..view("x") };
    assert_eq!(printed(Notice::Message(Box::new(from_pi))), "> you (pi) to bob: x\n");
}

#[test]
fn no_message_looks_like_another_event() {
    let text = printed(Notice::Message(Box::new(view("hi\n* carol is online\ncarol: pay him"))));
    assert_eq!(text, "< bob: hi\n    * carol is online\n    carol: pay him\n");
    assert_eq!(printed(Notice::Done { what: "a\nb".into() }), "* done: a b\n");
}

#[test]
fn nothing_from_strangers_controls_the_terminal() {
    let evil = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}";
    let stream = view(evil).message;
    let id = UserId([3; 32]);
    let profile = Profile {
        user: evil.into(),
        id,
        words: evil.into(),
        address: evil.into(),
        link_local: Vec::new(),
        session: None,
        sessions: vec![],
        verified: false,
        drops: Default::default(),
    };
    let status = StatusView { message: stream, to: evil.into(), text: evil.into(), sent: Wall(0), sessions: vec![] };
    let user = UserView {
        user: evil.into(),
        id,
        online: true,
        distance: None,
        nearby: true,
        verified: false,
        blocked: false,
        sessions: vec![],
    };
    for notice in [
        Notice::Message(Box::new(MessageView { from: evil.into(), with: evil.into(), ..view(evil) })),
        Notice::Nearby { user: evil.into(), id, session: SessionId([1; 32]) },
        Notice::Error { code: ErrorCode::UnknownUser, message: evil.into() },
        Notice::Warning { code: WarningCode::NameClash, message: evil.into(), user: None },
        Notice::Whois(Box::new(profile)),
        Notice::Status { messages: vec![status] },
        Notice::Users { filter: Filter::All, users: vec![user] },
        Notice::History {
            with: evil.into(),
            messages: vec![MessageView { from: evil.into(), ..view(evil) }],
            next: None,
        },
    ] {
        let text = printed(notice);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn help_has_a_line_for_every_macro() {
    assert_eq!(render(PLAIN, Event::Help).lines().count(), MACROS.len());
}

#[test]
fn an_examination_is_a_table_that_ends_with_the_verdict_and_what_to_do() {
    let text = printed(Notice::Examination(Box::new(with_every_state())));
    assert!(
        text.starts_with("* examined this node and bob\n    program    ok      darknode 0.1.0 in the open"),
        "{text}"
    );
    let end = "    verdict            bob has been away for 4 min\n    to do              nothing to do: what you write waits until bob is back\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_map_is_a_row_for_each_user_with_how_they_are_reached() {
    let text = printed(Notice::Map(Box::new(crate::ui::json::tests::mapped())));
    let expected = "* 1 linked user, 2 two links away\n    \
        alice  you\n    \
        pi  direct, 0.4 ms, relay, carries 2 lines of yours\n    \
        carol  through pi, two links away\n    \
        dora  away, two links away, 1 line waiting\n    \
        vps  away\n    \
        erik  nearby\n    \
        frida  direct, nearby\n    \
        and 7 more\n";
    assert_eq!(text, expected);
}

#[test]
fn what_an_ordinary_node_keeps_is_for_other_sessions_of_its_user() {
    let mut map = crate::ui::json::tests::mapped();
    map.nodes[0].held = 7;
    let text = printed(Notice::Map(Box::new(map.clone())));
    assert!(text.contains("alice  you, holds 7 envelopes for your other sessions\n"), "{text}");
    map.nodes[0].relay = true;
    let text = printed(Notice::Map(Box::new(map)));
    assert!(text.contains("alice  you, relay, holds 7 envelopes for others\n"), "{text}");
}
