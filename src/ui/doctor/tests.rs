//! Every verdict, from the data that leads to it.

mod paths;

use std::net::SocketAddr;
use std::time::Duration;

use super::{Report, State, report, report_of_machine};
use crate::id::{SessionId, UserId};
use crate::proto::notice::Via;
use crate::proto::notice::examination::{
    Asked, BootstrapPlace, Carrier, Disk, Examination, ExaminedPlace, ExaminedSession, ExaminedUser, Host, Link,
    Multicast, Outcome, OwnNode, SeenBy, Statement, Subject, Tried, Whence,
};
use crate::time::Wall;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A neighbour outside, which sees this node at an address.
fn outside(name: &str, last: u8, observed: &str) -> SeenBy {
    SeenBy {
        name: name.to_owned(),
        session: SessionId([last; 32]),
        addr: SocketAddr::from(([203, 0, 113, last], 27272)),
        observed: Some(addr(observed)),
        is_near: false,
        carries: true,
        announced: false,
        ahead_ms: -900,
    }
}

/// A node on a local network with one neighbour there, and nothing wrong.
pub fn healthy(subject: Subject) -> Examination {
    let carol = SeenBy {
        name: "carol".to_owned(),
        addr: addr("192.168.1.9:27272"),
        observed: Some(addr("192.168.1.5:27272")),
        is_near: true,
        carries: false,
        announced: true,
        ..outside("carol", 9, "192.168.1.5:27272")
    };
    let own = OwnNode {
        user: "alice".to_owned(),
        up: seconds(3 * 86_400),
        unlisted: false,
        closed: false,
        carries: false,
        addrs: vec![addr("192.168.1.5:27272")],
        neighbours: vec![carol],
        announced: 1,
        silent: 0,
        reached: Some(seconds(40)),
        bootstrap: Vec::new(),
        waiting: 0,
        held: 0,
    };
    let multicast = Multicast { deaf: None, others_heard: Some(seconds(3)) };
    let addrs = vec![[192, 168, 1, 5].into()];
    let eth0 = Link { name: "eth0".to_owned(), addrs, is_up: true, multicast: Some(multicast) };
    let disk = Disk {
        keeps: true,
        free: Some(50_000_000_000),
        store: 4_200_000,
        set_aside: 0,
        committed: Some(seconds(2)),
        refuses: None,
    };
    let host = Host {
        version: "0.1.0",
        port: 27272,
        interfaces: vec![eth0],
        lan: true,
        wall: Wall(1_790_000_000_000),
        unset_clock: false,
        disk,
    };
    Examination { redact: false, own, host: Some(host), subject }
}

/// An address on this network where nothing came back, six times and just now.
fn silent(addr: SocketAddr) -> ExaminedPlace {
    let tried = Tried { times: 6, ago: seconds(20), outcome: Outcome::Silent };
    ExaminedPlace { addr, whence: Whence::Announced, is_near: true, tried: Some(tried), probed: Some(Outcome::Silent) }
}

/// An address that this came of dialling just now.
fn dialled(outcome: Outcome) -> ExaminedPlace {
    ExaminedPlace { whence: Whence::Answered, probed: Some(outcome), ..silent(addr("192.168.1.7:27272")) }
}

/// Bob, who was heard four minutes ago, and whose only session is at these addresses.
fn bob(places: Vec<ExaminedPlace>) -> ExaminedUser {
    let laptop = ExaminedSession {
        session: SessionId([2; 32]),
        label: "laptop".to_owned(),
        via: None,
        stalled: false,
        heard: Some(seconds(240)),
        said_goodbye: false,
        announced: false,
        has_key: true,
        places,
        seen: Vec::new(),
    };
    ExaminedUser {
        user: "bob".to_owned(),
        id: UserId([2; 32]),
        clash: None,
        mine: Statement::Linked,
        theirs: Statement::Linked,
        refuses: false,
        sought: Some(seconds(230)),
        sessions: vec![laptop],
        asked: Vec::new(),
        lines: 0,
        oldest: None,
        carriers: Vec::new(),
    }
}

