//! When multicast was heard on each link, for `\doctor`: the driver records it, and any task may ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::links::Index;
use crate::proto::notice::examination::Multicast;

/// An own query that has not come back for so long is lost: several are sent in this time.
const DEAF: Duration = Duration::from_secs(10);

/// What was heard on each link that is joined. There are no more of them than the machine has interfaces.
#[derive(Debug, Default)]
pub struct Heard(Mutex<BTreeMap<Index, OnLink>>);

#[derive(Debug, Default)]
struct OnLink {
    /// When the first own query was sent that has not come back.
    unreceived: Option<Instant>,
    /// When a packet of another machine was last received.
    others: Option<Instant>,
}

impl Heard {
    /// Forgets all links but these, and adds those that are new.
    pub fn retain(&self, links: &BTreeSet<Index>) {
        let mut all = self.links();
        all.retain(|index, _| links.contains(index));
        for index in links {
            all.entry(*index).or_default();
        }
    }

    /// An own query was sent on a link.
    pub fn sent(&self, index: Index, now: Instant) {
        self.links().entry(index).or_default().unreceived.get_or_insert(now);
    }

    /// An own query came back on a link.
    pub fn came_back(&self, index: Index) {
        self.links().entry(index).or_default().unreceived = None;
    }

    /// Packets of other machines were received on these links.
    pub fn heard_others(&self, links: &BTreeSet<Index>, now: Instant) {
        let mut all = self.links();
        links.iter().for_each(|index| all.entry(*index).or_default().others = Some(now));
    }

    /// What was heard on a link; `None` if it is not joined.
    pub fn on(&self, index: Index, now: Instant) -> Option<Multicast> {
        let all = self.links();
        let link = all.get(&index)?;
        let ago = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        Some(Multicast { deaf: ago(link.unreceived), others_heard: ago(link.others) })
    }

    /// The number of links on which no own query has come back for some time.
    pub fn deaf(&self, now: Instant) -> usize {
        let is_deaf = |since: Instant| now.saturating_duration_since(since) >= DEAF;
        self.links().values().filter(|link| link.unreceived.is_some_and(is_deaf)).count()
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<Index, OnLink>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_counts_as_deaf_once_several_queries_must_be_lost() {
        let (heard, start) = (Heard::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        heard.retain(&[2, 3].into());
        heard.sent(2, start);
        heard.sent(3, after(5));
        assert_eq!([9, 10, 15].map(|seconds| heard.deaf(after(seconds))), [0, 1, 2]);
        heard.came_back(2);
        assert_eq!(heard.deaf(after(15)), 1);
    }

    #[test]
    fn a_link_is_deaf_from_its_first_lost_query_until_one_comes_back() {
        let (start, heard) = (Instant::now(), Heard::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        heard.retain(&[2, 3].into());
        (0..40).for_each(|second| heard.sent(2, at(second)));
        heard.heard_others(&[3].into(), at(30));
        let on = |index| heard.on(index, at(40));
        assert_eq!(on(2), Some(Multicast { deaf: Some(Duration::from_secs(40)), others_heard: None }));
        assert_eq!(on(3), Some(Multicast { deaf: None, others_heard: Some(Duration::from_secs(10)) }));
        heard.came_back(2);
        assert_eq!(on(2), Some(Multicast { deaf: None, others_heard: None }));
        heard.retain(&[3].into());
        assert_eq!(on(2), None);
    }
}
