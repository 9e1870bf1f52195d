//! Dials on their way: what each was for, and how many there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{BootId, DialId, SessionId, UserId};
use crate::proto::limits::{DIAL_STALE, MAX_DIALS, MAX_SIGHTING_DIALS, MAX_SIGHTING_DIALS_PER_IP, PING_DEADLINE};
use crate::time::Moment;

/// Why somewhere is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A session that is sought is expected there.
    Seek(SessionId),
    /// The local link shows somebody there.
    Sighting(BootId),
    /// A node given on the command line is there.
    Bootstrap,
    /// A member is expected there, who would be a neighbour by chance.
    Random(SessionId),
    /// `\ping`, with the line to answer, and who must be there.
    Ping { line: Option<u64>, whom: Option<UserId> },
}

/// A dial on its way.
#[derive(Debug, Clone)]
pub struct Dial {
    pub addr: SocketAddr,
    pub purpose: Purpose,
}

/// All dials on their way.
#[derive(Debug, Default)]
pub struct Dials {
    next: u64,
    /// Each with when it began.
    open: BTreeMap<DialId, (Moment, Dial)>,
}

impl Dials {
    /// Whether a dial is to be made: there are not too many, and none to the same address is on its way. Those a person asked
    /// for are always made; those to which the link's announcements lead must leave room for others, and for each other.
    pub fn admit(&self, dial: &Dial, now: Moment) -> bool {
        let asked_for = matches!(dial.purpose, Purpose::Ping { .. });
        let refused = || self.is_on_its_way(dial, now) || self.open.len() >= MAX_DIALS || self.crowded_out(dial);
        asked_for || !refused()
    }

    /// Notes a dial, if it is to be made.
    pub fn start(&mut self, dial: Dial, now: Moment) -> Option<DialId> {
        if !self.admit(&dial, now) {
            return None;
        }
        self.next += 1;
        self.open.insert(DialId(self.next), (now, dial));
        Some(DialId(self.next))
    }

    /// A sighting has just come over the link: it does not wait for a dial that began before.
    fn is_on_its_way(&self, dial: &Dial, now: Moment) -> bool {
        let sighting = matches!(dial.purpose, Purpose::Sighting(_));
        let mut same = self.open.values().filter(|(_, open)| open.addr == dial.addr);
        same.any(|(since, _)| !sighting || now.since(*since) < DIAL_STALE)
    }

    fn crowded_out(&self, dial: &Dial) -> bool {
        let is_sighting = |dial: &Dial| matches!(dial.purpose, Purpose::Sighting(_));
        let sightings = || self.open.values().map(|(_, open)| open).filter(|open| is_sighting(open));
        let free = MAX_SIGHTING_DIALS.saturating_sub(sightings().count());
        let own = sightings().filter(|open| open.addr.ip() == dial.addr.ip()).count();
        is_sighting(dial) && (own >= MAX_SIGHTING_DIALS_PER_IP || 3 * own >= free)
    }

    /// A dial has ended, well or not.
    pub fn finish(&mut self, id: &DialId) -> Option<Dial> {
        self.open.remove(id).map(|(_, dial)| dial)
    }
}

/// Pings that are not answered yet.
#[derive(Debug, Default)]
pub struct Pings {
    /// The address has answered and the hello has not come.
    open: Vec<Ping>,
    /// One user is to answer at one of several places.
    awaited: Vec<Awaited>,
}

/// A ping to an address with a user in it.
#[derive(Debug, Clone)]
pub struct Awaited {
    pub line: Option<u64>,
    pub whom: UserId,
    /// Somebody else has answered.
    pub met_another: bool,
    until: Moment,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Ping {
    pub line: Option<u64>,
    pub addr: SocketAddr,
    pub session: SessionId,
    pub rtt_ms: f64,
    pub whom: Option<UserId>,
    until: Moment,
}

impl Pings {
    /// One of several dials for this line is to find this user.
    pub fn await_user(&mut self, line: Option<u64>, whom: UserId, now: Moment) {
        self.awaited.push(Awaited { line, whom, met_another: false, until: now + PING_DEADLINE });
    }

    /// Whether a ping with a user in it still waits to be answered; it does so no more.
    pub fn settle(&mut self, line: Option<u64>) -> bool {
        self.awaited.extract_if(.., |awaited| awaited.line == line).count() > 0
    }

    /// Somebody else answers at one of the places.
    pub fn meet_another(&mut self, line: Option<u64>) {
        let of_it = self.awaited.iter_mut().filter(|awaited| awaited.line == line);
        of_it.for_each(|awaited| awaited.met_another = true);
    }

    /// An address has answered, with this session's key.
    pub fn answered(
        &mut self,
        (line, whom): (Option<u64>, Option<UserId>),
        addr: SocketAddr,
        session: SessionId,
        rtt_ms: f64,
        now: Moment,
    ) {
        self.open.push(Ping { line, addr, session, rtt_ms, whom, until: now + PING_DEADLINE });
    }

    /// Those that a hello of this session completes.
    pub fn take(&mut self, session: &SessionId) -> Vec<Ping> {
        self.open.extract_if(.., |ping| ping.session == *session).collect()
    }

    /// Those that have waited too long.
    pub fn overdue(&mut self, now: Moment) -> Vec<Ping> {
        self.open.extract_if(.., |ping| ping.until <= now).collect()
    }

    /// Users who have not answered for too long.
    pub fn overdue_users(&mut self, now: Moment) -> Vec<Awaited> {
        self.awaited.extract_if(.., |awaited| awaited.until <= now).collect()
    }

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
    fn what_one_machine_announces_leaves_dials_for_another_and_all_announcements_for_whoever_is_sought() {
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
    fn an_address_is_dialled_once_at_a_time_but_for_a_sighting_that_finds_a_dial_unanswered() {
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
    fn a_few_greedy_addresses_leave_dials_for_whoever_comes_next() {
        let mut dials = Dials::default();
        for last in 1..=8 {
            let started = (1..=1000).filter(|port| dials.start(sighting([10, 0, 0, last], *port), NOW).is_some());
            assert!(started.count() >= 1);
        }
        assert!(dials.start(sighting([10, 0, 0, 99], 1), NOW).is_some());
    }
}
