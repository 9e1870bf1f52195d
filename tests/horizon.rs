//! Horizon and seeking: what a node knows about users two links away, who notifies it, and how sessions find each
//! other.

use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::notice::{Absence, Filter, Notice, UserView, Via};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;

const SOON: Duration = Duration::from_secs(20);

/// Running nodes with these names, without a local link.
fn world(seed: u64, names: &[&str]) -> Sim {
    println!("seed {seed}");
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    for name in names {
        let node = sim.add(name, Accept::Auto, false);
        sim.start(node);
    }
    sim
}

/// Two users exchange addresses and add each other explicitly.
fn befriend(sim: &mut Sim, a: usize, b: usize) {
    let addrs = vec![sim.nodes[b].addr];
    sim.command(a, 900, Command::Ping { addrs });
    let pong = |sim: &Sim| has_notice(sim, a, |notice| matches!(notice, Notice::Pong { .. }));
    assert!(sim.run_until(SOON, pong));
    for (from, to) in [(a, b), (b, a)] {
        let user = sim.nodes[to].user.to_string();
        sim.command(from, 901, Command::Add { user });
    }
    assert!(sim.run_until(SOON, |sim| sees(sim, a, b).is_some_and(|seen| seen.distance == Some(1))));
    sim.run(Duration::from_secs(1));
}

fn has_notice(sim: &Sim, node: usize, is: impl Fn(&Notice) -> bool) -> bool {
    sim.nodes[node].notices.iter().any(|(_, notice)| is(notice))
}

/// What a node shows about another node's user.
fn sees(sim: &Sim, node: usize, whom: usize) -> Option<UserView> {
    let users = sim.core(node)?.view(Filter::All);
    users.into_iter().find(|user| user.id == sim.nodes[whom].user)
}

fn is_online(sim: &Sim, node: usize, whom: usize) -> bool {
    sees(sim, node, whom).is_some_and(|seen| seen.online)
}

/// Alice – bob – carol, where alice and carol never met.
fn line(seed: u64) -> Sim {
    let mut sim = world(seed, &["alice", "bob", "carol"]);
    befriend(&mut sim, 0, 1);
    befriend(&mut sim, 1, 2);
    sim
}

#[test]
fn a_friend_of_a_friend_has_distance_two_and_is_shown_online() {
    let mut sim = line(1);
    let seen = |sim: &Sim| sees(sim, 0, 2).is_some_and(|seen| seen.distance == Some(2) && seen.online);
    assert!(sim.run_until(SOON, seen));
    assert!(has_notice(&sim, 0, |notice| matches!(notice, Notice::Online { user, .. } if user == "carol")));
}

#[test]
fn a_graceful_exit_two_links_away_is_shown_as_declared_offline() {
    let mut sim = line(2);
    assert!(sim.run_until(SOON, |sim| is_online(sim, 0, 2)));
    sim.command(2, 1, Command::Quit);
    let declared =
        |notice: &Notice| matches!(notice, Notice::Offline { user, reason: Absence::Declared, .. } if user == "carol");
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, declared)));
    sim.start(2);
    let addrs = vec![sim.nodes[1].addr];
    sim.command(2, 2, Command::Ping { addrs });
    assert!(sim.run_until(SOON, |sim| is_online(sim, 0, 2)));
}

#[test]
fn a_crash_two_links_away_is_shown_as_lost_once_no_common_friend_hears_the_session() {
    let mut sim = line(3);
    assert!(sim.run_until(SOON, |sim| is_online(sim, 0, 2)));
    sim.crash(2);
    let lost =
        |notice: &Notice| matches!(notice, Notice::Offline { user, reason: Absence::Lost, .. } if user == "carol");
    assert!(sim.run_until(Duration::from_secs(25), |sim| has_notice(sim, 0, lost)));
}

/// Alice – bob – carol, where carol is a relay that alice is not linked with.
fn beside_a_relay(seed: u64) -> Sim {
    let mut sim = world(seed, &["alice", "bob"]);
    let carol = sim.add_node(Plan { roles: roles::RELAY, ..Plan::client("carol") });
    sim.start(carol);
    befriend(&mut sim, 0, 1);
    befriend(&mut sim, 1, carol);
    sim
}

#[test]
fn a_crashed_friend_is_lost_although_a_relay_that_is_no_friend_still_claimed_them() {
    for seed in 0..10 {
        let mut sim = beside_a_relay(seed);
        assert!(sim.run_until(SOON, |sim| is_online(sim, 0, 1)), "seed {seed}");
        sim.run(SOON);
        sim.crash(1);
        sim.run(Duration::from_secs(25));
        assert!(!is_online(&sim, 0, 1), "seed {seed}: alice shows bob as {:?}", sees(&sim, 0, 1));
        assert!(!is_online(&sim, 2, 1), "seed {seed}");
    }
}

