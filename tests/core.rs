//! The core in the simulator: two users and more, on a local link, behind cuts, through crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darknode::proto::Accept;
use darknode::proto::event::{Command, Flow, Input};
use darknode::proto::limits::STRANGER_LINES;
use darknode::proto::notice::Filter;
use darknode::proto::notice::{Absence, By, Delivery, ErrorCode, Notice};
use darknode::sim::{Settings, Sim};

const SOON: Duration = Duration::from_secs(20);

/// Alice and bob on one local link, linked and running.
fn linked_pair(seed: u64) -> Sim {
    let mut sim = strangers(seed, Accept::Auto);
    sim.command(0, 1, Command::Add { user: "bob".to_owned() });
    assert!(sim.run_until(SOON, |sim| is_linked(sim, 0) && is_linked(sim, 1)), "seed {seed}: not linked");
    // Until bob answers, alice is a stranger to him, of whom he takes a few lines.
    sim.command(1, 1, Command::Add { user: "alice".to_owned() });
    sim.run(Duration::from_millis(500));
    sim
}

fn strangers(seed: u64, accept: Accept) -> Sim {
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    for name in ["alice", "bob"] {
        let node = sim.add(name, accept, true);
        sim.start(node);
    }
    sim
}

fn is_linked(sim: &Sim, node: usize) -> bool {
    has_notice(sim, node, |notice| matches!(notice, Notice::Linked { .. }))
}

fn has_notice(sim: &Sim, node: usize, is: impl Fn(&Notice) -> bool) -> bool {
    sim.nodes[node].notices.iter().any(|(_, notice)| is(notice))
}

fn say(sim: &mut Sim, from: usize, to: usize, line: u64, text: &str) {
    let to = sim.nodes[to].user;
    sim.command(from, line, Command::Say { to, text: text.to_owned() });
}

/// Texts that a node has shown, and how often.
fn shown(sim: &Sim, node: usize) -> BTreeMap<String, usize> {
    let mut shown = BTreeMap::new();
    for (_, notice) in &sim.nodes[node].notices {
        if let Notice::Message(message) = notice {
            *shown.entry(message.text.clone()).or_insert(0) += 1;
        }
    }
    shown
}

fn texts(count: usize) -> BTreeMap<String, usize> {
    (0..count).map(|n| (n.to_string(), 1)).collect()
}

#[test]
fn strangers_on_one_link_see_each_other() {
    let mut sim = strangers(1, Accept::Auto);
    let nearby = |sim: &Sim, node| has_notice(sim, node, |notice| matches!(notice, Notice::Nearby { .. }));
    assert!(sim.run_until(SOON, |sim| nearby(sim, 0) && nearby(sim, 1)));
}

#[test]
fn an_added_stranger_is_linked_on_both_sides_and_marked_auto_on_theirs() {
    let sim = linked_pair(2);
    assert!(has_notice(&sim, 0, |n| matches!(n, Notice::Linked { by: By::Me, auto: false, .. })));
    assert!(has_notice(&sim, 1, |n| matches!(n, Notice::Linked { by: By::Them, auto: true, .. })));
    assert!(has_notice(&sim, 0, |n| matches!(n, Notice::Online { .. })));
}

#[test]
fn a_ping_of_several_addresses_has_one_answer() {
    let mut sim = strangers(1, Accept::Auto);
    let (bob, nobody) = (sim.nodes[1].addr, |last| ([203, 0, 113, last], 9).into());
    sim.command(0, 1, Command::Ping { addrs: vec![nobody(1), bob] });
    sim.command(0, 2, Command::Ping { addrs: vec![nobody(1), nobody(2)] });
    sim.run(SOON);
    let answers = |line| sim.nodes[0].notices.iter().filter(move |(of, _)| *of == Some(line)).map(|(_, notice)| notice);
    assert!(matches!(answers(1).collect::<Vec<_>>()[..], [Notice::Pong { addr, .. }] if *addr == bob));
    assert!(matches!(answers(2).collect::<Vec<_>>()[..], [Notice::Error { code: ErrorCode::Unreachable, .. }]));
}

#[test]
fn a_name_that_appears_within_five_seconds_is_found() {
    let mut sim = Sim::new(Settings::default());
    sim.add("alice", Accept::Auto, true);
    sim.add("bob", Accept::Auto, true);
    sim.start(0);
    sim.command(0, 1, Command::Chat { user: "bob".to_owned() });
    sim.start(1);
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, |n| matches!(n, Notice::Chat { .. }))));
}

