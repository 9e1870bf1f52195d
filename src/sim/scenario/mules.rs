//! Relays in pockets: random pairs meet for a moment, each pair once a day on average, and nobody reaches anybody else. Half
//! of them write one line each to the other half. Beside what became of the lines stands what ideal ways of carrying would
//! have made of the same meetings.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::stage::Stage;
use crate::id::Address;
use crate::proto::event::Command;
use crate::proto::limits::SPRAY;
use crate::sim::meetings::{Meeting, Way, ideal, meetings};
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;
use crate::sim::topology::Graph;
use crate::wire::record::roles;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long two who meet reach each other.
const TOGETHER: Duration = Duration::from_secs(10);
/// The ideal ways are followed for so long: what is delivered directly takes a day on average, and some of it many.
const FOLLOWED: u32 = 30;

/// A line on its way.
struct Line {
    from: NodeIndex,
    to: NodeIndex,
    /// Nodes that had it when it was last looked for.
    copies: usize,
    arrived: Option<Duration>,
}

pub fn play(mut stage: Stage) -> Report {
    let mut lines = set_out(&mut stage);
    let mut rng = ChaCha20Rng::seed_from_u64(stage.order.seed ^ 0x6d_65_65_74);
    let trace = meetings(stage.graph.nodes(), DAY * FOLLOWED, &mut rng);
    let sprayed = ideal_figures(&mut stage, &trace, &lines);
    stage.phase("meeting");
    let (begin, span) = (stage.sim.now(), stage.order.span);
    let mut together: VecDeque<Meeting> = VecDeque::new();
    for meeting in trace.iter().take_while(|meeting| meeting.at < span) {
        while let Some(over) = together.front().filter(|other| other.at + TOGETHER <= meeting.at).copied() {
            stage.run((begin + over.at + TOGETHER).since(stage.sim.now()));
            stage.sim.cut(over.pair.0, over.pair.1);
            together.pop_front();
        }
        stage.run((begin + meeting.at).since(stage.sim.now()));
        look(&stage, &mut lines, stage.sim.now().since(begin));
        meet(&mut stage, meeting.pair);
        together.push_back(*meeting);
    }
    let carried = our_figures(&mut stage, &lines);
    let holds = span < DAY || carried + 0.1 >= sprayed;
    stage.expect(holds, "fewer lines arrived within a day than by spraying as many copies");
    stage.finish()
}

/// Everybody is a relay, on, and alone; every second one writes to the next.
fn set_out(stage: &mut Stage) -> Vec<Line> {
    let nodes = stage.graph.nodes();
    let pairs: Vec<(NodeIndex, NodeIndex)> = (1..nodes).step_by(2).map(|node| (node - 1, node)).collect();
    stage.graph = Graph::empty(nodes);
    pairs.iter().for_each(|(from, to)| stage.graph.link(*from, *to));
    stage.sim.nodes.iter_mut().for_each(|node| node.plan.roles = roles::RELAY);
    stage.acquaint();
    for other in 0..nodes {
        (0..other).for_each(|one| stage.sim.cut(one, other));
    }
    stage.start(0..nodes, Duration::from_secs(10));
    stage.run(Duration::from_secs(60));
    for (from, to) in &pairs {
        let to = stage.sim.nodes[*to].user;
        stage.command(*from, Command::Say { to, text: "by hand".to_owned() });
    }
    pairs.into_iter().map(|(from, to)| Line { from, to, copies: 1, arrived: None }).collect()
}

fn meet(stage: &mut Stage, (one, other): (NodeIndex, NodeIndex)) {
    stage.sim.mend(one, other);
    let addr = stage.sim.nodes[other].addr;
    stage.command(one, Command::Ping { ip: addr.ip(), port: Some(addr.port()) });
}

/// Which lines have arrived since, and how many nodes have each of the others.
fn look(stage: &Stage, lines: &mut [Line], now: Duration) {
    let mut copies: BTreeMap<Address, usize> = BTreeMap::new();
    for row in stage.sim.nodes.iter().flat_map(|node| node.disk.custody()).filter(|row| !row.bytes.is_empty()) {
        *copies.entry(row.address).or_default() += 1;
    }
    for line in lines.iter_mut().filter(|line| line.arrived.is_none()) {
        let (author, reader) = (stage.sim.nodes[line.from].user, &stage.sim.nodes[line.to]);
        if reader.disk.history.iter().any(|row| row.from == author) {
            line.arrived = Some(now);
        } else {
            line.copies = copies.get(&Address::from(reader.user)).copied().unwrap_or(1).max(1);
        }
    }
}

/// The share that spraying as many copies as we do brings within a day.
fn ideal_figures(stage: &mut Stage, trace: &[Meeting], lines: &[Line]) -> f64 {
    let mut of = |name, way| {
        let fates = lines.iter().map(|line| ideal(trace, way, line.from, line.to)).collect();
        figures(stage, name, fates)
    };
    of("direct", Way::Direct);
    of("epidemic", Way::Epidemic);
    of("spray", Way::Spray(SPRAY))
}

fn our_figures(stage: &mut Stage, lines: &[Line]) -> f64 {
    let fates = lines.iter().map(|line| Some((line.arrived?, line.copies))).collect();
    let receipted = lines.iter().filter(|line| stage.sim.nodes[line.from].disk.waiting() == 0).count();
    stage.ratio("carried_receipted", receipted as f64 / lines.len().max(1) as f64, "of the lines are receipted");
    figures(stage, "carried", fates)
}

/// The share that arrived within a day, and the other figures.
fn figures(stage: &mut Stage, name: &str, fates: Vec<Option<(Duration, usize)>>) -> f64 {
    let count = fates.len().max(1) as f64;
    let arrived: Vec<(Duration, usize)> = fates.into_iter().flatten().collect();
    let in_a_day = arrived.iter().filter(|(at, _)| *at <= DAY).count() as f64;
    let many = arrived.len().max(1) as u32;
    let delay = arrived.iter().map(|(at, _)| *at).sum::<Duration>() / many;
    let copies = arrived.iter().map(|(_, copies)| *copies).sum::<usize>() as f64 / f64::from(many);
    stage.ratio(&format!("{name}_in_a_day"), in_a_day / count, "of the lines arrived within a day");
    stage.ratio(&format!("{name}_arrived"), arrived.len() as f64 / count, "of the lines arrived at all");
    stage.millis(&format!("{name}_delay_ms"), Some(delay), "until a line arrived, on average");
    stage.ratio(&format!("{name}_copies"), copies, "nodes that had a line when it arrived, its author included");
    in_a_day / count
}
