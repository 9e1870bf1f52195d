//! What `\doctor` is answered with by the core: what is known of a user who is not reached, and how.

use std::time::Duration;

use darknode::identity::Scheme;
use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::limits::{EXAMINATION, MAX_TRIES_PER_SESSION};
use darknode::proto::notice::examination::{Examination, ExaminedUser, Outcome, Statement, Subject, Whence};
use darknode::proto::notice::{ErrorCode, Notice, Via};
use darknode::sim::node::Plan;
use darknode::sim::{Settings, Sim};
use darknode::wire::record::roles;

const SOON: Duration = Duration::from_secs(20);
/// The line that every examination is asked on.
const LINE: u64 = 70;

/// Alice and bob on one local link, linked and running.
fn linked_pair(seed: u64) -> Sim {
    println!("seed {seed}");
    let mut sim = Sim::new(Settings { seed, ..Settings::default() });
    for name in ["alice", "bob"] {
        let node = sim.add(name, Accept::Auto, true);
        sim.start(node);
    }
    link(&mut sim, 0, 1);
    sim
}

/// Links two nodes deliberately.
fn link(sim: &mut Sim, one: usize, other: usize) {
    for (from, to) in [(one, other), (other, one)] {
        let user = sim.nodes[to].plan.name.clone();
        sim.command(from, 1, Command::Chat { user: user.clone() });
        let is_talking = |n: &Notice| matches!(n, Notice::Chat { with, .. } if *with == user);
        let talks = |sim: &Sim| sim.nodes[from].notices.iter().any(|(_, notice)| is_talking(notice));
        assert!(sim.run_until(SOON, talks), "{user} is not found");
    }
    sim.run(Duration::from_secs(1));
}

/// The answer to `\doctor`, and how long it took.
fn examined(sim: &mut Sim, node: usize, user: Option<&str>, probe: bool) -> (Examination, Duration) {
    let started = sim.now();
    let before = sim.nodes[node].notices.len();
    sim.command(node, LINE, Command::Examine { user: user.map(str::to_owned), probe, redact: false });
    let answer = move |sim: &Sim| {
        let new = sim.nodes[node].notices[before..].iter().find(|(line, _)| *line == Some(LINE));
        new.map(|(_, notice)| notice.clone())
    };
    assert!(sim.run_until(SOON, |sim| answer(sim).is_some()), "no answer");
    match answer(sim) {
        Some(Notice::Examination(examination)) => (*examination, sim.now().since(started)),
        other => panic!("{other:?}"),
    }
}

