//! The simulated world: addresses, cuts, links, clocks and stalls.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::Accept;
use darknode::proto::event::{Command, Output};
use darknode::proto::notice::{Absence, Notice};
use darknode::sim::node::Plan;
use darknode::sim::scenario::{Params, Scenario, run};
use darknode::sim::{Settings, Sim};

const SOON: Duration = Duration::from_secs(20);

/// Running friends who know each other, on no local link.
fn friends(seed: u64, count: usize, settings: Settings) -> Sim {
    let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..settings });
    for node in 0..count {
        sim.add_node(Plan::client(format!("n{node}")));
    }
    let hellos: Vec<_> = (0..count).map(|node| sim.first_hello(node)).collect();
    for one in 0..count {
        for other in (0..count).filter(|other| *other != one) {
            sim.preload_session(one, other, &hellos[other]);
            sim.preload_link(one, other, false);
        }
    }
    (0..count).for_each(|node| sim.start(node));
    assert!(sim.run_until(SOON, all_see_each_other), "seed {seed}: friends did not connect");
    sim
}

fn sees(sim: &Sim, one: usize, other: usize) -> bool {
    sim.nodes[one].shown_online.contains(&sim.nodes[other].session)
}

fn all_see_each_other(sim: &Sim) -> bool {
    let on: Vec<usize> = sim.on().collect();
    on.iter().all(|one| on.iter().all(|other| one == other || sees(sim, *one, *other)))
}

fn count_notices(sim: &Sim, node: usize, is: impl Fn(&Notice) -> bool) -> usize {
    sim.nodes[node].notices.iter().filter(|(_, notice)| is(notice)).count()
}

#[test]
fn equal_seeds_give_equal_traces_and_different_seeds_different_ones() {
    for (name, scenario) in Scenario::ALL {
        let trace = |seed| {
            let plain = Params::new(scenario, 10, seed);
            let params = Params { span: Duration::from_secs(120), degree: 4, signed: false, ..plain };
            run(&params, &mut |_| {}).trace
        };
        assert_eq!(trace(3), trace(3), "{name}");
        assert_ne!(trace(3), trace(4), "{name}");
    }
}

#[test]
fn a_node_that_changes_its_address_is_seen_again_soon_by_all() {
    for seed in 0..10 {
        let mut sim = friends(seed, 3, Settings::default());
        sim.move_to(0, "11.0.0.1:27272".parse().unwrap());
        assert!(sim.run_until(SOON, all_see_each_other), "seed {seed}");
        let lost = |notice: &Notice| matches!(notice, Notice::Offline { .. });
        assert_eq!(
            count_notices(&sim, 1, lost) + count_notices(&sim, 2, lost),
            0,
            "seed {seed}: a new address is not an absence"
        );
    }
}

#[test]
fn a_node_that_moved_while_off_is_found_and_not_confused_with_another_at_its_old_address() {
    for seed in 0..10 {
        let mut sim = friends(seed, 3, Settings::default());
        let old = sim.nodes[0].addr;
        sim.crash(0);
        sim.crash(1);
        sim.move_to(0, "11.0.0.1:27272".parse().unwrap());
        sim.move_to(1, old);
        sim.run(Duration::from_secs(60));
        [0, 1].into_iter().for_each(|node| sim.start(node));
        assert!(sim.run_until(Duration::from_secs(400), |sim| sees(sim, 2, 0) && sees(sim, 2, 1)), "seed {seed}");
    }
}

#[test]
fn a_stall_shorter_than_the_idle_timeout_loses_no_connection_and_a_longer_one_recovers() {
    for seed in 0..10 {
        let mut sim = friends(seed, 3, Settings::default());
        let lost = |sim: &Sim| count_notices(sim, 1, |notice| matches!(notice, Notice::Offline { .. }));
        sim.stall(0, Duration::from_secs(8));
        sim.run(Duration::from_secs(60));
        assert_eq!(lost(&sim), 0, "seed {seed}");
        sim.stall(0, Duration::from_secs(3600));
        sim.run(Duration::from_secs(60));
        assert!(lost(&sim) == 1 && !sees(&sim, 1, 0), "seed {seed}");
        sim.run(Duration::from_secs(3540));
        assert!(sim.run_until(SOON, all_see_each_other), "seed {seed}: the stalled node is seen again");
    }
}

