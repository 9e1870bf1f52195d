//! Compares the tables of `docs/json.md` with what the renderer prints.
//!
//! [`all_of`] lists the variants of an enum and does not compile while one is missing. So a new notice, code or value must
//! be rendered here, and the page must name it.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tests::{holder, message_id, view};
use super::values::{error_code, warning_code};
use super::*;
use crate::proto::notice::examination::Subject;
use crate::proto::notice::{
    Absence, By, ErrorCode, Filter, Holder, Labelled, Progress, RequestView, SessionChange, Via, WarningCode,
};
use crate::ui::doctor::tests::{healthy, with_every_state};
use crate::ui::exit::Exit;
use crate::ui::greeting::Setup;
use page::{Kind, Page};

/// A list of values, one for each variant of an enum.
macro_rules! all_of {
    ($kind:ident { $($variant:ident),* $(,)? }) => {
        all_of!($kind { $($variant: $kind::$variant),* })
    };
    ($kind:ident { $($variant:ident: $value:expr),* $(,)? }) => {{
        // A variant that the list lacks is an error here.
        let variant = |value: &$kind| match value { $($kind::$variant { .. } => stringify!($variant)),* };
        let all = vec![$($value),*];
        assert_eq!(all.iter().map(variant).collect::<Vec<_>>(), [$(stringify!($variant)),*]);
        all
    }};
}

const USER: UserId = UserId([1; 32]);
const SESSION: SessionId = SessionId([2; 32]);

fn bob() -> String {
    "bob".to_owned()
}

fn error_codes() -> Vec<ErrorCode> {
    all_of!(ErrorCode {
        UnknownMacro,
        UnknownUser,
        AmbiguousUser,
        BadName,
        BadAddress,
        BadArgument,
        NoConversation,
        TextTooLong,
        Unreachable,
        Blocked,
        Disk,
        TooMany,
        CodeWrong,
        CodeExpired,
        NoUserKey,
        BadRequest,
        Internal,
    })
}

fn warning_codes() -> Vec<WarningCode> {
    all_of!(WarningCode {
        NameClash,
        ClonedKey,
        RosterFork,
        Unlisted,
        NoKey,
        CustodyRefused,
        Disk,
        Multicast,
        Bootstrap,
        LeftOut
    })
}

/// Every notice once.
fn notices() -> Vec<Notice> {
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
        Queued: Notice::Queued { message, to, text },
        State: state(Delivery::Carried),
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
        Examination: Notice::Examination(Box::new(with_every_state())),
        Done: Notice::Done { what: "pruned".to_owned() },
        Warning: Notice::Warning { code: WarningCode::Disk, message: bob(), user: Some(user()) },
        Error: Notice::Error { code: ErrorCode::Disk, message: bob() },
    })
}

