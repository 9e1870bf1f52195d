//! Islands: local links without a route between them, and relays with interfaces on two. Who is found and seen, over
//! how many relays.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::notice::{Absence, Delivery, Notice, Via};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};

const SOON: Duration = Duration::from_secs(20);

/// Hosts on islands of their own, and a relay between each pair of neighbouring islands: host `n` is node `2 n`. All
/// are running.
fn chain(seed: u64, hosts: u32) -> Sim {
    println!("seed {seed}, {hosts} hosts");
    let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
    for island in 0..hosts {
        sim.add_node(Plan::islander(format!("host{island}"), island));
        if island + 1 < hosts {
            sim.add_node(Plan::relay(format!("relay{island}"), &[island, island + 1]));
        }
    }
    (0..sim.nodes.len()).for_each(|node| sim.start(node));
    sim
}

fn has_notice(sim: &Sim, node: usize, is: impl Fn(&Notice) -> bool) -> bool {
    sim.nodes[node].notices.iter().any(|(_, notice)| is(notice))
}

/// Issues `\chat NAME`. Returns whether the name was found, with keys to seal to.
fn finds(sim: &mut Sim, node: usize, whom: usize) -> bool {
    let name = sim.nodes[whom].plan.name.clone();
    sim.command(node, 1, Command::Chat { user: name.clone() });
    let chat = |notice: &Notice| matches!(notice, Notice::Chat { with, .. } if *with == name);
    let met = |sim: &Sim| has_notice(sim, node, chat) && has_card(sim, node, whom);
    sim.run_until(SOON, met)
}

/// Whether a node has stored a key card of another.
fn has_card(sim: &Sim, node: usize, whom: usize) -> bool {
    let of_them = |row: &darknode::proto::persist::SessionRow| row.session == sim.nodes[whom].session;
    sim.nodes[node].disk.load().sessions.iter().any(|row| of_them(row) && row.card.is_some())
}

#[test]
fn a_name_is_found_over_a_chain_of_relays_with_its_keys() {
    for hosts in [2, 3, 5, 10] {
        let mut sim = chain(1, hosts);
        sim.run(Duration::from_secs(10));
        let (first, last) = (0, sim.nodes.len() - 1);
        assert!(finds(&mut sim, first, last), "{hosts} hosts, from the first");
        assert!(finds(&mut sim, last, first), "{hosts} hosts, from the last");
    }
}

#[test]
fn a_name_is_found_through_relays_that_were_connected_a_moment_ago() {
    for seed in 0..40 {
        let mut sim = chain(seed, 4);
        let (first, last) = (0, sim.nodes.len() - 1);
        assert!(finds(&mut sim, first, last), "seed {seed}");
    }
}

/// Links two users who know each other's keys but have no path to each other.
fn link(sim: &mut Sim, a: usize, b: usize) {
    let hellos = [sim.first_hello(a), sim.first_hello(b)];
    for (one, other, hello) in [(a, b, &hellos[1]), (b, a, &hellos[0])] {
        sim.preload_user(one, other, hello);
        sim.preload_link(one, other, false);
    }
}

/// Like [`chain`], with the first and the last host linked.
fn linked_chain(seed: u64, hosts: u32) -> Sim {
    println!("seed {seed}, {hosts} hosts");
    let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
    for island in 0..hosts {
        sim.add_node(Plan::islander(format!("host{island}"), island));
        if island + 1 < hosts {
            sim.add_node(Plan::relay(format!("relay{island}"), &[island, island + 1]));
        }
    }
    link(&mut sim, 0, 2 * (hosts as usize - 1));
    (0..sim.nodes.len()).for_each(|node| sim.start(node));
    sim
}

fn sees(sim: &Sim, node: usize, whom: usize) -> bool {
    sim.nodes[node].shown_online.contains(&sim.nodes[whom].session)
}

fn see_each_other(sim: &Sim, a: usize, b: usize) -> bool {
    sees(sim, a, b) && sees(sim, b, a)
}

fn is_relayed(sim: &Sim, node: usize, whom: usize) -> bool {
    let session = sim.nodes[whom].session;
    has_notice(
        sim,
        node,
        |notice| matches!(notice, Notice::Online { session: of, via: Via::Relayed, .. } if *of == session),
    )
}