fn user(examination: Examination) -> ExaminedUser {
    match examination.subject {
        Subject::User(user) => *user,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connected_user_is_not_dialled_and_sees_this_node_where_it_is() {
    let mut sim = linked_pair(1);
    let (examination, took) = examined(&mut sim, 0, Some("bob"), true);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let own = examination.own.clone();
    assert_eq!(own.neighbours.len(), 1);
    assert_eq!(own.neighbours[0].observed.map(|addr| addr.ip()), Some(sim.nodes[0].addr.ip()));
    assert!(own.neighbours[0].announced && own.announced == 1);
    let bob = user(examination);
    assert_eq!((bob.mine, bob.theirs), (Statement::Linked, Statement::Linked));
    assert_eq!(bob.sessions[0].via, Some(Via::Direct));
    assert!(bob.sessions[0].places.iter().all(|place| place.probed.is_none()));
}

#[test]
fn the_addresses_of_a_missing_user_are_dialled_anew_within_the_time() {
    let mut sim = linked_pair(2);
    sim.crash(1);
    sim.run(Duration::from_secs(120));
    let (examination, took) = examined(&mut sim, 0, Some("bob"), true);
    assert!(took <= EXAMINATION, "{took:?}");
    let bob = user(examination);
    let session = &bob.sessions[0];
    assert_eq!((session.via, session.said_goodbye), (None, false));
    assert!(bob.sought.is_some_and(|sought| sought > Duration::from_secs(60)));
    let place = session.places.iter().find(|place| place.addr == sim.nodes[1].addr).expect("it was connected there");
    assert!(matches!(place.whence, Whence::Answered | Whence::Announced | Whence::Observed), "{place:?}");
    assert_eq!(place.probed, Some(Outcome::Silent));
    assert!(place.tried.is_some_and(|tried| tried.times > 3 && tried.outcome == Outcome::Silent), "{place:?}");
    let (examination, took) = examined(&mut sim, 0, Some("bob"), false);
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert!(user(examination).sessions[0].places.iter().all(|place| place.probed.is_none()));
}

#[test]
fn who_has_come_back_is_found_by_the_examination() {
    let mut sim = linked_pair(3);
    sim.cut(0, 1);
    sim.run(Duration::from_secs(600));
    sim.mend(0, 1);
    let (examination, _) = examined(&mut sim, 0, Some("bob"), true);
    assert_eq!(user(examination).sessions[0].via, Some(Via::Direct));
}

#[test]
fn who_went_offline_has_said_goodbye() {
    let mut sim = linked_pair(4);
    sim.command(1, 9, Command::Quit);
    sim.run(Duration::from_secs(60));
    assert!(user(examined(&mut sim, 0, Some("bob"), true).0).sessions[0].said_goodbye);
}

#[test]
fn an_unknown_name_is_a_finding_and_no_error_and_the_own_name_is_one() {
    let mut sim = linked_pair(5);
    assert_eq!(examined(&mut sim, 0, Some("zoe"), true).0.subject, Subject::Unknown("zoe".to_owned()));
    assert_eq!(examined(&mut sim, 0, None, true).0.subject, Subject::Node);
    sim.command(0, 71, Command::Examine { user: Some("alice".to_owned()), probe: true, redact: false });
    let refused = |sim: &Sim| {
        let mut errors = sim.nodes[0].notices.iter().filter(|(line, _)| *line == Some(71));
        errors.any(|(_, notice)| matches!(notice, Notice::Error { code: ErrorCode::BadArgument, .. }))
    };
    assert!(sim.run_until(SOON, refused));
}

#[test]
fn a_relay_that_was_asked_and_carries_the_lines_is_named() {
    println!("seed 6");
    let mut sim = Sim::new(Settings { seed: 6, scheme: Scheme::Cheap, ..Settings::default() });
    let pi = sim.add_node(Plan { roles: roles::SERVER, ..Plan::client("pi") });
    let bootstrap = vec![sim.nodes[pi].addr];
    for name in ["alice", "bob"] {
        sim.add_node(Plan { bootstrap: bootstrap.clone(), ..Plan::client(name) });
    }
    (0..3).for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(3));
    link(&mut sim, 1, 2);
    sim.crash(2);
    sim.run(Duration::from_secs(60));
    let to = sim.nodes[2].user;
    for line in 20..24 {
        sim.command(1, line, Command::Say { to, text: "four lines".to_owned() });
    }
    sim.run(Duration::from_secs(30));
    let bob = user(examined(&mut sim, 1, Some("bob"), true).0);
    assert_eq!(bob.lines, 4);
    assert!(bob.oldest.is_some_and(|oldest| oldest >= Duration::from_secs(30)));
    assert_eq!(bob.carriers.iter().map(|by| (by.name.as_str(), by.lines)).collect::<Vec<_>>(), [("pi", 4)]);
    assert!(bob.asked.iter().any(|asked| asked.name == "pi" && asked.ago.is_some() && !asked.reaches), "{bob:?}");
}

#[test]
fn a_bootstrap_node_that_is_gone_is_dialled_and_does_not_answer() {
    println!("seed 7");
    let mut sim = Sim::new(Settings { seed: 7, scheme: Scheme::Cheap, ..Settings::default() });
    let pi = sim.add_node(Plan { roles: roles::SERVER, ..Plan::client("pi") });
    let alice = sim.add_node(Plan { bootstrap: vec![sim.nodes[pi].addr], ..Plan::client("alice") });
    sim.start(alice);
    sim.run(Duration::from_secs(60));
    let own = examined(&mut sim, alice, None, true).0.own;
    assert_eq!(own.bootstrap.iter().map(|place| place.outcome).collect::<Vec<_>>(), [Outcome::Silent]);
    assert!(own.bootstrap[0].tries > 3, "{own:?}");
    sim.start(pi);
    let own = examined(&mut sim, alice, None, true).0.own;
    assert_eq!(own.bootstrap[0].outcome, Outcome::Answered);
}

#[test]
fn a_session_with_many_addresses_costs_few_dials() {
    let mut sim = linked_pair(8);
    for n in 1..100 {
        sim.add_address(1, ([203, 0, 113, n], 27272).into());
        sim.run(Duration::from_secs(1));
    }
    sim.crash(1);
    sim.run(Duration::from_secs(60));
    let bob = user(examined(&mut sim, 0, Some("bob"), true).0);
    assert_eq!(bob.sessions[0].places.len(), MAX_TRIES_PER_SESSION, "{bob:?}");
}
