//! Events as JSON, one object per line, in the form that `docs/json.md` documents. Characters that could control a terminal
//! or hide other text are written as `\u` escapes, so that parsers get the original text.

mod values;

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::Event;
use super::doctor::{self, Check, Report};
use super::macros::MACROS;
use crate::handle::Ready;
use crate::id::{SessionId, UserId};
use crate::identity::name::escape;
use crate::identity::place::Place;
use crate::proto::notice::Drops;
use crate::proto::notice::{
    ConversationView, Delivery, HeldBy, MessageView, Notice, OwnSession, Profile, RequestView, SessionView, StatusView,
    UserView, Which,
};
use crate::time::Wall;
pub use values::delivery;
use values::{absence, error_code, status, warning_code};

/// The last millisecond that RFC 3339 can represent: the end of the year 9999.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// The line, without its line ending, for an event that answers input line `line`.
pub fn render(line: Option<u64>, event: Event<'_>) -> String {
    let body = match event {
        Event::Ready(ready, _) => Body::ready(ready, true),
        Event::Waiting(ready) => Body::ready(ready, false),
        Event::Notice(notice) => Body::notice(notice),
        Event::Help => {
            Body::Help { macros: MACROS.iter().map(|m| Help { name: m.name, r#use: m.usage, text: m.text }).collect() }
        }
        Event::Stopped => Body::Stopped {},
    };
    let mut text = serde_json::to_string(&body).expect("strings, numbers and lists have a JSON form");
    if let Some(line) = line {
        text.pop();
        write!(text, ",\"line\":{line}}}").expect("writing to a string cannot fail");
    }
    escaped(text)
}

/// A `doctor` event that answers no input line, without its line ending.
pub fn report(report: Report) -> String {
    escaped(serde_json::to_string(&Body::from(report)).expect("strings and lists have a JSON form"))
}

/// A wall-clock time, clamped to what RFC 3339 can represent.
pub fn rfc3339(wall: Wall) -> String {
    let since_1970 = Duration::from_millis(wall.0.clamp(0, LAST_MILLISECOND) as u64);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970).to_string()
}

/// JSON without characters that could control a terminal or hide other text: they are written as `\u` escapes. They occur
/// only inside strings.
pub fn escaped(json: String) -> String {
    if matches!(escape(&json), Cow::Borrowed(_)) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 64), |mut text, c| {
        let mut buffer = [0; 4];
        if matches!(escape(c.encode_utf8(&mut buffer)), Cow::Borrowed(_)) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        }
        text
    })
}

/// Serialized by its `Display` form.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

type Id = Text<UserId>;
type Session = Text<SessionId>;

fn texts<T: Copy>(all: &[T]) -> Vec<Text<T>> {
    all.iter().copied().map(Text).collect()
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Body<'a> {
    Ready {
        user: Option<&'a str>,
        id: Option<Id>,
        session: Session,
        listen: Vec<Text<std::net::SocketAddr>>,
        network: Option<Text<crate::id::NetworkId>>,
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
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        own: bool,
        via: &'static str,
    },
    Path {
        user: &'a str,
        session: Session,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        own: bool,
        via: &'static str,
    },
    Offline {
        user: &'a str,
        id: Id,
        session: Session,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<&'a str>,
        own: bool,
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
        label: &'a str,
        state: &'static str,
        by: Session,
        holder: &'a str,
    },
    Message(Message<'a>),
    Users {
        filter: &'static str,
        users: Vec<User<'a>>,
    },
    Requests {
        users: Vec<Request<'a>>,
    },
    Pong {
        addr: Text<std::net::SocketAddr>,
        user: &'a str,
        id: Id,
        session: Session,
        rtt_ms: f64,
    },
    Bootstrap {
        place: &'a str,
        addr: Text<std::net::SocketAddr>,
        user: &'a str,
        id: Id,
        session: Session,
    },
    Mirrored {
        session: Session,
        label: &'a str,
        lines: u64,
        complete: bool,
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
    Code {
        code: &'a str,
        token: &'a str,
        expires_s: u64,
    },
    Joined {
        user: &'a str,
        id: Id,
        words: &'a str,
    },
    Sessions {
        sessions: Vec<MySession<'a>>,
    },
    Session {
        label: &'a str,
        session: Session,
        state: &'static str,
        own: bool,
    },
    History {
        with: &'a str,
        messages: Vec<Message<'a>>,
        next: Option<String>,
    },
    Found {
        text: &'a str,
        with: Option<&'a str>,
        messages: Vec<Message<'a>>,
        next: Option<String>,
    },
    Exported {
        messages: Vec<Message<'a>>,
        next: Option<String>,
    },
    Conversations {
        conversations: Vec<Conversation<'a>>,
    },
    Read {
        with: &'a str,
        through: String,
    },
    Doctor {
        user: Option<String>,
        checks: Vec<Finding>,
        verdict: String,
        action: String,
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
    /// The label of the session that wrote it, of messages of the local user.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    past: bool,
}

#[derive(Serialize)]
struct Conversation<'a> {
    with: &'a str,
    id: Id,
    unread: u64,
    last: Option<Message<'a>>,
    order: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    user: &'a str,
    id: Id,
    lines: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct User<'a> {
    user: &'a str,
    id: Id,
    status: &'static str,
    distance: Option<u8>,
    nearby: bool,
    verified: bool,
    blocked: bool,
    sessions: Vec<UserSession<'a>>,
}

#[derive(Serialize)]
struct MySession<'a> {
    session: Session,
    label: &'a str,
    this: bool,
    status: &'static str,
    via: Option<&'static str>,
    since: Option<String>,
}

#[derive(Serialize)]
struct UserSession<'a> {
    session: Session,
    label: &'a str,
    status: &'static str,
    via: Option<&'static str>,
    heard_s: u64,
    addrs: Vec<Text<std::net::SocketAddr>>,
}