fn of(user: ExaminedUser) -> Examination {
    healthy(Subject::User(Box::new(user)))
}

fn host(examination: &mut Examination) -> &mut Host {
    examination.host.as_mut().expect("it has a host")
}

/// Every state, in an examination of bob.
pub fn with_every_state() -> Examination {
    let mut examination = of(bob(vec![silent(addr("192.168.1.7:27272"))]));
    examination.own.reached = None;
    examination
}

/// The text of a check, and its state.
fn check<'a>(report: &'a Report, name: &str) -> (State, &'a str) {
    let check = report.checks.iter().find(|check| check.name == name);
    check.map(|check| (check.state, check.text.as_str())).unwrap_or_else(|| panic!("no {name} in {report:?}"))
}

/// Asserts what an examination says: the verdict, and a part of what to do.
fn says(examination: &Examination, verdict: &str, action: &str) -> Report {
    let report = report(examination);
    assert_eq!(report.verdict, verdict, "{report:#?}");
    assert!(report.action.contains(action), "{report:#?}");
    report
}

#[test]
fn where_nothing_is_wrong_there_is_nothing_to_do() {
    let report = says(&healthy(Subject::Node), "nothing is wrong here", "nothing to do");
    assert!(report.checks.iter().all(|check| check.state != State::Wrong), "{report:#?}");
    assert_eq!(check(&report, "multicast"), (State::Ok, "eth0: own and others' heard, last 3 s ago"));
    assert_eq!(check(&report, "port").0, State::Ok);
}

#[test]
fn multicast_that_is_not_heard_anywhere_is_blocked() {
    let mut examination = healthy(Subject::Unknown("bob".to_owned()));
    (examination.own.neighbours, examination.own.announced) = (Vec::new(), 0);
    host(&mut examination).interfaces[0].multicast = Some(Multicast { deaf: Some(seconds(40)), others_heard: None });
    let verdict = "multicast is blocked here, perhaps by an access point or a firewall";
    let report = says(&examination, verdict, r"\ping their address, or start with --bootstrap");
    let text = "eth0: own announcement not heard for 40 s; nobody else's either";
    assert_eq!(check(&report, "multicast"), (State::Wrong, text));
    assert_eq!(check(&report, "user").0, State::Wrong);
    examination.subject = Subject::Node;
    says(&examination, verdict, "--bootstrap");
    host(&mut examination).interfaces[0].multicast = Some(Multicast { deaf: Some(seconds(3)), others_heard: None });
    says(&examination, "nothing is wrong here", "nothing");
}

#[test]
fn a_machine_on_this_network_that_announces_itself_and_does_not_answer_has_a_closed_firewall() {
    let mut user = bob(vec![silent(addr("192.168.1.7:27272"))]);
    user.sessions[0].announced = true;
    let report =
        says(&of(user.clone()), "the machine of bob does not let UDP 27272 in", "open UDP 27272 in the firewall there");
    let text = "192.168.1.7:27272 announced on this network, 6 tries, last 20 s ago: no answer; dialled now: no answer";
    assert_eq!(check(&report, "address"), (State::Wrong, text));
    assert_eq!(check(&report, "user"), (State::Note, "bob was last heard 4 min ago, sought for 3 min"));
    let mut gone = user.clone();
    gone.sessions[0].heard = Some(seconds(20));
    let verdict = "the machine of bob went off just now, or does not let UDP 27272 in";
    says(&of(gone), verdict, "if it is on, open UDP 27272");
    user.sessions[0].announced = false;
    says(&of(user), "bob has been away for 4 min", "nothing to do");
}

#[test]
fn a_port_that_is_closed_at_one_address_explains_the_silence_at_another() {
    let mut user = bob(vec![silent(addr("192.168.1.7:27272")), dialled(Outcome::Closed)]);
    user.sessions[0].announced = true;
    says(&of(user), "the machine of bob is there, and no node runs at UDP 27272", "start darknode");
}

