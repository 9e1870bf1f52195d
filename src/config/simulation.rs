//! The configuration of `darknode sim`.

use std::time::Duration;

use super::args::SimArgs;
use super::{ConfigError, refuse};
use crate::identity::name::escape;
use crate::sim::scenario::{Params, Parts, Scenario};
use crate::sim::topology::Topology;

/// Nodes in the network of figure 3 of DarkChat (Griffith and Aktay, 2010).
const FIGURE3: usize = 10;
/// The longest span of simulated time.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// A validated configuration of a run.
pub struct Simulation {
    /// The parameters of the run.
    pub order: Params,
    /// The name of the scenario.
    pub scenario: &'static str,
    /// The name of the topology.
    pub topology: &'static str,
    /// Whether the report is printed as JSON instead of a table.
    pub json: bool,
}

/// Validates the arguments of `darknode sim`.
pub fn resolve(args: &SimArgs) -> Result<Simulation, ConfigError> {
    let (scenario, which) = one_of("scenario", &args.scenario, &Scenario::ALL)?;
    let figure3 = which == Scenario::Figure3;
    let shape = args.topology.as_deref().unwrap_or(if figure3 { "figure3" } else { "random" });
    let (topology, shape) = one_of("topology", shape, &Topology::ALL)?;
    let (_, parts) = one_of("parts", &args.parts, &Parts::ALL)?;
    let nodes = args.nodes.map_or(if figure3 { FIGURE3 } else { 100 }, |nodes| nodes as usize);
    if figure3 && shape != Topology::Figure3 {
        return Err(refuse("figure3 has its own topology; omit --topology"));
    }
    if shape == Topology::Figure3 && nodes < FIGURE3 {
        return Err(refuse(format!("figure 3 has at least {FIGURE3} nodes; try --nodes {FIGURE3}")));
    }
    if args.span.is_some_and(|span| span > LONGEST) {
        return Err(refuse("--span is at most 400days"));
    }
    let plain = Params::new(which, nodes, args.seed);
    let order = Params {
        topology: shape,
        degree: args.degree.into(),
        closed: plain.closed && !args.open,
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

/// Looks up a value by its name, and returns both.
fn one_of<T: Copy>(
    what: &str,
    typed: &str,
    all: &'static [(&'static str, T)],
) -> Result<(&'static str, T), ConfigError> {
    all.iter().copied().find(|(name, _)| *name == typed).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        refuse(format!("unknown {what} `{}`; choose one of {}", escape(typed), names.join(", ")))
    })
}
