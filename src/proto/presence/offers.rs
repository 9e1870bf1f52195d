//! Which friend forwards a declaration, and which ones only offer it.
//!
//! Several friends of a session may share a user who is to receive its declaration. Each of them ranks itself among
//! them by rendezvous hashing over declaration, receiver and sender, so all come to the same order without
//! communication. The first sends the declaration; the k-th sends a version summary of a few bytes after k steps, and
//! the receiver requests what it lacks. A summary is built when it is sent, so it is current.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::proto::limits::{MAX_OFFERS, OFFER_STEP};
use crate::time::Moment;

/// Version summaries that wait until they are due.
#[derive(Debug, Default)]
pub struct Offers {
    /// By due time and neighbour: the sessions to summarise.
    waiting: BTreeMap<(Moment, SessionId), BTreeSet<SessionId>>,
    count: usize,
}

impl Offers {
    /// Schedules a summary of a session for the given rank. Returns false at the limit.
    pub fn schedule(&mut self, rank: usize, to: SessionId, about: SessionId, now: Moment) -> bool {
        if self.count >= MAX_OFFERS {
            return false;
        }
        let at = now + OFFER_STEP * rank.min(16) as u32;
        // Offers within the same 50 ms share a frame.
        let at = Moment(at.0.next_multiple_of(50));
        if self.waiting.entry((at, to)).or_default().insert(about) {
            self.count += 1;
        }
        true
    }

    /// The offers that are due, by neighbour.
    pub fn due(&mut self, now: Moment) -> BTreeMap<SessionId, BTreeSet<SessionId>> {
        let later = self.waiting.split_off(&(Moment(now.0 + 1), SessionId([0; 32])));
        let mut due: BTreeMap<SessionId, BTreeSet<SessionId>> = BTreeMap::new();
        for ((_, to), about) in std::mem::replace(&mut self.waiting, later) {
            self.count -= about.len();
            due.entry(to).or_default().extend(about);
        }
        due
    }

    /// When the next offer is due.
    pub fn next(&self) -> Option<Moment> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }
}

/// The rank of `me` among all users who could send `to` the declaration with this number: how many come before.
pub fn rank(number: u64, to: &UserId, me: &UserId, others: impl Iterator<Item = UserId>) -> usize {
    let own = weight(number, to, me);
    others.filter(|other| other != me && weight(number, to, other) < own).count()
}

/// Rendezvous hashing needs even distribution, not secrecy: a manipulated weight only shifts work to others, and offers
/// repair what they omit.
fn weight(number: u64, to: &UserId, by: &UserId) -> u64 {
    let prefix = |id: &UserId| u64::from_le_bytes(id.0[..8].try_into().expect("an id has 32 bytes"));
    let mixed = mix(mix(number) ^ prefix(to));
    mix(mixed ^ prefix(by))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_possible_senders_compute_the_same_order_and_each_is_first_at_times() {
        let users: Vec<UserId> = (1..=5).map(|n| UserId([n; 32])).collect();
        let to = UserId([9; 32]);
        let mut first = BTreeSet::new();
        for number in 0..100 {
            let mut ranks: Vec<usize> = users.iter().map(|me| rank(number, &to, me, users.iter().copied())).collect();
            first.insert(ranks.iter().position(|rank| *rank == 0));
            ranks.sort();
            assert_eq!(ranks, [0, 1, 2, 3, 4]);
        }
        assert_eq!(first.len(), users.len());
    }

    #[test]
    fn ranks_are_those_of_the_vectors() {
        let vectors = include_str!("../../../tests/vectors/rank.txt");
        let values: BTreeMap<&str, &str> = vectors.lines().filter_map(|line| line.split_once(" = ")).collect();
        let user = |name: &str| {
            let bytes = data_encoding::HEXLOWER.decode(values[name].as_bytes()).expect("hex");
            UserId(bytes.try_into().expect("32 bytes"))
        };
        let (number, to) = (values["seq"].parse().expect("a number"), user("receiver"));
        let senders: Vec<UserId> = (1..=5).map(|n| user(&format!("teller-{n}"))).collect();
        for (n, sender) in senders.iter().enumerate() {
            let weight = format!("{:016x}", weight(number, &to, sender));
            assert_eq!(weight, values[format!("weight-{}", n + 1).as_str()]);
            let rank = rank(number, &to, sender, senders.iter().copied()).to_string();
            assert_eq!(rank, values[format!("rank-{}", n + 1).as_str()]);
        }
    }

    #[test]
    fn offers_that_are_due_together_are_sent_together() {
        let mut offers = Offers::default();
        let [to, a, b] = [1, 2, 3].map(|n| SessionId([n; 32]));
        offers.schedule(1, to, a, Moment(0));
        offers.schedule(1, to, b, Moment(10));
        offers.schedule(2, to, b, Moment(0));
        assert!(offers.due(Moment(150)).is_empty());
        assert_eq!(offers.due(Moment(250)), BTreeMap::from([(to, BTreeSet::from([a, b]))]));
        assert_eq!(offers.next(), Some(Moment(400)));
    }
}
