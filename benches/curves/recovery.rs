//! How soon everybody sees whom they should: after a partition, after a restart, after a cold start.

use std::ops::Range;
use std::time::Duration;

use darknode::sim::net::NodeIndex;
use darknode::sim::scenario::{Harness, Params, Progress, Scenario};
use darknode::time::Moment;

use super::Scale;
use super::samples::{Found, Job};
use super::svg::number;

/// Seconds at which it is looked who sees whom.
const LOOKS: [f64; 18] =
    [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0];
/// How long the halves are apart.
const APART: Duration = Duration::from_secs(3600);
/// Of a hundred nodes so many are where they were.
const TRUE_ADDRESSES: u8 = 20;

/// Something that befalls a world, up to the moment from which on it is watched.
#[derive(Clone, Copy)]
struct Story {
    about: &'static str,
    /// Charts: who is seen, messages and bytes of a node, when all were seen, and messages before.
    charts: [&'static str; 5],
    large: bool,
    /// Returns who is to be started within a second from then on.
    befall: fn(&mut Harness) -> Range<NodeIndex>,
}

const STORIES: [Story; 3] = [
    Story {
        about: "partition",
        charts: [
            "partition",
            "partition: messages",
            "partition: bytes",
            "partition: all seen, s",
            "partition: before it",
        ],
        large: false,
        befall: part,
    },
    Story {
        about: "restart",
        charts: ["restart", "restart: messages", "restart: bytes", "restart: all seen, s", "restart: before it"],
        large: false,
        befall: restart,
    },
    Story {
        about: "cold start",
        charts: [
            "coldstart",
            "coldstart-messages",
            "coldstart: bytes",
            "coldstart: all seen, s",
            "coldstart: before it",
        ],
        large: true,
        befall: start_cold,
    },
];

pub fn jobs(scale: Scale) -> Vec<Job> {
    let mut jobs = Vec::new();
    for story in STORIES {
        for (nodes, seeds) in [if story.large { scale.large } else { scale.middle }, scale.small] {
            for seed in 1..=seeds {
                let about = format!("{} of {nodes}, seed {seed}", story.about);
                jobs.push(Job::new(about, move || watch(story, nodes, seed)));
            }
        }
    }
    jobs
}

fn part(stage: &mut Harness) -> Range<NodeIndex> {
    stage.warm_up();
    let half = stage.sim.nodes.len() / 2;
    stage.sim.split(|node| u32::from(node >= half));
    stage.run(APART);
    stage.sim.join();
    0..0
}

fn restart(stage: &mut Harness) -> Range<NodeIndex> {
    let server = stage.add_server();
    stage.warm_up();
    (0..=server).for_each(|node| stage.sim.crash(node));
    stage.run(Duration::from_secs(60));
    let stay = stage.choose(TRUE_ADDRESSES, server);
    (0..server).filter(|node| !stay.contains(node)).for_each(|node| stage.move_to_new_address(node));
    0..server
}

fn start_cold(stage: &mut Harness) -> Range<NodeIndex> {
    let server = stage.add_server();
    stage.preload_links_by_name();
    stage.sim.start(server);
    0..server
}

/// Plays a story, and looks again and again.
fn watch(story: Story, nodes: usize, seed: u64) -> Found {
    let [chart, messages, bytes, all_seen, earlier] = story.charts;
    let order = Params::new(Scenario::Partition, nodes, seed);
    let mut quiet = |_: Progress| {};
    let mut stage = Harness::new(&order, &mut quiet);
    let mut waiting = (story.befall)(&mut stage);
    let line = format!("{} nodes", number(nodes as f64));
    let (begin, before) = (stage.sim.now(), stage.sim.traffic());
    let mut found = Found::default();
    found.note(earlier, &line, seed as f64, before.messages() as f64 / nodes as f64);
    let (mut seen, mut all) = (Vec::new(), None);
    for look in LOOKS {
        let moment = begin + Duration::from_secs_f64(look);
        start_until(&mut stage, &mut waiting, begin, moment);
        if all.is_none() && waiting.is_empty() {
            let left = moment.since(stage.sim.now());
            all = stage.until(left, |stage| stage.visibility_is_correct()).map(|_| stage.sim.now().since(begin));
        }
        stage.run(moment.since(stage.sim.now()));
        let (sights, spent) = (stage.visibility(), stage.sim.traffic().since(&before));
        seen.push((look, sights.must - sights.missing.len() as u64, sights.must));
        found.note(messages, &line, look, spent.messages() as f64 / nodes as f64);
        found.note(bytes, &line, look, spent.bytes as f64 / nodes as f64);
    }
    // Of all who are to be seen in the end: while nodes are being started there are fewer.
    let must = seen.last().map_or(1, |(_, _, must)| *must).max(1) as f64;
    seen.into_iter().for_each(|(look, seen, _)| found.note(chart, &line, look, 100.0 * seen as f64 / must));
    match all {
        Some(all) => found.note(all_seen, &line, seed as f64, all.as_secs_f64()),
        None => found.broken.push(format!("{} of {nodes}, seed {seed}: not all seen in 300 s", story.about)),
    }
    found.blame(&format!("{} of {nodes}, seed {seed}", story.about), stage.finish().broken);
    found
}

/// Starts those whose turn comes until a moment, all of them spread over a second.
fn start_until(stage: &mut Harness, waiting: &mut Range<NodeIndex>, begin: Moment, moment: Moment) {
    let second = Duration::from_secs(1);
    while let Some(due) = waiting.clone().next().map(|node| begin + second * node as u32 / waiting.end as u32) {
        if due > moment {
            return;
        }
        stage.run(due.since(stage.sim.now()));
        waiting.next().into_iter().for_each(|node| stage.sim.start(node));
    }
}