#[test]
fn a_crashed_friend_is_lost_although_a_server_that_is_no_friend_claimed_them_at_its_hello() {
    for seed in 0..10 {
        let mut sim = served(seed, &["alice", "bob"]);
        befriend(&mut sim, 1, 2);
        sim.crash(1);
        sim.run(SOON);
        sim.start(1);
        assert!(sim.run_until(SOON, |sim| is_online(sim, 1, 2)), "seed {seed}");
        sim.crash(2);
        sim.run(Duration::from_secs(25));
        assert!(!is_online(&sim, 1, 2), "seed {seed}: alice shows bob as {:?}", sees(&sim, 1, 2));
    }
}

#[test]
fn an_automatically_accepted_stranger_is_in_no_friends_horizon() {
    let mut sim = world(4, &["alice", "bob", "mallory"]);
    befriend(&mut sim, 0, 1);
    let addrs = vec![sim.nodes[1].addr];
    sim.command(2, 1, Command::Ping { addrs });
    sim.run(Duration::from_secs(2));
    let user = sim.nodes[1].user.to_string();
    sim.command(2, 2, Command::Add { user });
    assert!(sim.run_until(SOON, |sim| sees(sim, 2, 1).is_some_and(|bob| bob.distance == Some(1))));
    sim.run(Duration::from_secs(60));
    assert!(sees(&sim, 0, 2).is_none(), "alice never hears of mallory");
    assert!(sees(&sim, 2, 0).is_none(), "mallory never hears of alice");
}

#[test]
fn a_user_who_leaves_the_horizon_is_forgotten() {
    let mut sim = line(5);
    assert!(sim.run_until(SOON, |sim| is_online(sim, 0, 2)));
    let user = sim.nodes[2].user.to_string();
    sim.command(1, 7, Command::Remove { user });
    assert!(sim.run_until(SOON, |sim| sees(sim, 0, 2).is_none()));
    sim.run(Duration::from_secs(1));
    let memory = sim.nodes[0].disk.load();
    assert!(memory.users.iter().all(|row| row.user != sim.nodes[2].user));
}

#[test]
fn friends_who_both_moved_find_each_other_through_one_common_friend() {
    for common in [2, 3] {
        let mut sim = world(10 + common as u64, &["rita", "emil", "carl", "quin"]);
        for (a, b) in [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)] {
            befriend(&mut sim, a, b);
        }
        for node in 0..2 {
            sim.crash(node);
        }
        sim.crash(if common == 2 { 3 } else { 2 });
        for node in 0..2 {
            sim.nodes[node].addr = ([10, 99, 0, node as u8 + 1], 27272).into();
        }
        sim.run(Duration::from_secs(60));
        for node in 0..2 {
            sim.nodes[node].notices.clear();
            sim.start(node);
        }
        let direct = |sim: &Sim, a: usize, b: usize| {
            let via = |seen: UserView| seen.sessions.iter().any(|session| session.via == Some(Via::Direct));
            sees(sim, a, b).is_some_and(via)
        };
        assert!(sim.run_until(SOON, |sim| direct(sim, 0, 1) && direct(sim, 1, 0)), "through {common}");
    }
}

/// A server, and clients configured with its address.
fn served(seed: u64, names: &[&str]) -> Sim {
    println!("seed {seed}");
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    let server = sim.add_node(Plan { roles: roles::SERVER | roles::RELAY, ..Plan::client("server") });
    let bootstrap = vec![sim.nodes[server].addr];
    sim.start(server);
    for name in names {
        let node = sim.add_node(Plan { bootstrap: bootstrap.clone(), ..Plan::client(*name) });
        sim.start(node);
    }
    sim
}

fn is_direct(sim: &Sim, node: usize, whom: usize) -> bool {
    sees(sim, node, whom)
        .is_some_and(|seen| seen.sessions.iter().any(|session| session.online && session.via == Some(Via::Direct)))
}

fn move_away(sim: &mut Sim, node: usize) {
    sim.crash(node);
    let host = sim.nodes[node].addr.port() as u8;
    sim.move_to(node, ([10, 99, host, node as u8 + 1], 27272).into());
}

