//! The scenarios of `darknode sim` at small scale, over some seeds: what the design guarantees for each.

use std::time::Duration;

use darknode::sim::report::Report;
use darknode::sim::scenario::{Params, Parts, Scenario, run};
use darknode::sim::topology::Topology;

/// Runs a scenario for some seeds and asserts that nothing was violated.
fn each(seeds: std::ops::Range<u64>, nodes: usize, scenario: Scenario, with: impl Fn(Params) -> Params) -> Vec<Report> {
    let play = |seed| {
        let params = with(Params { signed: false, ..Params::new(scenario, nodes, seed) });
        let report = run(&params, &mut |_| {});
        assert!(report.broken.is_empty(), "{scenario:?} {:?} seed {seed}: {:?}", params.topology, report.broken);
        report
    };
    seeds.map(play).collect()
}

fn assert_all(reports: &[Report], key: &str, holds: impl Fn(f64) -> bool) {
    for (nth, report) in reports.iter().enumerate() {
        let figure = report.number(key).unwrap_or_else(|| panic!("no figure {key}"));
        assert!(holds(figure), "run {nth}: {key} = {figure}");
    }
}

#[test]
fn in_figure_3_any_remaining_node_reconnects_r_and_e() {
    each(0..3, 10, Scenario::Figure3, |params| params);
}

#[test]
fn an_hour_long_partition_heals_within_fifteen_seconds_of_the_join() {
    for (topology, parts) in [(Topology::Random, Parts::Halves), (Topology::Islands, Parts::Thirds)] {
        let reports = each(0..1, 40, Scenario::Partition, |params| Params { topology, parts, degree: 6, ..params });
        assert_all(&reports, "apart_seen", |seen| seen == 1.0);
        assert_all(&reports, "join_seen", |seen| seen == 1.0);
    }
}

#[test]
fn a_dozen_users_with_few_links_recover_as_fast_from_a_partition() {
    let reports = each(0..4, 12, Scenario::Partition, |params| Params { degree: 4, ..params });
    assert_all(&reports, "join_seen", |seen| seen == 1.0);
}

#[test]
fn halves_of_a_hundred_nodes_settle_while_partitioned_and_heal_as_fast_as_small_ones() {
    let span = Duration::from_secs(1800);
    let reports = each(0..2, 100, Scenario::Partition, |params| Params { span, ..params });
    assert_all(&reports, "apart_rate", |messages| messages < 5.0);
    assert_all(&reports, "join_seen", |seen| seen == 1.0);
}

#[test]
fn two_halves_of_a_ring_heal_within_fifteen_seconds_over_two_links() {
    let reports = each(0..4, 40, Scenario::Partition, |params| Params { topology: Topology::Ring, ..params });
    assert_all(&reports, "join_seen", |seen| seen == 1.0);
}

#[test]
fn a_day_long_partition_heals_within_fifteen_seconds() {
    let day = Duration::from_secs(24 * 3600);
    each(0..1, 16, Scenario::Partition, |params| Params { span: day, degree: 6, ..params });
}

#[test]
fn a_network_that_flaps_every_ten_seconds_heals_soon_after_it_stops() {
    let span = Duration::from_secs(300);
    each(0..1, 16, Scenario::Partition, |params| Params { parts: Parts::Flapping, span, degree: 4, ..params });
}

#[test]
fn after_half_or_most_nodes_crash_the_survivors_are_connected_and_every_change_reaches_all() {
    for (crash, silent) in [(50, false), (50, true), (80, true)] {
        let reports = each(0..1, 30, Scenario::Crash, |params| Params { crash, silent, degree: 6, ..params });
        assert_all(&reports, "crash_end_piece", |piece| piece == 1.0);
        assert_all(&reports, "crash_seen", |seen| seen == 1.0);
        assert_all(&reports, "random_links", |share| share >= 0.3);
        assert_all(&reports, "change_reliability", |share| share == 1.0);
        assert_all(&reports, "change_copies", |copies| copies <= 1.3);
    }
}

#[test]
fn nodes_that_know_only_a_servers_address_find_all_friends_and_keep_them_without_it() {
    let reports = each(0..4, 40, Scenario::Coldstart, |params| Params { degree: 6, ..params });
    assert_all(&reports, "coldstart_seen", |seen| seen == 1.0);
    assert_all(&reports, "serverless_seen", |seen| seen == 1.0);
}

#[test]
fn after_a_restart_without_the_server_one_valid_address_in_five_reconnects_all_friends() {
    for topology in [Topology::Clustered, Topology::Random] {
        let reports = each(0..1, 24, Scenario::Restart, |params| Params { topology, ..params });
        assert_all(&reports, "restart_seen", |seen| seen == 1.0);
    }
}

#[test]
fn a_restart_of_a_hundred_nodes_is_not_delayed_by_dial_budgets() {
    let reports = each(1..2, 100, Scenario::Restart, |params| params);
    assert_all(&reports, "restart_seen_ms", |seen| seen <= 15_000.0);
}

#[test]
fn a_flood_reaches_exactly_the_nodes_within_two_connections_and_is_not_repeated() {
    for topology in [Topology::Random, Topology::Star, Topology::Line, Topology::Islands] {
        each(0..1, 30, Scenario::Explode, |params| Params { topology, degree: 4, ..params });
    }
}

#[test]
fn under_churn_changes_are_disseminated_and_visibility_is_correct_afterwards() {
    let reports =
        each(0..1, 20, Scenario::Churn, |params| Params { span: Duration::from_secs(300), degree: 6, ..params });
    assert_all(&reports, "churn_reliability", |told| told > 0.95);
    assert_all(&reports, "rest_seen", |seen| seen == 1.0);
}

#[test]
fn an_idle_network_sends_very_few_messages() {
    let reports = each(0..1, 20, Scenario::Crash, |params| Params { degree: 6, ..params });
    assert_all(&reports, "idle_messages", |messages| messages < 1.0);
}

#[test]
fn mobile_relays_deliver_within_a_day_where_direct_delivery_often_would_not() {
    let reports = each(0..1, 30, Scenario::Mules, |params| Params { span: Duration::from_secs(24 * 3600), ..params });
    assert_all(&reports, "carried_in_a_day", |share| share >= 0.9);
    assert_all(&reports, "direct_in_a_day", |share| share <= 0.8);
    assert_all(&reports, "carried_copies", |copies| copies <= 8.0);
}

#[test]
fn in_a_hall_each_lists_all_others_and_the_cost_of_rest_does_not_grow_with_their_number() {
    let halls: Vec<Report> =
        [10, 30, 90].into_iter().flat_map(|nodes| each(1..2, nodes, Scenario::Hall, |p| p)).collect();
    assert_all(&halls, "listed_ms", |listed| listed <= 30_000.0);
    assert_all(&halls, "lines_arrived", |share| share == 1.0);
    assert_all(&halls, "rest_bytes", |rate| rate <= 500.0);
    assert_all(&halls, "hall_connections", |count| count <= 14.0);
}

#[test]
fn hostile_identities_on_a_few_addresses_keep_nobody_from_being_listed_or_heard() {
    let sieges = each(1..2, 12, Scenario::Siege, |params| params);
    assert_all(&sieges, "listed_ms", |listed| listed <= 30_000.0);
    assert_all(&sieges, "lines_arrived", |share| share == 1.0);
}
