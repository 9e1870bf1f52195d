//! One node in ten leaves every minute, half of them without a word, and as many come back, half of them somewhere else.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::Stage;
use crate::proto::event::Command;
use crate::sim::net::NodeIndex;
use crate::sim::report::Report;

/// Of a hundred nodes so many leave in a minute.
const CHURN: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(120);

pub fn play(mut stage: Stage) -> Report {
    stage.warm_up();
    let nodes = stage.graph.nodes();
    let mut off: VecDeque<NodeIndex> = stage.choose(CHURN as u8, nodes).into_iter().collect();
    off.iter().for_each(|node| stage.sim.crash(*node));
    stage.run(Duration::from_secs(60));
    stage.phase("coming and going");
    let minutes = stage.order.span.as_secs() / 60;
    let leavers = (nodes as u64 * CHURN / 100).max(1);
    let before = stage.sim.traffic();
    let (mut seen, mut told, mut ghosts) = (0.0, 0.0, 0);
    for _ in 0..minutes {
        for nth in 0..leavers {
            swap_one(&mut stage, &mut off, nth % 2 == 0);
            stage.run(Duration::from_secs(60) / leavers as u32);
        }
        let sights = stage.sights();
        seen += 1.0 - sights.missing.len() as f64 / sights.must.max(1) as f64;
        ghosts += sights.wrong.len() as u64;
        if let Some(origin) = stage.somebody() {
            told += stage.broadcast(origin, Duration::from_secs(5)).reliability;
        }
    }
    let times = minutes.max(1) as f64;
    stage.ratio("churn_seen", seen / times, "of those who should be seen are seen, at any moment");
    stage.ratio("churn_ghosts", ghosts as f64 / times, "pairs of which one is seen and is gone, at any moment");
    stage.ratio("churn_reliability", told / times, "of those to be told of a change were told within 5 s");
    stage.spent("churn", &before);
    stage.phase("at rest");
    stage.heal("rest", PATIENCE);
    stage.finish()
}

fn swap_one(stage: &mut Stage, off: &mut VecDeque<NodeIndex>, quietly: bool) {
    let Some(leaver) = stage.somebody() else { return };
    if quietly {
        stage.sim.crash(leaver);
    } else {
        stage.command(leaver, Command::Quit);
    }
    off.push_back(leaver);
    let Some(comer) = off.pop_front() else { return };
    if quietly {
        stage.move_somewhere(comer);
    }
    stage.sim.start(comer);
}
