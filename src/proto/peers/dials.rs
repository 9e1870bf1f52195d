//! Outstanding dials and pings: their purpose and their limits.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{BootId, DialId, SessionId, UserId};
use crate::proto::limits::{DIAL_STALE, MAX_DIALS, MAX_SIGHTING_DIALS, MAX_SIGHTING_DIALS_PER_IP, PING_DEADLINE};
use crate::time::Moment;

/// Why an address is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A session that is sought is expected there.
    Seek(SessionId),
    /// The local link announces a node there.
    Sighting(BootId),
    /// A node given by `--bootstrap` is expected there.
    Bootstrap,
    /// A member is expected there who would become a random neighbour.
    Random(SessionId),
    /// `\doctor` wants to know what answers where this session may be.
    Probe(SessionId),
    /// A session that waits to be linked, or was linked just now, is expected there.
    Link,
    /// `\ping`, with the number of its line and the user who must answer, if any.
    Ping { line: Option<u64>, expected: Option<UserId> },
}

/// An outstanding dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The address to dial.
    pub addr: SocketAddr,
    /// Why it is dialled.
    pub purpose: Purpose,
}

/// All outstanding dials.
#[derive(Debug, Default)]
pub struct Dials {
    /// A node of another network answered where a session to be linked was expected.
    pub link_met_stranger: bool,
    next: u64,
    /// Each with the moment it began.
    open: BTreeMap<DialId, (Moment, Dial)>,
}

impl Dials {
    /// Whether a dial may start: there are not too many, and none to the same address is outstanding. Dials that a
    /// person requested always start. Dials to announced addresses leave room for other dials and for each other.
    pub fn allows(&self, dial: &Dial, now: Moment) -> bool {
        let asked_for = matches!(dial.purpose, Purpose::Ping { .. } | Purpose::Link | Purpose::Probe(_));
        let refused =
            || self.is_on_its_way(dial, now) || self.open.len() >= MAX_DIALS || self.exceeds_sighting_quota(dial);
        asked_for || !refused()
    }

    /// Whether the same address is being dialled for the same purpose.
    pub fn is_open(&self, dial: &Dial) -> bool {
        self.open.values().any(|(_, open)| open == dial)
    }

    /// Starts a dial if it may start. Returns its id.
    pub fn start(&mut self, dial: Dial, now: Moment) -> Option<DialId> {
        if !self.allows(&dial, now) {
            return None;
        }
        self.next += 1;
        self.open.insert(DialId(self.next), (now, dial));
        Some(DialId(self.next))
    }

    /// Number of outstanding dials to announced addresses.
    pub fn sightings(&self) -> usize {
        self.open.values().filter(|(_, open)| is_sighting(open)).count()
    }

    /// Whether the same address is being dialled already. A sighting proves recent life, so it does not wait for a dial
    /// that is older than [`DIAL_STALE`].
    fn is_on_its_way(&self, dial: &Dial, now: Moment) -> bool {
        let sighting = matches!(dial.purpose, Purpose::Sighting(_));
        let mut same = self.open.values().filter(|(_, open)| open.addr == dial.addr);
        same.any(|(since, _)| !sighting || now.since(*since) < DIAL_STALE)
    }

    /// Whether too many dials of announced addresses are outstanding, in all or to this IP address.
    fn exceeds_sighting_quota(&self, dial: &Dial) -> bool {
        let sightings = || self.open.values().map(|(_, open)| open).filter(|open| is_sighting(open));
        let free = MAX_SIGHTING_DIALS.saturating_sub(sightings().count());
        let own = sightings().filter(|open| open.addr.ip() == dial.addr.ip()).count();
        is_sighting(dial) && (own >= MAX_SIGHTING_DIALS_PER_IP || 3 * own >= free)
    }

    /// Whether another address of a `\ping` is still being dialled.
    pub fn has_ping(&self, line: Option<u64>) -> bool {
        self.open.values().any(|(_, open)| open.purpose == Purpose::Ping { line, expected: None })
    }

    /// Forgets the other dials of a `\ping` that is answered.
    pub fn forget_pings(&mut self, line: Option<u64>) {
        self.open.retain(|_, (_, open)| open.purpose != Purpose::Ping { line, expected: None });
    }

    /// Removes a dial that has ended, successfully or not.
    pub fn finish(&mut self, id: &DialId) -> Option<Dial> {
        self.open.remove(id).map(|(_, dial)| dial)
    }
}

fn is_sighting(dial: &Dial) -> bool {
    matches!(dial.purpose, Purpose::Sighting(_))
}

/// Pings that are not answered yet.
#[derive(Debug, Default)]
pub struct Pings {
    /// Addresses that have answered, but whose hello has not been read.
    open: Vec<Ping>,
    /// Users who must answer at one of several addresses.
    awaited: Vec<Awaited>,
}

