//! A simulated node: its identity, its disk, and what it has reported.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::disk::Disk;
use super::nat::Nat;
use super::net::NodeIndex;
use super::traffic::Traffic;
use super::unproven_dials::UnprovenDials;
use crate::id::{BootId, BootNonce, NetworkId, SessionId, StreamId, UserId};
use crate::identity::{Name, Scheme, SecretKey};
use crate::proto::notice::Notice;
use crate::proto::persist::{Provenance, Ticket};
use crate::proto::ranges::Ranges;
use crate::proto::{Accept, Config, Core};
use crate::time::{Moment, Now, Wall};
use crate::wire::record::roles;

/// The UDP port of every simulated node.
pub const PORT: u16 = 27272;

/// The wall time, in Unix milliseconds, at which simulations start: in 2026.
const WALL: i64 = 1_790_000_000_000;

/// The configuration of a node.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The user's name.
    pub name: String,
    /// How to answer link requests.
    pub accept: Accept,
    /// Bits of [`roles`].
    pub roles: u32,
    /// The local link it is on, in the routed network.
    pub segment: Option<u32>,
    /// The isolated local links (islands) it has an interface on. Packets then pass only between nodes that share
    /// one. A node without any is in the routed network.
    pub islands: Vec<u32>,
    /// Addresses as given by `--bootstrap`.
    pub bootstrap: Vec<SocketAddr>,
    /// Its address, for nodes that share a host; otherwise one of its own.
    pub addr: Option<SocketAddr>,
    /// Whether the session holds the user key.
    pub user_key: bool,
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
            addr: None,
            user_key: true,
        }
    }

    /// A client on one island.
    pub fn islander(name: impl Into<String>, island: u32) -> Plan {
        Plan { islands: vec![island], ..Plan::client(name) }
    }

    /// A relay with an interface on each of these islands.
    pub fn relay(name: impl Into<String>, islands: &[u32]) -> Plan {
        Plan { roles: roles::RELAY, islands: islands.to_vec(), ..Plan::client(name) }
    }

    /// All local links the node is on.
    pub fn links(&self) -> Vec<u32> {
        self.segment.into_iter().chain(self.islands.iter().copied()).collect()
    }
}

/// A query for lines: the last change before it, the session they are for, and the numbers wanted.
pub(super) type LinesQuery = (Ticket, SessionId, Vec<(StreamId, Ranges)>);

/// A simulated node.
pub struct Node {
    /// The user's id.
    pub user: UserId,
    /// The session's id.
    pub session: SessionId,
    /// The current address.
    pub addr: SocketAddr,
    /// The simulated disk.
    pub disk: Disk,
    /// All notices in order, with the line they answer, if [`Settings::record`](super::Settings::record) is set;
    /// otherwise answers only.
    pub notices: Vec<(Option<u64>, Notice)>,
    /// Frames sent.
    pub sent_frames: u64,
    /// Bytes sent, in frames with their headers.
    pub sent_bytes: u64,
    /// Messages sent, by kind.
    pub traffic: Traffic,
    /// Dials to addresses the node has no reason to trust.
    pub(crate) unproven_dials: UnprovenDials,
    /// The NAT it is behind, if any.
    pub(super) nat: Option<Nat>,
    /// Sessions that are currently shown as online.
    pub shown_online: BTreeSet<SessionId>,
    /// Sessions that are currently shown as nearby.
    pub shown_nearby: BTreeSet<SessionId>,
    /// Users of whom a message was shown.
    pub heard_from: BTreeSet<UserId>,
    /// Its configuration.
    pub plan: Plan,
    /// Milliseconds by which its wall clock is ahead.
    pub wall_offset: i64,
    pub(super) core: Option<Core>,
    pub(super) name: Name,
    pub(super) user_key: SecretKey,
    pub(super) session_key: SecretKey,
    pub(super) starts: u64,
    pub(super) committing: bool,
    /// Queries that wait until everything before them is durable.
    pub(super) queries: Vec<LinesQuery>,
    pub(super) woken_for: Option<Moment>,
    /// The process is stalled until then.
    pub(super) stalled: Option<Moment>,
    /// The current series of announcements; older ones end.
    pub(super) announcing: u64,
    /// Announcements in it so far.
    pub(super) announced: u32,
}