#[test]
fn an_unknown_name_is_given_up_after_five_seconds() {
    let mut sim = strangers(3, Accept::Auto);
    sim.command(0, 9, Command::Chat { user: "carol".to_owned() });
    let unknown = |n: &Notice| matches!(n, Notice::Error { code: ErrorCode::UnknownUser, .. });
    assert!(!sim.run_until(Duration::from_secs(4), |sim| has_notice(sim, 0, unknown)));
    assert!(sim.run_until(Duration::from_secs(2), |sim| has_notice(sim, 0, unknown)));
}

#[test]
fn a_line_is_queued_then_shown_once_then_delivered() {
    let mut sim = linked_pair(4);
    say(&mut sim, 0, 1, 2, "hello");
    let delivered = |n: &Notice| matches!(n, Notice::State { state: Delivery::Delivered, .. });
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, delivered)));
    assert_eq!(shown(&sim, 1), BTreeMap::from([("hello".to_owned(), 1)]));
    let queued =
        sim.nodes[0].notices.iter().position(|(line, n)| *line == Some(2) && matches!(n, Notice::Queued { .. }));
    let state = sim.nodes[0].notices.iter().position(|(_, n)| delivered(n));
    assert!(queued.is_some() && queued < state);
    assert!(sim.nodes[0].disk.load().waiting.is_empty(), "a delivered line leaves the outbox");
}

#[test]
fn messages_to_an_absent_user_wait_and_arrive_when_they_return() {
    let mut sim = linked_pair(5);
    sim.command(1, 1, Command::Quit);
    let offline = |n: &Notice| matches!(n, Notice::Offline { reason: Absence::Declared, .. });
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, offline)));
    for n in 0..50 {
        say(&mut sim, 0, 1, 10 + n, &n.to_string());
    }
    sim.run(Duration::from_secs(3600));
    sim.start(1);
    assert!(sim.run_until(SOON, |sim| shown(sim, 1) == texts(50)), "{:?}", shown(&sim, 1).len());
}

#[test]
fn without_a_local_link_sessions_reconnect_by_remembered_addresses() {
    let mut sim = linked_pair(6);
    sim.crash(0);
    sim.crash(1);
    sim.run(Duration::from_secs(60));
    // The local link is gone: only stored addresses are left.
    for node in [0, 1] {
        sim.set_lan(node, false);
        sim.start(node);
    }
    let online = |sim: &Sim| sim.nodes[0].notices.iter().filter(|(_, n)| matches!(n, Notice::Online { .. })).count();
    assert!(sim.run_until(SOON, |sim| online(sim) >= 2));
}

#[test]
fn a_killed_peer_is_lost_within_fifteen_seconds_and_a_stall_of_eight_is_not() {
    let mut sim = linked_pair(7);
    let lost = |sim: &Sim| has_notice(sim, 0, |n| matches!(n, Notice::Offline { reason: Absence::Lost, .. }));
    sim.cut(0, 1);
    sim.run(Duration::from_secs(8));
    sim.mend(0, 1);
    sim.run(Duration::from_secs(20));
    assert!(!lost(&sim));
    sim.crash(1);
    assert!(sim.run_until(Duration::from_secs(15), lost));
}

#[test]
fn messages_typed_during_a_cut_arrive_once_in_both_directions() {
    let mut sim = linked_pair(8);
    sim.cut(0, 1);
    sim.run(Duration::from_secs(30));
    for n in 0..20 {
        say(&mut sim, 0, 1, 100 + n, &n.to_string());
        say(&mut sim, 1, 0, 100 + n, &n.to_string());
    }
    sim.run(Duration::from_secs(30));
    sim.mend(0, 1);
    assert!(sim.run_until(SOON, |sim| shown(sim, 0) == texts(20) && shown(sim, 1) == texts(20)));
}

#[test]
fn after_a_cut_of_any_length_chat_resumes_with_the_next_announcement() {
    for seconds in [60, 600, 7200] {
        let mut sim = linked_pair(seconds);
        sim.cut(0, 1);
        sim.run(Duration::from_secs(seconds));
        say(&mut sim, 0, 1, 7, "there?");
        sim.mend(0, 1);
        // One interval of announcements, and time to connect.
        assert!(sim.run_until(Duration::from_secs(8), |sim| shown(sim, 1).contains_key("there?")), "{seconds} s");
    }
}

