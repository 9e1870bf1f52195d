//! What `\map` is answered with: the users within two links of the local user and those nearby, and how they are reached.

use crate::id::UserId;
use crate::time::Wall;

/// The network around the local user, as far as this node knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The local user, linked users, users linked with those, then others that matter for mail: connected relays, and
    /// users for whom lines wait; then others on the local link. Each of these groups is in the order of names. At most
    /// [`MAX_MAP_NODES`](crate::proto::limits::MAX_MAP_NODES).
    pub nodes: Vec<MapNode>,
    /// Pairs of users among `nodes` who are linked, and the local user with each connected relay. Those that begin earlier in
    /// `nodes` come first. At most [`MAX_MAP_EDGES`](crate::proto::limits::MAX_MAP_EDGES).
    pub edges: Vec<(UserId, UserId)>,
    /// Users who were left out.
    pub more: usize,
}

/// A user on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct MapNode {
    /// The user.
    pub id: UserId,
    /// The name to show.
    pub name: String,
    /// It is the local user.
    pub me: bool,
    /// 0 for the local user, 1 for linked users, 2 for users linked with those.
    pub distance: Option<u8>,
    /// Both link lists name each other.
    pub linked: bool,
    /// A session of the user is online.
    pub online: bool,
    /// A session of the user carries mail for others.
    pub relay: bool,
    /// A session of the user is a server.
    pub server: bool,
    /// The user was found on the local link.
    pub nearby: bool,
    /// How the user is reached.
    pub way: Way,
    /// The neighbour who reports the user as connected, if the way leads through others; its label if it is another session of the local
    /// user.
    pub through: Option<String>,
    /// The shortest round-trip time of the handshakes with the user's connected sessions, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Since when the user is online; of others, when they were last heard of.
    pub since: Option<Wall>,
    /// Of the local user: envelopes that this node keeps for others. Of others: own lines that they carry.
    pub held: usize,
    /// Own lines that wait for the user.
    pub waiting: usize,
}

/// How a user is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A session is connected with this node.
    Direct,
    /// A session is connected with others.
    Through,
    /// None is online.
    Away,
}
