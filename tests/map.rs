//! `\map`: who is around, how they are reached, and where lines wait.

use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::notice::Notice;
use darknode::proto::notice::map::{Map, MapNode, Way};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;

const SOON: Duration = Duration::from_secs(20);

/// Alice – pi – carol, where pi is a relay, and alice and carol never met.
fn line(seed: u64) -> Sim {
    println!("seed {seed}");
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    for (name, roles) in [("alice", 0), ("pi", roles::RELAY), ("carol", 0)] {
        let node = sim.add_node(Plan { roles, accept: Accept::Auto, ..Plan::client(name) });
        sim.start(node);
    }
    for (one, other) in [(0, 1), (1, 2)] {
        sim.command(one, 1, Command::Ping { addrs: vec![sim.nodes[other].addr] });
        sim.run(Duration::from_secs(2));
        for (from, to) in [(one, other), (other, one)] {
            let user = sim.nodes[to].user.to_string();
            sim.command(from, 2, Command::Add { user });
        }
    }
    sim
}

/// The map as a node answers it now.
fn map(sim: &mut Sim, node: usize) -> Map {
    sim.command(node, 77, Command::Map);
    let notices = sim.nodes[node].notices.iter().rev();
    let map = notices.filter_map(|(line, notice)| match notice {
        Notice::Map(map) if *line == Some(77) => Some(map.as_ref().clone()),
        _ => None,
    });
    map.take(1).next().expect("it is answered at once")
}

fn named<'a>(map: &'a Map, name: &str) -> &'a MapNode {
    map.nodes.iter().find(|node| node.name == name).unwrap_or_else(|| panic!("{name} is on {map:?}"))
}

/// Waits until a node's map shows a user as reached in this way.
fn shows(sim: &mut Sim, node: usize, name: &str, way: (Way, Option<&str>)) -> Map {
    for _ in 0..600 {
        let now = map(sim, node);
        if now.nodes.iter().any(|node| node.name == name && (node.way, node.through.as_deref()) == way) {
            return now;
        }
        sim.run(Duration::from_secs(1));
    }
    panic!("{name} is not {way:?} on {:?}", map(sim, node));
}

const DIRECT: (Way, Option<&str>) = (Way::Direct, None);
const AWAY: (Way, Option<&str>) = (Way::Away, None);

#[test]
fn the_map_shows_users_within_two_links_and_how_each_is_reached() {
    let mut sim = line(1);
    let map = shows(&mut sim, 0, "carol", (Way::Through, Some("pi")));
    let names: Vec<&str> = map.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["alice", "pi", "carol"]);
    let [alice, pi, carol] = &map.nodes[..] else { panic!("{map:?}") };
    assert_eq!(map.nodes.iter().map(|node| node.distance).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert!(alice.me && alice.online && pi.linked && pi.relay && !pi.server && !carol.linked && !carol.relay);
    assert_eq!(pi.way, Way::Direct);
    assert!(pi.rtt_ms.is_some_and(|rtt| rtt > 0.0) && carol.rtt_ms.is_none() && carol.since.is_some());
    assert_eq!(map.edges, [(alice.id, pi.id), (pi.id, carol.id)]);
    assert_eq!(map.more, 0);
}

#[test]
fn the_map_shows_who_is_on_the_local_link_and_not_linked() {
    println!("seed 5");
    let mut sim = Sim::new(Settings { seed: 5, ..Settings::default() });
    let [alice, bob] = ["alice", "bob"].map(|name| sim.add(name, Accept::Ask, true));
    [alice, bob].into_iter().for_each(|node| sim.start(node));
    assert!(sim.run_until(SOON, |sim| {
        sim.nodes[alice].notices.iter().any(|(_, notice)| matches!(notice, Notice::Nearby { .. }))
    }));
    let map = map(&mut sim, alice);
    let [me, bob] = &map.nodes[..] else { panic!("{map:?}") };
    assert!(me.me && !me.nearby);
    assert_eq!((bob.name.as_str(), bob.nearby, bob.linked, bob.distance), ("bob", true, false, None));
    assert_eq!(map.edges, []);
}

#[test]
fn the_map_shows_for_whom_lines_wait_and_who_carries_them() {
    let mut sim = line(2);
    shows(&mut sim, 0, "carol", (Way::Through, Some("pi")));
    sim.command(2, 5, Command::Quit);
    shows(&mut sim, 0, "carol", AWAY);
    let to = sim.nodes[2].user;
    sim.command(0, 6, Command::Say { to, text: "until later".to_owned() });
    let is_carried = |sim: &Sim| sim.nodes[0].notices.iter().any(|(_, notice)| matches!(notice, Notice::State { .. }));
    assert!(sim.run_until(SOON, is_carried));
    let own = map(&mut sim, 0);
    let (carol, pi) = (named(&own, "carol"), named(&own, "pi"));
    assert_eq!((carol.way, carol.waiting, pi.held), (Way::Away, 1, 1));
    let of_pi = map(&mut sim, 1);
    assert!(named(&of_pi, "pi").held >= 1, "the carrier says that it keeps something: {of_pi:?}");
}

#[test]
fn the_map_shows_that_a_path_was_cut_and_another_one_found() {
    let mut sim = line(3);
    shows(&mut sim, 0, "carol", (Way::Through, Some("pi")));
    sim.cut(0, 1);
    shows(&mut sim, 0, "pi", AWAY);
    shows(&mut sim, 0, "carol", DIRECT);
}

#[test]
fn a_map_of_many_users_is_cut_at_its_bound_and_says_how_many_are_missing() {
    println!("seed 4");
    let mut sim = Sim::new(Settings { seed: 4, ..Settings::default() });
    let alice = sim.add("alice", Accept::Auto, false);
    sim.start(alice);
    let everybody = darknode::proto::limits::MAX_MAP_NODES + 20;
    for n in 0..everybody {
        let to = darknode::id::UserId([(n % 256) as u8, (n / 256) as u8, 1].repeat(11)[..32].try_into().expect("32"));
        sim.command(alice, 10, Command::Say { to, text: "hello".to_owned() });
    }
    sim.run(Duration::from_secs(1));
    let map = map(&mut sim, alice);
    assert_eq!((map.nodes.len(), map.more), (everybody - 20, 21));
    assert!(map.nodes[0].me);
}
