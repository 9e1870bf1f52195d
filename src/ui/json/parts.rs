//! The objects inside events.

use std::fmt::Display;

use crate::ui::qr;
use serde::{Serialize, Serializer};

use super::rfc3339;
use super::values::{self, delivery, status};
use crate::id::{SessionId, UserId};
use crate::identity::place::Place;
use crate::proto::notice::{
    ConversationView, Delivery, Drops, HeldBy, MessageView, OwnSession, Profile, RequestView, SessionView, StatusView,
    UserView,
};

/// Serialized by its `Display` form.
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

pub type Id = Text<UserId>;
pub type Session = Text<SessionId>;

pub fn texts<T: Copy>(all: &[T]) -> Vec<Text<T>> {
    all.iter().copied().map(Text).collect()
}

#[derive(Serialize)]
pub struct Message<'a> {
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
}

#[derive(Serialize)]
pub struct Conversation<'a> {
    with: &'a str,
    id: Id,
    unread: u64,
    last: Option<Message<'a>>,
    order: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    typed_last: bool,
}

#[derive(Serialize)]
pub struct Request<'a> {
    user: &'a str,
    id: Id,
    lines: u64,
    bytes: u64,
}

#[derive(Serialize)]
pub struct User<'a> {
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
pub struct MySession<'a> {
    session: Session,
    label: &'a str,
    this: bool,
    status: &'static str,
    via: Option<&'static str>,
    since: Option<String>,
}

#[derive(Serialize)]
pub struct UserSession<'a> {
    session: Session,
    label: &'a str,
    status: &'static str,
    via: Option<&'static str>,
    heard_s: u64,
    addrs: Vec<Text<std::net::SocketAddr>>,
}

#[derive(Serialize)]
pub struct Person<'a> {
    user: &'a str,
    id: Id,
    words: &'a str,
    address: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    link_local: Vec<String>,
    /// The address as a QR code, of this node's own user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    qr: Vec<String>,
    session: Option<Session>,
    sessions: Vec<Session>,
    labels: Vec<&'a str>,
    verified: bool,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    drops: &'a Drops,
}

#[derive(Serialize)]
pub struct Status<'a> {
    message: String,
    to: &'a str,
    text: &'a str,
    sent: String,
    sessions: Vec<MessageState<'a>>,
}

#[derive(Serialize)]
pub struct MessageState<'a> {
    session: Session,
    label: &'a str,
    state: &'static str,
    /// The first session that has it.
    by: Option<Session>,
    carriers: Vec<Session>,
}

#[derive(Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub state: &'static str,
    pub text: String,
}

#[derive(Serialize)]
pub struct Help {
    pub name: &'static str,
    pub r#use: &'static str,
    pub text: &'static str,
}

pub fn listed(messages: &[MessageView]) -> Vec<Message<'_>> {
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
            late: view.late,
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
            typed_last: view.typed_last,
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
            qr: profile.session.map(|_| qr::rows(&profile.address)).unwrap_or_default(),
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
            sent: rfc3339(view.sent),
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
