//! How much a node holds and has done, for monitoring. Nothing here tells one user, session or address from another.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

pub use crate::proto::histogram::Histogram;
use crate::proto::notice::Drops;
pub use crate::proto::notice::counts::{Amount, Connections, Counts as CoreCounts};
use crate::time::Wall;

/// Requests for counts that may wait for the node.
const WAITING: usize = 4;

/// How much a node holds at the moment, and what it has done since its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// When it began.
    pub began: Wall,
    /// What the core holds.
    pub core: CoreCounts,
    /// What was dropped, refused or cut off, by reason.
    pub drops: Drops,
    /// Lines that were typed here and accepted.
    pub sent: u64,
    /// Lines of others that arrived.
    pub received: u64,
    /// Receipts of sessions for lines of this one: one for each line and session.
    pub receipts: u64,
    /// Dials that have ended, by outcome.
    pub dials: BTreeMap<&'static str, u64>,
    /// Dials under way.
    pub dials_open: usize,
    /// The store.
    pub store: StoreCounts,
    /// Local links on which this node does not hear its own announcements.
    pub deaf_links: usize,
}

/// How much a store holds and has done.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreCounts {
    /// How long commits took.
    pub commits: Histogram,
    /// Changes that are not on the disk yet.
    pub backlog: u64,
    /// The size of its file and its log, as of the last commit.
    pub bytes: u64,
    /// The disk refuses writes.
    pub refuses: bool,
}

/// What a node and its hub count.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The node.
    pub node: Counts,
    /// Programs that are connected to the local API.
    pub clients: usize,
    /// How often one of them was overtaken by what happened.
    pub gaps: u64,
}

/// Asks a node for its counts.
#[derive(Debug, Clone)]
pub struct CountsClient(mpsc::Sender<oneshot::Sender<Counts>>);

/// What a node is asked. It answers in the next turn of its loop, also while its store is behind.
pub type CountsRequests = mpsc::Receiver<oneshot::Sender<Counts>>;

/// The two ends for such requests.
pub fn channel() -> (CountsClient, CountsRequests) {
    let (ask, asked) = mpsc::channel(WAITING);
    (CountsClient(ask), asked)
}

impl CountsClient {
    /// The counts; `None` if the node stops. Waits for the node.
    pub async fn ask(&self) -> Option<Counts> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        answered.await.ok()
    }
}
