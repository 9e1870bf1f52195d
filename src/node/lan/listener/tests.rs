use super::super::packet::kind;
use super::super::packet::tests::{name, packet_of, record};
use super::*;
use crate::id::BootId;
use crate::identity::network::NetworkKey;

fn asked(questions: &[(&str, u16)], known: &[&str], ttl: u32) -> Question {
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
    listener.read_question(Packet::read(&bytes).unwrap(), &me).unwrap()
}

const WHO: (&str, u16) = ("_darkchat._udp.local", kind::PTR);

#[test]
fn whoever_asks_who_is_there_wants_us_unless_they_know_us_for_a_while() {
    let plain = asked(&[WHO], &[], 0);
    assert!(plain.who_is_there && plain.wants_us && !plain.is_odd && !plain.knows_us && !plain.knows_more);
    let knows = asked(&[WHO], &["ME"], 4500);
    assert!(knows.who_is_there && knows.knows_us && !knows.wants_us && !knows.knows_more);
    assert!(asked(&[WHO], &["me"], 10).wants_us, "what is nearly over is said again");
    assert!(asked(&[WHO], &["stranger"], 4500).knows_more);
}

#[test]
fn questions_about_our_instance_want_us_and_those_about_others_do_not() {
    let of = |label: &str| asked(&[(&format!("{label}._darkchat._udp.local"), kind::SRV)], &[], 0);
    assert!(of("Me").wants_us && !of("Me").who_is_there);
    assert_eq!(of("you"), Question { id: 7, ..Question::default() });
    assert_eq!(asked(&[("_other._udp.local", kind::PTR)], &[], 0), Question { id: 7, ..Question::default() });
}

#[test]
fn a_question_that_the_responder_overlooks_is_noted_with_its_spelling() {
    let odd = asked(&[("_DARKCHAT._udp.local", kind::PTR)], &[], 0);
    assert!(odd.is_odd && odd.wants_us);
    assert_eq!(odd.spelled, [&name("_DARKCHAT._udp.local")[..], &[0, 12, 0, 1]].concat());
    assert!(asked(&[("_darkchat._udp.local", kind::ANY)], &[], 0).is_odd);
}
