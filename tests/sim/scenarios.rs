//! The scenarios of `darknode sim`, small: what the design promises of each, over some seeds.

use std::time::Duration;

use darknode::sim::report::Report;
use darknode::sim::scenario::{Params, Parts, Scenario, run};
use darknode::sim::topology::Topology;

/// Plays a scenario for some seeds; nothing may be broken.
fn each(seeds: std::ops::Range<u64>, nodes: usize, scenario: Scenario, with: impl Fn(Params) -> Params) -> Vec<Report> {
    let play = |seed| {
        let order = with(Params { signed: false, ..Params::new(scenario, nodes, seed) });
        let report = run(&order, &mut |_| {});
        assert!(report.broken.is_empty(), "{scenario:?} {:?} seed {seed}: {:?}", order.topology, report.broken);
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
fn who_lost_each_other_in_figure_3_is_brought_together_by_whoever_is_left() {
    each(0..3, 10, Scenario::Figure3, |order| order);
}

#[test]
fn halves_and_thirds_that_are_joined_after_an_hour_see_each_other_within_fifteen_seconds() {
    for (topology, parts) in [(Topology::Random, Parts::Halves), (Topology::Islands, Parts::Thirds)] {
        let reports = each(0..1, 40, Scenario::Partition, |order| Params { topology, parts, degree: 6, ..order });
        assert_all(&reports, "apart_seen", |seen| seen == 1.0);
        assert_all(&reports, "join_seen", |seen| seen == 1.0);
    }
}

#[test]
fn a_dozen_people_with_few_links_are_together_as_soon_however_they_were_parted() {
    let reports = each(0..4, 12, Scenario::Partition, |order| Params { degree: 4, ..order });
    assert_all(&reports, "join_seen", |seen| seen == 1.0);
}

#[test]
fn halves_of_a_hundred_come_to_rest_while_they_are_apart_and_meet_as_soon_as_small_ones() {
    let span = Duration::from_secs(1800);
    let reports = each(0..2, 100, Scenario::Partition, |order| Params { span, ..order });
    assert_all(&reports, "apart_rate", |messages| messages < 5.0);
    assert_all(&reports, "join_seen", |seen| seen == 1.0);
}

#[test]
fn two_halves_of_a_ring_that_have_two_links_in_common_meet_within_fifteen_seconds() {
    let reports = each(0..4, 40, Scenario::Partition, |order| Params { topology: Topology::Ring, ..order });
    assert_all(&reports, "join_seen", |seen| seen == 1.0);
}

#[test]
fn a_day_apart_is_forgotten_within_fifteen_seconds() {
    let day = Duration::from_secs(24 * 3600);
    each(0..1, 16, Scenario::Partition, |order| Params { span: day, degree: 6, ..order });
}

#[test]
fn a_network_that_flaps_every_ten_seconds_is_whole_soon_after_it_stops() {
    let span = Duration::from_secs(300);
    each(0..1, 16, Scenario::Partition, |order| Params { parts: Parts::Flapping, span, degree: 4, ..order });
}

#[test]
fn after_half_or_most_nodes_crash_the_rest_are_in_one_piece_and_every_change_reaches_all() {
    for (crash, silent) in [(50, false), (50, true), (80, true)] {
        let reports = each(0..1, 30, Scenario::Crash, |order| Params { crash, silent, degree: 6, ..order });
        assert_all(&reports, "crash_end_piece", |piece| piece == 1.0);
        assert_all(&reports, "crash_seen", |seen| seen == 1.0);
        assert_all(&reports, "random_links", |share| share >= 0.3);
        assert_all(&reports, "change_reliability", |told| told == 1.0);
        assert_all(&reports, "change_copies", |copies| copies <= 1.3);
    }
}

#[test]
fn whoever_starts_with_one_servers_address_finds_all_friends_and_keeps_them_without_it() {
    let reports = each(0..4, 40, Scenario::Coldstart, |order| Params { degree: 6, ..order });
    assert_all(&reports, "coldstart_seen", |seen| seen == 1.0);
    assert_all(&reports, "serverless_seen", |seen| seen == 1.0);
}

#[test]
fn after_a_restart_of_all_without_the_server_friends_meet_by_the_fifth_that_stayed() {
    for topology in [Topology::Clustered, Topology::Random] {
        let reports = each(0..1, 24, Scenario::Restart, |order| Params { topology, ..order });
        assert_all(&reports, "restart_seen", |seen| seen == 1.0);
    }
}

#[test]
fn a_hundred_that_restart_without_the_server_wait_for_no_budget_that_dials_never_made_used_up() {
    let reports = each(1..2, 100, Scenario::Restart, |order| order);
    assert_all(&reports, "restart_seen_ms", |seen| seen <= 15_000.0);
}

#[test]
fn a_flood_reaches_exactly_those_within_two_connections_and_is_not_repeated() {
    for topology in [Topology::Random, Topology::Star, Topology::Line, Topology::Islands] {
        each(0..1, 30, Scenario::Explode, |order| Params { topology, degree: 4, ..order });
    }
}

#[test]
fn in_a_network_that_comes_and_goes_changes_are_told_and_all_is_seen_when_it_rests() {
    let reports =
        each(0..1, 20, Scenario::Churn, |order| Params { span: Duration::from_secs(300), degree: 6, ..order });
    assert_all(&reports, "churn_reliability", |told| told > 0.95);
    assert_all(&reports, "rest_seen", |seen| seen == 1.0);
}

#[test]
fn a_network_at_rest_says_next_to_nothing() {
    let reports = each(0..1, 20, Scenario::Crash, |order| Params { degree: 6, ..order });
    assert_all(&reports, "idle_messages", |messages| messages < 1.0);
}

#[test]
fn relays_in_pockets_bring_a_line_within_a_day_where_its_author_alone_would_often_not() {
    let reports = each(0..1, 30, Scenario::Mules, |order| Params { span: Duration::from_secs(24 * 3600), ..order });
    assert_all(&reports, "carried_in_a_day", |share| share >= 0.9);
    assert_all(&reports, "direct_in_a_day", |share| share <= 0.8);
    assert_all(&reports, "carried_copies", |copies| copies <= 8.0);
}
