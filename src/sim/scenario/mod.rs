//! Scenarios: each sets up a world, injects faults, and takes figures.

mod churn;
mod coldstart;
mod crash;
mod explode;
mod figure3;
mod hall;
mod harness;
mod mules;
mod partition;
mod restart;

pub use harness::{Broadcast, Harness, Visibility};

use std::time::Duration;

use super::report::Report;
use super::topology::Topology;

/// A scenario of `darknode sim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// R and E of the paper's figure 3 lose each other; a remaining node reconnects them.
    Figure3,
    /// All nodes restart, the server is gone, and most remembered addresses are wrong.
    Restart,
    /// The network is partitioned and rejoined.
    Partition,
    /// A share of the nodes crashes at once.
    Crash,
    /// All nodes start within one second and know a single address.
    Coldstart,
    /// One node floods its declaration to all nodes within two connections.
    Explode,
    /// One node in ten leaves every minute, and as many return.
    Churn,
    /// Mobile relays: random pairs have short contacts and carry each other's mail.
    Mules,
    /// Strangers on one local link.
    Hall,
    /// The same with twice as many hostile identities on four addresses.
    Siege,
}

impl Scenario {
    /// All scenarios with their names on the command line.
    pub const ALL: [(&str, Scenario); 10] = [
        ("figure3", Scenario::Figure3),
        ("restart", Scenario::Restart),
        ("partition", Scenario::Partition),
        ("crash", Scenario::Crash),
        ("coldstart", Scenario::Coldstart),
        ("explode", Scenario::Explode),
        ("churn", Scenario::Churn),
        ("mules", Scenario::Mules),
        ("hall", Scenario::Hall),
        ("siege", Scenario::Siege),
    ];

    /// Whether nodes are restarted, so that disks must be kept.
    fn restarts(self) -> bool {
        matches!(self, Scenario::Figure3 | Scenario::Restart | Scenario::Churn)
    }
}

/// How a partition divides the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Two equal parts.
    Halves,
    /// Three equal parts.
    Thirds,
    /// Two halves that join and separate every 10 s.
    Flapping,
}

impl Parts {
    /// All values with their names on the command line.
    pub const ALL: [(&str, Parts); 3] =
        [("halves", Parts::Halves), ("thirds", Parts::Thirds), ("flapping", Parts::Flapping)];
}

/// The parameters of a run.
#[derive(Debug, Clone)]
pub struct Params {
    /// The scenario.
    pub scenario: Scenario,
    /// Number of nodes, without the server that some scenarios add.
    pub nodes: usize,
    /// The seed of all randomness.
    pub seed: u64,
    /// The link graph.
    pub topology: Topology,
    /// Links per node, where the topology leaves it open.
    pub degree: usize,
    /// Whether all nodes are members of one closed network.
    pub closed: bool,
    /// Packet loss in percent.
    pub loss: u8,
    /// Percentage of frames that arrive twice.
    pub twice: u8,
    /// Percentage of nodes that crash.
    pub crash: u8,
    /// Whether a crash is noticed only by the idle timeout; otherwise peers notice at once.
    pub silent: bool,
    /// How a partition divides the network.
    pub parts: Parts,
    /// Duration of a partition, of churn, or of the contacts of mobile relays.
    pub span: Duration,
    /// Percentage of nodes that lose their data in a restart.
    pub forget: u8,
    /// Whether signatures are real; otherwise a cheap substitute is used.
    pub signed: bool,
}

impl Params {
    /// The default parameters of a scenario.
    pub fn new(scenario: Scenario, nodes: usize, seed: u64) -> Params {
        Params {
            scenario,
            nodes,
            seed,
            topology: if scenario == Scenario::Figure3 { Topology::Figure3 } else { Topology::Random },
            degree: 10,
            closed: !matches!(scenario, Scenario::Hall | Scenario::Siege),
            loss: 0,
            twice: 0,
            crash: 50,
            silent: true,
            parts: Parts::Halves,
            span: Duration::from_secs(match scenario {
                Scenario::Churn => 600,
                Scenario::Mules => 48 * 3600,
                _ => 3600,
            }),
            forget: 0,
            signed: nodes <= SMALL,
        }
    }
}

/// Worlds of up to this many nodes use real signatures.
const SMALL: usize = 50;

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current phase, in words.
    pub phase: &'static str,
    /// Simulated time so far.
    pub simulated: Duration,
    /// Inputs handled so far.
    pub events: u64,
}

/// Runs a scenario to its end.
pub fn run(params: &Params, progress: &mut dyn FnMut(Progress)) -> Report {
    let harness = Harness::new(params, progress);
    match params.scenario {
        Scenario::Figure3 => figure3::run(harness),
        Scenario::Restart => restart::run(harness),
        Scenario::Partition => partition::run(harness),
        Scenario::Crash => crash::run(harness),
        Scenario::Coldstart => coldstart::run(harness),
        Scenario::Explode => explode::run(harness),
        Scenario::Churn => churn::run(harness),
        Scenario::Mules => mules::run(harness),
        Scenario::Hall => hall::run(harness),
        Scenario::Siege => hall::run_siege(harness),
    }
}
