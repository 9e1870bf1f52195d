//! Several sessions of one user in the simulator: what one is told or says, all have.

use std::collections::BTreeMap;
use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};

const SOON: Duration = Duration::from_secs(30);

/// A client on the common local link.
fn plan(name: &str) -> Plan {
    Plan { accept: Accept::Auto, segment: Some(0), ..Plan::client(name) }
}

/// Bob, and two sessions of alice, all on one link and stopped. Bob and the laptop were on and have linked.
struct Scene {
    sim: Sim,
    bob: usize,
    laptop: usize,
    pi: usize,
}

impl Scene {
    fn new(seed: u64) -> Scene {
        let mut sim = Sim::new(Settings { seed, ..Settings::default() });
        let bob = sim.add_node(plan("bob"));
        let laptop = sim.add_node(plan("alice"));
        let pi = sim.add_sister(laptop, plan("alice"));
        let mut scene = Scene { sim, bob, laptop, pi };
        scene.start(&[bob, laptop]);
        scene.sim.command(bob, 1, Command::Add { user: "alice".to_owned() });
        scene.sim.command(laptop, 1, Command::Add { user: "bob".to_owned() });
        scene.sim.run(SOON);
        [bob, laptop].into_iter().for_each(|node| scene.stop(node));
        scene
    }

    fn start(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|node| self.sim.start(*node));
        self.sim.run(Duration::from_secs(15));
    }

    fn stop(&mut self, node: usize) {
        self.sim.command(node, 99, Command::Quit);
        self.sim.run(Duration::from_secs(1));
    }

    fn say(&mut self, from: usize, to: usize, text: &str) {
        let to = self.sim.nodes[to].user;
        self.sim.command(from, 1, Command::Say { to, text: text.to_owned() });
    }

    /// The texts in a node's store, in the order of the conversation.
    fn history(&self, node: usize) -> Vec<String> {
        let mut rows: Vec<_> = self.sim.nodes[node].disk.history.iter().filter(|row| row.kind == 1).collect();
        rows.sort_by_key(|row| (row.lamport, row.id.stream.author));
        rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect()
    }

    fn shown(&self, node: usize) -> BTreeMap<String, usize> {
        let mut shown = BTreeMap::new();
        for (_, notice) in &self.sim.nodes[node].notices {
            if let Notice::Message(view) = notice {
                *shown.entry(view.text.clone()).or_insert(0) += 1;
            }
        }
        shown
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&Scene) -> bool) {
        for _ in 0..200 {
            if done(self) {
                return;
            }
            self.sim.run(Duration::from_millis(500));
        }
        let all: Vec<_> = [self.bob, self.laptop, self.pi].map(|node| self.history(node)).into();
        let drops: Vec<_> = (0..self.sim.nodes.len()).map(|n| self.sim.core(n).map(|core| core.drops())).collect();
        panic!("{what}: {all:?} {drops:?}");
    }
}

#[test]
fn a_line_typed_on_one_session_is_shown_on_the_other_as_own() {
    let mut scene = Scene::new(1);
    scene.start(&[0, 1, 2]);
    scene.say(scene.laptop, scene.bob, "hello");
    scene.wait("the pi has it", |scene| scene.history(scene.pi) == ["hello"]);
    let own = scene.sim.nodes[scene.pi].notices.iter().any(
        |(_, notice)| matches!(notice, Notice::Message(view) if view.own && view.with == "bob" && view.text == "hello"),
    );
    assert!(own);
    scene.wait("bob has it", |scene| scene.shown(scene.bob) == [("hello".to_owned(), 1)].into());
}

#[test]
fn a_session_that_was_off_has_everything_after_the_next_meeting() {
    let mut scene = Scene::new(2);
    scene.start(&[0, 1]);
    for n in 0..200 {
        let (from, to) = if n % 2 == 0 { (scene.laptop, scene.bob) } else { (scene.bob, scene.laptop) };
        scene.say(from, to, &n.to_string());
    }
    scene.wait("the laptop has all", |scene| scene.history(scene.laptop).len() == 200);
    scene.stop(scene.bob);
    scene.start(&[2]);
    scene.wait("the pi has all", |scene| scene.history(scene.pi) == scene.history(scene.laptop));
    assert!(scene.shown(scene.pi).values().all(|count| *count == 1));
}