#[test]
fn a_one_way_link_does_not_make_users_flap() {
    for seed in 0..10 {
        let mut sim = friends(seed, 2, Settings::default());
        sim.cut_one_way(0, 1);
        sim.run(Duration::from_secs(1200));
        let changes = |notice: &Notice| matches!(notice, Notice::Online { .. } | Notice::Offline { .. });
        assert!(
            (0..2).all(|node| count_notices(&sim, node, changes) <= 2 && sim.nodes[node].shown_online.is_empty()),
            "seed {seed}"
        );
        sim.mend(0, 1);
        assert!(sim.run_until(Duration::from_secs(400), all_see_each_other), "seed {seed}");
    }
}

#[test]
fn with_thirty_percent_loss_no_user_is_reported_away() {
    for seed in 0..10 {
        let mut sim = friends(seed, 4, Settings { loss: 30, ..Settings::default() });
        sim.run(Duration::from_secs(3600));
        let away = |notice: &Notice| matches!(notice, Notice::Offline { reason: Absence::Lost, .. });
        assert!((0..4).all(|node| count_notices(&sim, node, away) == 0), "seed {seed}");
        let to = sim.nodes[1].user;
        sim.command(0, 1, Command::Say { to, text: "through the noise".to_owned() });
        let shown = |notice: &Notice| matches!(notice, Notice::Message(_));
        assert!(sim.run_until(Duration::from_secs(60), |sim| count_notices(sim, 1, shown) == 1), "seed {seed}");
    }
}

#[test]
fn wall_clocks_may_show_1970_or_be_days_apart() {
    for seed in 0..10 {
        let mut sim = friends(seed, 3, Settings::default());
        let day = 24 * 3600 * 1000;
        for (node, ahead) in [(0, day), (1, -day), (2, -1_790_000_000_000)] {
            sim.crash(node);
            sim.nodes[node].wall_offset = ahead;
        }
        sim.run(SOON);
        (0..3).for_each(|node| sim.start(node));
        assert!(sim.run_until(SOON, all_see_each_other), "seed {seed}");
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            let to = sim.nodes[to].user;
            sim.command(from, 1, Command::Say { to, text: "what time is it?".to_owned() });
        }
        let shown = |notice: &Notice| matches!(notice, Notice::Message(_));
        assert!(sim.run_until(SOON, |sim| (0..3).all(|node| count_notices(sim, node, shown) == 1)), "seed {seed}");
    }
}

#[test]
fn a_node_that_lost_its_disk_is_found_by_friends_and_knows_them_again() {
    for seed in 0..10 {
        let mut sim = friends(seed, 4, Settings::default());
        sim.run(SOON);
        sim.crash(0);
        sim.nodes[0].disk = Default::default();
        sim.run(SOON);
        sim.start(0);
        assert!(sim.run_until(Duration::from_secs(60), all_see_each_other), "seed {seed}");
    }
}

#[test]
fn a_restored_backup_does_not_silence_a_node() {
    for seed in 0..10 {
        let mut sim = friends(seed, 4, Settings::default());
        let backup = sim.nodes[0].disk.load();
        for day in 0..3 {
            sim.run(Duration::from_secs(24 * 3600));
            sim.add_address(0, ([11, 0, 0, day], 27272).into());
        }
        sim.crash(0);
        sim.nodes[0].disk.restore(backup);
        sim.run(SOON);
        sim.start(0);
        assert!(sim.run_until(Duration::from_secs(60), all_see_each_other), "seed {seed}");
        let to = sim.nodes[0].user;
        (1..4).for_each(|friend| sim.command(friend, 1, Command::Say { to, text: "welcome back".to_owned() }));
        let shown = |notice: &Notice| matches!(notice, Notice::Message(_));
        assert!(sim.run_until(Duration::from_secs(60), |sim| count_notices(sim, 0, shown) == 3), "seed {seed}");
    }
}

