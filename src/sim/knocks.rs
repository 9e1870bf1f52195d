//! At whose doors a node knocks. A dial to an address where no key ever answered it, that no link showed and nobody gave it
//! by hand, may be one that somebody else talked it into: of these few may go to one IP address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::proto::limits::{UNPROVEN_DIALS_PER_IP, UNPROVEN_REFILL};
use crate::time::Moment;

const MINUTE: Duration = Duration::from_secs(60);
/// What a full budget and its refill allow within a minute.
pub const MOST: usize = UNPROVEN_DIALS_PER_IP as usize + (MINUTE.as_secs() / UNPROVEN_REFILL.as_secs()) as usize;

/// What a node may dial as often as it likes, and what it dialled beside that.
#[derive(Debug, Default)]
pub struct Knocks {
    proven: BTreeSet<SocketAddr>,
    lately: BTreeMap<IpAddr, VecDeque<Moment>>,
    /// Where it knocked too often, until that is taken.
    beyond: Vec<IpAddr>,
}

impl Knocks {
    /// A key answered there, it was seen on the local link, or somebody gave it by hand.
    pub fn prove(&mut self, addr: SocketAddr) {
        self.proven.insert(addr);
    }

    /// The node dials.
    pub fn dial(&mut self, addr: SocketAddr, now: Moment) {
        if self.proven.contains(&addr) {
            return;
        }
        let lately = self.lately.entry(addr.ip()).or_default();
        lately.retain(|at| now.since(*at) < MINUTE);
        lately.push_back(now);
        if lately.len() > MOST {
            self.beyond.push(addr.ip());
        }
    }

    /// The node starts anew, and its budgets with it.
    pub fn start(&mut self) {
        self.lately.clear();
    }

    /// Where it knocked too often.
    pub fn beyond(&self) -> &[IpAddr] {
        &self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_dial_within_a_minute_to_where_nobody_ever_answered_is_one_too_many() {
        let mut knocks = Knocks::default();
        let (strange, known): (SocketAddr, SocketAddr) = (([10, 0, 0, 1], 1).into(), ([10, 0, 0, 2], 1).into());
        knocks.prove(known);
        for second in 0..MOST as u64 {
            knocks.dial(strange, Moment(second * 1000));
        }
        (0..100).for_each(|at| knocks.dial(known, Moment(at)));
        assert!(knocks.beyond().is_empty());
        knocks.dial(strange, Moment(59_000));
        assert_eq!(knocks.beyond(), [strange.ip()]);
    }
}
