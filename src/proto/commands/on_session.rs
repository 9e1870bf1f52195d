//! Commands about the sessions of the local user.

use crate::id::SessionId;
use crate::identity::labels::{Chosen, Labels};
use crate::proto::Core;
use crate::proto::commands::on_request::Failed;
use crate::proto::notice::{ErrorCode, Notice};

impl Core {
    pub(super) fn show_sessions(&mut self, line: Option<u64>) -> Result<(), Failed> {
        let sessions = self.view_own_sessions();
        self.cx.notice(line, Notice::Sessions { sessions });
        Ok(())
    }

    /// Revokes a session of the local user.
    pub(super) fn unlink_session(&mut self, line: Option<u64>, typed: &str) -> Result<(), Failed> {
        self.refuse_unlisted()?;
        self.people.require_user_key(&self.cx, "\\unlink")?;
        let session = self.resolve_session(typed)?;
        if session == self.cx.me {
            return Err((ErrorCode::BadArgument, self.why_not_unlink_this()));
        }
        self.revoke_session(session, line);
        Ok(())
    }

    /// Resolves a label or the start of an id to a session of the local user.
    fn resolve_session(&self, typed: &str) -> Result<SessionId, Failed> {
        let roster = &self.people.myself.roster;
        let labels = Labels::of(roster);
        let message = match labels.resolve(typed) {
            Chosen::One(session) => return Ok(session),
            Chosen::Ambiguous(shown) => format!("{typed} may be {}; type one of these", shown.join(" or ")),
            Chosen::Unknown if typed.parse().is_ok_and(|id| roster.revoked.contains(&id)) => {
                "this session is unlinked already".to_owned()
            }
            Chosen::Unknown => {
                format!("no session of yours is called {typed}; you have {}", labels.all().join(", "))
            }
        };
        Err((ErrorCode::BadArgument, message))
    }

    fn why_not_unlink_this(&self) -> String {
        if self.people.myself.roster.sessions.len() == 1 {
            return "this is your only session; \\quit and delete its data directory to give it up".to_owned();
        }
        "this is the session you are typing at; type \\unlink at another one that holds your user key, such as one that you \
         restore from your recovery words"
            .to_owned()
    }

    /// Refuses what nobody would accept, because the own roster does not list this session.
    pub(super) fn refuse_unlisted(&self) -> Result<(), Failed> {
        self.why_unlisted().map_or(Ok(()), |message| Err((ErrorCode::Unreachable, message)))
    }
}