#[test]
fn friends_who_both_moved_without_a_common_friend_find_each_other_through_the_server() {
    let mut sim = served(60, &["rita", "emil"]);
    befriend(&mut sim, 1, 2);
    sim.run(Duration::from_secs(2));
    for node in [1, 2] {
        move_away(&mut sim, node);
    }
    sim.run(Duration::from_secs(60));
    for node in [1, 2] {
        sim.start(node);
    }
    assert!(sim.run_until(SOON, |sim| is_direct(sim, 1, 2) && is_direct(sim, 2, 1)));
}

#[test]
fn a_returning_friend_is_dialled_by_the_one_who_asked_the_server_before() {
    let mut sim = served(61, &["rita", "emil"]);
    befriend(&mut sim, 1, 2);
    for node in [1, 2] {
        move_away(&mut sim, node);
    }
    sim.run(Duration::from_secs(60));
    sim.start(1);
    sim.run(Duration::from_secs(120));
    sim.start(2);
    assert!(sim.run_until(SOON, |sim| is_direct(sim, 1, 2) && is_direct(sim, 2, 1)));
}

#[test]
fn a_server_crash_does_not_affect_sessions_that_reach_each_other() {
    let mut sim = served(62, &["alice", "bob", "carol"]);
    befriend(&mut sim, 1, 2);
    befriend(&mut sim, 2, 3);
    assert!(sim.run_until(SOON, |sim| is_online(sim, 1, 3)));
    sim.crash(0);
    sim.run(Duration::from_secs(120));
    assert!(is_online(&sim, 1, 2) && is_online(&sim, 1, 3) && is_online(&sim, 3, 1));
    assert!(!has_notice(&sim, 1, |notice| matches!(notice, Notice::Offline { user, .. } if user != "server")));
}

#[test]
fn a_session_that_lost_its_data_gets_all_links_back_from_its_server_without_any_friend_online() {
    let mut sim = served(63, &["alice", "bob", "carol"]);
    befriend(&mut sim, 1, 2);
    befriend(&mut sim, 1, 3);
    sim.run(Duration::from_secs(5));
    for node in 1..=3 {
        sim.crash(node);
    }
    sim.nodes[1].disk.restore(Default::default());
    sim.run(Duration::from_secs(60));
    sim.start(1);
    let linked = |sim: &Sim, whom: usize| sees(sim, 1, whom).is_some_and(|seen| seen.distance == Some(1));
    assert!(sim.run_until(SOON, |sim| linked(sim, 2) && linked(sim, 3)));
    sim.start(2);
    assert!(sim.run_until(SOON, |sim| is_direct(sim, 1, 2)));
}

#[test]
fn users_with_only_a_server_in_common_link_and_chat() {
    let mut sim = served(65, &["alice", "bob"]);
    sim.run(Duration::from_secs(5));
    sim.command(1, 2, Command::Chat { user: "bob".to_owned() });
    let found = |sim: &Sim| has_notice(sim, 1, |notice| matches!(notice, Notice::Chat { with, .. } if with == "bob"));
    assert!(sim.run_until(SOON, found));
    let to = sim.nodes[2].user;
    sim.command(1, 3, Command::Say { to, text: "hello".to_owned() });
    let heard =
        |sim: &Sim| has_notice(sim, 2, |notice| matches!(notice, Notice::Message(line) if line.text == "hello"));
    assert!(sim.run_until(SOON, heard));
}

#[test]
fn a_user_with_accept_ask_is_not_introduced_to_strangers() {
    let mut sim = served(66, &["alice"]);
    let bootstrap = vec![sim.nodes[0].addr];
    let bob = sim.add_node(Plan { accept: Accept::Ask, bootstrap, ..Plan::client("bob") });
    sim.start(bob);
    sim.run(Duration::from_secs(5));
    sim.command(1, 2, Command::Add { user: "bob".to_owned() });
    sim.run(Duration::from_secs(60));
    assert!(!sees(&sim, 1, bob).is_some_and(|seen| seen.online), "alice is not given bob's address");
}

#[test]
fn a_name_is_found_through_two_servers() {
    let mut sim = served(64, &["alice"]);
    let first = sim.nodes[0].addr;
    let second = sim.add_node(Plan { roles: roles::SERVER, bootstrap: vec![first], ..Plan::client("other") });
    sim.start(second);
    let carol = sim.add_node(Plan { bootstrap: vec![sim.nodes[second].addr], ..Plan::client("carol") });
    sim.start(carol);
    sim.run(Duration::from_secs(5));
    sim.command(1, 2, Command::Chat { user: "carol".to_owned() });
    let found = |sim: &Sim| has_notice(sim, 1, |notice| matches!(notice, Notice::Chat { with, .. } if with == "carol"));
    assert!(sim.run_until(SOON, found));
}