#[test]
fn linked_users_see_each_other_over_a_chain_of_relays() {
    for (seed, hosts) in [(10, 2), (11, 3), (12, 5), (13, 10)] {
        let mut sim = linked_chain(seed, hosts);
        let (first, last) = (0, sim.nodes.len() - 1);
        assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)), "{hosts} hosts");
        assert!(is_relayed(&sim, first, last) && is_relayed(&sim, last, first));
        sim.run(Duration::from_secs(3600));
        assert!(see_each_other(&sim, first, last), "an hour later");
        let gone = |notice: &Notice| matches!(notice, Notice::Offline { .. });
        assert!(!has_notice(&sim, first, gone) && !has_notice(&sim, last, gone), "and stay online meanwhile");
    }
}

#[test]
fn an_exit_or_crash_at_the_other_end_is_shown_within_seconds() {
    for quits in [true, false] {
        let mut sim = linked_chain(20, 4);
        let (first, last) = (0, sim.nodes.len() - 1);
        assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)));
        if quits {
            sim.command(last, 1, Command::Quit);
        } else {
            sim.crash(last);
        }
        // An idle timeout and the grace period.
        assert!(sim.run_until(Duration::from_secs(14), |sim| !sees(sim, first, last)), "quits: {quits}");
        let reason = if quits { Absence::Declared } else { Absence::Lost };
        assert!(has_notice(
            &sim,
            first,
            |notice| matches!(notice, Notice::Offline { reason: why, .. } if *why == reason)
        ));
        sim.run(Duration::from_secs(60));
        sim.start(last);
        assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)), "and comes back");
    }
}

#[test]
fn presence_ends_with_an_unplugged_relay_and_returns_with_its_replacement() {
    let mut sim = linked_chain(30, 4);
    let (first, last, middle) = (0, 6, 3);
    assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)));
    sim.crash(middle);
    assert!(sim.run_until(Duration::from_secs(14), |sim| !sees(sim, first, last) && !sees(sim, last, first)));
    let spare = sim.add_node(Plan::relay("spare", &[1, 2]));
    sim.start(spare);
    assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)), "pending queries continue through it");
}

#[test]
fn with_two_parallel_relays_presence_survives_the_loss_of_one() {
    for (seed, loudly) in (0..15).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
        for (name, island) in [("alice", 0), ("bob", 3)] {
            sim.add_node(Plan::islander(name, island));
        }
        for island in 0..3 {
            for beside in 0..2 {
                sim.add_node(Plan::relay(format!("relay{island}{beside}"), &[island, island + 1]));
            }
        }
        link(&mut sim, 0, 1);
        (0..sim.nodes.len()).for_each(|node| sim.start(node));
        assert!(sim.run_until(SOON, |sim| see_each_other(sim, 0, 1)));
        sim.run(Duration::from_secs(30));
        for gone in [2, 5, 6] {
            if loudly {
                sim.crash_loudly(gone)
            } else {
                sim.crash(gone)
            }
            sim.run(Duration::from_secs(14));
            assert!(sim.run_until(SOON, |sim| see_each_other(sim, 0, 1)), "seed {seed}, without {gone}");
        }
    }
}

#[test]
fn a_relay_moved_from_one_island_to_another_carries_names_and_keys() {
    let mut sim = Sim::new(Settings { seed: 40, ..Settings::default() });
    for (name, island) in [("alice", 0), ("bob", 1)] {
        sim.add_node(Plan::islander(name, island));
    }
    let mule = sim.add_node(Plan::relay("mule", &[0]));
    (0..3).for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(30));
    sim.crash(mule);
    sim.move_to_islands(mule, &[1]);
    sim.run(Duration::from_secs(3600));
    sim.start(mule);
    sim.run(Duration::from_secs(10));
    assert!(finds(&mut sim, 1, 0), "bob finds alice, whom only the relay has met");
}

#[test]
fn an_idle_chain_sends_few_frames() {
    let mut sim = linked_chain(50, 5);
    let (first, last) = (0, sim.nodes.len() - 1);
    assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)));
    sim.run(Duration::from_secs(60));
    let sent = |sim: &Sim| sim.nodes.iter().map(|node| node.sent_frames).sum::<u64>();
    let before = sent(&sim);
    sim.run(Duration::from_secs(3600));
    let sent = sent(&sim) - before;
    println!("{sent} frames");
    assert!(sent < 700, "{sent} frames of nine nodes: two questions every five minutes, over five hops and back");
}
#[test]
fn with_duplicated_and_lost_frames_both_ends_still_see_each_other_soon() {
    for seed in 0..20 {
        let mut sim = linked_chain(seed, 4);
        sim.settings.loss = 20;
        assert!(sim.run_until(2 * SOON, |sim| see_each_other(sim, 0, 6)), "seed {seed}");
    }
}

