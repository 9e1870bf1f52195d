//! Where the node and its faces meet: requests in, notices out. Neither knows anything else of the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::id::{NetworkId, SessionId, UserId};
use crate::proto::event::Request;
use crate::proto::notice::Notice;

/// Requests that may wait for the node: a face that types faster than the disk stores waits here.
pub const REQUESTS: usize = 1024;

/// A node that was asked to quit has stopped after this long, unless its disk hangs. A face waits a little longer, and leaves
/// the rest of the two seconds of `cli.md` for the process to end.
pub const STOPS_WITHIN: Duration = Duration::from_millis(1600);

/// From a face to the node.
#[derive(Debug)]
pub enum FaceMessage {
    Request(Request),
    /// Every `message` notice up to this arrival has been written out and flushed: the store puts its mark there.
    Printed {
        arrival: u64,
    },
}

/// From the node to a face.
#[derive(Debug)]
pub enum NodeMessage {
    /// Once, first: the node accepts connections.
    Ready(Box<Ready>),
    /// `line` is the one of the request it answers.
    Notice { line: Option<u64>, notice: Notice },
    /// Last: everything is stored and said.
    Stopped,
    /// Last: the node could not go on.
    Failed(String),
}

/// What the `ready` event says.
#[derive(Debug, Clone)]
pub struct Ready {
    pub user: String,
    pub id: UserId,
    pub session: SessionId,
    pub listen: Vec<SocketAddr>,
    pub network: Option<NetworkId>,
    pub roles: Vec<&'static str>,
    /// The identity was made just now: a face tells its fingerprint and how to keep it.
    pub fresh: bool,
}

/// A face's end.
pub struct Handle {
    pub to_node: mpsc::Sender<FaceMessage>,
    pub from_node: mpsc::UnboundedReceiver<NodeMessage>,
}
