//! Connections, and which of two to the same session is kept.
//!
//! A connection is *waiting* until both hellos have been read, then *up*. Two connections to one session happen whenever
//! both sides dial at once, or one side redials before the other has noticed that the old path is dead. Both sides must
//! come to the same choice without asking:
//!
//! - Another boot id: the other side has started anew, so the old connection is dead. It goes.
//! - Dialled by the same side: that side decides, and keeps the one it had: it raced several addresses and the first stays.
//!   Only one that owes the answer to a probe makes room for a new one that has just answered.
//! - Crossing dials: the smaller session id decides. If both connections are young it keeps its own dial, else the new one:
//!   the other side would not have dialled if it still had the old.
//!
//! Who does not decide holds both, speaks on the one that came up last, and sees one of them closed. The one that goes is
//! closed when the other is up, and not before: until then the other side may know of no other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::id::{BootId, ConnId, SessionId, UserId};
use crate::proto::limits::{CROSSING, HELLO_DEADLINE, MAX_CONNECTIONS_PER_SESSION, PROBE_PATIENCE};
use crate::proto::peer::Peer;
use crate::time::Moment;

/// A connection whose proofs hold.
#[derive(Debug, Clone)]
pub struct Neighbour {
    pub session: SessionId,
    pub boot: BootId,
    pub addr: SocketAddr,
    /// I dialled.
    pub mine: bool,
    pub since: Moment,
    /// Whose session, once the hello has been read.
    pub user: Option<UserId>,
    /// Whose session I dialled for, if only theirs will do.
    pub whom: Option<UserId>,
    /// I dialled it without being linked with anybody there: by lot, or as a friend of somebody missing.
    pub chosen: bool,
    /// Bad records it has brought.
    pub strikes: u32,
    /// A probe that it has not answered yet.
    pub probe: Option<Probe>,
    /// Connections that go when this one is up.
    pub replaces: Vec<ConnId>,
    /// Envelopes handed back to it since one could be opened.
    pub handed_back: u32,
    /// Receipts sent to it that it has not released.
    pub receipts: u32,
}

/// A question whether somebody is still there. No answer is no proof that they are not: they may have stopped for a
/// moment. Their session is dialled beside the connection, and whichever speaks first stays; giving up is QUIC's.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    pub asked: Moment,
    /// When the session is dialled, and dialled again.
    pub redial: Moment,
}

/// Every connection.
#[derive(Debug)]
pub struct Connections {
    me: SessionId,
    conns: BTreeMap<ConnId, Neighbour>,
    /// All connections, by session.
    by_session: BTreeSet<(SessionId, ConnId)>,
    /// The connection that is spoken on, and with whom.
    up: BTreeMap<SessionId, (ConnId, UserId)>,
    /// Who is up, by user.
    by_user: BTreeSet<(UserId, SessionId)>,
    /// Connections that have a deadline: they owe a hello or the answer to a probe.
    owing: BTreeSet<ConnId>,
}

/// What to do about a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it, and close these now.
    Keep(Vec<ConnId>),
    /// Close it: another to the same session is kept.
    Duplicate,
}

impl Connections {
    pub fn new(me: SessionId) -> Connections {
        Connections {
            me,
            conns: BTreeMap::new(),
            by_session: BTreeSet::new(),
            up: BTreeMap::new(),
            by_user: BTreeSet::new(),
            owing: BTreeSet::new(),
        }
    }

    /// Takes a connection in.
    pub fn admit(&mut self, conn: ConnId, mut new: Neighbour) -> Verdict {
        let mut closed = Vec::new();
        let mut replaces = Vec::new();
        for (id, old) in self.of_session(&new.session) {
            match self.choose(old, &new) {
                Choice::Old => return Verdict::Duplicate,
                Choice::New if old.boot != new.boot => closed.push(id),
                Choice::New => replaces.push(id),
                Choice::Theirs => {}
            }
        }
        let open = || self.of_session(&new.session).filter(|(id, _)| !closed.contains(id));
        if open().count() >= MAX_CONNECTIONS_PER_SESSION {
            let oldest = open().min_by_key(|(_, old)| old.since).map(|(id, _)| id);
            closed.extend(oldest);
        }
        new.replaces.extend(replaces);
        self.by_session.insert((new.session, conn));
        self.owing.insert(conn);
        self.conns.insert(conn, new);
        Verdict::Keep(closed)
    }

