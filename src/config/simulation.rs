//! What `darknode sim` is to play.

use std::time::Duration;

use super::args::SimArgs;
use super::{Unusable, unusable};
use crate::identity::name::harmless;
use crate::sim::scenario::{Params, Parts, Scenario};
use crate::sim::topology::Topology;

/// The nodes of figure 3 that have a name, and those beside them.
const FIGURE3: usize = 10;
/// More simulated time than anybody waits for.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// A run of the simulator; everything in it has been checked.
pub struct Simulation {
    pub order: Params,
    /// The scenario and the topology by the names they were asked for.
    pub scenario: &'static str,
    pub topology: &'static str,
    pub json: bool,
}

pub fn resolve(args: &SimArgs) -> Result<Simulation, Unusable> {
    let (scenario, which) = one_of("scenario", &args.scenario, &Scenario::ALL)?;
    let figure3 = which == Scenario::Figure3;
    let shape = args.topology.as_deref().unwrap_or(if figure3 { "figure3" } else { "random" });
    let (topology, shape) = one_of("topology", shape, &Topology::ALL)?;
    let (_, parts) = one_of("parts", &args.parts, &Parts::ALL)?;
    let nodes = args.nodes.map_or(if figure3 { FIGURE3 } else { 100 }, |nodes| nodes as usize);
    if figure3 && shape != Topology::Figure3 {
        return Err(unusable("figure3 is played on its own topology; leave --topology out"));
    }
    if shape == Topology::Figure3 && nodes < FIGURE3 {
        return Err(unusable(format!("figure 3 has {FIGURE3} nodes at least; try --nodes {FIGURE3}")));
    }
    if args.span.is_some_and(|span| span > LONGEST) {
        return Err(unusable("--span is at most 400days"));
    }
    let plain = Params::new(which, nodes, args.seed);
    let order = Params {
        topology: shape,
        degree: args.degree.into(),
        closed: !args.open,
        loss: args.loss,
        twice: args.twice,
        crash: args.crash,
        silent: !args.loud,
        parts,
        span: args.span.unwrap_or(plain.span),
        forget: args.forget,
        ..plain
    };
    Ok(Simulation { order, scenario, topology, json: args.json })
}

/// What a word stands for, and the word itself.
fn one_of<T: Copy>(what: &str, word: &str, all: &'static [(&'static str, T)]) -> Result<(&'static str, T), Unusable> {
    all.iter().copied().find(|(name, _)| *name == word).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        unusable(format!("there is no {what} `{}`; there are {}", harmless(word), names.join(", ")))
    })
}