#[test]
fn after_both_change_address_chat_resumes_with_the_next_announcement() {
    for seed in 0..20 {
        let mut sim = linked_pair(seed);
        sim.run(Duration::from_secs(60));
        for node in 0..2 {
            sim.move_to(node, ([10, 0, 7, node as u8], 27272).into());
        }
        sim.run(Duration::from_millis(700));
        for (node, other) in [(0, 1), (1, 0)] {
            let (boot, addr) = (sim.nodes[other].boot(other), sim.nodes[other].addr);
            sim.feed(node, Input::Sighted { boot, addr });
        }
        say(&mut sim, 0, 1, 2, "0");
        say(&mut sim, 1, 0, 2, "0");
        let received = |sim: &Sim| shown(sim, 0) == texts(1) && shown(sim, 1) == texts(1);
        assert!(sim.run_until(Duration::from_millis(500), received), "seed {seed}");
    }
}

#[test]
fn a_stalled_session_is_not_reported_lost_because_another_address_is_announced() {
    let mut sim = linked_pair(32);
    sim.run(Duration::from_secs(60));
    let boot = sim.nodes[1].boot(1);
    sim.stall(1, Duration::from_secs(8));
    sim.feed(0, Input::Sighted { boot, addr: ([10, 0, 9, 9], 27272).into() });
    let lost = |n: &Notice| matches!(n, Notice::Offline { .. });
    assert!(!sim.run_until(Duration::from_secs(20), |sim| has_notice(sim, 0, lost)));
}

#[test]
fn a_crashed_stranger_on_the_link_is_reported_away_before_its_announcement_expires() {
    let mut sim = strangers(6, Accept::Auto);
    let nearby = |n: &Notice| matches!(n, Notice::Nearby { .. });
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, nearby)));
    sim.crash(1);
    let away = |n: &Notice| matches!(n, Notice::Away { .. });
    assert!(sim.run_until(Duration::from_secs(18), |sim| has_notice(sim, 0, away)));
}

#[test]
fn after_crashes_at_any_moment_every_message_arrives_once_and_none_stays_queued() {
    for seed in 0..40 {
        let mut sim = linked_pair(100 + seed);
        let mut typed = 0;
        for round in 0..12u64 {
            for _ in 0..10 {
                say(&mut sim, 0, 1, 1000 + typed, &typed.to_string());
                typed += 1;
            }
            sim.run(Duration::from_millis((seed * 7 + round * 13) % 40));
            let victim = ((seed + round) % 3) as usize;
            if victim < 2 {
                sim.crash(victim);
                sim.start(victim);
            }
        }
        // A line counts as typed once it was reported as queued.
        let accepted: Vec<String> = sim.nodes[0].notices.iter().filter_map(queued_text).collect();
        // A message that was stored but not shown before a crash is shown by the shell at the next start.
        let all = |sim: &Sim| {
            let arrived: BTreeSet<&[u8]> = sim.nodes[1].disk.history.iter().map(|row| row.body.as_slice()).collect();
            accepted.iter().all(|text| arrived.contains(text.as_bytes()))
        };
        assert!(sim.run_until(Duration::from_secs(60), all), "seed {seed}: lines lost");
        let nothing_waits = |sim: &Sim| sim.nodes.iter().all(|node| node.disk.waiting() == 0);
        assert!(
            sim.run_until(Duration::from_secs(60), nothing_waits),
            "seed {seed}: a delivered message is still queued"
        );
        let stored = &sim.nodes[1].disk.history;
        let mut ids: Vec<_> = stored.iter().filter(|row| row.kind == 1).map(|row| row.id).collect();
        let before = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), before, "seed {seed}: a line was stored twice");
    }
}

fn queued_text((_, notice): &(Option<u64>, Notice)) -> Option<String> {
    match notice {
        Notice::Queued { text, .. } => Some(text.clone()),
        _ => None,
    }
}

#[test]
fn a_restored_backup_is_accepted_by_peers_and_opens_new_envelopes() {
    let mut sim = linked_pair(9);
    let backup = sim.nodes[1].disk.load();
    sim.run(Duration::from_secs(3 * 24 * 3600));
    say(&mut sim, 0, 1, 1, "0");
    assert!(sim.run_until(SOON, |sim| shown(sim, 1) == texts(1)));
    sim.crash(1);
    sim.nodes[1].disk.restore(backup);
    sim.start(1);
    sim.run(Duration::from_secs(30));
    say(&mut sim, 0, 1, 2, "1");
    say(&mut sim, 1, 0, 2, "back");
    assert!(sim.run_until(SOON, |sim| shown(sim, 1) == texts(2) && shown(sim, 0).contains_key("back")));
}

