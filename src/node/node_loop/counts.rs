//! What a node tells monitoring.

use tokio::time::Instant;

use super::{MAX_DIALS, Node};
use crate::handle::counts::{Counts, StoreCounts};

impl Node {
    /// What is held and was done, for monitoring.
    pub(super) fn count(&self) -> Counts {
        let tally = &self.tally;
        Counts {
            began: tally.began,
            core: self.core.counts(),
            drops: self.drops(),
            sent: tally.sent,
            received: tally.received,
            receipts: tally.receipts,
            dials: tally.dials.clone(),
            dials_open: MAX_DIALS - self.dials.available_permits(),
            store: StoreCounts {
                commits: tally.commits.clone(),
                backlog: self.issued.0.saturating_sub(self.stored.0),
                bytes: self.examiner.footprint().0,
                refuses: self.examiner.refuses.is_some(),
            },
            deaf_links: self.examiner.heard.as_ref().map_or(0, |heard| heard.deaf(Instant::now())),
        }
    }
}
