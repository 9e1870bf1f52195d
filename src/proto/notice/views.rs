//! People, sessions and messages as they are shown.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::values::{Delivery, Via};
use crate::id::{MessageId, SessionId, UserId};
use crate::identity::place::Place;
use crate::time::Wall;

/// How often something was dropped at a limit or refused since the start, by reason.
pub type Drops = BTreeMap<&'static str, u64>;

/// How a session is told apart from the others of its user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Which {
    /// Its label; `None` if it is the only session of its user, or is not on their roster any more.
    pub label: Option<String>,
    /// It belongs to the local user.
    pub own: bool,
}

/// What is shown when a message made progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The label of the session of the addressee.
    pub label: String,
    /// How many of the addressee's sessions have the message.
    pub reached: usize,
    /// How many sessions the addressee has.
    pub of: usize,
    /// The name to show for the user of the session whose disk has it; its label if that is the local user.
    pub holder: String,
}

/// A message as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageView {
    /// Its number in the order of arrival. The interface returns it once it has printed the message.
    pub arrival: u64,
    /// The message.
    pub message: MessageId,
    /// The name to show for the author.
    pub from: String,
    /// The author.
    pub from_id: UserId,
    /// The name to show for the conversation.
    pub with: String,
    /// The text, unescaped.
    pub text: String,
    /// When it was written, by the author's clock.
    pub sent: Wall,
    /// The author's Lamport counter, which orders a conversation.
    pub order: u64,
    /// The local user wrote it.
    pub own: bool,
    /// It may have been printed before a crash.
    pub again: bool,
    /// It is part of the history that a new session of the local user gets from another one.
    pub past: bool,
    /// A message that stands behind it in the history was there when it arrived. Said of messages of others when the history is
    /// read; who is shown a message as it arrives knows what is there.
    pub late: bool,
    /// The label of the session that wrote it, if it is another one of the local user.
    pub by: Option<String>,
}

/// A conversation as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationView {
    /// The name to show for the other side.
    pub with: String,
    /// The other side.
    pub id: UserId,
    /// Messages of the other side that were not read on any session of the local user.
    pub unread: u64,
    /// The last message; `None` if nothing was said yet.
    pub last: Option<MessageView>,
    /// The place of the last message in history, as in [`MessageView::order`]; 0 if there is none.
    pub order: u64,
    /// The last message that was typed on this session is in it. True of at most one.
    pub typed_last: bool,
}

/// A user as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct UserView {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// At least one session is online.
    pub online: bool,
    /// Links between the local user and this one; `None` if more than two.
    pub distance: Option<u8>,
    /// A session is on the local link.
    pub nearby: bool,
    /// The local user has verified the fingerprint.
    pub verified: bool,
    /// The local user has blocked them.
    pub blocked: bool,
    /// The known sessions.
    pub sessions: Vec<SessionView>,
}

/// Somebody who has written and was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// Lines that are held back until they are accepted, as far as they are known.
    pub lines: u64,
    /// Bytes of these lines.
    pub bytes: u64,
}

/// A session with the label to show for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The session.
    pub session: SessionId,
    /// Its label, which no other session of the user shares; the start of its id if it has none.
    pub label: String,
}

/// A session of the local user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSession {
    /// The session.
    pub session: SessionId,
    /// The label to show.
    pub label: String,
    /// It is the session of this node.
    pub is_this: bool,
    /// How it is reached; `None` if it is offline.
    pub via: Option<Via>,
    /// Since when it is online, or when it was last heard of; `None` if it never was.
    pub since: Option<Wall>,
}

/// A session as listed.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// The session.
    pub session: SessionId,
    /// The label to show.
    pub label: String,
    /// Whether it is online.
    pub online: bool,
    /// How it is reached; `None` if it is offline.
    pub via: Option<Via>,
    /// Seconds since it was last heard of; 0 while it is connected.
    pub heard_s: u64,
    /// Addresses at which it may be dialled.
    pub addrs: Vec<SocketAddr>,
}

/// A user in detail, for `\me` and `\whois`.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The name to show.
    pub user: String,
    /// The user.
    pub id: UserId,
    /// The fingerprint of the user key, in words.
    pub words: String,
    /// The contact address, `darkchat:…`, to be dialled or scanned.
    pub address: String,
    /// In `\me`: the link-local addresses of this node, which a contact address cannot have, with the name of their interface
    /// here.
    pub link_local: Vec<Place>,
    /// The session of this node, in `\me`.
    pub session: Option<SessionId>,
    /// The user's known sessions.
    pub sessions: Vec<Labelled>,
    /// The local user has verified the fingerprint.
    pub verified: bool,
    /// In `\me`: what this node dropped or refused since its start, by reason.
    pub drops: Drops,
}

/// A message in `\status`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusView {
    /// The message.
    pub message: MessageId,
    /// The name to show for the addressee.
    pub to: String,
    /// The text.
    pub text: String,
    /// When it was written.
    pub sent: Wall,
    /// Its progress towards each session of the addressee.
    pub sessions: Vec<HeldBy>,
}

/// The progress of a message towards one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// The session of the addressee.
    pub session: SessionId,
    /// Its label.
    pub label: String,
    /// How far it has come.
    pub state: Delivery,
    /// The carriers whose disk has or had it; the session itself once it is delivered; otherwise empty.
    pub by: Vec<Holder>,
}

/// A session that has a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// The name to show for its user; its label if that is the local user.
    pub name: String,
}
