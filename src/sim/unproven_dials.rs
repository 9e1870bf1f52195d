//! Counts a node's dials to unproven addresses: those at which no key ever answered, which no local link showed, and
//! which were not configured. Such a dial may have been caused by a third party (a reflected dial), so few of them
//! may go to one IP address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::proto::limits::{UNPROVEN_DIALS_PER_IP, UNPROVEN_REFILL};
use crate::time::Moment;

const MINUTE: Duration = Duration::from_secs(60);
/// The most unproven dials to one IP within a minute: a full budget and its refill.
pub const MAX_PER_MINUTE: usize =
    UNPROVEN_DIALS_PER_IP as usize + (MINUTE.as_secs() / UNPROVEN_REFILL.as_secs()) as usize;

/// The addresses a node may dial freely, and its recent dials to others.
#[derive(Debug, Default)]
pub struct UnprovenDials {
    proven: BTreeSet<SocketAddr>,
    recent: BTreeMap<IpAddr, VecDeque<Moment>>,
    /// IPs that were dialled too often.
    exceeded: Vec<IpAddr>,
}

impl UnprovenDials {
    /// Allows free dials to an address: a key answered there, it was seen on the local link, or it was configured.
    pub fn allow(&mut self, addr: SocketAddr) {
        self.proven.insert(addr);
    }

    /// Records a dial.
    pub fn dial(&mut self, addr: SocketAddr, now: Moment) {
        if self.proven.contains(&addr) {
            return;
        }
        let recent = self.recent.entry(addr.ip()).or_default();
        recent.retain(|at| now.since(*at) < MINUTE);
        recent.push_back(now);
        if recent.len() > MAX_PER_MINUTE {
            self.exceeded.push(addr.ip());
        }
    }

    /// Clears recent dials: the node restarts with full budgets.
    pub fn reset(&mut self) {
        self.recent.clear();
    }

    /// IPs that were dialled too often.
    pub fn exceeded(&self) -> &[IpAddr] {
        &self.exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_to_an_unproven_address_beyond_the_limit_of_a_minute_are_reported() {
        let mut unproven_dials = UnprovenDials::default();
        let (unproven, known): (SocketAddr, SocketAddr) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 1).into());
        unproven_dials.allow(known);
        for second in 0..MAX_PER_MINUTE as u64 {
            unproven_dials.dial(unproven, Moment(second * 1000));
        }
        (0..100).for_each(|at| unproven_dials.dial(known, Moment(at)));
        assert!(unproven_dials.exceeded().is_empty());
        unproven_dials.dial(unproven, Moment(59_000));
        assert_eq!(unproven_dials.exceeded(), [unproven.ip()]);
    }
}