    /// The connections of a session.
    fn of_session(&self, session: &SessionId) -> impl Iterator<Item = (ConnId, &Neighbour)> + use<'_> {
        let all = self.by_session.range((*session, ConnId(0))..=(*session, ConnId(u64::MAX)));
        all.filter_map(|(_, conn)| Some((*conn, self.conns.get(conn)?)))
    }

    /// The connection that can be missed most easily: the oldest without a hello, else the oldest of a user who is not
    /// `needed`.
    pub fn dispensable(&self, needed: impl Fn(&UserId) -> bool) -> Option<ConnId> {
        let strange = self.conns.iter().filter(|(_, conn)| conn.user.is_none_or(|user| !needed(&user)));
        strange.min_by_key(|(_, conn)| (conn.user.is_some(), conn.since)).map(|(id, _)| *id)
    }

    fn choose(&self, old: &Neighbour, new: &Neighbour) -> Choice {
        if old.boot != new.boot {
            return Choice::New;
        }
        if old.mine == new.mine {
            return match new.mine {
                true if old.probe.is_some() => Choice::New,
                true => Choice::Old,
                false => Choice::Theirs,
            };
        }
        if self.me > new.session {
            return Choice::Theirs;
        }
        let young = new.since.since(old.since) < CROSSING;
        if young && old.mine { Choice::Old } else { Choice::New }
    }

    /// Both hellos have been read: from now on this connection is spoken on. Those that are to be closed for it.
    pub fn set_up(&mut self, conn: ConnId, user: UserId) -> Vec<ConnId> {
        let Some(neighbour) = self.conns.get_mut(&conn) else { return Vec::new() };
        neighbour.user = Some(user);
        let (session, replaces) = (neighbour.session, std::mem::take(&mut neighbour.replaces));
        self.speak_on(session, Some((conn, user)));
        self.settle(&conn);
        replaces
    }

    /// From now on a session is spoken with on this connection, or not at all.
    fn speak_on(&mut self, session: SessionId, on: Option<(ConnId, UserId)>) {
        let before = match on {
            Some(on) => self.up.insert(session, on),
            None => self.up.remove(&session),
        };
        before.into_iter().for_each(|(_, user)| {
            self.by_user.remove(&(user, session));
        });
        self.by_user.extend(on.map(|(_, user)| (user, session)));
    }

    /// A connection that owes nothing has no deadline.
    fn settle(&mut self, conn: &ConnId) {
        if self.conns.get(conn).is_none_or(|neighbour| neighbour.user.is_some() && neighbour.probe.is_none()) {
            self.owing.remove(conn);
        }
    }

    /// Connections of a session on which it has said hello as another user than this.
    pub fn speaking_for_another(&self, session: &SessionId, user: &UserId) -> Vec<ConnId> {
        let another = |conn: &Neighbour| conn.user.is_some_and(|whose| whose != *user);
        self.of_session(session).filter(|(_, conn)| another(conn)).map(|(id, _)| id).collect()
    }

    /// Takes a connection out.
    pub fn remove(&mut self, conn: &ConnId) -> Option<(Neighbour, Left)> {
        let gone = self.conns.remove(conn)?;
        self.by_session.remove(&(gone.session, *conn));
        self.owing.remove(conn);
        if self.up(&gone.session) != Some(*conn) {
            return Some((gone, Left::Spare));
        }
        let other = self.of_session(&gone.session).find_map(|(id, other)| Some((id, other.user?)));
        self.speak_on(gone.session, other);
        Some((gone, if other.is_some() { Left::Other } else { Left::None }))
    }

    pub fn get(&self, conn: &ConnId) -> Option<&Neighbour> {
        self.conns.get(conn)
    }

    pub fn get_mut(&mut self, conn: &ConnId) -> Option<&mut Neighbour> {
        self.conns.get_mut(conn)
    }

    /// The connection to speak on.
    pub fn up(&self, session: &SessionId) -> Option<ConnId> {
        self.up.get(session).map(|(conn, _)| *conn)
    }

    /// Whether there is a connection, up or on its way.
    pub fn has(&self, session: &SessionId) -> bool {
        self.of_session(session).next().is_some()
    }

    /// Whether anybody who is connected says to be this boot.
    pub fn claims(&self, boot: &BootId) -> bool {
        self.conns.values().any(|neighbour| neighbour.boot == *boot)
    }

    /// Connections that say to be this boot, and have not come up only now.
    pub fn claimants(&self, boot: &BootId, now: Moment) -> Vec<ConnId> {
        let settled = |conn: &Neighbour| conn.boot == *boot && now.since(conn.since) > CROSSING;
        self.conns.iter().filter(|(_, conn)| settled(conn)).map(|(id, _)| *id).collect()
    }

    /// The session that is connected there and says to be this boot.
    pub fn at(&self, boot: &BootId, addr: &SocketAddr) -> Option<SessionId> {
        self.conns.values().find(|conn| conn.boot == *boot && conn.addr == *addr).map(|conn| conn.session)
    }

    /// Whom a connection speaks for, once its hello has been read.
    pub fn peer(&self, conn: &ConnId) -> Option<Peer> {
        let neighbour = self.conns.get(conn)?;
        Some(Peer { conn: *conn, session: neighbour.session, user: neighbour.user? })
    }

    /// A session that is up, on the connection that is spoken on.
    pub fn up_peer(&self, session: &SessionId) -> Option<Peer> {
        self.up.get(session).map(|(conn, user)| Peer { conn: *conn, session: *session, user: *user })
    }

    /// Sessions of a user that are up.
    pub fn of_user(&self, user: &UserId) -> Vec<Peer> {
        let sessions = self.by_user.range((*user, SessionId([0; 32]))..=(*user, SessionId([255; 32])));
        sessions
            .filter_map(|(user, session)| Some(Peer { conn: self.up(session)?, session: *session, user: *user }))
            .collect()
    }

    /// Everybody who is up.
    pub fn iter_up(&self) -> impl Iterator<Item = Peer> + '_ {
        self.up.iter().map(|(session, (conn, user))| Peer { conn: *conn, session: *session, user: *user })
    }

    pub fn count(&self) -> usize {
        self.conns.len()
    }

    /// Connections that have waited for a hello for too long.
    pub fn overdue(&self, now: Moment) -> Vec<ConnId> {
        self.owing().filter(|(_, n)| hello_deadline(n).is_some_and(|at| at <= now)).map(|(id, _)| id).collect()
    }

    fn owing(&self) -> impl Iterator<Item = (ConnId, &Neighbour)> {
        self.owing.iter().filter_map(|conn| Some((*conn, self.conns.get(conn)?)))
    }

    /// Asks a neighbour to prove that it is there: the question must follow. False if it owes the answer already; it is then
    /// dialled the sooner.
    pub fn probe(&mut self, conn: &ConnId, now: Moment) -> bool {
        let Some(neighbour) = self.conns.get_mut(conn) else { return false };
        let redial = now + PROBE_PATIENCE;
        match &mut neighbour.probe {
            Some(probe) => probe.redial = probe.redial.min(redial),
            None => {
                neighbour.probe = Some(Probe { asked: now, redial });
                self.owing.insert(*conn);
                return true;
            }
        }
        false
    }

    /// A neighbour has shown that it is there.
    pub fn answered(&mut self, conn: &ConnId) {
        if let Some(neighbour) = self.conns.get_mut(conn) {
            neighbour.probe = None;
            self.settle(conn);
        }
    }

    /// Sessions that owe the answer to a probe for so long that they are to be dialled; and again after twice the time.
    pub fn doubted(&mut self, now: Moment) -> Vec<SessionId> {
        let mut doubted = Vec::new();
        for conn in &self.owing {
            let Some(neighbour) = self.conns.get_mut(conn) else { continue };
            if let Some(probe) = neighbour.probe.as_mut().filter(|probe| probe.redial <= now) {
                probe.redial = now + now.since(probe.asked);
                doubted.push(neighbour.session);
            }
        }
        doubted
    }

    /// Whether somebody who says to be this boot owes the answer to a probe for so long that they were dialled.
    pub fn is_doubted(&self, boot: &BootId) -> bool {
        let doubted = |probe: Probe| probe.redial.since(probe.asked) > PROBE_PATIENCE;
        self.conns.values().any(|conn| conn.boot == *boot && conn.probe.is_some_and(doubted))
    }

    pub fn next(&self) -> Option<Moment> {
        let deadlines = |neighbour: &Neighbour| [hello_deadline(neighbour), neighbour.probe.map(|probe| probe.redial)];
        self.owing().flat_map(|(_, neighbour)| deadlines(neighbour)).flatten().min()
    }
}