/// The notices that have a value which is one of a few, once with each of them.
fn variations() -> Vec<Notice> {
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
    for reason in all_of!(Absence { Declared, Lost }) {
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
    let conversation =
        |last: Option<MessageView>| ConversationView { with: bob(), id: USER, unread: 2, last, order: 6 };
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
    StatusView { message: message_id(), to: bob(), text: bob(), sessions }
}

/// Every event at least once, as it is printed.
fn printed() -> Vec<Value> {
    let ready = |network, roles| Ready {
        user: bob(),
        id: USER,
        session: SESSION,
        listen: vec!["192.0.2.1:5".parse().expect("an address")],
        link_local: vec![],
        network,
        roles,
        fresh: false,
    };
    let open = ready(None, vec![]);
    let closed = ready(Some(crate::id::NetworkId([4; 32])), vec!["relay", "server"]);
    let (notices, variations, setup) = (notices(), variations(), Setup::default());
    let notice = |notice: &Notice| render(Some(7), Event::Notice(notice));
    let mut lines: Vec<String> = notices.iter().chain(&variations).map(notice).collect();
    // Every kind of event, like the variants of `Notice`.
    let kinds = all_of!(Event {
        Ready: Event::Ready(&open, &setup),
        Waiting: Event::Waiting(&open),
        Notice: Event::Notice(&notices[0]),
        Help: Event::Help,
        Stopped: Event::Stopped
    });
    lines.extend(kinds.into_iter().map(|event| render(None, event)));
    lines.push(render(None, Event::Ready(&closed, &setup)));
    lines.iter().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// What was seen while events were compared with the page, by the section and key that documents it.
#[derive(Default)]
struct Seen {
    keys: BTreeMap<(String, String), Presence>,
    values: BTreeMap<(String, String), BTreeSet<String>>,
    kinds: BTreeSet<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
struct Presence {
    absent: bool,
    null: bool,
}

impl Seen {
    /// Compares an object with the table of a section, and whatever is inside it.
    fn object(&mut self, page: &Page, section: &str, object: &Value, common: &[&str]) {
        let section = &page.listed_in(section);
        let object = object.as_object().unwrap_or_else(|| panic!("{section}: {object} is not an object"));
        let keys = page.keys(section);
        let documented: BTreeSet<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        for name in object.keys().filter(|name| !common.contains(&name.as_str())) {
            assert!(documented.contains(name.as_str()), "{section}: the page does not name the key `{name}`");
        }
        for key in keys {
            let place = (section.to_owned(), key.name.clone());
            let value = object.get(&key.name);
            let presence = self.keys.entry(place.clone()).or_default();
            presence.absent |= value.is_none();
            presence.null |= value.is_some_and(Value::is_null);
            assert!(value.is_some() || key.optional, "{section}: `{}` is absent from {object:?}", key.name);
            if let Some(value) = value.filter(|value| !(key.nullable && value.is_null())) {
                self.value(page, &place, &key.kind, value);
            }
        }
    }

    fn value(&mut self, page: &Page, place: &(String, String), kind: &Kind, value: &Value) {
        match kind {
            Kind::Named(name) => {
                assert!(is_of(name, value), "{place:?}: {value} is no {name}");
                self.kinds.insert(name.clone());
            }
            Kind::OneOf(all) => {
                let value = value.as_str().unwrap_or_else(|| panic!("{place:?}: {value} is not a string"));
                assert!(all.contains(value), "{place:?}: the page does not name the value {value:?}");
                self.values.entry(place.clone()).or_default().insert(value.to_owned());
            }
            Kind::List(inner) => {
                let list = value.as_array().unwrap_or_else(|| panic!("{place:?}: {value} is not a list"));
                list.iter().for_each(|value| self.value(page, place, inner, value));
            }
            Kind::Object(section) => self.object(page, section, value, &[]),
        }
    }
}

/// Whether a value has the form of a named type.
fn is_of(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "string" | "text" | "handle" | "message id" => text.is_some_and(|text| !text.is_empty()),
        "id" => text.is_some_and(|text| {
            text.len() == 52 && text.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
        }),
        "address" => text.is_some_and(|text| text.parse::<std::net::SocketAddr>().is_ok()),
        "time" => text.is_some_and(|text| text.len() == 24 && humantime::parse_rfc3339(text).is_ok()),
        "integer" => value.is_u64(),
        "number" => value.as_f64().is_some_and(|number| number >= 0.0),
        "boolean" => value.is_boolean(),
        "counts" => value.as_object().is_some_and(|counts| counts.values().all(Value::is_u64)),
        other => panic!("the page names a type {other:?} that nobody can check"),
    }
}

fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_page_names_every_event_key_type_and_value_and_no_others() {
    let page = Page::read();
    let (mut seen, mut events) = (Seen::default(), BTreeSet::new());
    let common = ["event", "line"];
    for event in printed() {
        let name = event["event"].as_str().expect("an event has a name").to_owned();
        seen.object(&page, "keys-of-every-event", &only(&event, &common), &[]);
        seen.object(&page, &name, &event, &common);
        events.insert(name);
    }
    assert_eq!(page.events(), events);
    for section in page.tables_of_keys() {
        for key in page.keys(&section) {
            let place = (section.clone(), key.name.clone());
            let presence = seen.keys.get(&place).unwrap_or_else(|| panic!("no event has {place:?}"));
            assert_eq!(*presence, Presence { absent: key.optional, null: key.nullable }, "{place:?}");
            if let Some(all) = key.kind.values() {
                assert_eq!(seen.values.get(&place), Some(all), "{place:?}");
            }
        }
    }
    assert_eq!(page.first_column("types"), seen.kinds);
}

/// An object with these keys only.
fn only(object: &Value, keys: &[&str]) -> Value {
    let chosen = keys.iter().filter_map(|key| Some(((*key).to_owned(), object.get(*key)?.clone())));
    Value::Object(chosen.collect())
}

#[test]
fn the_page_names_every_code_and_no_others() {
    let page = Page::read();
    assert_eq!(page.first_column("error-codes"), names(error_codes().into_iter().map(error_code)));
    assert_eq!(page.first_column("warning-codes"), names(warning_codes().into_iter().map(warning_code)));
}

#[test]
fn codes_keep_their_spelling() {
    let errors = "unknown-macro unknown-user ambiguous-user bad-name bad-address bad-argument no-conversation text-too-long \
        unreachable blocked disk too-many code-wrong code-expired no-user-key bad-request internal";
    let warnings =
        "name-clash cloned-key roster-fork unlisted no-key custody-refused disk multicast bootstrap left-out";
    assert_eq!(error_codes().into_iter().map(error_code).collect::<Vec<_>>().join(" "), errors);
    assert_eq!(warning_codes().into_iter().map(warning_code).collect::<Vec<_>>().join(" "), warnings);
}

#[test]
fn the_page_names_every_macro_as_it_is_typed_and_an_event_that_answers_it() {
    let page = Page::read();
    let rows = page.rows("input");
    let typed: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).filter(|input| input != "text").collect();
    assert_eq!(typed, names(MACROS.iter().map(|known| known.usage)));
    let events = page.events();
    for row in rows.iter().filter(|row| !row[1].is_empty()) {
        assert!(events.contains(&row[1]), "{row:?}");
    }
}

#[test]
fn the_page_names_every_exit_code_and_no_others() {
    let exits = all_of!(Exit { Success, Failure, Usage, TimedOut, NoNode });
    let codes: BTreeSet<String> = exits.into_iter().map(|exit| exit.code().to_string()).collect();
    assert_eq!(Page::read().first_column("exit-codes"), codes);
}

#[test]
fn exit_codes_are_made_in_one_place() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let elsewhere = |file: &PathBuf| !file.ends_with("ui/exit.rs") && !file.ends_with("ui/json/contract.rs");
    for file in sources(&src).into_iter().filter(elsewhere) {
        let text = fs::read_to_string(&file).expect("sources are UTF-8");
        for maker in ["ExitCode::", "process::exit", "process::abort"] {
            assert!(!text.contains(maker), "{} has {maker}; use ui::exit", file.display());
        }
    }
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(dir).expect("the sources are there").map(|entry| entry.expect("it can be listed").path());
    let inside = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(inside).collect()
}
