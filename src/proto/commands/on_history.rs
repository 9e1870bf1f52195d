//! Commands about what was said.

use crate::id::{Address, MessageDigest, UserId};
use crate::proto::Core;
use crate::proto::commands::on_request::{Failed, beginning};
use crate::proto::event::{MAX_HISTORY, Output, Page, Query, Searched, StatusOf};
use crate::proto::limits::STATUS_RECENT;
use crate::proto::notice::ErrorCode;
use crate::proto::persist::LinkState;
use crate::wire::content::MAX_TEXT;

impl Core {
    /// Queries the store for the status of one conversation, or of all with waiting messages.
    pub(super) fn query_status(&mut self, line: Option<u64>, typed: Option<&str>) -> Result<(), Failed> {
        let (users, recent) = match typed {
            Some(typed) => (vec![self.resolve_user(typed)?], STATUS_RECENT),
            None => (self.chat.outbox.addressees().map(|to| self.people.user_at(&to)).collect(), 0),
        };
        let of = |with: UserId| StatusOf {
            with,
            handle: self.people.users.handle(&with),
            sessions: self.view_audience(&with),
            carriers: self
                .chat
                .outbox
                .carriers(&Address::from(with))
                .into_iter()
                .map(|by| (by, self.people.name_of(&by)))
                .collect(),
        };
        let conversations = users.into_iter().map(of).collect();
        self.query(line, Query::Status { conversations, recent })
    }

    /// Queries the store for past messages. The longest name counts: the number at the end is part of the name if somebody
    /// is called that.
    pub(super) fn query_history(
        &mut self,
        line: Option<u64>,
        typed: &str,
        n: u32,
        numbered: Option<(String, u32)>,
        (before, after): (Option<String>, Option<String>),
    ) -> Result<(), Failed> {
        let (with, n) = match (self.resolve_user(typed), numbered) {
            (Err((ErrorCode::UnknownUser | ErrorCode::BadName, _)), Some((user, n))) => (self.resolve_user(&user)?, n),
            (resolved, _) => (resolved?, n),
        };
        refuse_count("history", n)?;
        let page = page(before.as_deref(), after.as_deref())?;
        let handle = self.people.users.handle(&with);
        let sessions = self.view_authors();
        self.query(line, Query::History { with, handle, sessions, n, page })
    }

    /// Queries the store for past messages that contain a text.
    pub(super) fn query_search(
        &mut self,
        line: Option<u64>,
        text: String,
        with: Option<String>,
        n: u32,
        before: Option<String>,
    ) -> Result<(), Failed> {
        refuse_count("search", n)?;
        if text.is_empty() || text.len() > MAX_TEXT {
            return Err((ErrorCode::BadArgument, format!("the text to search for has from 1 to {MAX_TEXT} bytes")));
        }
        let with = with.map(|with| self.resolve_user(&with)).transpose()?;
        let before = before.as_deref().map(message_digest).transpose()?;
        self.query(line, Query::Search(Searched { text, with, n, before }))
    }

    /// Queries the store for a page of the whole history.
    pub(super) fn query_export(
        &mut self,
        line: Option<u64>,
        user: Option<String>,
        after: Option<String>,
    ) -> Result<(), Failed> {
        let with = user.map(|user| self.resolve_user(&user)).transpose()?;
        let after = after.as_deref().map(message_digest).transpose()?;
        self.query(line, Query::Export { with, after })
    }

    /// Queries the store for all conversations.
    pub(super) fn query_conversations(&mut self, line: Option<u64>) -> Result<(), Failed> {
        let links = &self.people.links;
        let linked = links.users().filter(|user| links.own_state(user) == LinkState::Linked).collect();
        let unread = self.unread();
        self.query(line, Query::Conversations { linked, unread })
    }

    /// Queries the store for what was not read up to a message.
    pub(super) fn query_unread(&mut self, line: Option<u64>, typed: &str, through: &str) -> Result<(), Failed> {
        let (with, through) = (self.resolve_user(typed)?, message_digest(through)?);
        let among = self.unread();
        self.query(line, Query::Unread { with, through, among })
    }

    fn query(&mut self, line: Option<u64>, query: Query) -> Result<(), Failed> {
        self.cx.out.push(Output::Query { line, query });
        Ok(())
    }
}

/// A message id, as typed.
fn message_digest(typed: &str) -> Result<MessageDigest, Failed> {
    let wrong = || format!(r"{} is not the id of a message; \history shows one at the end of a page", beginning(typed));
    typed.parse().map_err(|_| (ErrorCode::BadArgument, wrong()))
}

/// Where a page of history begins, as typed.
fn page(before: Option<&str>, after: Option<&str>) -> Result<Page, Failed> {
    match (before, after) {
        (None, None) => Ok(Page::Last),
        (Some(before), None) => message_digest(before).map(Page::Before),
        (None, Some(after)) => message_digest(after).map(Page::After),
        (Some(_), Some(_)) => Err((ErrorCode::BadArgument, "it is before or after a message, not both".to_owned())),
    }
}

fn refuse_count(what: &str, n: u32) -> Result<(), Failed> {
    if (1..=MAX_HISTORY).contains(&n) {
        return Ok(());
    }
    Err((ErrorCode::BadArgument, format!("\\{what} shows from 1 to {MAX_HISTORY} messages, not {n}")))
}