/// What is left of a session's connections when one is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// The gone one was not spoken on; nothing changes.
    Spare,
    /// Another is spoken on from now on.
    Other,
    /// It cannot be reached.
    None,
}

enum Choice {
    Old,
    New,
    /// The other side decides.
    Theirs,
}

fn hello_deadline(neighbour: &Neighbour) -> Option<Moment> {
    neighbour.user.is_none().then(|| neighbour.since + HELLO_DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LOW: SessionId = SessionId([1; 32]);
    const HIGH: SessionId = SessionId([9; 32]);

    fn neighbour(session: SessionId, boot: u64, mine: bool, since: Moment) -> Neighbour {
        let addr = ([127, 0, 0, 1], 1).into();
        Neighbour {
            session,
            boot: BootId(boot),
            addr,
            mine,
            since,
            user: None,
            whom: None,
            chosen: false,
            strikes: 0,
            probe: None,
            replaces: Vec::new(),
            handed_back: 0,
            receipts: 0,
        }
    }

    /// Admits a connection whose hello follows at once; what is closed.
    fn meets(neighbours: &mut Connections, conn: u64, new: Neighbour) -> Vec<u64> {
        match neighbours.admit(ConnId(conn), new) {
            Verdict::Duplicate => vec![conn],
            Verdict::Keep(mut closed) => {
                closed.extend(neighbours.set_up(ConnId(conn), UserId([3; 32])));
                closed.iter().for_each(|id| {
                    neighbours.remove(id);
                });
                closed.iter().map(|id| id.0).collect()
            }
        }
    }

    #[test]
    fn crossing_dials_leave_the_one_of_the_smaller_session_on_both_sides_in_any_order() {
        for low_first in [true, false] {
            let mut low = Connections::new(LOW);
            let mut high = Connections::new(HIGH);
            let mut closed = Vec::new();
            let order = if low_first { [(1, true), (2, false)] } else { [(2, false), (1, true)] };
            for (conn, by_low) in order {
                closed.extend(meets(&mut low, conn, neighbour(HIGH, 7, by_low, Moment(0))));
                closed.extend(meets(&mut high, conn, neighbour(LOW, 8, !by_low, Moment(0))));
            }
            assert_eq!(closed, [2], "the dial of the higher session goes, closed once");
        }
    }

    #[test]
    fn a_redial_by_the_other_side_replaces_a_connection_that_only_i_believe_in() {
        let mut low = Connections::new(LOW);
        low.admit(ConnId(1), neighbour(HIGH, 7, true, Moment(0)));
        let later = Moment(0) + CROSSING + Duration::from_secs(1);
        assert_eq!(low.admit(ConnId(2), neighbour(HIGH, 7, false, later)), Verdict::Keep(Vec::new()));
        assert_eq!(low.set_up(ConnId(2), UserId([3; 32])), [ConnId(1)], "once the other side has it too");
    }

    #[test]
    fn a_newer_boot_replaces_the_old_connection_at_once() {
        let mut high = Connections::new(HIGH);
        high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
        let verdict = high.admit(ConnId(2), neighbour(LOW, 8, false, Moment(1)));
        assert_eq!(verdict, Verdict::Keep(vec![ConnId(1)]));
    }

    #[test]
    fn of_several_addresses_that_answer_the_first_stays() {
        let mut high = Connections::new(HIGH);
        high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
        assert_eq!(high.admit(ConnId(2), neighbour(LOW, 7, true, Moment(1))), Verdict::Duplicate);
    }

    #[test]
    fn a_connection_that_owes_an_answer_makes_room_for_one_that_has_just_answered() {
        let mut high = Connections::new(HIGH);
        high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
        assert!(high.probe(&ConnId(1), Moment(1)));
        assert_eq!(meets(&mut high, 2, neighbour(LOW, 7, true, Moment(2))), [1]);
    }

    #[test]
    fn who_owes_an_answer_is_dialled_less_and_less_and_never_given_up_for_it() {
        let mut high = Connections::new(HIGH);
        high.admit(ConnId(1), neighbour(LOW, 7, true, Moment(0)));
        high.set_up(ConnId(1), UserId([3; 32]));
        high.probe(&ConnId(1), Moment(0));
        assert!(!high.is_doubted(&BootId(7)));
        let dials: Vec<u64> = (0..10_000).filter(|now| !high.doubted(Moment(*now)).is_empty()).collect();
        assert_eq!(dials, [250, 500, 1000, 2000, 4000, 8000]);
        assert!(high.is_doubted(&BootId(7)) && high.overdue(Moment(10_000)).is_empty());
    }
}
