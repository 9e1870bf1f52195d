//! Which events a client has subscribed to.

use crate::id::UserId;
use crate::proto::notice::Notice;

/// Names of events and users. An empty list stands for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The names of events.
    pub events: Vec<String>,
    /// Names or ids of users.
    pub with: Vec<String>,
}

impl Filter {
    /// Whether the client wants an event of this name.
    pub fn wants(&self, event: &str, notice: &Notice) -> bool {
        let named = self.events.is_empty() || self.events.iter().any(|name| name == event);
        named && (self.with.is_empty() || self.is_with(notice))
    }

    /// Whether the event is about one of the users. One that is about nobody, such as most warnings, is wanted too.
    fn is_with(&self, notice: &Notice) -> bool {
        let (name, id) = about(notice);
        let Some(name) = name else { return true };
        let bare = name.split('#').next().unwrap_or(name);
        let id = id.map(|id| id.to_string());
        self.with.iter().any(|with| with == name || with == bare || id.as_ref() == Some(with))
    }
}

/// The user an event is about.
fn about(notice: &Notice) -> (Option<&str>, Option<UserId>) {
    match notice {
        Notice::Nearby { user, id, .. }
        | Notice::Away { user, id, .. }
        | Notice::Linked { user, id, .. }
        | Notice::Unlinked { user, id, .. }
        | Notice::Asked { user, id }
        | Notice::Online { user, id, .. }
        | Notice::Path { user, id, .. }
        | Notice::Offline { user, id, .. } => (Some(user), Some(*id)),
        Notice::Queued { message, to, .. } | Notice::State { message, to, .. } | Notice::Cancelled { message, to } => {
            (Some(to), Some(UserId(message.stream.to.0)))
        }
        Notice::Message(view) => (Some(&view.with), (!view.own).then_some(view.from_id)),
        Notice::Warning { user, .. } => (user.as_deref(), None),
        _ => (None, None),
    }
}