fn say(sim: &mut Sim, from: usize, to: usize, text: &str) {
    let to = sim.nodes[to].user;
    sim.command(from, 2, Command::Say { to, text: text.to_owned() });
}

/// How often a text was shown.
fn shown(sim: &Sim, node: usize, text: &str) -> usize {
    let is = |notice: &Notice| matches!(notice, Notice::Message(line) if line.text == text && !line.own);
    sim.nodes[node].notices.iter().filter(|(_, notice)| is(notice)).count()
}

/// Number of a node's messages that are known to be delivered.
fn delivered(sim: &Sim, node: usize) -> usize {
    let is = |notice: &Notice| matches!(notice, Notice::State { state: Delivery::Delivered, .. });
    sim.nodes[node].notices.iter().filter(|(_, notice)| is(notice)).count()
}

#[test]
fn strangers_link_see_each_other_and_chat_over_a_chain() {
    for (seed, hosts) in [(60, 2), (61, 3), (62, 5), (63, 10)] {
        let mut sim = chain(seed, hosts);
        sim.run(Duration::from_secs(10));
        let (first, last) = (0, sim.nodes.len() - 1);
        assert!(finds(&mut sim, first, last));
        let since = sim.now();
        (0..50).for_each(|n| say(&mut sim, first, last, &format!("to {n}")));
        (0..50).for_each(|n| say(&mut sim, last, first, &format!("fro {n}")));
        let all = |sim: &Sim| {
            (0..50).all(|n| shown(sim, last, &format!("to {n}")) == 1 && shown(sim, first, &format!("fro {n}")) == 1)
        };
        assert!(sim.run_until(SOON, all), "{hosts} hosts");
        println!("{hosts} hosts: 50 lines each way after {:?}", sim.now().since(since));
        assert!(sim.run_until(SOON, |sim| delivered(sim, first) >= 50 && delivered(sim, last) >= 50), "receipts");
        assert!(sim.run_until(SOON, |sim| see_each_other(sim, first, last)), "presence");
        println!("{hosts} hosts: all receipted, both seen after {:?}", sim.now().since(since));
    }
}

#[test]
fn among_many_strangers_all_nodes_keep_the_relay_and_the_relay_keeps_all_nodes() {
    let mut sim = Sim::new(Settings { seed: 70, scheme: Scheme::Cheap, ..Settings::default() });
    for n in 0..30 {
        sim.add_node(Plan { accept: Accept::Ask, ..Plan::islander(format!("stranger{n}"), 0) });
    }
    let relay = sim.add_node(Plan::relay("relay", &[0, 1]));
    let behind = sim.add_node(Plan::relay("behind", &[1, 2]));
    let bob = sim.add_node(Plan::islander("bob", 2));
    (0..sim.nodes.len()).for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(120));
    let keep = |sim: &Sim, one: usize| !sim.net().between(one, relay).is_empty();
    assert!((0..30).all(|stranger| keep(&sim, stranger)) && keep(&sim, behind));
    assert!(finds(&mut sim, 29, bob));
}

#[test]
fn forty_users_on_four_islands_see_all_friends_and_no_relay_drops_a_query() {
    const EACH: usize = 10;
    let mut sim = Sim::new(Settings { seed: 80, scheme: Scheme::Cheap, ..Settings::default() });
    for n in 0..4 * EACH {
        sim.add_node(Plan { accept: Accept::Ask, ..Plan::islander(format!("n{n}"), (n / EACH) as u32) });
    }
    let friends = |n: usize| (1..=3).map(move |step| (n, (n + step * (EACH + 7)) % (4 * EACH)));
    let pairs: Vec<(usize, usize)> = (0..4 * EACH).flat_map(friends).filter(|(a, b)| a / EACH != b / EACH).collect();
    pairs.iter().for_each(|(a, b)| link(&mut sim, *a, *b));
    let relays: Vec<usize> = (0..3).map(|n| sim.add_node(Plan::relay(format!("relay{n}"), &[n, n + 1]))).collect();
    (0..sim.nodes.len()).for_each(|node| sim.start(node));
    let all = |sim: &Sim| pairs.iter().all(|(a, b)| see_each_other(sim, *a, *b));
    assert!(sim.run_until(SOON, all));
    for relay in relays {
        let drops = sim.core(relay).map(|core| core.drops()).unwrap_or_default();
        assert!(drops.is_empty(), "{drops:?}");
    }
}
