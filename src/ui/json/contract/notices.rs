//! Every notice, with every value of what is one of a few.

use super::super::tests::{holder, mapped, message_id, view};
use crate::id::{SessionId, UserId};
use crate::proto::notice::examination::Subject;
use crate::proto::notice::{
    Absence, By, ConversationView, Delivery, Drops, ErrorCode, Filter, HeldBy, Holder, Labelled, MessageView, Notice,
    OwnSession, Profile, Progress, RequestView, SessionChange, SessionView, StatusView, UserView, Via, WarningCode,
    Which,
};
use crate::time::Wall;
use crate::ui::doctor::tests::{healthy, with_every_state};

pub const USER: UserId = UserId([1; 32]);
pub const SESSION: SessionId = SessionId([2; 32]);

pub fn bob() -> String {
    "bob".to_owned()
}

/// Every notice once.
pub fn notices() -> Vec<Notice> {
    let (user, id, session) = (bob, USER, SESSION);
    let addr = "192.0.2.1:5".parse().expect("an address");
    let (message, to, text) = (message_id(), bob(), bob());
    all_of!(Notice {
        Nearby: Notice::Nearby { user: user(), id, session },
        Away: Notice::Away { user: user(), id, session },
        Linked: Notice::Linked { user: user(), id, by: By::Me, auto: false },
        Unlinked: Notice::Unlinked { user: user(), id, by: By::Me },
        Asked: Notice::Asked { user: user(), id },
        Online: Notice::Online { user: user(), id, session, which: Which::default(), via: Via::Direct },
        Path: Notice::Path { user: user(), id, session, which: Which::default(), via: Via::Direct },
        Offline: Notice::Offline { user: user(), id, session, which: Which::default(), reason: Absence::Lost },
        Chat: Notice::Chat { with: user(), id, online: true },
        Queued: Notice::Queued { message, to, text, sent: Wall(0), order: 6 },
        State: state(Delivery::Carried),
        Cancelled: Notice::Cancelled { message, to: bob() },
        Message: Notice::Message(Box::new(view("hi"))),
        Mirrored: Notice::Mirrored { session, label: bob(), lines: 3, complete: false },
        Users: Notice::Users { filter: Filter::All, users: users() },
        Pong: Notice::Pong { addr, user: user(), id, session, rtt_ms: 1.5 },
        Bootstrap: Notice::Bootstrap { place: bob(), addr, user: user(), id, session },
        Exploded: Notice::Exploded { users: 2, sessions: 3, messages: 9, elapsed_ms: 40 },
        Me: Notice::Me(Box::new(profile(Some(SESSION), [("bad hello", 2)].into()))),
        Whois: Notice::Whois(Box::new(profile(None, Drops::new()))),
        Status: Notice::Status { messages: vec![status()] },
        Sessions: Notice::Sessions { sessions: own_sessions() },
        Code: Notice::Code { code: bob(), token: bob(), expires_s: 120 },
        Joined: Notice::Joined { user: user(), id, words: bob() },
        Session: Notice::Session { label: bob(), session, state: SessionChange::Linked },
        History: Notice::History { with: user(), messages: vec![view("hi")], next: Some(message) },
        Found: Notice::Found { text: bob(), with: Some(user()), messages: vec![view("hi")], next: Some(message) },
        Exported: Notice::Exported { messages: vec![view("hi")], next: Some(message) },
        Conversations: Notice::Conversations { conversations: conversations() },
        Read: Notice::Read { with: user(), through: message },
        Requests: Notice::Requests { users: vec![request()], is_answer: false },
        Map: Notice::Map(Box::new(mapped())),
        Examination: Notice::Examination(Box::new(with_every_state())),
        Done: Notice::Done { what: "pruned".to_owned() },
        Warning: Notice::Warning { code: WarningCode::Disk, message: bob(), user: Some(user()) },
        Error: Notice::Error { code: ErrorCode::Disk, message: bob() },
    })
}

