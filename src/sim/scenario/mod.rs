//! What can be played: each scenario sets a world, does something to it, and takes figures.

mod churn;
mod coldstart;
mod crash;
mod explode;
mod figure3;
mod mules;
mod partition;
mod restart;
mod stage;

pub use stage::{Broadcast, Sights, Stage};

use std::time::Duration;

use super::report::Report;
use super::topology::Topology;

/// A story with figures at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// R and E of the paper's figure 3 lose each other; who is left brings them together.
    Figure3,
    /// Everybody stops and starts, the server is gone, most remembered addresses are false.
    Restart,
    /// The network falls into parts and is joined again.
    Partition,
    /// A share of the nodes is gone from one moment to the next.
    Crash,
    /// Everybody starts within one second and knows one address.
    Coldstart,
    /// One node floods its declaration over all short paths.
    Explode,
    /// One node in ten leaves every minute, and another one comes back.
    Churn,
    /// Relays in pockets: pairs meet for a moment, and carry each other's mail.
    Mules,
}

impl Scenario {
    pub const ALL: [(&str, Scenario); 8] = [
        ("figure3", Scenario::Figure3),
        ("restart", Scenario::Restart),
        ("partition", Scenario::Partition),
        ("crash", Scenario::Crash),
        ("coldstart", Scenario::Coldstart),
        ("explode", Scenario::Explode),
        ("churn", Scenario::Churn),
        ("mules", Scenario::Mules),
    ];

    /// Whether nodes are started more than once, and need what they had on disk.
    fn restarts(self) -> bool {
        matches!(self, Scenario::Figure3 | Scenario::Restart | Scenario::Churn)
    }
}

/// Into what a partition falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    Halves,
    Thirds,
    /// Halves that meet and part every 10 s.
    Flapping,
}

impl Parts {
    pub const ALL: [(&str, Parts); 3] =
        [("halves", Parts::Halves), ("thirds", Parts::Thirds), ("flapping", Parts::Flapping)];
}

/// What to play, and in which world.
#[derive(Debug, Clone)]
pub struct Order {
    pub scenario: Scenario,
    pub nodes: usize,
    pub seed: u64,
    pub topology: Topology,
    /// Links of a node, where the topology leaves it open.
    pub degree: usize,
    /// All nodes are members of one closed network.
    pub closed: bool,
    /// Of a hundred packets so many are lost.
    pub loss: u8,
    /// Of a hundred frames so many come twice.
    pub twice: u8,
    /// Of a hundred nodes so many crash.
    pub crash: u8,
    /// Nobody is told of a crash; the idle time-out tells.
    pub silent: bool,
    pub parts: Parts,
    /// How long a partition lasts, or churn goes on.
    pub span: Duration,
    /// Of a hundred nodes so many lose their memory in a restart.
    pub forget: u8,
    /// Real signatures; else the cheap ones.
    pub signed: bool,
}

impl Order {
    pub fn new(scenario: Scenario, nodes: usize, seed: u64) -> Order {
        Order {
            scenario,
            nodes,
            seed,
            topology: if scenario == Scenario::Figure3 { Topology::Figure3 } else { Topology::Random },
            degree: 10,
            closed: true,
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

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, for people.
    pub phase: &'static str,
    pub simulated: Duration,
    pub events: u64,
}

/// Plays a scenario to its end.
pub fn play(order: &Order, progress: &mut dyn FnMut(Progress)) -> Report {
    let stage = Stage::new(order, progress);
    match order.scenario {
        Scenario::Figure3 => figure3::play(stage),
        Scenario::Restart => restart::play(stage),
        Scenario::Partition => partition::play(stage),
        Scenario::Crash => crash::play(stage),
        Scenario::Coldstart => coldstart::play(stage),
        Scenario::Explode => explode::play(stage),
        Scenario::Churn => churn::play(stage),
        Scenario::Mules => mules::play(stage),
    }
}
