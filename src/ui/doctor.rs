//! What `\doctor` says: judges the data of an examination. Every check says whether something is wrong and why, and at the end
//! stand one verdict and one thing to do.
//!
//! [`own`] checks this node and its machine, [`nat`] how others see its address, [`user`] the user who was asked about, and
//! [`verdict`] picks what explains the rest. All are functions of the data alone. What is written goes through [`names`], which
//! leaves names, addresses and ids out where the result is to be shown to strangers.

mod names;
mod nat;
mod own;
mod user;
mod verdict;

use std::net::SocketAddr;

use crate::proto::notice::Via;
use crate::proto::notice::examination::{Examination, ExaminedSession, ExaminedUser, Host, Subject};
use names::Names;

pub use names::span;

/// The result of an examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The user who was asked about, as shown.
    pub user: Option<String>,
    /// The checks, those of this node first.
    pub checks: Vec<Check>,
    /// What explains the rest.
    pub verdict: String,
    /// One thing to do.
    pub action: String,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked. Several checks may have the same name.
    pub name: &'static str,
    /// The result.
    pub state: State,
    /// The details, in one line.
    pub text: String,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is as it should be.
    Ok,
    /// It is unusual, and may be intended.
    Note,
    /// It is wrong.
    Wrong,
    /// It cannot be told.
    Unknown,
}

impl State {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Note => "note",
            State::Wrong => "wrong",
            State::Unknown => "unknown",
        }
    }
}

/// What an examination has found.
pub fn report(examination: &Examination) -> Report {
    let case = Case { examination, names: Names::new(examination.redact) };
    let user = match &examination.subject {
        Subject::Node => None,
        Subject::Unknown(typed) => Some(case.names.user(typed)),
        Subject::User(user) => Some(case.names.user(&user.user)),
    };
    let checks = [own::checks(&case), user::checks(&case)].concat();
    let (verdict, action) = verdict::of(&case, &checks);
    Report { user, checks, verdict, action }
}

/// What can be said without a node.
pub fn report_of_machine(host: &Host, redact: bool) -> Report {
    let names = Names::new(redact);
    let checks = own::of_machine(host, &names);
    let (verdict, action) = verdict::of_machine(host, &names);
    Report { user: None, checks, verdict, action }
}

/// An examination, and the way to name what is in it.
struct Case<'a> {
    examination: &'a Examination,
    names: Names,
}

impl Case<'_> {
    /// The user who was asked about, if they are known.
    fn user(&self) -> Option<&ExaminedUser> {
        match &self.examination.subject {
            Subject::User(user) => Some(user),
            Subject::Node | Subject::Unknown(_) => None,
        }
    }

    /// Whether what is sent to a session of the user can arrive at present. A connection counts as lost only some seconds
    /// after its path has died.
    fn reaches(&self, session: &ExaminedSession) -> bool {
        let neighbours = &self.examination.own.neighbours;
        let has_network = !self.examination.host.as_ref().is_some_and(own::is_cut_off);
        match session.via {
            None => false,
            Some(Via::Relayed) => has_network || neighbours.iter().any(|by| self.is_on_this_machine(&by.addr)),
            Some(Via::Direct) => {
                let mut its = neighbours.iter().filter(|by| by.session == session.session);
                !session.stalled && (has_network || its.any(|by| self.is_on_this_machine(&by.addr)))
            }
        }
    }

    /// Whether a session of the user is reached in this way.
    fn is_reached(&self, user: &ExaminedUser, via: Via) -> bool {
        user.sessions.iter().any(|session| session.via == Some(via) && self.reaches(session))
    }

    /// Whether somebody on the local network is connected, other than on this machine.
    fn has_neighbours_on_link(&self) -> bool {
        self.examination.own.neighbours.iter().any(|by| by.is_near && !self.is_on_this_machine(&by.addr))
    }

    /// Whether an address is one of this machine.
    fn is_on_this_machine(&self, addr: &SocketAddr) -> bool {
        let ip = addr.ip();
        let mut links = self.examination.host.iter().flat_map(|host| &host.interfaces);
        ip.is_loopback() || links.any(|link| link.addrs.contains(&ip))
    }
}

fn check(name: &'static str, state: State, text: impl Into<String>) -> Check {
    Check { name, state, text: text.into() }
}

#[cfg(test)]
pub(super) mod tests;