/// The notices that have a value which is one of a few, once with each of them.
pub fn variations() -> Vec<Notice> {
    let (user, id, session) = (bob, USER, SESSION);
    let mut all = vec![
        Notice::Me(Box::new(profile(Some(SESSION), Drops::new()))),
        Notice::Examination(Box::new(healthy(Subject::Node))),
        Notice::Warning { code: WarningCode::Multicast, message: bob(), user: None },
        Notice::History { with: user(), messages: Vec::new(), next: None },
        Notice::Found { text: bob(), with: None, messages: Vec::new(), next: None },
        Notice::Exported { messages: Vec::new(), next: None },
        // `Delivery::Queued` and `Delivery::Settled` are no progress, so no `state` says them.
        state(Delivery::Delivered),
    ];
    for by in all_of!(By { Me, Them }) {
        all.push(Notice::Linked { user: user(), id, by, auto: by == By::Them });
        all.push(Notice::Unlinked { user: user(), id, by });
    }
    for via in all_of!(Via { Direct, Relayed }) {
        let which = Which { label: Some(bob()), own: true };
        all.push(Notice::Online { user: user(), id, session, which, via });
        all.push(Notice::Path { user: user(), id, session, which: Which::default(), via });
    }
    for state in all_of!(SessionChange { Linked, Unlinked }) {
        all.push(Notice::Session { label: user(), session, state });
    }
    for reason in all_of!(Absence { Declared, Lost, Unlinked }) {
        all.push(Notice::Offline { user: user(), id, session, which: Which::default(), reason });
    }
    for filter in all_of!(Filter { All, Online, Offline }) {
        all.push(Notice::Users { filter, users: Vec::new() });
    }
    all
}

fn state(state: Delivery) -> Notice {
    let progress = Box::new(Progress { label: bob(), reached: 1, of: 2, holder: bob() });
    Notice::State { message: message_id(), to: bob(), session: SESSION, state, by: SESSION, progress }
}

fn own_sessions() -> Vec<OwnSession> {
    let session = |via, since| OwnSession { session: SESSION, label: bob(), is_this: true, via, since };
    vec![session(Some(Via::Direct), Some(Wall(0))), session(Some(Via::Relayed), Some(Wall(0))), session(None, None)]
}

fn conversations() -> Vec<ConversationView> {
    let conversation = |last: Option<MessageView>| {
        let typed_last = last.is_some();
        ConversationView { with: bob(), id: USER, unread: 2, last, order: 6, typed_last }
    };
    vec![conversation(Some(view("hi"))), conversation(None)]
}

fn request() -> RequestView {
    RequestView { user: bob(), id: USER, lines: 3, bytes: 40 }
}

fn users() -> Vec<UserView> {
    let session = |via: Option<Via>| {
        let addrs = vec!["[2001:db8::1]:5".parse().expect("an address")];
        SessionView { session: SESSION, label: bob(), online: via.is_some(), via, heard_s: 3, addrs }
    };
    let sessions = vec![session(Some(Via::Direct)), session(Some(Via::Relayed)), session(None)];
    let user = UserView {
        user: bob(),
        id: USER,
        online: true,
        distance: Some(1),
        nearby: true,
        verified: false,
        blocked: false,
        sessions,
    };
    let offline = UserView { online: false, distance: None, ..user.clone() };
    vec![user, offline]
}

fn profile(session: Option<SessionId>, drops: Drops) -> Profile {
    let (words, address) = ("one two".to_owned(), "darkchat:x".to_owned());
    let link_local = if session.is_some() { vec!["fe80::1%eth0".parse().expect("a place")] } else { Vec::new() };
    Profile {
        user: bob(),
        id: USER,
        words,
        address,
        link_local,
        session,
        sessions: vec![Labelled { session: SESSION, label: bob() }],
        verified: true,
        drops,
    }
}

fn status() -> StatusView {
    let held = |state: Delivery| {
        let by: Vec<Holder> =
            if matches!(state, Delivery::Queued | Delivery::Settled) { Vec::new() } else { vec![holder(SESSION)] };
        HeldBy { session: SESSION, label: bob(), state, by }
    };
    let states = all_of!(Delivery { Queued, Carried, Delivered, Settled });
    let sessions = states.into_iter().map(held).collect();
    StatusView { message: message_id(), to: bob(), text: bob(), sent: Wall(0), sessions }
}
