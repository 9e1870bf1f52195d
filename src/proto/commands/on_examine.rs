//! `\doctor`: dials the addresses that are not connected, and reports what is known once the dials have ended.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::id::UserId;
use crate::proto::Core;
use crate::proto::commands::on_request::Failed;
use crate::proto::limits::{MAX_EXAMINATIONS, MAX_EXAMINED_SESSIONS};
use crate::proto::notice::examination::{Examination, Subject};
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::tries::{Examining, Place};

impl Core {
    /// Starts an examination. A name that nobody has is not an error here: that it is unknown is a finding.
    pub(super) fn examine(
        &mut self,
        line: Option<u64>,
        user: Option<String>,
        probe: bool,
        redact: bool,
    ) -> Result<(), Failed> {
        let id = match user.as_deref().map(|typed| self.resolve_user(typed)) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err((ErrorCode::UnknownUser, _))) => {
                let subject = Subject::Unknown(user.unwrap_or_default());
                self.report_examination(line, redact, subject, &Examining::default());
                return Ok(());
            }
            Some(Err(failed)) => return Err(failed),
        };
        id.iter().try_for_each(|id| self.refuse_self(id))?;
        let dialled = match id {
            _ if !probe => BTreeSet::new(),
            Some(id) => self.probe_user(&id),
            None => self.probe_bootstrap(),
        };
        if !self.tries.examine(line, id, redact, dialled, self.cx.now.moment) {
            let message = format!("{MAX_EXAMINATIONS} examinations are under way; try again in a moment");
            return Err((ErrorCode::TooMany, message));
        }
        Ok(())
    }

    /// Answers the examinations whose dials have ended.
    pub(in crate::proto) fn answer_examinations(&mut self) {
        for examining in self.tries.take_examined(self.cx.now.moment) {
            let subject = match &examining.user {
                Some(user) => Subject::User(Box::new(self.examined_user(user, &examining))),
                None => Subject::Node,
            };
            self.report_examination(examining.line, examining.redact, subject, &examining);
        }
    }

    fn report_examination(&mut self, line: Option<u64>, redact: bool, subject: Subject, examining: &Examining) {
        let own = self.examined_node(examining);
        let examination = Examination { redact, own, host: None, subject };
        self.cx.notice(line, Notice::Examination(Box::new(examination)));
    }

    /// Dials the sessions of a user that are not connected, at every known address. Whoever answers, so that a node of
    /// another network does not look like another session.
    fn probe_user(&mut self, user: &UserId) -> BTreeSet<Place> {
        let sessions = self.known_sessions(user).into_iter().filter(|s| self.peers.connections.up(s).is_none());
        let mut dialled = BTreeSet::new();
        for session in sessions.take(MAX_EXAMINED_SESSIONS).collect::<Vec<_>>() {
            for addr in self.addresses_to_dial(&session) {
                if self.dial(Dial { addr, purpose: Purpose::Probe(session) }, None) {
                    dialled.insert((Some(session), addr));
                }
            }
        }
        dialled
    }

    /// Dials the nodes given by `--bootstrap` that are not connected. A dial that is under way will do.
    fn probe_bootstrap(&mut self) -> BTreeSet<Place> {
        let places = self.peers.joining.places().flat_map(|(_, addrs, _)| addrs);
        let missing: Vec<SocketAddr> = places.filter(|addr| !self.is_bootstrapped(addr)).copied().collect();
        missing
            .into_iter()
            .filter(|addr| {
                let dial = Dial { addr: *addr, purpose: Purpose::Bootstrap };
                self.peers.dials.is_open(&dial) || self.dial(dial, None)
            })
            .map(|addr| (None, addr))
            .collect()
    }

    /// Whether the session that answered at a bootstrap address is connected.
    pub(super) fn is_bootstrapped(&self, addr: &SocketAddr) -> bool {
        let session = self.peers.bootstrapped.get(addr);
        session.is_some_and(|session| self.peers.connections.up(session).is_some())
    }
}
