//! The events, with their keys in the order in which they are written.

use serde::Serialize;

use super::counts::Counts;
use super::map::Network;
use super::parts::{
    Conversation, Finding, Help, Id, Message, MySession, Person, Request, Session, Status, Text, User, listed, texts,
};
use super::rfc3339;
use super::values::{self, absence, delivery, error_code, warning_code};
use crate::handle::Ready;
use crate::handle::counts::Observed;
use crate::proto::notice::{Notice, Which};
use crate::ui::doctor::{self, Check, Report};
use crate::ui::macros::MACROS;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Body<'a> {
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
        sent: String,
        order: u64,
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
    Cancelled {
        message: String,
        to: &'a str,
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
    Map(Network<'a>),
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
    Counts(Counts<'a>),
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

impl<'a> Body<'a> {
    /// A session that waits to be linked has no user.
    pub fn ready(ready: &'a Ready, has_user: bool) -> Body<'a> {
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

    /// The table of macros.
    pub fn help() -> Body<'a> {
        Body::Help { macros: MACROS.iter().map(|m| Help { name: m.name, r#use: m.usage, text: m.text }).collect() }
    }
}

impl<'a> From<&'a Notice> for Body<'a> {
    fn from(notice: &'a Notice) -> Body<'a> {
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
            Notice::Queued { message, to, text, sent, order } => {
                Body::Queued { message: message.token(), to, text, sent: rfc3339(*sent), order: *order }
            }
            Notice::State { message, to, session, state, by, progress } => Body::State {
                message: message.token(),
                to,
                session: Text(*session),
                label: &progress.label,
                state: delivery(*state),
                by: Text(*by),
                holder: &progress.holder,
            },
            Notice::Cancelled { message, to } => Body::Cancelled { message: message.token(), to },
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
            Notice::Map(map) => Body::Map(map.as_ref().into()),
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

impl<'a> From<&'a Observed> for Body<'a> {
    fn from(counts: &'a Observed) -> Body<'a> {
        Body::Counts(counts.into())
    }
}

impl From<Report> for Body<'_> {
    fn from(report: Report) -> Body<'static> {
        let Report { user, checks, verdict, action } = report;
        let finding = |Check { name, state, text }| Finding { name, state: state.as_str(), text };
        Body::Doctor { user, checks: checks.into_iter().map(finding).collect(), verdict, action }
    }
}
