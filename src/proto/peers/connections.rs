//! Connections, and which of two to the same session is kept.
//!
//! A connection is *pending* until both hellos have been read, then *up*. Two connections to one session arise when
//! both sides dial at once, or when one side redials before the other has noticed that the old path is dead. Both sides
//! must come to the same choice without asking:
//!
//! - Another boot id: the other side has restarted, so the old connection is dead and is closed.
//! - Dialled by the same side: that side decides and keeps the older one, because it raced several addresses and the
//!   first one stays. Only a connection with an unanswered probe is replaced by one that has just answered.
//! - Crossing dials: the smaller session id decides. If both connections are young it keeps its own dial, otherwise the
//!   new one, because the other side would not have dialled if it still had the old one.
//!
//! The side that does not decide holds both, uses the one that came up last, and sees one of them closed. A connection
//! is closed only when its replacement is up: until then the other side may not know the replacement.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::id::{BootId, ConnId, SessionId, UserId};
use rand_core::Rng;

use crate::proto::limits::{CROSSING, HELLO_DEADLINE, IN_USE, MAX_CONNECTIONS_PER_SESSION, PROBE_PATIENCE};
use crate::proto::origins::{self, Origins};
use crate::proto::peer::Peer;
use crate::time::Moment;

/// A connection with a verified handshake.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// The session at the other end.
    pub session: SessionId,
    /// The boot id that the other end claims.
    pub boot: BootId,
    /// The address of the other end.
    pub addr: SocketAddr,
    /// Bytes that only the two ends of the connection know.
    pub exporter: [u8; 32],
    /// Its hello says that it waits to be linked.
    pub waits: bool,
    /// The address of this node as its hello says.
    pub observed: Option<SocketAddr>,
    /// Milliseconds by which its newest declaration was ahead of the local wall clock when its hello arrived.
    pub ahead_ms: i64,
    /// This node dialled.
    pub dialled: bool,
    /// When the connection was made.
    pub since: Moment,
    /// The user of the session, once the hello has been read.
    pub user: Option<UserId>,
    /// The only user who is accepted on it, if it was dialled for one.
    pub expected: Option<UserId>,
    /// Why this node dialled it without a link to its user, if it did so at random.
    pub chosen: Chosen,
    /// When it last carried something for a person: an envelope or a question.
    pub used: Option<Moment>,
    /// Number of bad records it has brought.
    pub strikes: u32,
    /// What is sent on it does not arrive at present.
    pub stalled: bool,
    /// Round-trip time of the handshake.
    pub rtt: Duration,
    /// The probe it has not answered yet.
    pub probe: Option<Probe>,
    /// Connections to close when this one is up.
    pub replaces: Vec<ConnId>,
    /// Envelopes returned to it since one could be opened.
    pub handed_back: u32,
    /// Receipts sent to it that it has not released.
    pub receipts: u32,
}

impl Neighbour {
    /// Whether the connection has carried something for a person lately.
    pub fn is_in_use(&self, now: Moment) -> bool {
        self.used.is_some_and(|used| now.since(used) < IN_USE)
    }
}

/// Whether this node has chosen a neighbour at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// It has not.
    No,
    /// Among the members of the network or the users within two links.
    Member,
    /// Among the nodes on the local link.
    Nearby,
}

/// An outstanding liveness check. A missing answer does not prove that the peer is gone: it may have paused for a
/// moment. Its session is dialled in parallel, and the connection that answers first stays. Only QUIC's idle time-out
/// gives a connection up.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// When the probe was sent.
    pub asked: Moment,
    /// When the session is dialled next.
    pub redial: Moment,
    /// It was dialled already.
    pub dialled: bool,
}

/// All connections.
#[derive(Debug)]
pub struct Connections {
    me: SessionId,
    conns: BTreeMap<ConnId, Neighbour>,
    /// Every connection, by session.
    by_session: BTreeSet<(SessionId, ConnId)>,
    /// The active connection of each session, and its user.
    up: BTreeMap<SessionId, (ConnId, UserId)>,
    /// Sessions that are up, by user.
    by_user: BTreeSet<(UserId, SessionId)>,
    /// Connections with a deadline: they owe a hello or the answer to a probe.
    with_deadline: BTreeSet<ConnId>,
    /// How many connections each address holds.
    origins: Origins,
}