#[derive(Serialize)]
struct Person<'a> {
    user: &'a str,
    id: Id,
    words: &'a str,
    address: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    link_local: Vec<String>,
    session: Option<Session>,
    sessions: Vec<Session>,
    labels: Vec<&'a str>,
    verified: bool,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    drops: &'a Drops,
}

#[derive(Serialize)]
struct Status<'a> {
    message: String,
    to: &'a str,
    text: &'a str,
    sessions: Vec<MessageState<'a>>,
}

#[derive(Serialize)]
struct MessageState<'a> {
    session: Session,
    label: &'a str,
    state: &'static str,
    /// The first session that has it.
    by: Option<Session>,
    carriers: Vec<Session>,
}

#[derive(Serialize)]
struct Finding {
    name: &'static str,
    state: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Help {
    name: &'static str,
    r#use: &'static str,
    text: &'static str,
}

impl<'a> Body<'a> {
    /// A session that waits to be linked has no user.
    fn ready(ready: &'a Ready, has_user: bool) -> Body<'a> {
        Body::Ready {
            user: has_user.then_some(&ready.user),
            id: has_user.then_some(Text(ready.id)),
            session: Text(ready.session),
            listen: texts(&ready.listen),
            network: ready.network.map(Text),
            roles: &ready.roles,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    fn notice(notice: &'a Notice) -> Body<'a> {
        match notice {
            Notice::Nearby { user, id, session } => Body::Nearby { user, id: Text(*id), session: Text(*session) },
            Notice::Away { user, id, session } => Body::Away { user, id: Text(*id), session: Text(*session) },
            Notice::Linked { user, id, by, auto } => {
                Body::Linked { user, id: Text(*id), by: values::by(*by), auto: *auto }
            }
            Notice::Unlinked { user, id, by } => Body::Unlinked { user, id: Text(*id), by: values::by(*by) },
            Notice::Asked { user, id } => Body::Asked { user, id: Text(*id) },
            Notice::Online { user, id, session, which: Which { label, own }, via } => Body::Online {
                user,
                id: Text(*id),
                session: Text(*session),
                label: label.as_deref(),
                own: *own,
                via: values::via(*via),
            },
            Notice::Path { user, session, which: Which { label, own }, via, .. } => {
                Body::Path { user, session: Text(*session), label: label.as_deref(), own: *own, via: values::via(*via) }
            }
            Notice::Offline { user, id, session, which: Which { label, own }, reason } => Body::Offline {
                user,
                id: Text(*id),
                session: Text(*session),
                label: label.as_deref(),
                own: *own,
                reason: absence(*reason),
            },
            Notice::Chat { with, id, .. } => Body::Chat { with, id: Text(*id) },
            Notice::Queued { message, to, text } => Body::Queued { message: message.token(), to, text },
            Notice::State { message, to, session, state, by, progress } => Body::State {
                message: message.token(),
                to,
                session: Text(*session),
                label: &progress.label,
                state: delivery(*state),
                by: Text(*by),
                holder: &progress.holder,
            },
            Notice::Message(message) => Body::Message(message.as_ref().into()),
            Notice::Mirrored { session, label, lines, complete } => {
                Body::Mirrored { session: Text(*session), label, lines: *lines, complete: *complete }
            }
            Notice::Users { filter, users } => {
                Body::Users { filter: values::filter(*filter), users: users.iter().map(User::from).collect() }
            }
            Notice::Requests { users, .. } => Body::Requests { users: users.iter().map(Request::from).collect() },
            Notice::Pong { addr, user, id, session, rtt_ms } => {
                Body::Pong { addr: Text(*addr), user, id: Text(*id), session: Text(*session), rtt_ms: *rtt_ms }
            }
            Notice::Bootstrap { place, addr, user, id, session } => {
                Body::Bootstrap { place, addr: Text(*addr), user, id: Text(*id), session: Text(*session) }
            }
            Notice::Exploded { users, sessions, messages, elapsed_ms } => {
                Body::Exploded { users: *users, sessions: *sessions, messages: *messages, elapsed_ms: *elapsed_ms }
            }
            Notice::Me(profile) => Body::Me(profile.as_ref().into()),
            Notice::Whois(profile) => Body::Whois(profile.as_ref().into()),
            Notice::Status { messages } => Body::Status { messages: messages.iter().map(Status::from).collect() },
            Notice::Code { code, token, expires_s } => Body::Code { code, token, expires_s: *expires_s },
            Notice::Joined { user, id, words } => Body::Joined { user, id: Text(*id), words },
            Notice::Sessions { sessions } => {
                Body::Sessions { sessions: sessions.iter().map(MySession::from).collect() }
            }
            Notice::Session { label, session, state } => {
                Body::Session { label, session: Text(*session), state: values::session_change(*state), own: true }
            }
            Notice::History { with, messages, next } => {
                Body::History { with, messages: listed(messages), next: next.map(|next| next.token()) }
            }
            Notice::Found { text, with, messages, next } => Body::Found {
                text,
                with: with.as_deref(),
                messages: listed(messages),
                next: next.map(|next| next.token()),
            },
            Notice::Exported { messages, next } => {
                Body::Exported { messages: listed(messages), next: next.map(|next| next.token()) }
            }
            Notice::Conversations { conversations } => {
                Body::Conversations { conversations: conversations.iter().map(Conversation::from).collect() }
            }
            Notice::Read { with, through } => Body::Read { with, through: through.token() },
            Notice::Examination(examination) => doctor::report(examination).into(),
            Notice::Done { what } => Body::Done { what },
            Notice::Warning { code, message, user } => {
                Body::Warning { code: warning_code(*code), message, user: user.as_deref() }
            }
            Notice::Error { code, message } => Body::Error { code: error_code(*code), message },
        }
    }
}

impl From<Report> for Body<'_> {
    fn from(report: Report) -> Body<'static> {
        let Report { user, checks, verdict, action } = report;
        let finding = |Check { name, state, text }| Finding { name, state: state.as_str(), text };
        Body::Doctor { user, checks: checks.into_iter().map(finding).collect(), verdict, action }
    }
}

fn listed(messages: &[MessageView]) -> Vec<Message<'_>> {
    messages.iter().map(Message::from).collect()
}

impl<'a> From<&'a MessageView> for Message<'a> {
    fn from(view: &'a MessageView) -> Message<'a> {
        Message {
            message: view.message.token(),
            from: &view.from,
            from_id: Text(view.from_id),
            with: &view.with,
            text: &view.text,
            sent: rfc3339(view.sent),
            order: view.order,
            own: view.own,
            again: view.again,
            label: view.by.as_deref(),
            past: view.past,
        }
    }
}

impl<'a> From<&'a ConversationView> for Conversation<'a> {
    fn from(view: &'a ConversationView) -> Conversation<'a> {
        Conversation {
            with: &view.with,
            id: Text(view.id),
            unread: view.unread,
            last: view.last.as_ref().map(Message::from),
            order: view.order,
        }
    }
}

impl<'a> From<&'a RequestView> for Request<'a> {
    fn from(view: &'a RequestView) -> Request<'a> {
        Request { user: &view.user, id: Text(view.id), lines: view.lines, bytes: view.bytes }
    }
}

impl<'a> From<&'a UserView> for User<'a> {
    fn from(view: &'a UserView) -> User<'a> {
        User {
            user: &view.user,
            id: Text(view.id),
            status: status(view.online),
            distance: view.distance,
            nearby: view.nearby,
            verified: view.verified,
            blocked: view.blocked,
            sessions: view.sessions.iter().map(UserSession::from).collect(),
        }
    }
}

impl<'a> From<&'a OwnSession> for MySession<'a> {
    fn from(view: &'a OwnSession) -> MySession<'a> {
        MySession {
            session: Text(view.session),
            label: &view.label,
            this: view.is_this,
            status: status(view.via.is_some()),
            via: view.via.map(values::via),
            since: view.since.map(rfc3339),
        }
    }
}

impl<'a> From<&'a SessionView> for UserSession<'a> {
    fn from(view: &'a SessionView) -> UserSession<'a> {
        UserSession {
            session: Text(view.session),
            label: &view.label,
            status: status(view.online),
            via: view.via.map(values::via),
            heard_s: view.heard_s,
            addrs: texts(&view.addrs),
        }
    }
}

impl<'a> From<&'a Profile> for Person<'a> {
    fn from(profile: &'a Profile) -> Person<'a> {
        Person {
            user: &profile.user,
            id: Text(profile.id),
            words: &profile.words,
            address: &profile.address,
            link_local: profile.link_local.iter().map(Place::short).collect(),
            session: profile.session.map(Text),
            sessions: profile.sessions.iter().map(|known| Text(known.session)).collect(),
            labels: profile.sessions.iter().map(|known| known.label.as_str()).collect(),
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

impl<'a> From<&'a HeldBy> for MessageState<'a> {
    fn from(held: &'a HeldBy) -> MessageState<'a> {
        MessageState {
            session: Text(held.session),
            label: &held.label,
            state: delivery(held.state),
            by: held.by.first().map(|by| Text(by.session)),
            carriers: if held.state == Delivery::Carried {
                held.by.iter().map(|by| Text(by.session)).collect()
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
