//! Who a node is and how it behaves: what the caller decides before the core starts.

use crate::id::{BootNonce, NetworkId, UserId};
use crate::identity::{Name, SecretKey};

/// The identity and the options of a node; fixed for its life.
#[derive(Clone)]
pub struct Config {
    /// The user's name.
    pub name: Name,
    /// The user key, if this session may sign rosters.
    pub user_key: Option<SecretKey>,
    /// The user.
    pub user: UserId,
    /// The user key was created for this start, so nobody holds a roster of the user yet.
    pub is_new_user: bool,
    /// The key of this session.
    pub session_key: SecretKey,
    /// The name of this session in its user's roster.
    pub label: String,
    /// The network: the open one, or a closed one.
    pub network: NetworkId,
    /// Bits of [`roles`](crate::wire::record::roles).
    pub roles: u32,
    /// The session waits to be linked with the others of some user; `user` is a throw-away one until then.
    pub waits: bool,
    /// How link requests are answered.
    pub accept: Accept,
    /// Program and version, sent in the hello.
    pub agent: String,
    /// Drawn at this start of the node; its boot id is derived from it.
    pub boot_nonce: BootNonce,
    /// Seeds all randomness of the core.
    pub seed: [u8; 32],
}

/// How link requests of other users are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Accept automatically, up to [`MAX_AUTO_LINKS`](crate::proto::limits::MAX_AUTO_LINKS).
    Auto,
    /// Ask the user.
    Ask,
}
