//! What is said of interfaces and of connections whose path has died.

use super::{addr, bob, check, dialled, healthy, host, of, outside, says, seconds, silent};
use crate::id::SessionId;
use crate::proto::notice::Via;
use crate::proto::notice::examination::{
    Asked, BootstrapPlace, Examination, ExaminedPlace, ExaminedUser, Link, Multicast, Outcome, SeenBy, Subject,
};
use crate::ui::doctor::{State, report, report_of_machine};

const CUT_OFF: &str = "no network interface of this machine is up: eth0 without a carrier, or switched off";

/// Takes the carrier from an interface, where nothing is heard any more.
fn cut(link: &mut Link) {
    (link.is_up, link.multicast) = (false, None);
}

/// Bob, who was connected when the only interface lost its carrier some seconds ago.
fn cut_off_from(via: Via) -> Examination {
    let mut user = bob(Vec::new());
    user.sessions[0].via = Some(via);
    let mut examination = of(user);
    let bob = SeenBy { session: SessionId([2; 32]), addr: addr("192.168.1.7:27272"), ..outside("bob", 7, "[::]:1") };
    examination.own.neighbours = vec![bob];
    cut(&mut host(&mut examination).interfaces[0]);
    examination
}

/// Bob, who is reached through pi and not at this address.
fn relayed(place: ExaminedPlace) -> ExaminedUser {
    let mut user = bob(vec![place]);
    user.sessions[0].via = Some(Via::Relayed);
    user.asked = vec![Asked { name: "pi".to_owned(), session: SessionId([8; 32]), ago: None, reaches: true }];
    user
}

#[test]
fn a_machine_without_a_network_is_told_so() {
    let mut examination = of(bob(vec![dialled(Outcome::NoRoute)]));
    (examination.own.neighbours, host(&mut examination).interfaces) = (Vec::new(), Vec::new());
    says(&examination, "this machine is in no network", "connect it");
}

#[test]
fn interfaces_without_a_carrier_are_wrong_whoever_is_asked_about() {
    let mut examination = healthy(Subject::Node);
    cut(&mut host(&mut examination).interfaces[0]);
    for subject in [
        Subject::Node,
        Subject::Unknown("bob".to_owned()),
        Subject::User(Box::new(bob(vec![dialled(Outcome::NoRoute)]))),
    ] {
        examination.subject = subject;
        let report = says(&examination, CUT_OFF, "plug in the cable");
        let text = "eth0 192.168.1.5 (down: no carrier, or switched off)";
        assert_eq!(check(&report, "interfaces"), (State::Wrong, text));
        assert_eq!(check(&report, "multicast"), (State::Unknown, "no interface is up"));
    }
    let report = report_of_machine(host(&mut examination), true);
    assert!(report.verdict.contains("interface 1 without a carrier"), "{report:#?}");
}

#[test]
fn an_interface_without_a_carrier_beside_another_one_is_only_noted() {
    let mut examination = healthy(Subject::Node);
    let eth0 = host(&mut examination).interfaces[0].clone();
    host(&mut examination).interfaces.push(Link { name: "tun0".to_owned(), multicast: None, ..eth0 });
    cut(&mut host(&mut examination).interfaces[0]);
    let report = says(&examination, "nothing is wrong here", "nothing to do");
    assert_eq!(check(&report, "interfaces").0, State::Note);
    let text = "not used on any of these interfaces, as on tunnels";
    assert_eq!(check(&report, "multicast"), (State::Note, text));
}

#[test]
fn without_a_carrier_only_those_on_this_machine_count_as_connected() {
    for via in [Via::Direct, Via::Relayed] {
        let mut examination = cut_off_from(via);
        let cut_off = says(&examination, CUT_OFF, "plug in the cable");
        assert_eq!(check(&cut_off, "user"), (State::Note, "bob was last heard 4 min ago, sought for 3 min"));
        assert_eq!(check(&cut_off, "session").0, State::Wrong);
        examination.own.neighbours[0].addr = addr("192.168.1.5:4711");
        assert_eq!(check(&report(&examination), "session").0, State::Ok, "{via:?}");
    }
    let mut examination = cut_off_from(Via::Direct);
    examination.own.neighbours[0].addr = addr("127.0.0.1:4711");
    let report = says(&examination, "bob is connected", "nothing to do");
    assert_eq!(check(&report, "interfaces").0, State::Wrong);
}