/// A ping to a contact address, which names a user.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// The line to answer.
    pub line: Option<u64>,
    /// The user who must answer.
    pub expected: UserId,
    /// Another user has answered.
    pub other_answered: bool,
    until: Moment,
}

/// A ping whose address has answered.
#[derive(Debug, Clone)]
pub struct Ping {
    /// The line to answer.
    pub line: Option<u64>,
    /// The address that was pinged.
    pub addr: SocketAddr,
    /// The session that answered.
    pub session: SessionId,
    /// Round-trip time of the handshake, in milliseconds.
    pub rtt_ms: f64,
    /// The user who must answer, if any.
    pub expected: Option<UserId>,
    until: Moment,
}

impl Pings {
    /// Registers a ping that one of several dials for this line is to answer as this user.
    pub fn await_user(&mut self, line: Option<u64>, expected: UserId, now: Moment) {
        self.awaited.push(Awaited { line, expected, other_answered: false, until: now + PING_DEADLINE });
    }

    /// Ends the ping of this line that waits for a user. Returns false if there is none.
    pub fn settle(&mut self, line: Option<u64>) -> bool {
        self.awaited.extract_if(.., |awaited| awaited.line == line).count() > 0
    }

    /// Records that another user answered at one of the addresses.
    pub fn record_other_user(&mut self, line: Option<u64>) {
        let of_it = self.awaited.iter_mut().filter(|awaited| awaited.line == line);
        of_it.for_each(|awaited| awaited.other_answered = true);
    }

    /// Records that an address has answered with this session's key.
    pub fn answered(
        &mut self,
        (line, expected): (Option<u64>, Option<UserId>),
        addr: SocketAddr,
        session: SessionId,
        rtt_ms: f64,
        now: Moment,
    ) {
        self.open.push(Ping { line, addr, session, rtt_ms, expected, until: now + PING_DEADLINE });
    }

    /// Removes the pings that a hello of this session completes.
    pub fn take(&mut self, session: &SessionId) -> Vec<Ping> {
        self.open.extract_if(.., |ping| ping.session == *session).collect()
    }

    /// Removes the pings that have waited too long for a hello.
    pub fn overdue(&mut self, now: Moment) -> Vec<Ping> {
        self.open.extract_if(.., |ping| ping.until <= now).collect()
    }

    /// Removes the pings whose user has not answered in time.
    pub fn overdue_users(&mut self, now: Moment) -> Vec<Awaited> {
        self.awaited.extract_if(.., |awaited| awaited.until <= now).collect()
    }

    /// When the next ping is overdue.
    pub fn next(&self) -> Option<Moment> {
        let awaited = self.awaited.iter().map(|awaited| awaited.until);
        self.open.iter().map(|ping| ping.until).chain(awaited).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(0);

    fn sighting(ip: [u8; 4], port: u16) -> Dial {
        Dial { addr: (ip, port).into(), purpose: Purpose::Sighting(BootId(port.into())) }
    }

    #[test]
    fn dials_to_one_announcing_host_leave_room_for_another_host_and_for_sought_sessions() {
        let mut dials = Dials::default();
        let started = (1..=1000).filter(|port| dials.start(sighting([10, 0, 0, 66], *port), NOW).is_some());
        assert_eq!(started.count(), MAX_SIGHTING_DIALS_PER_IP);
        assert!(dials.start(sighting([10, 0, 0, 1], 1), NOW).is_some());
        let started = (2..=200).filter(|last| dials.start(sighting([10, 0, 1, *last], 1), NOW).is_some());
        assert_eq!(started.count(), MAX_SIGHTING_DIALS - MAX_SIGHTING_DIALS_PER_IP - 1);
        let sought = Dial { addr: ([10, 0, 0, 2], 1).into(), purpose: Purpose::Seek(SessionId([2; 32])) };
        assert!(dials.start(sought, NOW).is_some());
    }

    #[test]
    fn an_address_is_dialled_once_at_a_time_unless_it_is_sighted_while_a_dial_is_stale() {
        let mut dials = Dials::default();
        let later = NOW + DIAL_STALE;
        let sought = || Dial { addr: ([10, 0, 0, 2], 1).into(), purpose: Purpose::Seek(SessionId([2; 32])) };
        assert!(dials.start(sought(), NOW).is_some());
        assert!(dials.start(sought(), later).is_none());
        assert!(dials.start(sighting([10, 0, 0, 2], 1), NOW).is_none());
        assert!(dials.start(sighting([10, 0, 0, 2], 1), later).is_some());
        assert!(dials.start(sighting([10, 0, 0, 2], 1), later).is_none());
    }

    #[test]
    fn a_few_addresses_with_many_announcements_leave_dials_for_the_next_address() {
        let mut dials = Dials::default();
        for last in 1..=8 {
            let started = (1..=1000).filter(|port| dials.start(sighting([10, 0, 0, last], *port), NOW).is_some());
            assert!(started.count() >= 1);
        }
        assert!(dials.start(sighting([10, 0, 0, 99], 1), NOW).is_some());
    }
}