/// What to do about a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it, and close these connections now.
    Keep(Vec<ConnId>),
    /// Close it: another connection to the same session is kept.
    Duplicate,
}

impl Connections {
    /// No connections. `me` is this session.
    pub fn new(me: SessionId) -> Connections {
        Connections {
            me,
            conns: BTreeMap::new(),
            by_session: BTreeSet::new(),
            up: BTreeMap::new(),
            by_user: BTreeSet::new(),
            with_deadline: BTreeSet::new(),
            origins: Origins::default(),
        }
    }

    /// Takes in a new connection.
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
        self.with_deadline.insert(conn);
        self.origins.add(new.addr.ip());
        self.conns.insert(conn, new);
        Verdict::Keep(closed)
    }

    /// The connections of a session.
    fn of_session(&self, session: &SessionId) -> impl Iterator<Item = (ConnId, &Neighbour)> + use<'_> {
        let all = self.by_session.range((*session, ConnId(0))..=(*session, ConnId(u64::MAX)));
        all.filter_map(|(_, conn)| Some((*conn, self.conns.get(conn)?)))
    }

    /// Chooses which of these connections to close when there are too many. Those in use go last. Among the others chance
    /// decides, weighted by the square of what the address of each holds: an address with ten connections loses one of them a
    /// hundred times as often as an address with a single one.
    pub fn choose_to_close(&self, of: &[ConnId], rng: &mut impl Rng, now: Moment) -> Option<ConnId> {
        let in_use = |conn: &&ConnId| self.conns.get(conn).is_some_and(|conn| conn.is_in_use(now));
        let (used, idle): (Vec<ConnId>, Vec<ConnId>) = of.iter().partition(in_use);
        let candidates = if idle.is_empty() { used } else { idle };
        let weight = |conn: &ConnId| {
            let held = self.conns.get(conn).map_or(0, |conn| self.origins.weight(conn.addr.ip())) as u64;
            (held * held).max(1)
        };
        let total: u64 = candidates.iter().map(weight).sum();
        let mut left = rng.next_u64() % total.max(1);
        candidates.into_iter().find(|conn| {
            let (weight, before) = (weight(conn), left);
            left = left.saturating_sub(weight);
            before < weight
        })
    }

    /// The address of a connected session as [`Origins`] counts it, and how much it holds.
    pub fn origin(&self, session: &SessionId) -> Option<(IpAddr, usize)> {
        let ip = self.conns.get(&self.up(session)?)?.addr.ip();
        Some((origins::address(ip), self.origins.weight(ip)))
    }

    /// Records that a connection has carried something for a person.
    pub fn record_use(&mut self, conn: &ConnId, now: Moment) {
        if let Some(neighbour) = self.conns.get_mut(conn) {
            neighbour.used = Some(now);
        }
    }

    /// All connections, pending ones included.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &Neighbour)> {
        self.conns.iter().map(|(conn, neighbour)| (*conn, neighbour))
    }

    /// Which of two connections to one session is kept, by the rules in the module documentation.
    fn choose(&self, old: &Neighbour, new: &Neighbour) -> Choice {
        if old.boot != new.boot {
            return Choice::New;
        }
        if old.dialled == new.dialled {
            return match new.dialled {
                true if old.probe.is_some() => Choice::New,
                true => Choice::Old,
                false => Choice::Theirs,
            };
        }
        if self.me > new.session {
            return Choice::Theirs;
        }
        let young = new.since.since(old.since) < CROSSING;
        if young && old.dialled { Choice::Old } else { Choice::New }
    }

    /// Makes a connection the active one of its session, once both hellos have been read. Returns the connections to
    /// close for it.
    pub fn set_up(&mut self, conn: ConnId, user: UserId, waits: bool) -> Vec<ConnId> {
        let Some(neighbour) = self.conns.get_mut(&conn) else { return Vec::new() };
        (neighbour.user, neighbour.waits) = (Some(user), waits);
        let (session, replaces) = (neighbour.session, std::mem::take(&mut neighbour.replaces));
        self.set_active(session, Some((conn, user)));
        self.clear_deadline(&conn);
        replaces
    }

    /// Whether a session is connected and waits to be linked.
    pub fn waits(&self, session: &SessionId) -> bool {
        self.up(session).and_then(|conn| self.get(&conn)).is_some_and(|neighbour| neighbour.waits)
    }

    /// Sets or clears the active connection of a session.
    fn set_active(&mut self, session: SessionId, on: Option<(ConnId, UserId)>) {
        let before = match on {
            Some(on) => self.up.insert(session, on),
            None => self.up.remove(&session),
        };
        before.into_iter().for_each(|(_, user)| {
            self.by_user.remove(&(user, session));
        });
        self.by_user.extend(on.map(|(_, user)| (user, session)));
    }

    /// Removes the deadline of a connection that owes nothing.
    fn clear_deadline(&mut self, conn: &ConnId) {
        if self.conns.get(conn).is_none_or(|neighbour| neighbour.user.is_some() && neighbour.probe.is_none()) {
            self.with_deadline.remove(conn);
        }
    }

    /// Connections of a session on which it has sent a hello as another user than this one.
    pub fn up_as_another_user(&self, session: &SessionId, user: &UserId) -> Vec<ConnId> {
        let another = |conn: &Neighbour| conn.user.is_some_and(|whose| whose != *user);
        self.of_session(session).filter(|(_, conn)| another(conn)).map(|(id, _)| id).collect()
    }

    /// Removes a connection, and says what remains of its session.
    pub fn remove(&mut self, conn: &ConnId) -> Option<(Neighbour, Remaining)> {
        let removed = self.conns.remove(conn)?;
        self.origins.remove(removed.addr.ip());
        self.by_session.remove(&(removed.session, *conn));
        self.with_deadline.remove(conn);
        if self.up(&removed.session) != Some(*conn) {
            return Some((removed, Remaining::Spare));
        }
        let other = self.of_session(&removed.session).find_map(|(id, other)| Some((id, other.user?)));
        self.set_active(removed.session, other);
        Some((removed, if other.is_some() { Remaining::Other } else { Remaining::None }))
    }

    /// A connection.
    pub fn get(&self, conn: &ConnId) -> Option<&Neighbour> {
        self.conns.get(conn)
    }

    /// A connection, to be changed.
    pub fn get_mut(&mut self, conn: &ConnId) -> Option<&mut Neighbour> {
        self.conns.get_mut(conn)
    }

    /// The active connection of a session.
    pub fn up(&self, session: &SessionId) -> Option<ConnId> {
        self.up.get(session).map(|(conn, _)| *conn)
    }

    /// Whether a session has a connection, up or pending.
    pub fn has(&self, session: &SessionId) -> bool {
        self.of_session(session).next().is_some()
    }

    /// Whether any connection claims this boot id.
    pub fn has_boot(&self, boot: &BootId) -> bool {
        self.conns.values().any(|neighbour| neighbour.boot == *boot)
    }

    /// Connections that claim this boot id and are older than [`CROSSING`].
    pub fn settled_with_boot(&self, boot: &BootId, now: Moment) -> Vec<ConnId> {
        let settled = |conn: &Neighbour| conn.boot == *boot && now.since(conn.since) > CROSSING;
        self.conns.iter().filter(|(_, conn)| settled(conn)).map(|(id, _)| *id).collect()
    }

    /// The session that is connected from this address and claims this boot id.
    pub fn session_at(&self, boot: &BootId, addr: &SocketAddr) -> Option<SessionId> {
        self.conns.values().find(|conn| conn.boot == *boot && conn.addr == *addr).map(|conn| conn.session)
    }

    /// The peer on a connection, once its hello has been read.
    pub fn peer(&self, conn: &ConnId) -> Option<Peer> {
        let neighbour = self.conns.get(conn)?;
        Some(Peer { conn: *conn, session: neighbour.session, user: neighbour.user? })
    }

    /// A session that is up, with its active connection.
    pub fn up_peer(&self, session: &SessionId) -> Option<Peer> {
        self.up.get(session).map(|(conn, user)| Peer { conn: *conn, session: *session, user: *user })
    }

    /// The sessions of a user that are up.
    pub fn of_user(&self, user: &UserId) -> Vec<Peer> {
        let sessions = self.by_user.range((*user, SessionId([0; 32]))..=(*user, SessionId([255; 32])));
        sessions
            .filter_map(|(user, session)| Some(Peer { conn: self.up(session)?, session: *session, user: *user }))
            .collect()
    }

    /// All sessions that are up.
    pub fn iter_up(&self) -> impl Iterator<Item = Peer> + '_ {
        self.up.iter().map(|(session, (conn, user))| Peer { conn: *conn, session: *session, user: *user })
    }

    /// Number of connections, pending ones included.
    pub fn count(&self) -> usize {
        self.conns.len()
    }

    /// Connections whose hello is overdue.
    pub fn overdue(&self, now: Moment) -> Vec<ConnId> {
        self.with_deadline().filter(|(_, n)| hello_deadline(n).is_some_and(|at| at <= now)).map(|(id, _)| id).collect()
    }

    fn with_deadline(&self) -> impl Iterator<Item = (ConnId, &Neighbour)> {
        self.with_deadline.iter().filter_map(|conn| Some((*conn, self.conns.get(conn)?)))
    }

    /// Starts a probe; the caller must send the request. Returns false if a probe is outstanding already; its redial is
    /// then brought forward.
    pub fn probe(&mut self, conn: &ConnId, now: Moment) -> bool {
        let Some(neighbour) = self.conns.get_mut(conn) else { return false };
        let redial = now + PROBE_PATIENCE.max(3 * neighbour.rtt);
        match &mut neighbour.probe {
            Some(probe) => probe.redial = probe.redial.min(redial),
            None => {
                neighbour.probe = Some(Probe { asked: now, redial, dialled: false });
                self.with_deadline.insert(*conn);
                return true;
            }
        }
        false
    }

    /// Ends a probe: the neighbour has answered.
    pub fn probe_answered(&mut self, conn: &ConnId) {
        if let Some(neighbour) = self.conns.get_mut(conn) {
            neighbour.probe = None;
            self.clear_deadline(conn);
        }
    }

    /// Sessions with an overdue probe that are to be dialled now, and again after twice the time.
    pub fn due_redials(&mut self, now: Moment) -> Vec<SessionId> {
        let mut doubted = Vec::new();
        for conn in &self.with_deadline {
            let Some(neighbour) = self.conns.get_mut(conn) else { continue };
            if let Some(probe) = neighbour.probe.as_mut().filter(|probe| probe.redial <= now) {
                probe.redial = now + now.since(probe.asked);
                probe.dialled = true;
                doubted.push(neighbour.session);
            }
        }
        doubted
    }

    /// Whether a connection that claims this boot id has an unanswered probe for which it was dialled.
    pub fn is_unresponsive(&self, boot: &BootId) -> bool {
        self.conns.values().any(|conn| conn.boot == *boot && conn.probe.is_some_and(|probe| probe.dialled))
    }

    /// When the next hello or probe is overdue.
    pub fn next(&self) -> Option<Moment> {
        let deadlines = |neighbour: &Neighbour| [hello_deadline(neighbour), neighbour.probe.map(|probe| probe.redial)];
        self.with_deadline().flat_map(|(_, neighbour)| deadlines(neighbour)).flatten().min()
    }
}

/// What remains of a session's connections when one is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// The removed one was not active; nothing changes.
    Spare,
    /// Another connection is active now.
    Other,
    /// The session has no connection that is up.
    None,
}

/// Which of two connections to one session is kept.
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
mod tests;
