//! Meetings by chance, and what ideal ways of carrying make of them: at a meeting everything is handed over at once, nothing
//! is ever lost, and nobody has a bound. The second, stupid model beside the real one.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_core::Rng;

use super::net::NodeIndex;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Into so many moments the mean time between two meetings is cut; in each one there is a meeting with this chance.
const FINE: u32 = 16;

/// Two nodes reach each other for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meeting {
    pub at: Duration,
    pub pair: (NodeIndex, NodeIndex),
}

/// Meetings of random pairs, each pair once a day on average.
pub fn meetings(nodes: usize, span: Duration, rng: &mut impl Rng) -> Vec<Meeting> {
    let pairs = (nodes * nodes.saturating_sub(1) / 2).max(1) as u32;
    let moment = DAY / pairs / FINE;
    let mut meetings = Vec::new();
    let mut at = Duration::ZERO;
    while at < span && nodes > 1 {
        at += moment;
        if rng.next_u64().is_multiple_of(u64::from(FINE)) {
            let one = (rng.next_u64() % nodes as u64) as usize;
            let other = (rng.next_u64() % (nodes as u64 - 1)) as usize;
            meetings.push(Meeting { at, pair: (one, if other < one { other } else { other + 1 }) });
        }
    }
    meetings
}

/// Who gives what to whom at a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nobody but the author carries.
    Direct,
    /// So many copies; who has more than one gives half of them away.
    Spray(u8),
    /// Everybody gives everything to everybody.
    Epidemic,
}

/// When a message arrives, and how many have it by then, its author included.
pub fn ideal(meetings: &[Meeting], way: Way, from: NodeIndex, to: NodeIndex) -> Option<(Duration, usize)> {
    let copies = if let Way::Spray(copies) = way { copies } else { 1 };
    let mut holders = BTreeMap::from([(from, copies)]);
    for Meeting { at, pair: (one, other) } in meetings {
        for (giver, taker) in [(*one, *other), (*other, *one)] {
            let Some(copies) = holders.get(&giver).copied() else { continue };
            if taker == to {
                return Some((*at, holders.len()));
            }
            let given = if way == Way::Epidemic { 1 } else { copies / 2 };
            if way != Way::Direct && given > 0 && !holders.contains_key(&taker) {
                holders.insert(taker, given);
                holders.insert(giver, if way == Way::Epidemic { 1 } else { copies - given });
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

    fn meeting(hour: u64, pair: (NodeIndex, NodeIndex)) -> Meeting {
        Meeting { at: Duration::from_secs(hour * 3600), pair }
    }

    #[test]
    fn each_way_brings_a_message_by_the_meetings_it_can_use() {
        let trace = [(1, (0, 1)), (2, (0, 2)), (3, (1, 3)), (4, (3, 9)), (5, (2, 9)), (6, (9, 0))];
        let trace = trace.map(|(hour, pair)| meeting(hour, pair));
        let hours = |way| ideal(&trace, way, 0, 9).map(|(at, copies)| (at.as_secs() / 3600, copies));
        assert_eq!(hours(Way::Direct), Some((6, 1)));
        assert_eq!(hours(Way::Spray(2)), Some((6, 2)));
        assert_eq!(hours(Way::Spray(4)), Some((4, 4)));
        assert_eq!(hours(Way::Epidemic), Some((4, 4)));
        assert_eq!(ideal(&trace[..3], Way::Epidemic, 0, 9), None);
    }

    #[test]
    fn a_pair_meets_once_a_day_on_average() {
        let met = meetings(20, DAY * 10, &mut ChaCha20Rng::seed_from_u64(1)).len() as f64 / (190.0 * 10.0);
        assert!((0.9..1.1).contains(&met), "{met}");
    }
}
