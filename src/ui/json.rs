//! Events as one JSON object a line, with the keys of the command line's contract. What could command a terminal or hide
//! other text is escaped as JSON allows, so that a reader gets it back as it was.

mod words;

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::Event;
use super::macros::MACROS;
use crate::handle::Ready;
use crate::id::{SessionId, UserId};
use crate::identity::name::harmless;
use crate::proto::notice::Drops;
use crate::proto::notice::{Delivery, HeldBy, MessageView, Notice, Profile, SessionView, StatusView, UserView};
use crate::time::Wall;
use words::{absence, delivery, error_code, path, side, status, warning_code, which};

/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// The line (without its end) for an event that answers input line `line`.
pub fn render(line: Option<u64>, event: Event<'_>) -> String {
    let body = match event {
        Event::Ready(ready) => Body::ready(ready),
        Event::Notice(notice) => Body::notice(notice),
        Event::Help => {
            Body::Help { macros: MACROS.iter().map(|m| Help { name: m.name, r#use: m.usage, text: m.text }).collect() }
        }
        Event::Stopped => Body::Stopped {},
    };
    let mut text = serde_json::to_string(&body).expect("strings, numbers and lists have a JSON form");
    if let Some(line) = line {
        text.pop();
        write!(text, ",\"line\":{line}}}").expect("a string takes all");
    }
    tame(text)
}

/// A wall clock's time, clamped to what RFC 3339 can write.
pub fn rfc3339(wall: Wall) -> String {
    let since_1970 = Duration::from_millis(wall.0.clamp(0, LAST_MILLISECOND) as u64);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970).to_string()
}

/// JSON with `\u` escapes for what is not harmless. Such characters stand only inside strings.
fn tame(json: String) -> String {
    if matches!(harmless(&json), Cow::Borrowed(_)) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 64), |mut tamed, c| {
        let mut buffer = [0; 4];
        if matches!(harmless(c.encode_utf8(&mut buffer)), Cow::Borrowed(_)) {
            tamed.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(tamed, "\\u{unit:04x}").expect("a string takes all");
            }
        }
        tamed
    })
}

/// Written as people see it.
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

type Id = Shown<UserId>;
type Session = Shown<SessionId>;

fn shown<T: Copy>(all: &[T]) -> Vec<Shown<T>> {
    all.iter().copied().map(Shown).collect()
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Body<'a> {
    Ready {
        user: &'a str,
        id: Id,
        session: Session,
        listen: Vec<Shown<std::net::SocketAddr>>,
        network: Option<Shown<crate::id::NetworkId>>,
        roles: &'a [&'static str],
        version: &'static str,
    },
    Nearby {
        user: &'a str,
        id: Id,
        session: Session,
    },
    Away {
        user: &'a str,
        id: Id,
        session: Session,
    },
    Linked {
        user: &'a str,
        id: Id,
        by: &'static str,
        auto: bool,
    },
    Unlinked {
        user: &'a str,
        id: Id,
        by: &'static str,
    },
    Asked {
        user: &'a str,
        id: Id,
    },
    Online {
        user: &'a str,
        id: Id,
        session: Session,
        via: &'static str,
    },
    Path {
        user: &'a str,
        session: Session,
        via: &'static str,
    },
    Offline {
        user: &'a str,
        id: Id,
        session: Session,
        reason: &'static str,
    },
    Chat {
        with: &'a str,
        id: Id,
    },
    Queued {
        message: String,
        to: &'a str,
        text: &'a str,
    },
    State {
        message: String,
        to: &'a str,
        session: Session,
        state: &'static str,
        by: Session,
    },
    Message(Message<'a>),
    Users {
        filter: &'static str,
        users: Vec<User<'a>>,
    },
    Pong {
        addr: Shown<std::net::SocketAddr>,
        user: &'a str,
        id: Id,
        session: Session,
        rtt_ms: f64,
    },
    Exploded {
        users: usize,
        sessions: usize,
        messages: u64,
        elapsed_ms: u64,
    },
    Me(Person<'a>),
    Whois(Person<'a>),
    Status {
        messages: Vec<Status<'a>>,
    },
    History {
        with: &'a str,
        messages: Vec<Message<'a>>,
    },
    Done {
        what: &'a str,
    },
    Help {
        macros: Vec<Help>,
    },
    Warning {
        code: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
    },
    Error {
        code: &'static str,
        message: &'a str,
    },
    Stopped {},
}

#[derive(Serialize)]
struct Message<'a> {
    message: String,
    from: &'a str,
    from_id: Id,
    with: &'a str,
    text: &'a str,
    sent: String,
    order: u64,
    own: bool,
    again: bool,
}

#[derive(Serialize)]
struct User<'a> {
    user: &'a str,
    id: Id,
    status: &'static str,
    distance: Option<u8>,
    nearby: bool,
    verified: bool,
    sessions: Vec<UserSession>,
}

#[derive(Serialize)]
struct UserSession {
    session: Session,
    status: &'static str,
    via: Option<&'static str>,
    heard_s: u64,
    addrs: Vec<Shown<std::net::SocketAddr>>,
}

#[derive(Serialize)]
struct Person<'a> {
    user: &'a str,
    id: Id,
    words: &'a str,
    address: &'a str,
    session: Option<Session>,
    sessions: Vec<Session>,
    verified: bool,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    drops: &'a Drops,
}

#[derive(Serialize)]
struct Status<'a> {
    message: String,
    to: &'a str,
    text: &'a str,
    sessions: Vec<MessageState>,
}

