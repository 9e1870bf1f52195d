//! Islands: local links with no route between them, and relays with an interface on two. Who is found, and seen, over how
//! many relays.

use std::time::Duration;

use darknode::proto::event::Command;
use darknode::proto::view::Notice;
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};

const SOON: Duration = Duration::from_secs(20);

/// Hosts on islands of their own, and a relay between each and the next: host `n` is node `2 n`. Everybody is on.
fn chain(seed: u64, hosts: u32) -> Sim {
    println!("seed {seed}, {hosts} hosts");
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    for island in 0..hosts {
        sim.place(Plan::islander(format!("host{island}"), island));
        if island + 1 < hosts {
            sim.place(Plan::relay(format!("relay{island}"), &[island, island + 1]));
        }
    }
    (0..sim.nodes.len()).for_each(|node| sim.start(node));
    sim
}

fn told(sim: &Sim, node: usize, is: impl Fn(&Notice) -> bool) -> bool {
    sim.nodes[node].notices.iter().any(|(_, notice)| is(notice))
}

/// Types `\chat NAME`; whether the name is found, and keys to seal to.
fn finds(sim: &mut Sim, node: usize, whom: usize) -> bool {
    let name = sim.nodes[whom].plan.name.clone();
    sim.command(node, 1, Command::Chat { user: name.clone() });
    let chat = |notice: &Notice| matches!(notice, Notice::Chat { with, .. } if *with == name);
    let met = |sim: &Sim| told(sim, node, chat) && has_card(sim, node, whom);
    sim.run_until(SOON, met)
}

/// Whether a node has stored how to seal to another.
fn has_card(sim: &Sim, node: usize, whom: usize) -> bool {
    let of_them = |row: &darknode::proto::memory::SessionRow| row.session == sim.nodes[whom].session;
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
fn a_name_is_found_though_the_relays_have_only_just_been_plugged_in() {
    let mut sim = chain(2, 4);
    let (first, last) = (0, sim.nodes.len() - 1);
    assert!(finds(&mut sim, first, last));
}
