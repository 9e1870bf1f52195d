//! The roster of the local user: which sessions it lists, who may sign it, and what a newer one changes.

use std::cmp::Ordering;
use std::mem;

use crate::id::SessionId;
use crate::identity::Checked;
use crate::identity::labels::Labels;
use crate::proto::counters::Count;
use crate::proto::cx::Context;
use crate::proto::notice::{Notice, SessionChange, WarningCode};
use crate::proto::people::users::Users;
use crate::proto::persist::{Op, UnlinkedRow};
use crate::proto::{Config, Core};
use crate::time::Now;
use crate::wire::codec::{List, Text};
use crate::wire::record::{MAX_REVOKED, MAX_SESSIONS, Roster, RosterSession};

/// The stored roster if it is still right, otherwise a newly signed one.
pub fn first(config: &Config, count: &mut Count, users: &mut Users, now: Now) -> Checked<Roster> {
    let session = SessionId(config.session_key.public());
    let known = users.roster(&config.user);
    if let Some(known) = &known {
        count.observe_roster_version(known.version);
        let same_name = &*known.name == config.name.as_str();
        if config.user_key.is_none() || (same_name && !may_enter(known, &session)) {
            return known.clone();
        }
    }
    let entries = known.as_ref().map_or_else(Entries::default, |known| Entries::of(known)).with_this(config);
    if known.is_none() && !config.is_new_user {
        // The user was restored from the words, or the store is lost. What others hold lists more, so it counts.
        return sign(config, count.first_roster_version(), users, entries);
    }
    sign_above(config, count, users, entries, now)
}

/// Whether a session is missing from a roster and can be added.
fn may_enter(roster: &Roster, session: &SessionId) -> bool {
    !roster.admits(session) && !roster.revoked.contains(session) && roster.sessions.len() < MAX_SESSIONS
}

/// The sessions of a roster.
#[derive(Default)]
struct Entries {
    sessions: Vec<RosterSession>,
    revoked: Vec<SessionId>,
}

impl Entries {
    fn of(roster: &Roster) -> Entries {
        Entries { sessions: roster.sessions.0.clone(), revoked: roster.revoked.0.clone() }
    }

    /// Merges two rosters of one user. Revoked sessions stay revoked; over the limit the oldest of them is dropped,
    /// because a higher version without the session excludes it as well. Over the limit of sessions, those that only
    /// `other` lists are dropped.
    fn union(one: &Roster, other: &Roster) -> Entries {
        let mut revoked = one.revoked.0.clone();
        revoked.extend(other.revoked.iter().filter(|id| !one.revoked.contains(id)));
        drop_oldest(&mut revoked);
        let listed = |id: &SessionId| one.sessions.iter().any(|entry| entry.id == *id);
        let mut sessions = one.sessions.0.clone();
        sessions.extend(other.sessions.iter().filter(|entry| !listed(&entry.id)).cloned());
        sessions.retain(|entry| !revoked.contains(&entry.id));
        sessions.truncate(MAX_SESSIONS);
        Entries { sessions, revoked }
    }

    /// Adds this session unless it is revoked or there is no room for it.
    fn with_this(mut self, config: &Config) -> Entries {
        let id = SessionId(config.session_key.public());
        let listed = self.sessions.iter().any(|entry| entry.id == id);
        if !listed && !self.revoked.contains(&id) && self.sessions.len() < MAX_SESSIONS {
            self.sessions.push(RosterSession { id, label: Text(config.label.clone()) });
        }
        self
    }

    /// Revokes a session.
    fn without(mut self, session: SessionId) -> Entries {
        self.sessions.retain(|entry| entry.id != session);
        self.revoked.push(session);
        drop_oldest(&mut self.revoked);
        self
    }

    /// Sorts, so that two sessions that resolve the same fork sign the same bytes.
    fn sorted(mut self) -> Entries {
        self.sessions.sort_by_key(|entry| entry.id);
        self.revoked.sort();
        self
    }