#[test]
fn two_symmetric_nats_cannot_meet() {
    let mut user = bob(vec![ExaminedPlace { is_near: false, ..silent(addr("198.51.100.9:5005")) }]);
    user.sessions[0].via = Some(Via::Relayed);
    user.sessions[0].seen = vec![addr("198.51.100.9:5005"), addr("198.51.100.9:5006")];
    let vps = Asked { name: "vps".to_owned(), session: SessionId([8; 32]), ago: Some(seconds(12)), reaches: true };
    user.asked = vec![vps];
    let mut examination = of(user);
    examination.own.neighbours = vec![outside("pi", 7, "198.51.100.4:4711"), outside("vps", 8, "198.51.100.4:4712")];
    let verdict = "two such NATs, yours and that of bob, cannot meet; lines go by vps";
    let report = says(&examination, verdict, "nothing to do");
    let text = "pi sees 198.51.100.4:4711, vps sees 198.51.100.4:4712: symmetric, another port for each";
    assert_eq!(check(&report, "nat"), (State::Note, text));
    assert_eq!(check(&report, "asked"), (State::Ok, "vps, asked 12 s ago: bob is there, behind a symmetric NAT"));
}

#[test]
fn a_nat_that_keeps_ports_is_told_from_none_and_from_what_cannot_be_known() {
    let mut examination = healthy(Subject::Node);
    let nat = |examination: &Examination| check(&report(examination), "nat").0;
    assert_eq!(nat(&examination), State::Unknown, "carol is on this network");
    examination.own.neighbours = vec![outside("pi", 7, "198.51.100.4:4711")];
    assert_eq!(nat(&examination), State::Unknown, "one is too few");
    examination.own.neighbours.push(outside("vps", 8, "198.51.100.4:4711"));
    assert_eq!(nat(&examination), State::Ok);
    examination.own.neighbours = vec![outside("pi", 7, "192.168.1.5:27272")];
    assert!(check(&report(&examination), "nat").1.contains("an address of this machine"));
}

#[test]
fn of_thousands_of_neighbours_a_few_are_named() {
    let mut examination = healthy(Subject::Node);
    let neighbour = |n: u32| SeenBy {
        addr: SocketAddr::from((n.to_be_bytes(), 27272)),
        ..outside(&format!("user{n}"), 7, "198.51.100.4:4711")
    };
    examination.own.neighbours = (1..=2_000).map(neighbour).collect();
    let report = report(&examination);
    let text = "2000 sessions connected; mail is carried by user1, user2, user3, user4 and 1996 more";
    assert_eq!(check(&report, "neighbours"), (State::Ok, text));
    assert!(
        check(&report, "nat").1.ends_with("user4 sees 198.51.100.4:4711 and 1996 more: one port for all"),
        "{report:?}"
    );
}

#[test]
fn somebody_who_said_goodbye_is_away_and_a_carrier_hands_the_lines_over() {
    let mut user = bob(vec![ExaminedPlace { is_near: false, ..silent(addr("198.51.100.9:27272")) }]);
    (user.sessions[0].said_goodbye, user.sessions[0].heard) = (true, Some(seconds(3 * 86_400)));
    (user.lines, user.oldest) = (4, Some(seconds(2 * 86_400)));
    says(
        &of(user.clone()),
        "bob has been away for 3 d; the lines wait on this machine only",
        "leave this node running",
    );
    user.carriers = vec![Carrier { name: "pi".to_owned(), lines: 4 }];
    let report = says(&of(user), "bob has been away for 3 d; pi will hand the lines over", "nothing to do");
    assert_eq!(check(&report, "mail"), (State::Ok, "4 lines waiting, the oldest for 2 d: pi has 4"));
    assert_eq!(check(&report, "address").0, State::Note, "nobody expects an answer");
}

#[test]
fn who_answers_in_another_network_has_another_key() {
    let report = says(&of(bob(vec![dialled(Outcome::Stranger)])), "bob runs with another network key", "--network-key");
    assert!(check(&report, "address").1.ends_with("dialled now: answers, but not in this network"), "{report:#?}");
}