#[test]
fn a_full_disk_refuses_new_messages_and_loses_no_accepted_one() {
    let mut sim = linked_pair(10);
    say(&mut sim, 0, 1, 1, "0");
    sim.run(Duration::from_secs(1));
    sim.nodes[0].disk.full = true;
    say(&mut sim, 0, 1, 2, "refused");
    let refused = |n: &Notice| matches!(n, Notice::Error { code: ErrorCode::Disk, .. });
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, refused)));
    sim.nodes[0].disk.full = false;
    say(&mut sim, 0, 1, 3, "1");
    assert!(sim.run_until(SOON, |sim| shown(sim, 1) == texts(2)));
    assert!(!has_notice(&sim, 0, |n| matches!(n, Notice::Queued { text, .. } if text == "refused")));
}

#[test]
fn a_removed_link_is_removed_on_both_sides() {
    let mut sim = linked_pair(11);
    sim.command(0, 5, Command::Remove { user: "bob".to_owned() });
    let unlinked = |sim: &Sim, node| has_notice(sim, node, |n| matches!(n, Notice::Unlinked { .. }));
    assert!(sim.run_until(SOON, |sim| unlinked(sim, 0) && unlinked(sim, 1)));
}

#[test]
fn messages_of_a_blocked_user_are_not_shown() {
    let mut sim = linked_pair(12);
    sim.command(0, 5, Command::Block { user: "bob".to_owned() });
    sim.run(Duration::from_secs(5));
    say(&mut sim, 1, 0, 6, "let me in");
    sim.run(Duration::from_secs(120));
    assert!(shown(&sim, 0).is_empty());
}

#[test]
fn with_accept_ask_a_link_waits_for_the_users_decision() {
    let mut sim = strangers(13, Accept::Ask);
    sim.command(0, 1, Command::Add { user: "bob".to_owned() });
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 1, |n| matches!(n, Notice::Asked { .. }))));
    sim.run(Duration::from_secs(5));
    assert!(!is_linked(&sim, 0));
    sim.command(1, 1, Command::Add { user: "alice".to_owned() });
    assert!(sim.run_until(SOON, |sim| is_linked(sim, 0) && is_linked(sim, 1)));
}

#[test]
fn a_cancelled_line_is_never_delivered() {
    let mut sim = linked_pair(14);
    sim.command(1, 1, Command::Quit);
    sim.run(Duration::from_secs(1));
    say(&mut sim, 0, 1, 2, "regretted");
    sim.run(Duration::from_secs(1));
    let token = sim.nodes[0].notices.iter().find_map(|(_, n)| match n {
        Notice::Queued { message, .. } => Some(message.token()),
        _ => None,
    });
    sim.command(0, 3, Command::Cancel { message: token.expect("the line was queued") });
    sim.start(1);
    sim.run(Duration::from_secs(60));
    assert!(shown(&sim, 1).is_empty());
}

#[test]
fn a_second_key_with_a_pinned_name_is_shown_with_its_id_and_gets_nothing_meant_for_the_first() {
    let mut sim = linked_pair(15);
    let impostor = sim.add("bob", Accept::Auto, true);
    sim.start(impostor);
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, |n| matches!(n, Notice::Warning { .. }))));
    sim.command(0, 7, Command::Whois { user: "bob".to_owned() });
    sim.run(Duration::from_secs(1));
    let bob = sim.nodes[1].user;
    assert!(has_notice(&sim, 0, |n| matches!(n, Notice::Whois(profile) if profile.id == bob)));
    let short = format!("bob#{}", sim.nodes[impostor].user.short());
    assert!(has_notice(&sim, 0, |n| matches!(n, Notice::Nearby { user, .. } if *user == short)));
}