    /// Whether a roster contains all of these sessions and revocations, in any order.
    fn is_covered_by(&self, roster: &Roster) -> bool {
        let listed = |id: &SessionId| roster.sessions.iter().any(|entry| entry.id == *id);
        self.sessions.iter().all(|entry| listed(&entry.id)) && self.revoked.iter().all(|id| roster.revoked.contains(id))
    }
}

/// Drops the oldest of too many revoked sessions.
fn drop_oldest(revoked: &mut Vec<SessionId>) {
    let surplus = revoked.len().saturating_sub(MAX_REVOKED);
    revoked.drain(..surplus);
}

/// Whether an older roster revokes a session that a newer one does not, although the newer one is below the limit.
fn lacks_revoked(newer: &Roster, older: &Roster) -> bool {
    newer.revoked.len() < MAX_REVOKED && older.revoked.iter().any(|id| !newer.revoked.contains(id))
}

/// Signs a roster with a version above every known one. Requires the user key.
fn sign_above(config: &Config, count: &mut Count, users: &mut Users, entries: Entries, now: Now) -> Checked<Roster> {
    sign(config, count.next_roster_version(now.wall), users, entries)
}

fn sign(config: &Config, version: u64, users: &mut Users, entries: Entries) -> Checked<Roster> {
    let value = Roster {
        user: config.user,
        name: Text(config.name.as_str().to_owned()),
        version,
        sessions: List(entries.sessions),
        revoked: List(entries.revoked),
    };
    let key = config.user_key.as_ref().expect("a session without the user key is on a roster already");
    let roster = Checked::sign(value, key, &config.network);
    users.add_roster(&roster);
    roster
}

impl Core {
    /// Handles a roster of the local user that differs from the held one: the memory was lost, or another session
    /// signed it. With the user key, a new roster is signed above both, but only if the received one lacks something;
    /// otherwise two nodes with the user key would answer each other forever. Both converge in a few signatures.
    pub(in crate::proto) fn on_own_roster(&mut self, received: Checked<Roster>) {
        let own = self.people.myself.roster.clone();
        self.cx.count.observe_roster_version(received.version);
        let wanted = match received.version.cmp(&own.version) {
            Ordering::Less => lacks_revoked(&own, &received).then(|| Entries::union(&own, &received)),
            Ordering::Equal => Some(Entries::union(&own, &received).sorted()),
            Ordering::Greater => {
                let wanted = Entries::union(&received, &own).with_this(&self.cx.config);
                (!wanted.is_covered_by(&received)).then_some(wanted)
            }
        };
        match wanted {
            Some(wanted) if self.cx.config.user_key.is_some() => self.sign_roster(wanted, None),
            _ if received.version > own.version && !received.readmits(&own) => {
                self.people.users.add_roster(&received);
                self.adopt_roster(received, None);
            }
            _ => self.warn_of_fork(&received),
        }
    }

    /// Admits a new session of the local user, which answers an input line. Requires the user key, and room on the roster.
    pub(in crate::proto) fn admit_session(&mut self, id: SessionId, label: String, line: Option<u64>) {
        let mut entries = Entries::of(&self.people.myself.roster);
        entries.sessions.push(RosterSession { id, label: Text(label) });
        self.sign_roster(entries, line);
    }

    /// Revokes another session of the local user, which answers an input line. Requires the user key.
    pub(in crate::proto) fn revoke_session(&mut self, session: SessionId, line: Option<u64>) {
        let entries = Entries::of(&self.people.myself.roster).without(session);
        self.sign_roster(entries, line);
    }

    /// Signs a roster above every known one and adopts it. Requires the user key.
    fn sign_roster(&mut self, entries: Entries, line: Option<u64>) {
        let Context { config, count, now, .. } = &mut self.cx;
        let roster = sign_above(config, count, &mut self.people.users, entries, *now);
        self.adopt_roster(roster, line);
    }