/// An address in a subnet of its own, so that no two nodes appear to be close: the first 65,536 of a block are in
/// different /24 networks.
pub fn address(block: u8, nth: u32) -> SocketAddr {
    let [_, host, over, network] = nth.to_be_bytes();
    SocketAddr::from(([block, over, network, host + 1], PORT))
}

impl Node {
    /// A node that is not running, with keys from `seeds` (user, session).
    pub fn new(index: NodeIndex, plan: Plan, scheme: Scheme, seeds: [[u8; 32]; 2]) -> Node {
        let [user_key, session_key] = seeds.map(|seed| SecretKey::from_seed(scheme, &seed));
        Node {
            user: UserId(user_key.public()),
            session: SessionId(session_key.public()),
            addr: plan.addr.unwrap_or_else(|| address(10, index as u32)),
            disk: Disk::of(SessionId(session_key.public())),
            notices: Vec::new(),
            sent_frames: 0,
            sent_bytes: 0,
            traffic: Traffic::default(),
            unproven_dials: UnprovenDials::default(),
            nat: None,
            shown_online: BTreeSet::new(),
            shown_nearby: BTreeSet::new(),
            heard_from: BTreeSet::new(),
            wall_offset: 0,
            core: None,
            name: Name::parse(&plan.name).expect("simulated nodes have valid names"),
            user_key,
            session_key,
            starts: 0,
            committing: false,
            queries: Vec::new(),
            woken_for: None,
            stalled: None,
            announcing: 0,
            announced: 0,
            plan,
        }
    }

    /// A copy with the same keys and disk, at an address of its own.
    pub(super) fn copy(&self, index: NodeIndex) -> Node {
        let mut copy = Node::new(index, self.plan.clone(), self.user_key.scheme(), [[0; 32]; 2]);
        (copy.user, copy.user_key) = (self.user, self.user_key.clone());
        (copy.session, copy.session_key) = (self.session, self.session_key.clone());
        copy.disk = Disk::of(self.session);
        copy.disk.restore(self.disk.load());
        copy
    }

    /// Whether the node is running.
    pub fn is_on(&self) -> bool {
        self.core.is_some()
    }

    /// At a start, the node may freely dial addresses at which keys answered before, according to its disk, and those
    /// it was configured with.
    pub(super) fn allow_known_addresses(&mut self) {
        self.unproven_dials.reset();
        let proven =
            self.disk.sessions().flat_map(|row| &row.addresses).filter(|row| row.provenance <= Provenance::Lan);
        proven
            .map(|row| row.addr)
            .chain(self.plan.bootstrap.iter().copied())
            .for_each(|addr| self.unproven_dials.allow(addr));
    }

    /// The reading of its clocks.
    pub fn clock(&self, now: Moment) -> Now {
        Now { moment: now, wall: Wall(WALL + now.0 as i64 + self.wall_offset) }
    }

    /// The boot id of the current run.
    pub fn boot(&self, index: NodeIndex) -> BootId {
        BootId::of(&self.session, &self.boot_nonce(index))
    }

    /// Differs between nodes, also between copies of one node, and between runs.
    fn boot_nonce(&self, index: NodeIndex) -> BootNonce {
        (((index as u128) << 64) | u128::from(self.starts)).to_be_bytes()
    }

    pub(super) fn config(&self, index: NodeIndex, network: NetworkId, seed: [u8; 32]) -> Config {
        Config {
            name: self.name.clone(),
            user_key: self.plan.user_key.then(|| self.user_key.clone()),
            user: self.user,
            session_key: self.session_key.clone(),
            label: "sim".to_owned(),
            network,
            roles: self.plan.roles,
            waits: false,
            accept: self.plan.accept,
            agent: "darknode sim".to_owned(),
            is_new_user: self.starts <= 1,
            boot_nonce: self.boot_nonce(index),
            seed,
        }
    }
}
