//! A simulated node: who it is, what it has on its disk, and what it has shown.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::disk::Disk;
use super::knocks::Knocks;
use super::net::NodeIndex;
use super::traffic::Traffic;
use crate::id::{BootId, NetworkId, SessionId, UserId};
use crate::identity::{Name, Scheme, SecretKey};
use crate::proto::notice::Notice;
use crate::proto::persist::Provenance;
use crate::proto::{Accept, Config, Core};
use crate::time::{Moment, Now, Wall};
use crate::wire::record::roles;

/// The UDP port of every simulated node.
pub const PORT: u16 = 27272;

/// Simulated wall clocks that go right show 2026.
const WALL: i64 = 1_790_000_000_000;

/// A node to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    pub accept: Accept,
    /// Bits of [`roles`].
    pub roles: u32,
    /// Which local link it is on.
    pub segment: Option<u32>,
    /// Local links without a route out of them that it has an interface on: then packets pass only between nodes with one in
    /// common. With none of these it is in the routed world.
    pub islands: Vec<u32>,
    /// As given by `--bootstrap`.
    pub bootstrap: Vec<SocketAddr>,
}

impl Plan {
    /// A client on no local link.
    pub fn client(name: impl Into<String>) -> Plan {
        Plan {
            name: name.into(),
            accept: Accept::Auto,
            roles: 0,
            segment: None,
            islands: Vec::new(),
            bootstrap: Vec::new(),
        }
    }

    /// A client with one interface, on an island.
    pub fn islander(name: impl Into<String>, island: u32) -> Plan {
        Plan { islands: vec![island], ..Plan::client(name) }
    }

    /// A relay with an interface on each of these islands.
    pub fn relay(name: impl Into<String>, islands: &[u32]) -> Plan {
        Plan { roles: roles::RELAY, islands: islands.to_vec(), ..Plan::client(name) }
    }

    /// Every local link it is on.
    pub fn links(&self) -> Vec<u32> {
        self.segment.into_iter().chain(self.islands.iter().copied()).collect()
    }
}

/// A simulated node. Its core is gone while it is switched off.
pub struct Node {
    pub user: UserId,
    pub session: SessionId,
    pub addr: SocketAddr,
    pub disk: Disk,
    /// Everything it told its faces, in order, if the world records.
    pub notices: Vec<(Option<u64>, Notice)>,
    pub sent_frames: u64,
    pub sent_bytes: u64,
    pub traffic: Traffic,
    pub knocks: Knocks,
    /// Sessions its faces were told are online and not yet gone.
    pub shows: BTreeSet<SessionId>,
    pub plan: Plan,
    /// Milliseconds by which its wall clock is ahead.
    pub wall_ahead: i64,
    pub(super) core: Option<Core>,
    pub(super) name: Name,
    pub(super) user_key: SecretKey,
    pub(super) session_key: SecretKey,
    pub(super) starts: u64,
    pub(super) committing: bool,
    pub(super) woken_for: Option<Moment>,
    /// Its process stands still until then.
    pub(super) stalled: Option<Moment>,
    /// Which round of announcements counts; an older one ends.
    pub(super) announcing: u64,
}

/// An address in a network of its own, so that nobody is near by accident: the first 65,536 of a block are in different /24.
pub fn address(block: u8, nth: u32) -> SocketAddr {
    let [_, host, over, network] = nth.to_be_bytes();
    SocketAddr::from(([block, over, network, host + 1], PORT))
}

impl Node {
    pub fn new(index: NodeIndex, plan: Plan, scheme: Scheme, seeds: [[u8; 32]; 2]) -> Node {
        let [user_key, session_key] = seeds.map(|seed| SecretKey::from_seed(scheme, &seed));
        Node {
            user: UserId(user_key.public()),
            session: SessionId(session_key.public()),
            addr: address(10, index as u32),
            disk: Disk::default(),
            notices: Vec::new(),
            sent_frames: 0,
            sent_bytes: 0,
            traffic: Traffic::default(),
            knocks: Knocks::default(),
            shows: BTreeSet::new(),
            wall_ahead: 0,
            core: None,
            name: Name::parse(&plan.name).expect("simulated nodes have good names"),
            user_key,
            session_key,
            starts: 0,
            committing: false,
            woken_for: None,
            stalled: None,
            announcing: 0,
            plan,
        }
    }

    /// The same keys and what is on the disk, at an address of its own.
    pub(super) fn copy(&self, index: NodeIndex) -> Node {
        let mut copy = Node::new(index, self.plan.clone(), self.user_key.scheme(), [[0; 32]; 2]);
        (copy.user, copy.user_key) = (self.user, self.user_key.clone());
        (copy.session, copy.session_key) = (self.session, self.session_key.clone());
        copy.disk.restore(self.disk.load());
        copy
    }

    pub fn is_on(&self) -> bool {
        self.core.is_some()
    }

    /// It starts: where keys answered before, by its disk, and what it was given, it may dial at will.
    pub(super) fn prove_what_is_known(&mut self) {
        self.knocks.start();
        let met = self.disk.sessions().flat_map(|row| &row.addresses).filter(|row| row.provenance <= Provenance::Lan);
        met.map(|row| row.addr).chain(self.plan.bootstrap.iter().copied()).for_each(|addr| self.knocks.prove(addr));
    }

    /// What its clocks show.
    pub fn clock(&self, now: Moment) -> Now {
        Now { moment: now, wall: Wall(WALL + now.0 as i64 + self.wall_ahead) }
    }

    /// Of this start of this node.
    pub fn boot(&self, index: NodeIndex) -> BootId {
        BootId((index as u64) << 32 | self.starts)
    }

    pub(super) fn config(&self, index: NodeIndex, network: NetworkId, seed: [u8; 32]) -> Config {
        Config {
            name: self.name.clone(),
            user_key: Some(self.user_key.clone()),
            user: self.user,
            session_key: self.session_key.clone(),
            label: "sim".to_owned(),
            network,
            roles: self.plan.roles,
            accept: self.plan.accept,
            port: PORT,
            agent: "darknode sim".to_owned(),
            boot: self.boot(index),
            seed,
        }
    }
}