    /// Replaces the own roster: reports what changes, parts with the sessions that it does not list, and pushes it. A
    /// session that was revoked may have fallen into other hands, so a new prekey replaces the one that it may know to be
    /// in use.
    fn adopt_roster(&mut self, roster: Checked<Roster>, line: Option<u64>) {
        let me = self.cx.config.user;
        let before = mem::replace(&mut self.people.myself.roster, roster);
        self.cx.save_counters();
        self.people.save_user(&mut self.cx, &me);
        self.keep_labels(&before);
        self.report_changes(&before, line);
        self.remove_unlisted_sessions(&me);
        self.note_here(&me);
        self.seek_sisters();
        self.warn_if_unlisted();
        self.on_listed(before.admits(&self.cx.me));
        let revokes = self.people.myself.roster.revoked.iter().any(|session| !before.revoked.contains(session));
        if revokes { self.replace_prekey() } else { self.declare(true) }
    }

    /// Remembers how sessions were called that the own roster revokes now, and forgets those that it names no more.
    fn keep_labels(&mut self, before: &Roster) {
        let (after, labels, me) = (self.people.myself.roster.clone(), Labels::of(before), self.cx.me);
        for session in labels.sessions().filter(|session| after.revoked.contains(session) && *session != me) {
            let label = labels.label(&session);
            self.cx.out.store(Op::Unlinked(UnlinkedRow { session, label: label.clone() }));
            self.people.unlinked.insert(session, label);
        }
        for (session, _) in self.people.unlinked.extract_if(.., |session, _| !after.revoked.contains(session)) {
            self.cx.out.store(Op::ForgetUnlinked(session));
        }
    }

    /// Whether the own roster lists this session.
    pub(in crate::proto) fn is_listed(&self) -> bool {
        self.people.myself.roster.admits(&self.cx.me)
    }

    /// Reports the other sessions that the own roster lists now and did not list before, and the reverse. They do not concern
    /// a session that it does not list.
    fn report_changes(&mut self, before: &Roster, line: Option<u64>) {
        if !self.is_listed() {
            return;
        }
        let (after, me) = (self.people.myself.roster.clone(), self.cx.me);
        for (one, other, state) in
            [(before, &*after, SessionChange::Unlinked), (&*after, before, SessionChange::Linked)]
        {
            let labels = Labels::of(one);
            for session in labels.sessions().filter(|session| !other.admits(session) && *session != me) {
                let label = labels.label(&session);
                self.cx.notice_after_store(line, Notice::Session { label, session, state });
            }
        }
    }

    /// Warns about a fork of the own roster, which only a session with the user key can resolve.
    fn warn_of_fork(&mut self, received: &Roster) {
        if received.version >= self.people.myself.roster.version {
            let message = "there are two different lists of your sessions; the session that holds your user key must come \
                           online to sign one that joins them";
            let me = self.cx.config.user;
            self.people.warn_once(&mut self.cx, me, WarningCode::RosterFork, message.to_owned());
        }
    }

    /// Warns when the own roster does not list this session, because then nobody accepts it.
    pub(in crate::proto) fn warn_if_unlisted(&mut self) {
        if let Some(message) = self.why_unlisted() {
            let me = self.cx.config.user;
            self.people.warn_once(&mut self.cx, me, WarningCode::Unlisted, message);
        }
    }

    /// Why nobody accepts this session; `None` if the own roster lists it.
    pub(in crate::proto) fn why_unlisted(&self) -> Option<String> {
        if self.is_listed() {
            return None;
        }
        Some(if self.people.myself.roster.revoked.contains(&self.cx.me) {
            "this session was unlinked from your others and nobody accepts it any more; its history stays readable, and \
             `darknode link` with another --data-dir makes this machine a session of yours again"
                .to_owned()
        } else {
            format!(
                r"you have {MAX_SESSIONS} sessions already and this one is not among them; \unlink one of them first"
            )
        })
    }
}