#[test]
fn what_is_in_the_way_is_named() {
    for (outcome, verdict, action) in [
        (Outcome::TooLarge, "bob is not reached: packets of 1,228 bytes do not pass", "MTU"),
        (Outcome::Forbidden, "bob is not reached: a firewall does not let UDP pass", "outgoing UDP"),
        (Outcome::Closed, "the machine of bob is there, and no node runs at UDP 27272", "start darknode"),
        (Outcome::Other, "another node answers at 192.168.1.7:27272, so bob has moved", r"\me"),
        (Outcome::NoRoute, "this machine has no route to any address of bob", "other networks"),
    ] {
        says(&of(bob(vec![dialled(outcome)])), verdict, action);
    }
}

#[test]
fn somebody_who_is_connected_needs_nothing() {
    let mut user = bob(Vec::new());
    user.sessions[0].via = Some(Via::Direct);
    says(&of(user.clone()), "bob is connected", "nothing to do");
    let lines = |oldest| of(ExaminedUser { lines: 2, oldest: Some(Duration::from_secs(oldest)), ..user.clone() });
    says(&lines(59), "bob is connected; 2 lines not confirmed yet", "wait a moment");
    says(&lines(60), "bob is connected and does not take 2 lines: few are taken before an answer", "ask bob to answer");
}

#[test]
fn links_that_one_side_refuses_are_named_before_addresses() {
    let silent = || vec![silent(addr("192.168.1.7:27272"))];
    let blocks = ExaminedUser { mine: Statement::Blocked, ..bob(silent()) };
    says(&of(blocks), "you block bob", r"\add bob");
    let refuses = ExaminedUser { refuses: true, ..bob(silent()) };
    says(&of(refuses), "bob blocks you", "only bob");
    let removed = ExaminedUser { theirs: Statement::Removed, ..bob(silent()) };
    says(&of(removed), "bob removed the link with you", r"\add bob");
}

#[test]
fn a_bootstrap_node_that_does_not_answer_explains_that_nobody_is_found() {
    let mut examination = healthy(Subject::Unknown("bob".to_owned()));
    examination.own.neighbours = Vec::new();
    for (outcome, verdict, action) in [
        (Outcome::Silent, "the bootstrap node pi does not answer", "firewall"),
        (Outcome::Stranger, "the bootstrap node pi runs with another network key", "--network-key"),
        (Outcome::Myself, "the bootstrap node pi is this node itself", "another one"),
        (Outcome::Closed, "the machine of the bootstrap node pi is there, and no node runs at its port", "start"),
    ] {
        examination.own.bootstrap = vec![BootstrapPlace { place: "pi".to_owned(), outcome, tries: 6 }];
        let report = says(&examination, verdict, action);
        assert_eq!(check(&report, "bootstrap").0, State::Wrong);
    }
    examination.own.bootstrap[0].outcome = Outcome::Answered;
    says(&examination, "nobody called bob is known, and nobody is connected who could be asked", r"\me");
}

#[test]
fn a_clock_is_wrong_if_it_was_never_set_or_all_neighbours_disagree() {
    let mut examination = healthy(Subject::Node);
    host(&mut examination).unset_clock = true;
    says(&examination, "the clock of this machine was never set", "NTP");
    host(&mut examination).unset_clock = false;
    let hour = 3_600_000;
    for (ahead, state, verdict) in [
        (vec![26 * hour, 25 * hour], State::Wrong, "the clock of this machine is 25 h behind"),
        (vec![-50 * hour, -49 * hour], State::Wrong, "the clock of this machine is about 2 d ahead"),
        (vec![26 * hour, -900], State::Ok, "nothing is wrong here"),
        (vec![26 * hour], State::Note, "nothing is wrong here"),
        (vec![-hour, -900], State::Ok, "nothing is wrong here"),
        (vec![], State::Unknown, "nothing is wrong here"),
    ] {
        let of = |ahead_ms: &i64| SeenBy { ahead_ms: *ahead_ms, ..outside("pi", 7, "192.168.1.5:27272") };
        examination.own.neighbours = ahead.iter().map(of).collect();
        let report = says(&examination, verdict, "");
        assert_eq!(check(&report, "clock").0, state, "{ahead:?}");
    }
}

