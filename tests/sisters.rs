//! Several sessions of one user in the simulator: what one is told or says, all have.

use std::collections::BTreeMap;
use std::time::Duration;

use darknode::id::UserId;
use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::limits::TAKE_OVER;
use darknode::proto::notice::{Delivery, Notice};
use darknode::proto::persist::UserRow;
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};

/// The number of `Compare` on the wire.
const COMPARE: usize = 14;
/// The number of `RequestPing`.
const REQUEST_PING: usize = 4;
const SOON: Duration = Duration::from_secs(30);

/// A client on the common local link.
fn plan(name: &str) -> Plan {
    Plan { accept: Accept::Auto, segment: Some(0), ..Plan::client(name) }
}

/// Bob, and two sessions of alice, all on one link and stopped. Bob and the laptop were on and have linked.
struct Setup {
    sim: Sim,
    bob: usize,
    laptop: usize,
    pi: usize,
}

impl Setup {
    fn new(seed: u64) -> Setup {
        let mut sim = Sim::new(Settings { seed, ..Settings::default() });
        let bob = sim.add_node(plan("bob"));
        let laptop = sim.add_node(plan("alice"));
        let pi = sim.add_sister(laptop, plan("alice"));
        let mut setup = Setup { sim, bob, laptop, pi };
        setup.start(&[bob, laptop]);
        setup.sim.command(bob, 1, Command::Add { user: "alice".to_owned() });
        setup.sim.command(laptop, 1, Command::Add { user: "bob".to_owned() });
        setup.sim.run(SOON);
        [bob, laptop].into_iter().for_each(|node| setup.stop(node));
        setup
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

    fn wait(&mut self, what: &str, mut done: impl FnMut(&Setup) -> bool) {
        for _ in 0..200 {
            if done(self) {
                return;
            }
            self.sim.run(Duration::from_millis(500));
        }
        let all: Vec<Vec<String>> = (0..self.sim.nodes.len()).map(|node| self.history(node)).collect();
        let differing = all.iter().flatten().filter(|line| all.iter().any(|of| !of.contains(line)));
        let differing: BTreeMap<&String, Vec<usize>> =
            differing.map(|line| (line, (0..all.len()).filter(|n| all[*n].contains(line)).collect())).collect();
        let drops: Vec<_> = (0..all.len()).map(|n| self.sim.core(n).map(|core| core.drops())).collect();
        panic!("{what}: only these nodes have these lines: {differing:?}; dropped: {drops:?}");
    }
}

#[test]
fn a_line_typed_on_one_session_is_shown_on_the_other_as_own() {
    let mut setup = Setup::new(1);
    setup.start(&[0, 1, 2]);
    setup.say(setup.laptop, setup.bob, "hello");
    setup.wait("the pi has it", |setup| setup.history(setup.pi) == ["hello"]);
    let own = setup.sim.nodes[setup.pi].notices.iter().any(
        |(_, notice)| matches!(notice, Notice::Message(view) if view.own && view.with == "bob" && view.text == "hello"),
    );
    assert!(own);
    setup.wait("bob has it", |setup| setup.shown(setup.bob) == [("hello".to_owned(), 1)].into());
}

#[test]
fn a_session_that_was_off_has_everything_after_the_next_meeting() {
    let mut setup = Setup::new(2);
    setup.start(&[0, 1]);
    for n in 0..200 {
        let (from, to) = if n % 2 == 0 { (setup.laptop, setup.bob) } else { (setup.bob, setup.laptop) };
        setup.say(from, to, &n.to_string());
    }
    setup.wait("the laptop has all", |setup| setup.history(setup.laptop).len() == 200);
    setup.stop(setup.bob);
    setup.start(&[2]);
    setup.wait("the pi has all", |setup| setup.history(setup.pi) == setup.history(setup.laptop));
    assert!(setup.shown(setup.pi).values().all(|count| *count == 1));
}

/// Messages of alice in the store of bob, and of both in those of alice, are the same and in one order.
fn assert_equal(setup: &Setup) {
    assert_eq!(setup.history(setup.pi), setup.history(setup.laptop));
    assert!(setup.shown(setup.pi).values().all(|count| *count == 1), "{:?}", setup.shown(setup.pi));
}

#[test]
fn what_bob_tells_one_session_is_known_to_the_other_after_they_have_met() {
    let mut setup = Setup::new(3);
    setup.start(&[0, 1]);
    setup.say(setup.bob, setup.laptop, "for both");
    setup.wait("the laptop has it", |setup| setup.history(setup.laptop) == ["for both"]);
    setup.stop(setup.bob);
    setup.start(&[2]);
    setup.wait("the pi has it", |setup| setup.history(setup.pi) == ["for both"]);
    setup.stop(setup.laptop);
    setup.start(&[0]);
    setup.wait("bob has a receipt of both", |setup| setup.sim.nodes[setup.bob].disk.waiting() == 0);
    assert_equal(&setup);
}

#[test]
fn two_sessions_that_are_never_on_together_become_equal_over_a_relay() {
    let mut setup = Setup::new(4);
    let relay = setup.sim.add_node(Plan { segment: Some(0), ..Plan::relay("relay", &[]) });
    // Once, so that the sessions have each other's keys.
    setup.start(&[0, 1, 2, relay]);
    setup.stop(setup.pi);
    for n in 0..30 {
        let (from, to) = if n % 2 == 0 { (setup.laptop, setup.bob) } else { (setup.bob, setup.laptop) };
        setup.say(from, to, &n.to_string());
        setup.sim.run(Duration::from_secs(1));
    }
    setup.wait("the laptop has all", |setup| setup.history(setup.laptop).len() == 30);
    setup.sim.run(SOON);
    setup.stop(setup.laptop);
    setup.stop(setup.bob);
    setup.start(&[setup.pi]);
    setup.wait("the pi has all", |setup| setup.history(setup.pi).len() == 30);
    setup.say(setup.pi, setup.bob, "from the pi");
    setup.sim.run(SOON);
    setup.stop(setup.pi);
    setup.start(&[setup.laptop]);
    setup.wait("the laptop has the last one", |setup| setup.history(setup.laptop).len() == 31);
    assert_equal(&setup);
}

#[test]
fn a_withdrawn_line_disappears_on_all_sessions_and_does_not_come_back() {
    let mut setup = Setup::new(5);
    setup.start(&[1, 2]);
    setup.say(setup.laptop, setup.bob, "a mistake");
    setup.wait("the pi has it", |setup| setup.history(setup.pi) == ["a mistake"]);
    let queued = setup.sim.nodes[setup.laptop].notices.iter().find_map(|(_, notice)| match notice {
        Notice::Queued { message, .. } => Some(message.token()),
        _ => None,
    });
    setup.sim.command(setup.laptop, 1, Command::Cancel { message: queued.expect("it was queued") });
    setup.wait("it is gone", |setup| setup.history(setup.pi).is_empty() && setup.history(setup.laptop).is_empty());
    for node in [setup.laptop, setup.pi] {
        setup.stop(node);
    }
    setup.start(&[1, 2]);
    setup.sim.run(SOON);
    assert!(setup.history(setup.pi).is_empty() && setup.history(setup.laptop).is_empty());
}

#[test]
fn a_line_that_is_withdrawn_while_the_other_session_is_off_disappears_there_when_they_meet() {
    let mut setup = Setup::new(8);
    setup.start(&[1, 2]);
    setup.say(setup.laptop, setup.bob, "a mistake");
    setup.wait("the pi has it", |setup| setup.history(setup.pi) == ["a mistake"]);
    setup.stop(setup.pi);
    let mistake = setup.sim.nodes[setup.laptop].disk.history.iter().find(|row| row.kind == 1).map(|row| row.id.token());
    setup.sim.command(setup.laptop, 1, Command::Cancel { message: mistake.expect("it is stored") });
    setup.stop(setup.laptop);
    setup.start(&[1, 2]);
    setup.wait("it is gone", |setup| setup.history(setup.pi).is_empty());
    assert!(setup.history(setup.laptop).is_empty());
}

#[test]
fn a_line_that_a_restored_backup_lacks_comes_back_from_the_other_session_and_reaches_its_addressee() {
    let mut setup = Setup::new(9);
    setup.start(&[1, 2]);
    let backup = setup.sim.nodes[setup.laptop].disk.backup();
    setup.say(setup.laptop, setup.bob, "after the backup");
    setup.wait("the pi has it", |setup| setup.history(setup.pi) == ["after the backup"]);
    setup.stop(setup.laptop);
    setup.sim.nodes[setup.laptop].disk = backup;
    setup.start(&[1]);
    setup.wait("the laptop has it again", |setup| setup.history(setup.laptop) == ["after the backup"]);
    setup.stop(setup.pi);
    setup.start(&[0]);
    setup.wait("bob has it", |setup| setup.history(setup.bob) == ["after the backup"]);
}

#[test]
fn a_line_in_mail_that_a_session_sent_before_it_was_restored_comes_back_to_it() {
    let mut setup = Setup::new(11);
    let relay = setup.sim.add_node(Plan { segment: Some(0), ..Plan::relay("relay", &[]) });
    // Once, so that the sessions have each other's keys.
    setup.start(&[1, 2, relay]);
    setup.stop(setup.pi);
    let backup = setup.sim.nodes[setup.laptop].disk.backup();
    setup.say(setup.laptop, setup.bob, "after the backup");
    setup.sim.run(SOON);
    setup.stop(setup.laptop);
    setup.stop(relay);
    setup.sim.nodes[setup.laptop].disk = backup;
    // They compare while neither has the line.
    setup.start(&[1, 2]);
    assert!(setup.history(setup.pi).is_empty());
    setup.start(&[relay]);
    setup.wait("the pi has it from the relay", |setup| setup.history(setup.pi) == ["after the backup"]);
    setup.wait("the laptop has it again", |setup| setup.history(setup.laptop) == ["after the backup"]);
}

#[test]
fn the_other_session_of_the_author_is_told_that_a_line_is_delivered() {
    let mut setup = Setup::new(10);
    setup.start(&[0, 1, 2]);
    setup.say(setup.laptop, setup.bob, "hello");
    let told = |setup: &Setup, node: usize| {
        let delivered = |notice: &&Notice| matches!(notice, Notice::State { state: Delivery::Delivered, .. });
        let bobs = |notice: &Notice| match notice {
            Notice::State { message, to, progress, .. } => Some((*message, to.clone(), progress.reached, progress.of)),
            _ => None,
        };
        let all = setup.sim.nodes[node].notices.iter().map(|(_, notice)| notice);
        all.filter(delivered).filter_map(bobs).collect::<Vec<_>>()
    };
    setup.wait("the pi is told", |setup| told(setup, setup.pi).len() == 1);
    assert_eq!(told(&setup, setup.pi), told(&setup, setup.laptop));
    assert_eq!(told(&setup, setup.pi)[0].2, 1);
}

#[test]
fn a_verified_friend_is_verified_on_all_sessions() {
    let mut setup = Setup::new(6);
    setup.start(&[0, 1]);
    setup.sim.command(setup.laptop, 1, Command::Verify { user: "bob".to_owned() });
    setup.sim.run(Duration::from_secs(1));
    setup.stop(setup.bob);
    setup.start(&[2]);
    setup.wait("the pi knows", |setup| setup.has_verified_bob(setup.pi));
}

#[test]
fn sessions_that_have_linked_different_namesakes_agree_whose_the_name_is_when_they_meet() {
    for (seed, laptop_verifies) in [(17, false), (18, true)] {
        let mut setup = Setup::new(seed);
        let other = setup.sim.add_node(plan("bob"));
        let [bob, namesake] = [setup.bob, other].map(|node| setup.sim.nodes[node].user);
        setup.start(&[other, setup.pi]);
        setup.sim.command(setup.pi, 1, Command::Add { user: namesake.to_string() });
        setup.sim.run(SOON);
        assert_eq!(setup.named_bob(setup.pi), [namesake], "seed {seed}");
        setup.start(&[setup.bob, setup.laptop]);
        if laptop_verifies {
            setup.sim.command(setup.laptop, 1, Command::Verify { user: bob.to_string() });
        }
        setup.wait("both agree", |setup| setup.named_bob(setup.laptop) == setup.named_bob(setup.pi));
        assert_eq!(setup.named_bob(setup.pi).len(), 1, "seed {seed}");
        assert!(!laptop_verifies || setup.named_bob(setup.pi) == [bob], "seed {seed}");
    }
}

impl Setup {
    /// Whether a node holds bob as verified.
    fn has_verified_bob(&self, node: usize) -> bool {
        let bob = self.sim.nodes[self.bob].user;
        let users = self.sim.nodes[node].disk.load().users;
        users.iter().any(|row| row.user == bob && row.verified && row.pinned.as_deref() == Some("bob"))
    }

