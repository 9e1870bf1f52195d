use super::super::packet::kind;
use super::super::packet::tests::{name, packet_of, record};
use super::*;
use crate::id::BootId;
use crate::identity::network::NetworkKey;

fn query(questions: &[(&str, u16)], known: &[&str], ttl: u32) -> Query {
    let key = NetworkKey::open();
    let me = Announcement { label: "me".to_owned(), ..Announcement::new(BootId(1), &key, 5) };
    let sightings = Sightings::new(BootId(1), key);
    let listener = Listener::new(sightings, Arc::default(), Instant::now());
    let questions: Vec<Vec<u8>> =
        questions.iter().map(|(of, kind)| [&name(of), &kind.to_be_bytes()[..], &[0, 1]].concat()).collect();
    let known: Vec<Vec<u8>> = known
        .iter()
        .map(|label| record("_darkchat._udp.local", kind::PTR, ttl, &name(&format!("{label}._darkchat._udp.local"))))
        .collect();
    let bytes = packet_of(&questions, &known);
    listener.read_query(Packet::read(&bytes).unwrap(), &me).unwrap()
}

const INSTANCES: (&str, u16) = ("_darkchat._udp.local", kind::PTR);

#[test]
fn a_query_for_instances_wants_an_answer_unless_it_lists_us_with_enough_time_to_live() {
    let plain = query(&[INSTANCES], &[], 0);
    assert!(
        plain.asks_for_instances && plain.wants_answer && !plain.is_unusual && !plain.lists_us && !plain.lists_unknown
    );
    let knows = query(&[INSTANCES], &["ME"], 4500);
    assert!(knows.asks_for_instances && knows.lists_us && !knows.wants_answer && !knows.lists_unknown);
    assert!(query(&[INSTANCES], &["me"], 10).wants_answer, "an answer that expires soon is repeated");
    assert!(query(&[INSTANCES], &["unknown"], 4500).lists_unknown);
}

#[test]
fn a_question_about_our_instance_wants_an_answer_and_one_about_another_does_not() {
    let of = |label: &str| query(&[(&format!("{label}._darkchat._udp.local"), kind::SRV)], &[], 0);
    assert!(of("Me").wants_answer && !of("Me").asks_for_instances);
    assert_eq!(of("you"), Query { id: 7, ..Query::default() });
    assert_eq!(query(&[("_other._udp.local", kind::PTR)], &[], 0), Query { id: 7, ..Query::default() });
}

#[test]
fn a_query_that_the_responder_ignores_is_reported_with_its_first_question() {
    let odd = query(&[("_DARKCHAT._udp.local", kind::PTR)], &[], 0);
    assert!(odd.is_unusual && odd.wants_answer);
    assert_eq!(odd.question, [&name("_DARKCHAT._udp.local")[..], &[0, 12, 0, 1]].concat());
    assert!(query(&[("_darkchat._udp.local", kind::ANY)], &[], 0).is_unusual);
}