#[test]
fn an_unlinked_session_is_told_why_nobody_accepts_it() {
    let mut examination = of(bob(vec![dialled(Outcome::Stranger)]));
    examination.own.unlisted = true;
    says(&examination, "this session is not one of yours any more, so nobody accepts it", "darknode link");
    examination.subject = Subject::Node;
    says(&examination, "this session is not one of yours any more, so nobody accepts it", "darknode link");
}

#[test]
fn a_disk_that_is_full_or_refuses_writes_comes_first() {
    let mut examination = of(bob(vec![dialled(Outcome::Stranger)]));
    host(&mut examination).disk.refuses =
        Some("/home/alice/darknode.db cannot be written: the disk is full".to_owned());
    says(&examination, "the disk refuses writes, so new lines are refused", "check the disk");
    host(&mut examination).disk.free = Some(0);
    let report = says(&examination, "the disk is full, so new lines are refused", "free space");
    assert_eq!(check(&report, "disk").0, State::Wrong);
    host(&mut examination).disk.refuses = None;
    examination.subject = Subject::Node;
    says(&examination, "the disk is nearly full", "free space");
    host(&mut examination).disk.free = None;
    assert_eq!(check(&says(&examination, "nothing is wrong here", ""), "disk").0, State::Unknown);
}

#[test]
fn what_an_ordinary_node_keeps_is_for_other_sessions_of_its_user() {
    let mut examination = healthy(Subject::Node);
    examination.own.held = 7;
    assert!(check(&report(&examination), "store").1.ends_with("7 envelopes for your other sessions"));
    examination.own.carries = true;
    assert!(check(&report(&examination), "store").1.ends_with("7 envelopes for others"));
}

#[test]
fn where_no_node_runs_the_machine_is_examined() {
    let mut examination = healthy(Subject::Node);
    let host = host(&mut examination);
    let report = report_of_machine(host, false);
    assert_eq!((check(&report, "program").0, check(&report, "disk").0), (State::Wrong, State::Ok));
    assert_eq!(report.verdict, "no node is running");
    host.disk.free = Some(1_000);
    assert_eq!(report_of_machine(host, false).verdict, "the disk is nearly full");
    host.disk.keeps = false;
    let report = report_of_machine(host, true);
    assert!(report.checks.iter().all(|check| check.name != "disk" && !check.text.contains("192.168")), "{report:#?}");
}

#[test]
fn redacted_it_names_nobody_and_no_address_and_still_tells_which_is_which() {
    let mut user = bob(vec![silent(addr("192.168.1.7:27272")), silent(addr("[2001:db8::7]:4711"))]);
    user.clash = Some("mallory".to_owned());
    user.carriers = vec![Carrier { name: "vps".to_owned(), lines: 1 }];
    user.lines = 1;
    user.asked = vec![Asked { name: "vps".to_owned(), session: SessionId([8; 32]), ago: None, reaches: false }];
    let mut examination = of(user);
    examination.redact = true;
    examination.own.neighbours.push(outside("vps", 8, "198.51.100.4:4712"));
    examination.own.bootstrap =
        vec![BootstrapPlace { place: "vps.example.org".to_owned(), outcome: Outcome::Answered, tries: 0 }];
    host(&mut examination).disk.refuses = Some("/home/alice/darknode.db cannot be written".to_owned());
    let text = format!("{:?}", report(&examination));
    for secret in [
        "alice", "bob", "carol", "mallory", "vps", "example", "laptop", "eth0", "192.168", "198.51", "2001:db8",
        "/home",
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("private IPv4 address 2 port 27272") && text.contains("IPv6 address 1 port 4711"), "{text}");
    assert_eq!(report(&examination).user.as_deref(), Some("user 1"));
}