#[test]
fn twelve_nodes_that_start_at_once_all_discover_each_other() {
    let mut sim = Sim::new(Settings { seed: 16, ..Settings::default() });
    for n in 0..12 {
        let node = sim.add(&format!("user {n}"), Accept::Auto, true);
        sim.start(node);
    }
    let met = |sim: &Sim, node: usize| {
        let nearby = sim.nodes[node].notices.iter().filter(|(_, n)| matches!(n, Notice::Nearby { .. })).count();
        nearby >= 11
    };
    assert!(sim.run_until(SOON, |sim| (0..12).all(|node| met(sim, node))));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut sim = linked_pair(seed);
        say(&mut sim, 0, 1, 1, "hello");
        sim.run(Duration::from_secs(60));
        sim.trace_hash()
    };
    assert_eq!(trace(17), trace(17));
    assert_ne!(trace(17), trace(18));
}

#[test]
fn an_idle_pair_sends_few_frames() {
    let mut sim = linked_pair(19);
    sim.run(Duration::from_secs(60));
    let before = sim.nodes[0].sent_frames;
    sim.run(Duration::from_secs(3600));
    assert!(sim.nodes[0].sent_frames - before < 20, "{} frames in an hour", sim.nodes[0].sent_frames - before);
}

#[test]
fn pruning_keeps_linked_and_live_sessions() {
    let mut sim = linked_pair(20);
    sim.command(0, 1, Command::Prune { keep: 0 });
    sim.command(0, 2, Command::Users { filter: Filter::Online });
    sim.run(Duration::from_secs(1));
    let bob = sim.nodes[1].user;
    let still =
        |n: &Notice| matches!(n, Notice::Users { users, .. } if users.iter().any(|user| user.id == bob && user.online));
    assert!(has_notice(&sim, 0, still));
}

#[test]
fn a_session_that_lost_its_data_signs_a_newer_roster_than_its_friends_hold() {
    let mut sim = linked_pair(21);
    sim.run(Duration::from_secs(10));
    sim.crash(1);
    sim.nodes[1].disk = Default::default();
    sim.start(1);
    let linked = |sim: &Sim| sim.nodes[1].notices.iter().filter(|(_, n)| matches!(n, Notice::Linked { .. })).count();
    assert!(sim.run_until(SOON, |sim| linked(sim) == 2), "the link is restored from alice's list");
    say(&mut sim, 0, 1, 5, "still there?");
    assert!(sim.run_until(SOON, |sim| shown(sim, 1).contains_key("still there?")));
}

#[test]
fn a_removed_user_can_ask_again_and_is_linked_again() {
    let mut sim = linked_pair(22);
    sim.command(1, 5, Command::Remove { user: "alice".to_owned() });
    assert!(sim.run_until(SOON, |sim| has_notice(sim, 0, |n| matches!(n, Notice::Unlinked { .. }))));
    sim.command(0, 6, Command::Chat { user: "bob".to_owned() });
    let links = |sim: &Sim, node: usize| {
        sim.nodes[node].notices.iter().filter(|(_, n)| matches!(n, Notice::Linked { .. })).count()
    };
    assert!(sim.run_until(SOON, |sim| links(sim, 0) == 2 && links(sim, 1) == 2));
}

#[test]
fn what_is_held_back_of_a_stranger_arrives_in_order_soon_after_they_are_accepted() {
    let mut sim = strangers(40, Accept::Auto);
    sim.command(0, 1, Command::Add { user: "bob".to_owned() });
    assert!(sim.run_until(SOON, |sim| is_linked(sim, 0) && is_linked(sim, 1)));
    for n in 0..50 {
        say(&mut sim, 0, 1, 10 + n, &n.to_string());
    }
    sim.run(Duration::from_secs(300));
    assert_eq!(shown(&sim, 1), texts(STRANGER_LINES as usize));
    let told = sim.nodes[1].notices.iter().filter(|(_, notice)| matches!(notice, Notice::Requests { .. }));
    assert_eq!(told.count(), 1);
    sim.command(1, 9, Command::Add { user: "alice".to_owned() });
    assert!(sim.run_until(Duration::from_secs(2), |sim| shown(sim, 1) == texts(50)), "{:?}", shown(&sim, 1).len());
    let order = sim.nodes[1].notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Message(message) => message.text.parse::<u64>().ok(),
        _ => None,
    });
    assert!(order.is_sorted());
    assert!(sim.run_until(SOON, |sim| sim.nodes[0].disk.waiting() == 0), "all are receipted");
}