/// The address of the second node's NAT changes while it has a direct connection with the first, which dialled it. After
/// 15 s they do without the node that introduced them.
fn assert_direct_after_renumbering(mut sim: Sim, [first, second]: [usize; 2], introducer: usize, rest: Duration) {
    for node in [first, second] {
        sim.put_behind_nat(node);
    }
    sim.run(rest);
    assert!(is_direct(&sim, first, second) && is_direct(&sim, second, first));
    sim.renumber_nat(second, ([10, 99, 0, 1], 27272).into());
    sim.run(Duration::from_secs(15));
    sim.crash(introducer);
    sim.run(Duration::from_secs(5));
    let to = sim.nodes[second].user;
    sim.command(first, 1, Command::Say { to, text: "still here".to_owned() });
    let told = |sim: &Sim| {
        has_notice(sim, second, |notice| matches!(notice, Notice::Message(said) if said.text == "still here"))
    };
    assert!(sim.run_until(Duration::from_secs(1), told), "after {rest:?}");
}

#[test]
fn after_a_change_of_its_nats_address_a_user_is_found_again_through_a_server() {
    for rest in [30, 1000] {
        let mut sim = served(66, &["alice", "bob"]);
        befriend(&mut sim, 1, 2);
        assert_direct_after_renumbering(sim, [1, 2], 0, Duration::from_secs(rest));
    }
}

#[test]
fn after_a_change_of_its_nats_address_a_user_is_found_again_through_a_friend() {
    for rest in [30, 1000] {
        let mut sim = world(67, &["alice", "bob", "carol"]);
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            befriend(&mut sim, a, b);
        }
        assert_direct_after_renumbering(sim, [0, 1], 2, Duration::from_secs(rest));
    }
}

#[test]
fn a_session_that_lost_its_data_gets_its_links_back_from_friends() {
    let mut sim = world(20, &["alice", "bob", "carol"]);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        befriend(&mut sim, a, b);
    }
    sim.crash(0);
    sim.nodes[0].disk.restore(Default::default());
    sim.run(Duration::from_secs(60));
    sim.start(0);
    let addrs = vec![sim.nodes[1].addr];
    sim.command(0, 1, Command::Ping { addrs });
    let linked = |sim: &Sim, whom: usize| {
        sees(sim, 0, whom).is_some_and(|seen| seen.distance == Some(1) && seen.online)
            && sees(sim, whom, 0).is_some_and(|seen| seen.distance == Some(1) && seen.online)
    };
    assert!(sim.run_until(SOON, |sim| linked(sim, 1) && linked(sim, 2)));
}

#[test]
fn explode_counts_every_user_within_two_hops_once() {
    let mut sim = world(30, &["alice", "bob", "carol", "dave", "erin"]);
    for (a, b) in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4)] {
        befriend(&mut sim, a, b);
    }
    sim.command(0, 5, Command::Explode);
    let report = |sim: &Sim| {
        sim.nodes[0].notices.iter().find_map(|(line, notice)| match notice {
            Notice::Exploded { users, sessions, messages, .. } if *line == Some(5) => {
                Some((*users, *sessions, *messages))
            }
            _ => None,
        })
    };
    assert!(sim.run_until(SOON, |sim| report(sim).is_some()));
    let (users, sessions, messages) = report(&sim).expect("it is there");
    assert!(users >= 3 && users == sessions, "{users} users");
    assert!(messages <= 50, "{messages} messages");
    sim.command(0, 6, Command::Explode);
    assert!(sim.nodes[0].notices.iter().any(|(line, n)| *line == Some(6) && matches!(n, Notice::Error { .. })));
}

#[test]
fn an_idle_horizon_sends_few_frames() {
    let mut sim = line(40);
    sim.run(Duration::from_secs(60));
    let before: u64 = sim.nodes.iter().map(|node| node.sent_frames).sum();
    sim.run(Duration::from_secs(3600));
    let sent = sim.nodes.iter().map(|node| node.sent_frames).sum::<u64>() - before;
    assert!(sent < 60, "{sent} frames in an idle hour of three nodes");
}

#[test]
fn a_name_known_to_a_neighbour_is_found() {
    let mut sim = world(50, &["alice", "bob", "carol"]);
    befriend(&mut sim, 1, 2);
    let addrs = vec![sim.nodes[1].addr];
    sim.command(0, 1, Command::Ping { addrs });
    sim.run(Duration::from_secs(2));
    sim.command(0, 2, Command::Chat { user: "carol".to_owned() });
    let found = |sim: &Sim| has_notice(sim, 0, |notice| matches!(notice, Notice::Chat { with, .. } if with == "carol"));
    assert!(sim.run_until(SOON, found));
}
