use super::*;
use proptest::prelude::*;

pub fn name(dotted: &str) -> Vec<u8> {
    let labels = dotted.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

pub fn record(of: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let len = (data.len() as u16).to_be_bytes();
    [&name(of), &kind.to_be_bytes()[..], &[0, 1], &ttl.to_be_bytes(), &len, data].concat()
}

fn question(of: &str, kind: u16) -> Vec<u8> {
    [&name(of), &kind.to_be_bytes()[..], &[0, 1]].concat()
}

/// A response if there are no questions, otherwise a query.
pub fn packet_of(questions: &[Vec<u8>], answers: &[Vec<u8>]) -> Vec<u8> {
    let flags = if questions.is_empty() { RESPONSE } else { 0 };
    let counts = [7, flags, questions.len() as u16, answers.len() as u16, 0, 0];
    let head: Vec<u8> = counts.iter().flat_map(|count: &u16| count.to_be_bytes()).collect();
    [head, questions.concat(), answers.concat()].concat()
}

pub fn items(bytes: &[u8]) -> Vec<Result<Item<'_>, Malformed>> {
    Packet::read(bytes).map(|packet| packet.items().collect()).unwrap_or_default()
}

const SERVICE_NAME: &str = "_darkchat._udp.local";
const AB12: &str = "ab12._DARKCHAT._udp.local";

fn announcement() -> Vec<u8> {
    let srv = [&[0, 0, 0, 0, 0x6a, 0x88], &name("ab12.local")[..]].concat();
    let records = [
        record(SERVICE_NAME, kind::PTR, 120, &name(AB12)),
        record(AB12, kind::SRV, 120, &srv),
        record(AB12, kind::TXT, 120, b"\x03v=1\x04b=ff"),
        record("ab12.local", 1, 120, &[10, 0, 0, 1]),
    ];
    packet_of(&[], &records)
}

#[test]
fn only_records_of_our_service_are_read_from_an_announcement() {
    let bytes = announcement();
    let packet = Packet::read(&bytes).unwrap();
    assert!(packet.response && packet.id == 7);
    let of = |data| Ok(Item::Record(Record { instance: b"ab12", ttl: 120, answer: true, data }));
    let data = b"\x03v=1\x04b=ff";
    assert_eq!(items(&bytes), [of(Data::Ptr), of(Data::Srv { port: 27272 }), of(Data::Txt(data)), Ok(Item::Other)]);
    assert_eq!((text(data, "b"), text(data, "V"), text(data, "x")), (Some(&b"ff"[..]), Some(&b"1"[..]), None));
}

#[test]
fn other_services_and_names_below_an_instance_are_ignored() {
    for of in ["_other._udp.local", "local", "x._darkchat._tcp.local", "a.b._darkchat._udp.local", "_darkchat._udp"] {
        let records = [record(of, kind::PTR, 9, &name(AB12)), record(of, kind::TXT, 9, b""), record(of, 1, 9, b"")];
        assert_eq!(items(&packet_of(&[], &records)), [Ok(Item::Other); 3], "{of}");
    }
    let elsewhere = record(SERVICE_NAME, kind::PTR, 9, &name("x._other._udp.local"));
    let of_a_class = [&name(AB12)[..], &[0, 16, 0, 3, 0, 0, 0, 9, 0, 0]].concat();
    assert_eq!(items(&packet_of(&[], &[elsewhere, of_a_class])), [Ok(Item::Other); 2]);
}

#[test]
fn questions_about_our_service_are_recognized_in_any_form() {
    let is = |of, kind, item| assert_eq!(items(&packet_of(&[question(of, kind)], &[])), [Ok(item)], "{of} {kind}");
    is(SERVICE_NAME, kind::PTR, Item::ServiceQuestion { exact: true });
    is("_dArkchat._udp.local", kind::PTR, Item::ServiceQuestion { exact: false });
    is(SERVICE_NAME, kind::ANY, Item::ServiceQuestion { exact: false });
    is(SERVICE_NAME, kind::SRV, Item::Other);
    is(AB12, kind::ANY, Item::InstanceQuestion(b"ab12"));
    is("ab12.local", kind::ANY, Item::Other);
}

#[test]
fn the_first_question_is_returned_unchanged_and_only_if_it_names_the_service_uncompressed() {
    let odd = question("_dArkchat._UDP.local", kind::PTR);
    assert_eq!(Packet::read(&packet_of(std::slice::from_ref(&odd), &[])).unwrap().first_question(), Some(&odd[..]));
    for other in [question("_other._udp.local", kind::PTR), vec![0xc0, 4, 0, 12, 0, 1], vec![9], vec![]] {
        assert_eq!(Packet::read(&packet_of(&[other], &[])).unwrap().first_question(), None);
    }
    assert_eq!(Packet::read(&announcement()).unwrap().first_question(), None);
}

#[test]
fn forward_and_cyclic_pointers_are_malformed() {
    for pointer in [12u16, 14, 100, 0x3fff] {
        let mut bytes = vec![0; HEADER];
        bytes[5] = 1;
        bytes.extend_from_slice(&(0xc000 | pointer).to_be_bytes());
        bytes.extend_from_slice(&[0, 12, 0, 1]);
        assert!(matches!(items(&bytes)[..], [Err(Malformed)]), "{pointer}");
    }
}

#[test]
fn a_name_beyond_the_maximum_length_is_malformed() {
    let mut bytes = vec![0; HEADER];
    bytes[5] = 1;
    for _ in 0..5 {
        bytes.push(63);
        bytes.extend_from_slice(&[b'a'; 63]);
    }
    bytes.extend_from_slice(&[0, 0, 12, 0, 1]);
    assert!(matches!(items(&bytes)[..], [Err(Malformed)]));
}

#[test]
fn counts_beyond_the_content_are_malformed() {
    let bytes = [0, 0, 0x84, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert!(matches!(items(&bytes)[..], [Err(Malformed)]));
}

proptest! {
    #[test]
    fn parsing_any_bytes_does_not_panic_and_is_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        assert!(items(&bytes).len() <= MAX_ITEMS);
        Packet::read(&bytes).map(|packet| packet.first_question()).ok();
    }

    #[test]
    fn parsing_a_corrupted_or_truncated_announcement_does_not_panic_and_is_bounded(at in 0..200usize, byte: u8, cut: bool) {
        let mut bytes = announcement();
        let at = at % bytes.len();
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        assert!(items(&bytes).len() <= MAX_ITEMS);
    }

    #[test]
    fn text_of_any_bytes_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        text(&bytes, "b");
    }
}
