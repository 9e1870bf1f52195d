//! The bytes that two sessions of one user exchange, in the simulator: when they meet and hold the same, and for lines that one
//! of them has missed and gets as mail. Frames are counted with their headers, and without those of QUIC, UDP and IP.
//!
//!     cargo bench --no-default-features --bench mirrors --profile dev

use std::time::Duration;

use darknode::id::Address;
use darknode::proto::event::Command;
use darknode::sim::node::Plan;
use darknode::sim::traffic::Traffic;
use darknode::sim::{Settings, Sim};

/// The numbers of `Compare` and `Holdings` on the wire.
const COMPARISON: [usize; 2] = [14, 15];
const CONVERSATIONS: usize = 1_000;
const LINES: usize = 1_000;
/// Lines of a history that a new session gets, half of them of either side.
const HISTORY: u64 = 20_000;
/// Sessions that give it at the most.
const GIVERS: usize = 3;
/// Bytes of each line.
const LENGTH: usize = 100;
/// After this time a meeting and all that follows from it are over.
const MEETING: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(600);

fn main() {
    meeting();
    mail();
    (1..=GIVERS).for_each(backfill);
}

/// Nodes on one local link, and what they have sent so far.
struct Setup {
    sim: Sim,
    sent: Traffic,
}

impl Setup {
    /// A setup with two sessions of alice, nodes 0 and 1, which are not running.
    fn new() -> Setup {
        let mut sim = Sim::new(Settings { seed: 1, ..Settings::default() });
        let laptop = sim.add_node(plan("alice"));
        sim.add_sister(laptop, plan("alice"));
        Setup { sim, sent: Traffic::default() }
    }

    fn start(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|node| self.sim.start(*node));
        self.sim.run(MEETING);
    }

    fn stop(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|node| self.sim.command(*node, 0, Command::Quit));
        self.sim.run(MEETING);
        self.sent = self.sim.traffic();
    }

    fn say(&mut self, from: usize, to: usize, text: String) {
        let to = self.sim.nodes[to].user;
        self.sim.command(from, 1, Command::Say { to, text });
    }

    /// Waits until the stores of these nodes have this many lines each.
    fn wait_for_lines(&mut self, nodes: &[usize], lines: usize) {
        let count = |sim: &Sim, node: usize| sim.nodes[node].disk.history.iter().filter(|row| row.kind == 1).count();
        let complete = self.sim.run_until(LONGEST, |sim| nodes.iter().all(|node| count(sim, *node) == lines));
        assert!(
            complete,
            "{:?} of {lines} lines",
            nodes.iter().map(|node| count(&self.sim, *node)).collect::<Vec<_>>()
        );
    }

    /// What all nodes have sent since a node was stopped.
    fn sent(&self) -> Traffic {
        self.sim.traffic().since(&self.sent)
    }
}

fn plan(name: &str) -> Plan {
    Plan { segment: Some(0), ..Plan::client(name) }
}

/// Two equal sessions of alice meet, who has written to many users from both.
fn meeting() {
    let mut setup = Setup::new();
    for n in 0..CONVERSATIONS {
        let friend = setup.sim.add_node(plan(&format!("friend {n}")));
        let hello = setup.sim.first_hello(friend);
        for session in [0, 1] {
            setup.sim.preload_user(session, friend, &hello);
            setup.sim.preload_link(session, friend, false);
        }
    }
    setup.start(&[0, 1]);
    for friend in 2..2 + CONVERSATIONS {
        setup.say(0, friend, "from the laptop".to_owned());
        setup.say(1, friend, "from the pi".to_owned());
    }
    setup.wait_for_lines(&[0, 1], 2 * CONVERSATIONS);
    setup.sim.run(MEETING);
    setup.stop(&[1]);
    setup.start(&[1]);
    let sent = setup.sent();
    let compared: u64 = COMPARISON.iter().map(|kind| sent.bytes_of_kind(*kind)).sum();
    println!("two equal sessions with {CONVERSATIONS} conversations compare in {compared} bytes");
    let kinds: Vec<(usize, u64)> =
        (1..24).map(|kind| (kind, sent.bytes_of_kind(kind))).filter(|(_, n)| *n > 0).collect();
    println!(
        "all they send in {MEETING:?}: {} bytes, messages {:?}, bytes by kind {kinds:?}",
        sent.bytes,
        sent.by_kind()
    );
}