#[test]
fn strangers_are_discovered_when_links_are_joined_and_away_some_time_after_a_split() {
    for seed in 0..10 {
        let mut sim = Sim::new(Settings { seed, scheme: Scheme::Cheap, ..Settings::default() });
        for (name, segment) in [("anna", 1), ("berta", 2)] {
            let node = sim.add_node(Plan { accept: Accept::Ask, segment: Some(segment), ..Plan::client(name) });
            sim.start(node);
        }
        sim.run(SOON);
        let met = |notice: &Notice| matches!(notice, Notice::Nearby { .. });
        assert_eq!(count_notices(&sim, 0, met), 0, "seed {seed}");
        sim.set_segment(1, Some(1));
        assert!(
            sim.run_until(SOON, |sim| count_notices(sim, 0, met) == 1 && count_notices(sim, 1, met) == 1),
            "seed {seed}"
        );
        sim.set_segment(1, Some(2));
        sim.cut(0, 1);
        let away = |notice: &Notice| matches!(notice, Notice::Away { .. });
        assert!(sim.run_until(Duration::from_secs(180), |sim| count_notices(sim, 0, away) == 1), "seed {seed}");
    }
}

#[test]
fn an_announcement_ends_for_those_who_cannot_hear_its_end() {
    for crashes in [true, false] {
        let mut sim = Sim::new(Settings { scheme: Scheme::Cheap, ..Settings::default() });
        for name in ["anna", "berta"] {
            sim.add_node(Plan { accept: Accept::Ask, segment: Some(0), ..Plan::client(name) });
        }
        // Anna hears of berta, and never learns who it is.
        sim.cut_one_way(0, 1);
        [0, 1].into_iter().for_each(|node| sim.start(node));
        sim.run(SOON);
        sim.cut(0, 1);
        match crashes {
            true => sim.crash(1),
            false => sim.command(1, 0, Command::Quit),
        }
        sim.run(Duration::from_secs(180));
        sim.mend(0, 1);
        sim.start(1);
        sim.run(SOON);
        sim.outputs = Some(Vec::new());
        sim.run(Duration::from_secs(3600));
        let outputs = sim.outputs.take().unwrap_or_default();
        let dials = outputs.iter().filter(|(_, _, output)| matches!(output, Output::Dial { .. })).count();
        assert_eq!(dials, 0, "crashes: {crashes}");
    }
}

#[test]
fn a_loud_crash_ends_connections_at_once_and_a_silent_one_after_the_idle_timeout() {
    for (loudly, within) in [(true, 5), (false, 18)] {
        let mut sim = friends(1, 3, Settings::default());
        if loudly {
            sim.crash_loudly(0)
        } else {
            sim.crash(0)
        }
        assert!(sim.run_until(Duration::from_secs(within), |sim| !sees(sim, 1, 0) && !sees(sim, 2, 0)), "{loudly}");
        assert!(all_see_each_other(&sim));
    }
}

#[test]
fn each_part_of_a_partition_keeps_its_members_and_all_reconnect_after_the_join() {
    for seed in 0..10 {
        let mut sim = friends(seed, 6, Settings::default());
        sim.split(|node| (node % 3) as u32);
        sim.run(Duration::from_secs(60));
        let kept = |sim: &Sim| {
            let pairs =
                (0..6).flat_map(|one| (0..6).map(move |other| (one, other))).filter(|(one, other)| one != other);
            pairs.into_iter().all(|(one, other)| sees(sim, one, other) == (one % 3 == other % 3))
        };
        assert!(kept(&sim), "seed {seed}");
        sim.run(Duration::from_secs(3600));
        assert!(kept(&sim), "seed {seed}");
        sim.join();
        assert!(sim.run_until(Duration::from_secs(400), all_see_each_other), "seed {seed}");
    }
}