    /// To whom a node has pinned the name bob.
    fn named_bob(&self, node: usize) -> Vec<UserId> {
        let users = self.sim.nodes[node].disk.load().users;
        let is_called = |row: &&UserRow| row.pinned.as_deref() == Some("bob");
        users.iter().filter(is_called).map(|row| row.user).collect()
    }

    /// How many lines a node has shown as delivered.
    fn delivered(&self, node: usize) -> usize {
        let delivered = |notice: &&Notice| matches!(notice, Notice::State { state: Delivery::Delivered, .. });
        self.sim.nodes[node].notices.iter().map(|(_, notice)| notice).filter(delivered).count()
    }
}

#[test]
fn what_a_session_owes_an_absent_one_besides_lines_is_not_forgotten_when_it_restarts() {
    let mut setup = Setup::new(13);
    let relay = setup.sim.add_node(Plan { segment: Some(0), ..Plan::relay("relay", &[]) });
    // Once, so that the sessions have each other's keys.
    setup.start(&[0, 1, 2, relay]);
    [setup.pi, relay].into_iter().for_each(|node| setup.stop(node));
    setup.sim.command(setup.laptop, 1, Command::Verify { user: "bob".to_owned() });
    setup.say(setup.laptop, setup.bob, "hello");
    setup.wait("it is delivered", |setup| setup.delivered(setup.laptop) == 1);
    // Nobody can carry mail for the pi before the laptop stops.
    setup.sim.run(SOON);
    setup.stop(setup.laptop);
    setup.stop(setup.bob);
    setup.start(&[setup.laptop, relay]);
    setup.sim.run(SOON);
    setup.stop(setup.laptop);
    setup.start(&[setup.pi]);
    setup.wait("the pi knows him", |setup| setup.has_verified_bob(setup.pi));
    setup.wait("the pi has the line", |setup| setup.history(setup.pi).len() == 1);
    setup.wait("the pi knows that it is delivered", |setup| setup.delivered(setup.pi) == 1);
    assert!(setup.sim.nodes[setup.pi].disk.load().changes.is_empty(), "the laptop has told it");
    setup.sim.run(SOON);
    setup.stop(setup.pi);
    setup.start(&[setup.laptop]);
    setup.wait("the laptop owes nothing", |setup| setup.sim.nodes[setup.laptop].disk.load().changes.is_empty());
}

#[test]
fn equal_sessions_exchange_no_lines_when_they_meet_again() {
    let mut setup = Setup::new(7);
    setup.start(&[0, 1, 2]);
    for n in 0..50 {
        setup.say(setup.laptop, setup.bob, &n.to_string());
    }
    setup.wait("all have all", |setup| setup.history(setup.pi).len() == 50 && setup.history(setup.bob).len() == 50);
    setup.sim.run(SOON);
    setup.stop(setup.bob);
    setup.stop(setup.pi);
    let before = setup.sim.nodes[setup.laptop].traffic;
    setup.start(&[2]);
    setup.sim.run(SOON);
    let sent = setup.sim.nodes[setup.laptop].traffic.since(&before);
    assert_eq!((sent.of_kind(COMPARE), sent.by_kind().get("parcel")), (1, None), "{:?}", sent.by_kind());
}

/// Three sessions and bob, each of them cut off, stopped, killed and started at random, write 40 lines each.
fn storm(seed: u64) {
    let mut setup = Setup::new(seed);
    let tablet = setup.sim.add_sister(setup.laptop, plan("alice"));
    let sessions = [setup.laptop, setup.pi, tablet];
    let all = [setup.bob, setup.laptop, setup.pi, tablet];
    setup.start(&all);
    for round in 0..40 {
        let off = setup.sim.pick(5);
        for (n, from) in sessions.iter().enumerate() {
            if setup.sim.nodes[*from].is_on() {
                setup.say(*from, setup.bob, &format!("{n} {round}"));
            }
        }
        if setup.sim.nodes[setup.bob].is_on() {
            setup.say(setup.bob, setup.laptop, &format!("bob {round}"));
        }
        let pause = 200 * setup.sim.pick(20) as u64;
        setup.sim.run(Duration::from_millis(pause));
        if let Some(node) = all.get(off).copied() {
            match setup.sim.nodes[node].is_on() {
                true if setup.sim.pick(2) == 0 => setup.sim.crash(node),
                true => setup.sim.command(node, 99, Command::Quit),
                false => setup.sim.start(node),
            }
        }
    }
    // A node that was told to stop is off by then.
    setup.sim.run(Duration::from_secs(1));
    for node in all.into_iter().filter(|node| !setup.sim.nodes[*node].is_on()).collect::<Vec<_>>() {
        setup.sim.start(node);
    }
    let equal = |setup: &Setup| sessions.iter().all(|node| setup.history(*node) == setup.history(setup.bob));
    setup.wait(&format!("seed {seed}: all are equal"), equal);
    let mut lines = setup.history(setup.bob);
    let count = lines.len();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), count, "seed {seed}: each line once");
}