#[test]
fn what_is_held_back_of_a_stranger_arrives_soon_after_they_are_answered_whatever_else_is_under_way() {
    for seed in 0..8 {
        println!("seed {seed}");
        let mut sim = strangers(seed, Accept::Ask);
        say(&mut sim, 0, 1, 1, "let me in");
        let is_asked = |sim: &Sim| has_notice(sim, 1, |notice| matches!(notice, Notice::Asked { .. }));
        assert!(sim.run_until(SOON, is_asked), "seed {seed}");
        sim.run(Duration::from_millis(100));
        say(&mut sim, 1, 0, 1, "who is it?");
        assert!(sim.run_until(SOON, |sim| shown(sim, 0).len() == 1), "seed {seed}");
        say(&mut sim, 0, 1, 2, "your neighbour");
        assert!(sim.run_until(SOON, |sim| shown(sim, 1).contains_key("your neighbour")), "seed {seed}");
        let conns = sim.net().between(0, 1).into_iter().flat_map(|pipe| [pipe.conn(0), pipe.conn(1)]);
        for conn in conns.collect::<Vec<_>>() {
            sim.feed(0, Input::Flow { conn, flow: Flow::Moving });
        }
        assert!(sim.run_until(Duration::from_secs(3), |sim| shown(sim, 1).len() == 2), "seed {seed}");
    }
}

#[test]
fn somebody_who_is_blocked_sees_one_offline_until_the_block_ends() {
    for seed in 0..8 {
        let mut sim = linked_pair(seed);
        sim.run(Duration::from_secs(30));
        let before = sim.nodes[1].notices.len();
        sim.command(0, 2, Command::Block { user: "bob".to_owned() });
        sim.run(Duration::from_secs(600));
        let since = |sim: &Sim, is: fn(&Notice) -> bool| {
            sim.nodes[1].notices[before..].iter().filter(|(_, notice)| is(notice)).count()
        };
        let is_online = |notice: &Notice| matches!(notice, Notice::Online { .. });
        let is_offline = |notice: &Notice| matches!(notice, Notice::Offline { .. });
        assert_eq!((since(&sim, is_online), since(&sim, is_offline)), (0, 1), "seed {seed}");
        assert!(
            sim.core(0)
                .is_some_and(|core| core.view(Filter::All).iter().any(|user| user.user == "bob" && user.blocked))
        );
        sim.command(0, 3, Command::Add { user: "bob".to_owned() });
        assert!(sim.run_until(SOON, |sim| since(sim, is_online) == 1), "seed {seed}");
    }
}

#[test]
fn whoever_leaves_while_two_connections_become_one_is_not_lost() {
    for seed in 0..120 {
        let mut sim = linked_pair(seed);
        let (stays, leaves) = if seed % 2 == 0 { (0, 1) } else { (1, 0) };
        sim.crash(1);
        sim.run(Duration::from_secs(30));
        [0, 1].iter().for_each(|node| sim.nodes[*node].notices.clear());
        sim.start(1);
        let online = |sim: &Sim| has_notice(sim, stays, |notice| matches!(notice, Notice::Online { .. }));
        assert!(sim.run_until(SOON, online), "seed {seed}");
        sim.run(Duration::from_micros(250 * seed));
        sim.command(leaves, 1, Command::Quit);
        let offline = |sim: &Sim| has_notice(sim, stays, |notice| matches!(notice, Notice::Offline { .. }));
        assert!(sim.run_until(SOON, offline), "seed {seed}");
        let declared = |notice: &Notice| matches!(notice, Notice::Offline { reason: Absence::Declared, .. });
        assert!(has_notice(&sim, stays, declared), "seed {seed}");
    }
}

#[test]
fn a_conversation_with_somebody_linked_begins_without_the_store() {
    let mut sim = linked_pair(12);
    let carol = sim.add("carol", Accept::Auto, true);
    sim.start(carol);
    let knows_carol = |sim: &Sim| has_notice(sim, 0, |n| matches!(n, Notice::Nearby { user, .. } if user == "carol"));
    assert!(sim.run_until(SOON, knows_carol));
    sim.command(0, 7, Command::Add { user: "carol".to_owned() });
    sim.command(0, 8, Command::Chat { user: "bob".to_owned() });
    let answer = |sim: &Sim, line| sim.nodes[0].notices.iter().position(|(of, _)| *of == Some(line));
    assert!(sim.run_until(SOON, |sim| answer(sim, 7).is_some() && answer(sim, 8).is_some()));
    assert!(answer(&sim, 8) < answer(&sim, 7), "the link waits for the disk, the conversation does not");
}
