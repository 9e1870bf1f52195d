use super::*;
use crate::id::{Address, MessageId, SessionId, StreamId, UserId};
use crate::proto::notice::{ErrorCode, Holder, WarningCode};
use crate::time::Wall;
use crate::ui::doctor::tests::with_every_state;

const PLAIN: Style = Style { colours: false, columns: None };

fn printed(notice: Notice) -> String {
    render(PLAIN, Event::Notice(&notice))
}

fn view(text: &str) -> MessageView {
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
        by: None,
    }
}

#[test]
fn a_message_may_have_the_time_before_it_and_say_when_it_was_sent() {
    let (style, late) = (Style::default(), Some("sent 11:30"));
    assert_eq!(style.message("14:02", &view("x"), None), "14:02 < bob: x\n");
    assert_eq!(style.message("14:02", &view("x"), late), "14:02 < bob (sent 11:30): x\n");
    let again = MessageView { again: true, ..view("x") };
    assert_eq!(style.message("14:02", &again, late), "14:02 < bob (again, sent 11:30): x\n");
    let own = MessageView { own: true, by: Some("phone".into()), ..view("x") };
    assert_eq!(style.message("14:02", &own, late), "14:02 > you (phone) to bob (sent 11:30): x\n");
    assert_eq!(style.sent("14:02", "bob", "x"), "14:02 > to bob: x\n");
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
    let status = StatusView { message: stream, to: evil.into(), text: evil.into(), sessions: vec![] };
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
fn history_shows_when_it_was_sent_and_by_whom() {
    let mine = MessageView { own: true, ..view("and\nso on") };
    let text = printed(Notice::History { with: "bob".into(), messages: vec![view("hello"), mine], next: None });
    let sent = minute(view("").sent, &Local);
    let expected = format!("* messages with bob\n    {sent}  < bob: hello\n    {sent}  > you: and\n        so on\n");
    assert_eq!(text, expected);
    let from_pi = MessageView { own: true, by: Some("pi".into()), ..view("hi") };
    let text = printed(Notice::History { with: "bob".into(), messages: vec![from_pi], next: None });
    assert!(text.ends_with("  > you (pi): hi\n"), "{text}");
}

#[test]
fn a_time_is_shown_as_the_clock_of_the_reader_shows_it() {
    let kolkata = chrono::FixedOffset::east_opt(5 * 3600 + 1800).expect("within a day");
    assert_eq!(minute(view("").sent, &chrono::Utc), "2023-11-14 22:13");
    assert_eq!(minute(view("").sent, &kolkata), "2023-11-15 03:43");
    assert!(minute(Wall(i64::MAX), &kolkata).ends_with('Z'), "no calendar holds it");
}

#[test]
fn every_event_has_a_sentence() {
    let (user, id, session) = (|| "bob".to_owned(), UserId([3; 32]), SessionId([4; 32]));
    let addr = "192.0.2.1:5".parse().expect("an address");
    for notice in [
        Notice::Nearby { user: user(), id, session },
        Notice::Away { user: user(), id, session },
        Notice::Linked { user: user(), id, by: By::Me, auto: false },
        Notice::Linked { user: user(), id, by: By::Them, auto: false },
        Notice::Linked { user: user(), id, by: By::Them, auto: true },
        Notice::Unlinked { user: user(), id, by: By::Me },
        Notice::Unlinked { user: user(), id, by: By::Them },
        Notice::Asked { user: user(), id },
        Notice::Online { user: user(), id, session, which: Which::default(), via: Via::Relayed },
        Notice::Path { user: user(), id, session, which: Which::default(), via: Via::Direct },
        Notice::Path { user: user(), id, session, which: Which::default(), via: Via::Relayed },
        Notice::Offline { user: user(), id, session, which: Which::default(), reason: Absence::Lost },
        Notice::Chat { with: user(), id, online: true },
        Notice::Chat { with: user(), id, online: false },
        Notice::Pong { addr, user: user(), id, session, rtt_ms: 1.5 },
        Notice::Session { label: user(), session, state: SessionChange::Linked },
        Notice::Session { label: user(), session, state: SessionChange::Unlinked },
    ] {
        let text = printed(notice.clone());
        assert!(text.starts_with("* ") && text.contains("bob") && text.ends_with('\n'), "{notice:?}: {text:?}");
        assert_eq!(text.lines().count(), 1);
    }
}

#[test]
fn of_a_user_with_several_sessions_the_one_that_comes_and_goes_is_named_and_those_of_mine_are_called_mine() {
    let (id, session) = (UserId([3; 32]), session());
    let online = |which| printed(Notice::Online { user: "bob".into(), id, session, which, via: Via::Direct });
    let lost = |which| printed(Notice::Offline { user: "bob".into(), id, session, which, reason: Absence::Lost });
    let phone = |own| Which { label: Some("phone".into()), own };
    assert_eq!(online(Which::default()), "* bob is online\n");
    assert_eq!(online(phone(false)), "* bob (phone) is online\n");
    assert_eq!(online(phone(true)), "* your session phone is online\n");
    assert_eq!(lost(phone(false)), "* bob (phone) is unreachable; looking for them\n");
    assert_eq!(lost(phone(true)), "* your session phone is unreachable\n");
    assert_eq!(lost(Which { label: None, own: true }), "", "that it was unlinked is said elsewhere");
}

#[test]
fn a_code_and_its_token_can_be_copied_from_a_terminal_of_eighty_columns() {
    let token = format!("darklink:{}.{}@192.0.2.1:27272", "a".repeat(52), "b".repeat(26));
    let notice = Notice::Code { code: "one two three".into(), token: token.clone(), expires_s: 120 };
    let text = render(Style { columns: Some(80), ..PLAIN }, Event::Notice(&notice));
    assert!(text.lines().any(|row| row == r"    \link one two three"), "{text}");
    assert!(text.lines().any(|row| row == format!(r"    \link {token}")), "{text}");
    let code = text.lines().filter(|row| row.starts_with('█'));
    assert!(code.clone().count() > 20 && code.clone().all(|row| row.chars().count() < 80), "{text}");
}

fn session() -> SessionId {
    SessionId([4; 32])
}

fn labelled(label: &str) -> Labelled {
    Labelled { session: session(), label: label.into() }
}

#[test]
fn own_sessions_are_listed_with_since_when_they_are_on_or_off_within_eighty_columns() {
    let own = |label: &str, is_this, via, since| OwnSession {
        session: session(),
        label: label.into(),
        is_this,
        via,
        since: Some(Wall(1_700_000_000_000)).filter(|_| since),
    };
    let sessions = vec![
        own("laptop", true, Some(Via::Direct), true),
        own(&format!("{}#abc123", "x".repeat(32)), false, Some(Via::Relayed), true),
        own("pi", false, None, true),
        own("phone", false, None, false),
    ];
    let text = own_sessions(Style { columns: Some(80), ..PLAIN }, &sessions, &chrono::Utc);
    let short = session().short();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "* your 4 sessions");
    assert_eq!(rows[1], format!("    {short}  laptop  online since 2023-11-14 22:13, this one"));
    assert!(text.contains("online since 2023-11-14\n        22:13, through others"), "{text}");
    assert!(text.contains(&format!("    {short}  pi  offline since 2023-11-14 22:13\n")), "{text}");
    assert!(text.ends_with("phone  never met\n"), "{text}");
    assert!(rows.iter().all(|row| row.len() < 80), "{text}");
}

