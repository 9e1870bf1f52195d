pub mod event;
pub mod memory;
pub mod ranges;
pub mod view;

use crate::id::{BootId, NetworkId, UserId};
use crate::identity::{Name, SecretKey};
use crate::time::{Moment, Now};
use event::{Input, Output};
use memory::Memory;

/// Who this node is and how it behaves; fixed for its life.
#[derive(Clone)]
pub struct Config {
    pub name: Name,
    /// The user key, on the session that may sign rosters.
    pub user_key: Option<SecretKey>,
    pub user: UserId,
    pub session_key: SecretKey,
    /// What people call this session, for its roster.
    pub label: String,
    pub network: NetworkId,
    /// Bits of [`roles`](crate::wire::record::roles).
    pub roles: u32,
    pub accept: Accept,
    /// The UDP port that others dial.
    pub port: u16,
    /// Program and version, said in the hello.
    pub agent: String,
    pub boot: BootId,
    /// Everything random in the core grows from these bytes.
    pub seed: [u8; 32],
}

/// What happens to requests for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    Auto,
    Ask,
}

pub struct Core {}

impl Core {
    pub fn new(_config: Config, _memory: Memory, _now: Now) -> Core {
        todo!()
    }

    pub fn handle(&mut self, _now: Now, _input: Input) {
        todo!()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    pub fn poll_timeout(&self) -> Option<Moment> {
        todo!()
    }

    /// What to call a user: their name, or `name#abc123` where two share one.
    pub fn handle_of(&self, _user: &UserId) -> String {
        todo!()
    }
}
