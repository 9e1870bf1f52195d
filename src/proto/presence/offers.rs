//! Who passes a declaration on, and who only offers to.
//!
//! Several friends of a session know the same third who is to hear of it. Each of them ranks itself among those who could
//! tell by rendezvous hashing over declaration, receiver and teller, so all come to the same order without asking. The
//! first sends; the k-th, after k steps, sends a mark of a few bytes, which the receiver answers if it lacks what the mark
//! speaks of. An offer is made up when it is due, so it says what is true then.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{SessionId, UserId};
use crate::proto::limits::{MAX_OFFERS, OFFER_STEP};
use crate::time::Moment;

/// Marks that wait for their moment.
#[derive(Debug, Default)]
pub struct Offers {
    /// By moment and neighbour: about whom.
    waiting: BTreeMap<(Moment, SessionId), BTreeSet<SessionId>>,
    count: usize,
}

impl Offers {
    /// Plans a mark about a session, as the one of this rank. False at the bound.
    pub fn put(&mut self, rank: usize, to: SessionId, about: SessionId, now: Moment) -> bool {
        if self.count >= MAX_OFFERS {
            return false;
        }
        let at = now + OFFER_STEP * rank.min(16) as u32;
        // Those that fall into the same twentieth of a second share a frame.
        let at = Moment(at.0.next_multiple_of(50));
        if self.waiting.entry((at, to)).or_default().insert(about) {
            self.count += 1;
        }
        true
    }

    /// What is to be said now, by neighbour.
    pub fn due(&mut self, now: Moment) -> BTreeMap<SessionId, BTreeSet<SessionId>> {
        let later = self.waiting.split_off(&(Moment(now.0 + 1), SessionId([0; 32])));
        let mut due: BTreeMap<SessionId, BTreeSet<SessionId>> = BTreeMap::new();
        for ((_, to), about) in std::mem::replace(&mut self.waiting, later) {
            self.count -= about.len();
            due.entry(to).or_default().extend(about);
        }
        due
    }

    pub fn next(&self) -> Option<Moment> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }
}

/// The place of `me` among all who could tell `to` of the declaration with this number: how many come before.
pub fn rank(number: u64, to: &UserId, me: &UserId, others: impl Iterator<Item = UserId>) -> usize {
    let mine = weight(number, to, me);
    others.filter(|other| other != me && weight(number, to, other) < mine).count()
}

/// Rendezvous hashing needs spread, not secrecy: who bends it only moves work to others, and offers repair what they leave.
fn weight(number: u64, to: &UserId, by: &UserId) -> u64 {
    let eight = |id: &UserId| u64::from_le_bytes(id.0[..8].try_into().expect("an id has 32 bytes"));
    let mixed = mix(mix(number) ^ eight(to));
    mix(mixed ^ eight(by))
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
    fn ranks_are_as_in_the_vectors() {
        let vectors = include_str!("../../../tests/vectors/rank.txt");
        let said: BTreeMap<&str, &str> = vectors.lines().filter_map(|line| line.split_once(" = ")).collect();
        let user = |name: &str| {
            let bytes = data_encoding::HEXLOWER.decode(said[name].as_bytes()).expect("hex");
            UserId(bytes.try_into().expect("32 bytes"))
        };
        let (number, to) = (said["seq"].parse().expect("a number"), user("receiver"));
        let tellers: Vec<UserId> = (1..=5).map(|n| user(&format!("teller-{n}"))).collect();
        for (n, teller) in tellers.iter().enumerate() {
            let weight = format!("{:016x}", weight(number, &to, teller));
            assert_eq!(weight, said[format!("weight-{}", n + 1).as_str()]);
            let rank = rank(number, &to, teller, tellers.iter().copied()).to_string();
            assert_eq!(rank, said[format!("rank-{}", n + 1).as_str()]);
        }
    }

    #[test]
    fn all_who_could_tell_come_to_one_order_and_each_leads_now_and_then() {
        let users: Vec<UserId> = (1..=5).map(|n| UserId([n; 32])).collect();
        let to = UserId([9; 32]);
        let mut led = BTreeSet::new();
        for number in 0..100 {
            let mut ranks: Vec<usize> = users.iter().map(|me| rank(number, &to, me, users.iter().copied())).collect();
            led.insert(ranks.iter().position(|rank| *rank == 0));
            ranks.sort();
            assert_eq!(ranks, [0, 1, 2, 3, 4]);
        }
        assert_eq!(led.len(), users.len());
    }

    #[test]
    fn offers_come_when_they_are_due_together() {
        let mut offers = Offers::default();
        let [to, a, b] = [1, 2, 3].map(|n| SessionId([n; 32]));
        offers.put(1, to, a, Moment(0));
        offers.put(1, to, b, Moment(10));
        offers.put(2, to, b, Moment(0));
        assert!(offers.due(Moment(150)).is_empty());
        assert_eq!(offers.due(Moment(250)), BTreeMap::from([(to, BTreeSet::from([a, b]))]));
        assert_eq!(offers.next(), Some(Moment(400)));
    }
}