#[test]
fn a_connection_over_which_nothing_arrives_has_stalled_and_nobody_is_away() {
    let mut user = bob(Vec::new());
    (user.sessions[0].via, user.sessions[0].stalled, user.sought) = (Some(Via::Direct), true, None);
    user.sessions[0].heard = Some(seconds(15));
    let verdict = "the connection with bob has stalled: nothing arrives at present";
    let report = says(&of(user), verdict, "ask again in ten seconds");
    assert_eq!(check(&report, "session"), (State::Wrong, "laptop: connected, but nothing arrives at present"));
    assert_eq!(check(&report, "user"), (State::Note, "bob was last heard 15 s ago"));
}

#[test]
fn addresses_that_lead_nowhere_are_not_wrong_while_the_user_is_reached_through_others() {
    let begin = "bob is reached through pi; there is no direct path";
    for (outcome, reason, action) in [
        (Outcome::Silent, "", "nothing to do"),
        (
            Outcome::Forbidden,
            ": a firewall does not let UDP pass",
            "nothing to do; for a direct path, allow outgoing UDP",
        ),
        (Outcome::TooLarge, ": packets of 1,228 bytes do not pass", "nothing to do; for a direct path, use a path"),
        (Outcome::Stranger, "", "nothing to do"),
    ] {
        let report = says(&of(relayed(dialled(outcome))), &format!("{begin}{reason}"), action);
        assert_eq!(check(&report, "user").0, State::Ok);
        assert!(report.checks.iter().all(|check| check.state != State::Wrong), "{report:#?}");
    }
}

#[test]
fn the_second_session_of_somebody_who_is_connected_may_be_off() {
    let mut user = bob(vec![silent(addr("192.168.1.8:27272"))]);
    user.sessions.push(user.sessions[0].clone());
    (user.sessions[0].via, user.sessions[0].places) = (Some(Via::Direct), Vec::new());
    let report = says(&of(user), "bob is connected", "nothing to do");
    assert_eq!(check(&report, "address").0, State::Note);
}

#[test]
fn if_nobody_on_this_network_answers_a_firewall_here_is_the_cause_and_not_that_of_each_of_them() {
    let mut user = bob(vec![silent(addr("192.168.1.7:27272"))]);
    user.sessions[0].announced = true;
    let mut examination = of(user);
    examination.own.silent = 3;
    says(&examination, "the machine of bob does not let UDP 27272 in", "in the firewall there");
    examination.own.neighbours = vec![outside("pi", 7, "192.168.1.5:27272")];
    let verdict = "this machine does not let UDP 27272 in: nothing comes back from 3 machines on this network";
    let report = says(&examination, verdict, "open UDP 27272 in the firewall of this machine");
    let text = "UDP 27272; nothing comes back from 3 machines announced on this network";
    assert_eq!(check(&report, "port"), (State::Wrong, text));
    let subject = std::mem::replace(&mut examination.subject, Subject::Node);
    says(&examination, verdict, "firewall of this machine");
    (examination.subject, examination.own.silent) = (subject, 1);
    let either = "the machine of bob or this one does not let UDP 27272 in";
    says(&examination, either, "in the firewalls there and here");
    examination.own.silent = 3;
    let others_heard = Some(seconds(15));
    host(&mut examination).interfaces[0].multicast = Some(Multicast { deaf: None, others_heard });
    says(&examination, either, "in the firewalls there and here");
}

#[test]
fn what_is_wrong_beside_something_that_works_is_the_verdict_if_nothing_else_is() {
    let mut examination = healthy(Subject::Node);
    let place = |place: &str, outcome| BootstrapPlace { place: place.to_owned(), outcome, tries: 2 };
    examination.own.bootstrap = vec![place("pi", Outcome::Silent), place("vps", Outcome::Answered)];
    says(&examination, "bootstrap: pi no answer, 2 tries", "the rest works");
}
