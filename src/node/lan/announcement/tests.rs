use super::super::packet::tests::{items, name};
use super::super::packet::{Data, Item, Packet, Record, text};
use super::*;

fn announcement() -> Announcement {
    Announcement::new(BootId(7), &NetworkKey::open(), 27272)
}

fn records(bytes: &[u8]) -> Vec<Record<'_>> {
    let items = items(bytes).into_iter().map(|item| item.expect("this node writes well-formed packets"));
    items.filter_map(|item| if let Item::Record(record) = item { Some(record) } else { None }).collect()
}

#[test]
fn an_announcement_contains_boot_id_and_tag_and_fits_a_packet() {
    let me = announcement();
    let bytes = me.response();
    assert!(bytes.len() < 300, "{}", bytes.len());
    let records = records(&bytes);
    assert!(records.iter().all(|record| me.is_mine(record.instance) && record.answer && record.ttl == TTL));
    let [Data::Ptr, Data::Srv { port: 27272 }, Data::Txt(txt)] = [0, 1, 2].map(|n: usize| records[n].data) else {
        panic!("{records:?}");
    };
    assert_eq!(text(txt, "v"), Some(&b"1"[..]));
    assert_eq!(text(txt, "b"), Some(&b"0000000000000007"[..]));
    assert_eq!(text(txt, "t").map(<[u8]>::len), Some(16));
    assert_eq!(announcement().text, me.text);
    assert_ne!(announcement().label, me.label, "another name at every start");
}

#[test]
fn a_goodbye_repeats_every_record_of_the_announcement_with_a_ttl_of_zero() {
    let me = announcement();
    let (announced, goodbye) = (me.response(), me.goodbye());
    for (record, over) in records(&announced).into_iter().zip(records(&goodbye)) {
        assert_eq!(over, Record { ttl: 0, ..record });
    }
}

#[test]
fn a_legacy_response_repeats_id_and_question() {
    let me = announcement();
    let question = [&name("_dArkchat._udp.local")[..], &[0, 12, 0, 1]].concat();
    let bytes = me.legacy_response(0x1234, &question);
    assert_eq!(Packet::read(&bytes).unwrap().id, 0x1234);
    assert_eq!(bytes[12..12 + question.len()], question);
    assert_eq!(items(&bytes)[0], Ok(Item::ServiceQuestion { exact: false }));
    let records = records(&bytes);
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| me.is_mine(record.instance) && record.ttl <= LEGACY_TTL));
}

#[test]
fn a_query_lists_known_answers_and_asks_for_missing_records() {
    let me = announcement();
    let bytes = me.query(&["half"], &["whole"]);
    let items = items(&bytes);
    assert_eq!(items[..2], [Ok(Item::ServiceQuestion { exact: true }), Ok(Item::InstanceQuestion(b"half"))]);
    let known: Vec<&[u8]> = records(&bytes).iter().map(|record| record.instance).collect();
    assert_eq!(known, [me.label.as_bytes(), b"whole"]);
}

#[test]
fn a_query_lists_as_many_known_answers_as_fit_a_packet() {
    let labels: Vec<String> = (0..1000).map(|n| format!("{n:016x}")).collect();
    let known: Vec<&str> = labels.iter().map(String::as_str).collect();
    let bytes = announcement().query(&["x"; 8], &known);
    assert!(bytes.len() <= MAX_QUERY);
    assert!(records(&bytes).len() > 30);
}
