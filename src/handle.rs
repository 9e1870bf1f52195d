//! The interface between the node and whoever speaks to it: requests in one direction, notices in the other. Neither depends on
//! anything else of the other. The [`hub`](crate::hub) stands between a node and its interfaces, and speaks this to both.

pub mod counts;
pub mod notices;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::id::{BootId, NetworkId, SessionId, UserId};
use crate::identity::place::Place;
use crate::proto::event::{Adopted, Request};
use crate::proto::notice::{Delivery, MessageView, Notice};
use counts::{CountsClient, CountsRequests};
use notices::{NoticeReceiver, NoticeSender};

/// Requests that may wait for the node. If the disk is slower than the input, the user interface waits.
pub const REQUESTS: usize = 1024;

/// How long a node takes to quit at most, unless its disk hangs. User interfaces wait a little longer, and leave the rest of
/// the two seconds that `docs/json.md` promises for the process to exit.
pub const STOPS_WITHIN: Duration = Duration::from_millis(1600);

/// From a user interface to the node.
#[derive(Debug)]
pub enum UiMessage {
    /// A command to carry out.
    Request(Request),
    /// Dial a place, which is resolved first.
    Ping {
        /// The input line.
        line: Option<u64>,
        /// The place.
        place: Place,
    },
    /// Read messages from the store. Answered by [`NodeMessage::Rows`].
    Fetch(Fetch),
}

/// A request for messages from the store, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Who reads. The answer repeats it.
    pub reader: u64,
    /// Only messages that arrived later are returned.
    pub after: u64,
    /// The most messages to return.
    pub limit: u32,
    /// Also those that were typed on this node.
    pub typed: bool,
}

/// A message from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The message. It is not marked as a possible repetition.
    pub message: MessageView,
    /// How far it has come, if it was typed on this node.
    pub typed: Option<Delivery>,
}

/// From the node to a user interface.
#[derive(Debug)]
pub enum NodeMessage {
    /// The first message, once: the node accepts connections.
    Ready(Box<Ready>, Start),
    /// Something to show.
    Notice {
        /// The input line of the request that it answers; `None` if it answers none.
        line: Option<u64>,
        /// What happened. Several interfaces may hold it.
        notice: Arc<Notice>,
    },
    /// Messages from the store.
    Rows {
        /// Who asked for them.
        reader: u64,
        /// The messages, in the order of arrival; `None` if the store could not be read.
        rows: Option<Vec<Row>>,
    },
    /// This session waited to be linked and belongs to a user now. The interface is to ask the node to quit.
    Adopted(Box<Adopted>),
    /// The last message: everything is stored and sent.
    Stopped,
    /// The last message: the node failed. Holds the reason as one line.
    Failed(String),
}

impl NodeMessage {
    /// A notice that answers this input line, or none.
    pub fn notice(line: Option<u64>, notice: Notice) -> NodeMessage {
        NodeMessage::Notice { line, notice: Arc::new(notice) }
    }
}

/// The contents of the `ready` event.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The name of the user.
    pub user: String,
    /// The id of the user.
    pub id: UserId,
    /// The id of this session.
    pub session: SessionId,
    /// The UDP addresses at which the node accepts connections; never a wildcard.
    pub listen: Vec<SocketAddr>,
    /// The link-local addresses among them, with the name of their interface.
    pub link_local: Vec<Place>,
    /// The closed network; `None` in the open network.
    pub network: Option<NetworkId>,
    /// The roles that the session declares: `"relay"`, `"server"`.
    pub roles: Vec<&'static str>,
    /// The identity was just created. User interfaces then show its fingerprint and how to back it up.
    pub fresh: bool,
}

/// Where a run of the node begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Tells this run from others.
    pub boot: BootId,
    /// Everything that arrived up to here was printed before.
    pub printed: u64,
    /// The newest arrival from before this start.
    pub arrival: u64,
    /// The runs before this one.
    pub earlier: Runs,
}

/// Runs of the node that its store remembers, each with the newest arrival when it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(pub Vec<(BootId, u64)>);

impl Runs {
    /// The newest arrival when a run ended; `None` if the store does not know it.
    pub fn end_of(&self, boot: BootId) -> Option<u64> {
        self.0.iter().find(|(known, _)| *known == boot).map(|(_, end)| *end)
    }
}

/// The user interface's ends of the channels.
pub struct Handle {
    /// Sends requests. It is bounded by [`REQUESTS`].
    pub to_node: mpsc::Sender<UiMessage>,
    /// The print position: every `message` notice up to this arrival number has been written and flushed. The store records
    /// this.
    pub printed: watch::Sender<u64>,
    /// Receives notices.
    pub from_node: NoticeReceiver,
    /// Asks for counts.
    pub counts: CountsClient,
}

/// The node's ends of the channels.
pub struct NodeEnds {
    /// Receives requests.
    pub from_ui: mpsc::Receiver<UiMessage>,
    /// The print position; 0 before the first message.
    pub printed: watch::Receiver<u64>,
    /// Sends notices.
    pub to_ui: NoticeSender,
    /// Receives requests for counts.
    pub counts: CountsRequests,
}

/// The channels between a node and an interface.
pub fn channels() -> (Handle, NodeEnds) {
    let (to_node, from_ui) = mpsc::channel(REQUESTS);
    let (printed_to, printed) = watch::channel(0);
    let (to_ui, from_node) = notices::channel();
    let (counts, asked) = counts::channel();
    let handle = Handle { to_node, printed: printed_to, from_node, counts };
    (handle, NodeEnds { from_ui, printed, to_ui, counts: asked })
}

#[cfg(test)]
impl Ready {
    /// What a node of alice says, for tests.
    pub fn example() -> Ready {
        Ready {
            user: "alice".into(),
            id: UserId([1; 32]),
            session: SessionId([2; 32]),
            listen: Vec::new(),
            link_local: Vec::new(),
            network: None,
            roles: Vec::new(),
            fresh: false,
        }
    }
}