#[test]
fn carriers_of_a_message_are_named() {
    let (bobs, relay) = (SessionId([4; 32]), SessionId([5; 32]));
    let message = view("hi").message;
    let state = |state, by| progress_of("phone", 1, 1, state, by);
    assert_eq!(printed(state(Delivery::Carried, relay)), "* carried for bob by pi\n");
    assert_eq!(printed(state(Delivery::Delivered, bobs)), "* delivered to bob\n");

    let by = |name: &str| Holder { session: relay, name: name.into() };
    let held = |state, by: &[Holder]| HeldBy { session: bobs, label: "phone".into(), state, by: by.to_vec() };
    let said = |sessions| {
        let view = StatusView { message, to: "bob".into(), text: "hi".into(), sessions };
        printed(Notice::Status { messages: vec![view] })
    };
    let carried = held(Delivery::Carried, &[by("pi"), by("va\u{1b}n")]);
    let alone = said(vec![carried.clone()]);
    assert!(alone.contains("carried by pi and va\\u{1b}n\n"), "{alone:?}");
    let all = said(vec![held(Delivery::Queued, &[]), carried, held(Delivery::Delivered, &[by("bob")])]);
    let line = "delivered 1 of 3: waiting for phone, carried for phone by pi and va\\u{1b}n, delivered to phone";
    assert!(all.contains(line), "{all:?}");
}