#[test]
fn through_crashes_and_absences_all_sessions_come_to_one_history() {
    (100..108).for_each(storm);
}

/// Lines of a history that a new session gets, and the bytes of each.
const HISTORY: (u64, usize) = (4_000, 100);

/// A session of alice, node 0, that holds nothing, and `givers` more that hold a long history and are on.
fn with_history(seed: u64, givers: usize) -> Sim {
    println!("seed {seed}");
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    sim.add_node(plan("alice"));
    (0..givers).for_each(|_| {
        sim.add_sister(0, plan("alice"));
    });
    let bob = sim.add_node(plan("bob"));
    let hello = sim.first_hello(bob);
    for session in 1..=givers {
        sim.preload_user(session, bob, &hello);
        sim.preload_history(session, 1, bob, HISTORY.0, HISTORY.1);
    }
    (1..=givers).for_each(|session| sim.start(session));
    sim.run(SOON);
    sim
}

fn lines_at(sim: &Sim, node: usize) -> u64 {
    sim.nodes[node].disk.history.len() as u64
}

#[test]
fn sessions_that_hold_a_long_history_divide_it_for_one_that_lacks_it() {
    let bytes = [1, 2, 3].map(|givers| {
        let mut sim = with_history(1, givers);
        let before = sim.traffic();
        sim.start(0);
        assert!(sim.run_until(SOON, |sim| lines_at(sim, 0) == HISTORY.0), "{givers} give {}", lines_at(&sim, 0));
        sim.run(SOON);
        sim.traffic().since(&before).bytes
    });
    assert!(bytes.iter().all(|of| *of < bytes[0] * 5 / 4), "{bytes:?}");
}

