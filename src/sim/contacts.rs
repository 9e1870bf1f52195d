//! Random contact traces, and the performance of ideal routing schemes on them: at a contact everything is
//! transferred at once, nothing is lost, and there are no bounds. A reference for the real protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_core::Rng;

use super::net::NodeIndex;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Time steps per mean time between two contacts. In each step there is a contact with probability 1 / `FINE`.
const FINE: u32 = 16;

/// Two nodes can reach each other for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// Since the start of the trace.
    pub at: Duration,
    /// The two nodes.
    pub pair: (NodeIndex, NodeIndex),
}

/// Contacts of random pairs, each pair once a day on average.
pub fn contacts(nodes: usize, span: Duration, rng: &mut impl Rng) -> Vec<Contact> {
    let pairs = (nodes * nodes.saturating_sub(1) / 2).max(1) as u32;
    let moment = DAY / pairs / FINE;
    let mut contacts = Vec::new();
    let mut at = Duration::ZERO;
    while at < span && nodes > 1 {
        at += moment;
        if rng.next_u64().is_multiple_of(u64::from(FINE)) {
            let one = (rng.next_u64() % nodes as u64) as usize;
            let other = (rng.next_u64() % (nodes as u64 - 1)) as usize;
            contacts.push(Contact { at, pair: (one, if other < one { other } else { other + 1 }) });
        }
    }
    contacts
}

/// A routing scheme: which copies are passed on at a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Direct delivery: only the author carries the message.
    Direct,
    /// Binary spray and wait with this many copies: a node with more than one passes on half of them.
    Spray(u8),
    /// Epidemic routing: every node passes everything to every other.
    Epidemic,
}

/// When a message arrives, and how many nodes have it by then, including its author. `None` if it never arrives.
pub fn ideal(contacts: &[Contact], routing: Routing, from: NodeIndex, to: NodeIndex) -> Option<(Duration, usize)> {
    let copies = if let Routing::Spray(copies) = routing { copies } else { 1 };
    let mut holders = BTreeMap::from([(from, copies)]);
    for Contact { at, pair: (one, other) } in contacts {
        for (giver, taker) in [(*one, *other), (*other, *one)] {
            let Some(copies) = holders.get(&giver).copied() else { continue };
            if taker == to {
                return Some((*at, holders.len()));
            }
            let given = if routing == Routing::Epidemic { 1 } else { copies / 2 };
            if routing != Routing::Direct && given > 0 && !holders.contains_key(&taker) {
                holders.insert(taker, given);
                holders.insert(giver, if routing == Routing::Epidemic { 1 } else { copies - given });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn contact(hour: u64, pair: (NodeIndex, NodeIndex)) -> Contact {
        Contact { at: Duration::from_secs(hour * 3600), pair }
    }

    #[test]
    fn each_scheme_delivers_at_the_first_contact_it_can_use() {
        let trace = [(1, (0, 1)), (2, (0, 2)), (3, (1, 3)), (4, (3, 9)), (5, (2, 9)), (6, (9, 0))];
        let trace = trace.map(|(hour, pair)| contact(hour, pair));
        let hours = |routing| ideal(&trace, routing, 0, 9).map(|(at, copies)| (at.as_secs() / 3600, copies));
        assert_eq!(hours(Routing::Direct), Some((6, 1)));
        assert_eq!(hours(Routing::Spray(2)), Some((6, 2)));
        assert_eq!(hours(Routing::Spray(4)), Some((4, 4)));
        assert_eq!(hours(Routing::Epidemic), Some((4, 4)));
        assert_eq!(ideal(&trace[..3], Routing::Epidemic, 0, 9), None);
    }

    #[test]
    fn a_pair_meets_once_a_day_on_average() {
        let mean = contacts(20, DAY * 10, &mut ChaCha20Rng::seed_from_u64(1)).len() as f64 / (190.0 * 10.0);
        assert!((0.9..1.1).contains(&mean), "{mean}");
    }
}