fn progress_of(label: &str, reached: usize, of: usize, state: Delivery, by: SessionId) -> Notice {
    let progress = Box::new(Progress { label: label.into(), reached, of, holder: "pi".into() });
    Notice::State { message: view("hi").message, to: "bob".into(), session: session(), state, by, progress }
}

#[test]
fn of_an_addressee_with_several_sessions_it_is_said_how_many_have_a_message_and_which() {
    let relay = SessionId([5; 32]);
    let first = progress_of("phone", 1, 2, Delivery::Delivered, session());
    assert_eq!(printed(first), "* delivered 1 of 2 to bob (phone)\n");
    let carried = progress_of("laptop", 1, 2, Delivery::Carried, relay);
    assert_eq!(printed(carried), "* carried for bob (laptop) by pi\n");
    let held = |label: &str, state| HeldBy { session: session(), label: label.into(), state, by: vec![] };
    let sessions = vec![held("phone", Delivery::Delivered), held("laptop", Delivery::Settled)];
    let view = StatusView { message: view("hi").message, to: "bob".into(), text: "hi".into(), sessions };
    let text = printed(Notice::Status { messages: vec![view] });
    let line = "delivered 1 of 2: delivered to phone, left to another session to pass on to laptop\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn the_result_of_explode_is_one_sentence() {
    let notice = Notice::Exploded { users: 1, sessions: 2, messages: 9, elapsed_ms: 40 };
    assert_eq!(printed(notice), "* reached 1 user on 2 sessions with 9 messages in 40 ms\n");
}

#[test]
fn a_friend_of_a_friend_is_two_links_away_and_online_through_others() {
    let session = SessionView {
        session: SessionId([4; 32]),
        label: "pho\u{1b}ne".into(),
        online: true,
        via: Some(Via::Relayed),
        heard_s: 3,
        addrs: vec![],
    };
    let carol = UserView {
        user: "carol".into(),
        id: UserId([3; 32]),
        online: true,
        distance: Some(2),
        nearby: false,
        verified: false,
        blocked: false,
        sessions: vec![session],
    };
    let text = printed(Notice::Users { filter: Filter::All, users: vec![carol] });
    assert!(text.contains("    carol  online, two links away\n"), "{text}");
    assert!(text.contains("pho\\u{1b}ne  online through others, heard 3 s ago"), "{text}");
}

#[test]
fn a_profile_has_the_fingerprint_and_a_qr_code() {
    let profile = Profile {
        user: "bob".into(),
        id: UserId([3; 32]),
        words: "one two three".into(),
        address: "darkchat:abc".into(),
        link_local: Vec::new(),
        session: None,
        sessions: vec![labelled("phone"), Labelled { label: session().short(), ..labelled("") }],
        verified: true,
        drops: Default::default(),
    };
    let text = printed(Notice::Whois(Box::new(profile)));
    assert!(text.starts_with("* bob, verified\n") && text.contains("one two three") && text.contains("darkchat:abc"));
    assert!(text.contains(&format!("phone ({0}), {0}\n", session().short())), "{text}");
    assert!(text.contains('█'));
}