#[derive(Serialize)]
struct MessageState {
    session: Session,
    state: &'static str,
    /// The first of those who have it.
    by: Option<Session>,
    carriers: Vec<Session>,
}

#[derive(Serialize)]
struct Help {
    name: &'static str,
    r#use: &'static str,
    text: &'static str,
}

impl<'a> Body<'a> {
    fn ready(ready: &'a Ready) -> Body<'a> {
        Body::Ready {
            user: &ready.user,
            id: Shown(ready.id),
            session: Shown(ready.session),
            listen: shown(&ready.listen),
            network: ready.network.map(Shown),
            roles: &ready.roles,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    fn notice(notice: &'a Notice) -> Body<'a> {
        match notice {
            Notice::Nearby { user, id, session } => Body::Nearby { user, id: Shown(*id), session: Shown(*session) },
            Notice::Away { user, id, session } => Body::Away { user, id: Shown(*id), session: Shown(*session) },
            Notice::Linked { user, id, by, auto } => Body::Linked { user, id: Shown(*id), by: side(*by), auto: *auto },
            Notice::Unlinked { user, id, by } => Body::Unlinked { user, id: Shown(*id), by: side(*by) },
            Notice::Asked { user, id } => Body::Asked { user, id: Shown(*id) },
            Notice::Online { user, id, session, via } => {
                Body::Online { user, id: Shown(*id), session: Shown(*session), via: path(*via) }
            }
            Notice::Path { user, session, via } => Body::Path { user, session: Shown(*session), via: path(*via) },
            Notice::Offline { user, id, session, reason } => {
                Body::Offline { user, id: Shown(*id), session: Shown(*session), reason: absence(*reason) }
            }
            Notice::Chat { with, id, .. } => Body::Chat { with, id: Shown(*id) },
            Notice::Queued { message, to, text } => Body::Queued { message: message.token(), to, text },
            Notice::State { message, to, session, state, by, .. } => Body::State {
                message: message.token(),
                to,
                session: Shown(*session),
                state: delivery(*state),
                by: Shown(*by),
            },
            Notice::Message(message) => Body::Message(message.as_ref().into()),
            Notice::Users { filter, users } => {
                Body::Users { filter: which(*filter), users: users.iter().map(User::from).collect() }
            }
            Notice::Pong { addr, user, id, session, rtt_ms } => {
                Body::Pong { addr: Shown(*addr), user, id: Shown(*id), session: Shown(*session), rtt_ms: *rtt_ms }
            }
            Notice::Exploded { users, sessions, messages, elapsed_ms } => {
                Body::Exploded { users: *users, sessions: *sessions, messages: *messages, elapsed_ms: *elapsed_ms }
            }
            Notice::Me(profile) => Body::Me(profile.as_ref().into()),
            Notice::Whois(profile) => Body::Whois(profile.as_ref().into()),
            Notice::Status { messages } => Body::Status { messages: messages.iter().map(Status::from).collect() },
            Notice::History { with, messages } => {
                Body::History { with, messages: messages.iter().map(Message::from).collect() }
            }
            Notice::Done { what } => Body::Done { what },
            Notice::Warning { code, message, user } => {
                Body::Warning { code: warning_code(*code), message, user: user.as_deref() }
            }
            Notice::Error { code, message } => Body::Error { code: error_code(*code), message },
        }
    }
}

impl<'a> From<&'a MessageView> for Message<'a> {
    fn from(view: &'a MessageView) -> Message<'a> {
        Message {
            message: view.message.token(),
            from: &view.from,
            from_id: Shown(view.from_id),
            with: &view.with,
            text: &view.text,
            sent: rfc3339(view.sent),
            order: view.order,
            own: view.own,
            again: view.again,
        }
    }
}

impl<'a> From<&'a UserView> for User<'a> {
    fn from(view: &'a UserView) -> User<'a> {
        User {
            user: &view.user,
            id: Shown(view.id),
            status: status(view.online),
            distance: view.distance,
            nearby: view.nearby,
            verified: view.verified,
            sessions: view.sessions.iter().map(UserSession::from).collect(),
        }
    }
}

impl From<&SessionView> for UserSession {
    fn from(view: &SessionView) -> UserSession {
        UserSession {
            session: Shown(view.session),
            status: status(view.online),
            via: view.via.map(path),
            heard_s: view.heard_s,
            addrs: shown(&view.addrs),
        }
    }
}

impl<'a> From<&'a Profile> for Person<'a> {
    fn from(profile: &'a Profile) -> Person<'a> {
        Person {
            user: &profile.user,
            id: Shown(profile.id),
            words: &profile.words,
            address: &profile.address,
            session: profile.session.map(Shown),
            sessions: shown(&profile.sessions),
            verified: profile.verified,
            drops: &profile.drops,
        }
    }
}

impl<'a> From<&'a StatusView> for Status<'a> {
    fn from(view: &'a StatusView) -> Status<'a> {
        Status {
            message: view.message.token(),
            to: &view.to,
            text: &view.text,
            sessions: view.sessions.iter().map(MessageState::from).collect(),
        }
    }
}

impl From<&HeldBy> for MessageState {
    fn from(held: &HeldBy) -> MessageState {
        MessageState {
            session: Shown(held.session),
            state: delivery(held.state),
            by: held.by.first().map(|by| Shown(by.session)),
            carriers: if held.state == Delivery::Carried {
                held.by.iter().map(|by| Shown(by.session)).collect()
            } else {
                Vec::new()
            },
        }
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