#[test]
fn the_share_of_a_session_that_gives_nothing_more_is_taken_over() {
    for seed in 0..2 {
        let mut sim = with_history(seed, 3);
        sim.start(0);
        assert!(sim.run_until(SOON, |sim| lines_at(sim, 0) > 500), "seed {seed}");
        sim.stall(3, SOON);
        let within = TAKE_OVER + Duration::from_secs(2);
        assert!(sim.run_until(within, |sim| lines_at(sim, 0) == HISTORY.0), "seed {seed}: {}", lines_at(&sim, 0));
    }
}

#[test]
fn sessions_that_meet_do_not_ask_each_other_for_every_absent_friend() {
    let mut sim = Sim::new(Settings::default());
    sim.add_node(plan("alice"));
    sim.add_sister(0, plan("alice"));
    for n in 0..30 {
        let friend = sim.add_node(plan(&format!("friend {n}")));
        let hello = sim.first_hello(friend);
        for session in [0, 1] {
            sim.preload_session(session, friend, &hello);
            sim.preload_link(session, friend, false);
        }
    }
    [0, 1].into_iter().for_each(|node| sim.start(node));
    sim.run(SOON);
    let asked = sim.traffic().of_kind(REQUEST_PING);
    assert!(asked < 10, "{asked} questions about 30 friends");
}