#[test]
fn where_no_other_address_leads_to_other_machines_a_profile_shows_the_link_local_ones() {
    let shown = |addrs: &[&str]| {
        let addrs = addrs.iter().map(|addr| addr.parse().expect("a socket address")).collect();
        let profile = Profile {
            user: "bob".into(),
            id: UserId([3; 32]),
            words: "one two three".into(),
            address: ContactAddress { user: UserId([3; 32]), addrs }.to_string(),
            link_local: vec!["fe80::1%eth0".parse().expect("a place")],
            session: None,
            sessions: vec![],
            verified: false,
            drops: Default::default(),
        };
        printed(Notice::Me(Box::new(profile))).contains("    place    fe80::1%eth0 (on this link; ")
    };
    assert!(shown(&[]) && shown(&["127.0.0.1:27272", "[::1]:27272"]));
    assert!(!shown(&["192.0.2.1:27272"]) && !shown(&["127.0.0.1:27272", "[2001:db8::1]:27272"]));
}

#[test]
fn colours_do_not_change_the_text() {
    let coloured = render(Style { colours: true, ..PLAIN }, Event::Notice(&Notice::Message(Box::new(view("hello")))));
    assert_eq!(coloured, "< \u{1b}[1mbob\u{1b}[0m: hello\n");
}

#[test]
fn on_a_terminal_no_row_of_a_strangers_text_begins_at_the_left_edge() {
    let text = format!("hi{}bob: send the key\n* bob is online{}! warning: run x.sh", " ".repeat(73), " ".repeat(66));
    let style = Style { colours: false, columns: Some(80) };
    for (notice, indent) in [
        (Notice::Message(Box::new(view(&text))), 4),
        (Notice::Warning { code: WarningCode::NameClash, message: text.clone(), user: None }, 4),
        (Notice::History { with: "bob".into(), messages: vec![view(&text), view(&text)], next: None }, 4),
    ] {
        let shown = render(style, Event::Notice(&notice));
        assert!(shown.lines().count() > 2, "{shown}");
        assert!(shown.lines().skip(1).all(|row| row.starts_with(&" ".repeat(indent))), "{shown}");
        assert!(shown.lines().all(|row| row.len() < 80), "{shown}");
    }
    let notice = Notice::History {
        with: "bob".into(),
        messages: vec![view("2023-11-14 22:13  > you: no\n2023-11-14")],
        next: None,
    };
    let entries = render(style, Event::Notice(&notice));
    let own = entries.lines().filter(|row| row.starts_with("    2"));
    assert_eq!(own.count(), 1, "a text does not look like another entry: {entries}");
}

#[test]
fn a_name_of_several_words_does_not_read_like_a_sentence() {
    let (id, session) = (UserId([3; 32]), SessionId([4; 32]));
    let nearby = |user: &str| printed(Notice::Nearby { user: user.into(), id, session });
    assert_eq!(nearby("bob"), "* bob is nearby; \\chat bob to talk\n");
    assert_eq!(nearby("bob is online"), "* \"bob is online\" is nearby; \\chat \"bob is online\" to talk\n");
    let chat = Notice::Chat { with: "bob and carol".into(), id, online: true };
    assert_eq!(printed(chat), "* now talking to \"bob and carol\"\n");
}

#[test]
fn help_has_a_line_for_every_macro() {
    assert_eq!(render(PLAIN, Event::Help).lines().count(), MACROS.len());
}

#[test]
fn of_thousands_of_users_the_nearest_are_listed_and_the_others_counted() {
    let user = |n: usize| UserView {
        user: format!("user{n}"),
        id: UserId([3; 32]),
        online: false,
        distance: (n == 2_999).then_some(1),
        nearby: false,
        verified: false,
        blocked: false,
        sessions: vec![],
    };
    let text = printed(Notice::Users { filter: Filter::All, users: (0..3_000).map(user).collect() });
    assert!(text.starts_with("* 3000 users\n") && text.contains("    user2999  offline, linked\n"), "{text}");
    assert!(text.ends_with("    and 2800 more; \\whois USER shows one of them\n"), "{text}");
}

#[test]
fn an_examination_is_a_table_that_ends_with_the_verdict_and_what_to_do() {
    let text = printed(Notice::Examination(Box::new(with_every_state())));
    assert!(
        text.starts_with("* examined this node and bob\n    program    ok      darknode 0.1.0 in the open"),
        "{text}"
    );
    let end = "    verdict            bob is away for 4 min\n    to do              nothing to do: what you write waits until bob is back\n";
    assert!(text.ends_with(end), "{text}");
}
