//! Compares the tables of `docs/json.md` with what the renderer prints.
//!
//! [`all_of`] lists the variants of an enum and does not compile while one is missing. So a new notice, code or value must
//! be rendered here, and the page must name it.

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

mod notices;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::names::EVENTS;
use super::values::{error_code, warning_code};
use super::*;
use crate::handle::Ready;
use crate::proto::notice::{ErrorCode, Notice, WarningCode};
use crate::ui::exit::Exit;
use crate::ui::greeting::Setup;
use crate::ui::macros::MACROS;
use crate::ui::plain::counts::tests::observed;
use notices::{SESSION, USER, bob, notices, variations};
use page::{Kind, Page};

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
    let counts = observed();
    let (notices, variations, setup) = (notices(), variations(), Setup::default());
    let notice = |notice: &Notice| render(Some(7), Event::Notice(notice));
    let mut lines: Vec<String> = notices.iter().chain(&variations).map(notice).collect();
    // Every kind of event, like the variants of `Notice`.
    let kinds = all_of!(Event {
        Ready: Event::Ready(&open, &setup),
        Waiting: Event::Waiting(&open),
        Notice: Event::Notice(&notices[0]),
        Help: Event::Help,
        Counts: Event::Counts(&counts),
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
    assert_eq!(page.events(), names(EVENTS.iter().copied()));
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