/// Alice's laptop and bob write to each other while her pi is off. A relay takes the lines for the pi, which then gets them
/// while the laptop is off.
fn mail() {
    let mut setup = Setup::new();
    let [laptop, pi] = [0, 1];
    let bob = setup.sim.add_node(plan("bob"));
    let relay = setup.sim.add_node(Plan { segment: Some(0), ..Plan::relay("relay", &[]) });
    let all = [laptop, pi, bob, relay];
    let hellos = all.map(|node| setup.sim.first_hello(node));
    for (one, other) in all.iter().flat_map(|one| all.iter().map(|other| (*one, *other))) {
        if one != other {
            setup.sim.preload_session(one, other, &hellos[other]);
        }
    }
    for (one, other) in [(laptop, bob), (pi, bob), (bob, laptop)] {
        setup.sim.preload_link(one, other, false);
    }
    setup.start(&all);
    setup.stop(&[pi, relay]);
    for n in 0..LINES / 2 {
        setup.say(laptop, bob, format!("{n:x<LENGTH$}"));
        setup.say(bob, laptop, format!("{n:x<LENGTH$}"));
    }
    setup.wait_for_lines(&[laptop, bob], LINES);
    // Until the last receipts have come, so that nothing goes to bob as mail.
    setup.sim.run(MEETING);
    setup.stop(&[bob]);
    setup.start(&[relay]);
    let entrusted = setup.sent();
    let address = Address::from(&setup.sim.nodes[pi].session);
    let custody = setup.sim.nodes[relay].disk.custody().filter(|row| row.address == address);
    let sealed: Vec<usize> = custody.map(|row| row.bytes.len()).collect();
    let (envelopes, sealed) = (sealed.len(), sealed.iter().sum::<usize>());
    setup.stop(&[laptop]);
    setup.start(&[pi]);
    setup.wait_for_lines(&[pi], LINES);
    let brought = setup.sent();
    println!("{LINES} lines of {LENGTH} bytes in mail: {envelopes} sealed envelopes of {sealed} bytes");
    for (what, sent) in [("entrusted to a relay", entrusted), ("brought by it", brought)] {
        println!("{what}: {} bytes, {:.2} of the sealed ones", sent.bytes, sent.bytes as f64 / sealed as f64);
    }
}

/// A session without anything meets sessions that have a long history.
fn backfill(givers: usize) {
    let mut setup = Setup::new();
    for _ in 1..givers {
        setup.sim.add_sister(0, plan("alice"));
    }
    let bob = setup.sim.add_node(plan("bob"));
    let hello = setup.sim.first_hello(bob);
    for session in 1..=givers {
        setup.sim.preload_user(session, bob, &hello);
        setup.sim.preload_history(session, 1, bob, HISTORY, LENGTH);
    }
    let all: Vec<usize> = (1..=givers).collect();
    setup.start(&all);
    setup.sent = setup.sim.traffic();
    let begin = setup.sim.now();
    setup.sim.start(0);
    while setup.sim.nodes[0].disk.history.len() < HISTORY as usize {
        setup.sim.run(Duration::from_millis(20));
        assert!(setup.sim.now().since(begin) < LONGEST, "{} lines", setup.sim.nodes[0].disk.history.len());
    }
    let took = setup.sim.now().since(begin);
    // Until what is still under way has come.
    setup.sim.run(MEETING);
    println!("{HISTORY} lines of {LENGTH} bytes from {givers} sessions in {took:?}: {} bytes", setup.sent().bytes);
}
