use super::super::packet::tests::{name, packet_of, record};
use super::super::packet::{Item, Packet, kind};
use super::*;

const BOB: BootId = BootId(2);

/// A table with a clock that the test sets.
struct Fixture {
    sightings: Sightings,
    counters: Counters,
    now: Instant,
}

fn fixture() -> Fixture {
    Fixture {
        sightings: Sightings::new(BootId(1), NetworkKey::open()),
        counters: Counters::default(),
        now: Instant::now(),
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The records of an announcement to send, as bits.
const PTR: u8 = 1;
const SRV: u8 = 2;
const TXT: u8 = 4;
const ALL: u8 = 7;

fn txt(boot: BootId, key: &NetworkKey) -> Vec<u8> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let pairs = ["v=1".to_owned(), format!("b={}", hex(&boot.0.to_be_bytes())), format!("t={}", hex(&key.tag(boot)))];
    pairs.iter().flat_map(|pair| [&[pair.len() as u8], pair.as_bytes()].concat()).collect()
}

fn packet(label: &str, port: u16, text: &[u8], records: u8, ttl: u32) -> Vec<u8> {
    let (service, instance) = ("_darkchat._udp.local", format!("{label}._darkchat._udp.local"));
    let srv = [&[0; 4], &port.to_be_bytes()[..], &name("host.local")].concat();
    let all = [
        (PTR, record(service, kind::PTR, ttl, &name(&instance))),
        (SRV, record(&instance, kind::SRV, ttl, &srv)),
        (TXT, record(&instance, kind::TXT, ttl, text)),
    ];
    packet_of(&[], &all.into_iter().filter(|(one, _)| records & one != 0).map(|(_, record)| record).collect::<Vec<_>>())
}

impl Fixture {
    fn receive(&mut self, from: &str, packet: &[u8]) -> Inputs {
        let mut inputs = Inputs::new();
        for item in Packet::read(packet).unwrap().items() {
            let Item::Record(record) = item.unwrap() else { continue };
            inputs.extend(self.sightings.on_record(&record, addr(from), self.now, &self.counters));
        }
        inputs
    }

    /// Receives some records of a node of our network.
    fn announce(&mut self, from: &str, label: &str, boot: BootId, records: u8) -> Inputs {
        self.receive(from, &packet(label, 27272, &txt(boot, &NetworkKey::open()), records, 120))
    }

    /// Advances the clock and runs a round.
    fn round_after(&mut self, seconds: u64) -> Inputs {
        self.now += Duration::from_secs(seconds);
        self.sightings.round(self.now)
    }
}

fn sighted(boot: BootId, addr_text: &str) -> Input {
    Input::Sighted { boot, addr: addr(addr_text) }
}

fn unsighted(boot: BootId, addr_text: &str) -> Input {
    Input::Unsighted { boot, addr: addr(addr_text) }
}

#[test]
fn an_announcement_leads_to_its_source_address_and_is_reported_again_every_round() {
    let mut table = fixture();
    assert_eq!(table.announce("10.0.0.2:5353", "bob", BOB, ALL), [sighted(BOB, "10.0.0.2:27272")]);
    assert_eq!(table.announce("10.0.0.2:5353", "bob", BOB, ALL), []);
    assert_eq!(table.round_after(7), [sighted(BOB, "10.0.0.2:27272")]);
    let link_local = table.announce("[fe80::2%3]:5353", "bob", BOB, ALL);
    assert_eq!(link_local, [sighted(BOB, "[fe80::2%3]:27272")], "with its scope, and as a separate candidate");
}

#[test]
fn separate_records_form_an_announcement_and_incomplete_ones_are_listed_as_missing() {
    let mut table = fixture();
    assert_eq!(table.announce("10.0.0.2:5353", "bob", BOB, PTR), []);
    assert_eq!(table.sightings.missing(), ["bob"]);
    assert_eq!(table.announce("10.0.0.2:5353", "BOB", BOB, TXT), []);
    assert_eq!(table.announce("10.0.0.2:5353", "bob", BOB, SRV), [sighted(BOB, "10.0.0.2:27272")]);
    assert!(table.sightings.missing().is_empty());
    table.announce("[fe80::2%3]:5353", "bob", BOB, ALL);
    assert_eq!(table.sightings.known(table.now), ["bob"], "once, despite two source addresses");
    table.round_after(TTL as u64 / 2);
    assert!(table.sightings.known(table.now).is_empty(), "it must be announced again before it expires");
}

#[test]
fn a_sighting_ends_with_a_goodbye_with_its_ttl_and_with_its_link() {
    let mut table = fixture();
    let withdrawn = [unsighted(BOB, "10.0.0.2:27272")];
    table.announce("10.0.0.2:5353", "bob", BOB, ALL);
    assert!(table.sightings.knows(b"Bob"));
    let goodbye = packet("bob", 27272, b"", PTR, 0);
    assert_eq!(table.receive("10.0.0.66:5353", &goodbye), [], "a goodbye from another address has no effect");
    assert_eq!(table.receive("10.0.0.2:5353", &goodbye), withdrawn);
    table.announce("10.0.0.2:5353", "bob", BOB, ALL);
    assert_eq!(table.round_after(120), withdrawn);
    table.announce("10.0.0.2:5353", "bob", BOB, ALL);
    assert_eq!(table.sightings.retain_attached(|_| false, table.now), withdrawn);
    assert_eq!(table.sightings.count, 0);
    assert!(!table.sightings.knows(b"bob"));
}

#[test]
fn a_sender_beyond_its_budget_does_not_evict_sightings_of_others() {
    let mut table = fixture();
    for n in 0..MAX_SIGHTINGS as u64 {
        table.announce(&format!("10.0.{}.{}:5353", 1 + n / 200, 1 + n % 200), &format!("x{n}"), BootId(100 + n), ALL);
    }
    let withdrawn = |inputs: Inputs| inputs.iter().filter(|input| matches!(input, Input::Unsighted { .. })).count();
    let flood =
        (0..10_000).map(|n| withdrawn(table.announce("10.0.0.66:5353", &format!("y{n}"), BootId(9_000 + n), ALL)));
    assert!(flood.sum::<usize>() <= MAX_PER_SENDER);
}

#[test]
fn other_networks_other_versions_and_this_node_are_not_reported() {
    let mut table = fixture();
    let open = NetworkKey::open();
    let old = [b"\x03v=9", &txt(BOB, &open)[4..]].concat();
    let other = txt(BOB, &NetworkKey::generate([7; 64]));
    for (n, text) in [old, other, txt(BootId(1), &open), b"\x02b=".to_vec(), vec![]].into_iter().enumerate() {
        let label = format!("x{n}");
        assert_eq!(table.receive("10.0.0.2:5353", &packet(&label, 5, &text, ALL, 120)), [], "{text:?}");
    }
    assert_eq!(table.receive("10.0.0.2:5353", &packet("zero", 0, &txt(BOB, &open), ALL, 120)), [], "no port");
}

#[test]
fn a_flood_from_one_address_is_bounded_and_counted() {
    let mut table = fixture();
    let mut reported = 0;
    for n in 0..10_000 {
        reported += table.announce("10.0.0.66:5353", &format!("x{n}"), BootId(100 + n), ALL).len();
    }
    assert_eq!((reported, table.sightings.count), (MAX_PER_SENDER, MAX_PER_SENDER));
    assert_eq!(table.counters.sightings_dropped.get(), 3 * (10_000 - MAX_PER_SENDER as u64), "each of its records");
    assert_eq!(table.announce("10.0.0.2:5353", "bob", BOB, ALL), [sighted(BOB, "10.0.0.2:27272")]);
    table.round_after(7);
    let restarted = table.announce("10.0.0.66:5353", "new", BootId(50), ALL);
    assert!(restarted.contains(&sighted(BootId(50), "10.0.0.66:27272")), "the newest of one address is kept");
}

#[test]
fn senders_that_fill_the_table_lose_sightings_to_a_sender_with_fewer() {
    let mut table = fixture();
    let senders = 2 * (MAX_SIGHTINGS / MAX_PER_SENDER) as u64;
    for n in 0..senders * MAX_PER_SENDER as u64 {
        let nth = n % senders;
        table.announce(&format!("10.0.{}.{}:5353", 1 + nth / 200, nth % 200), &format!("x{n}"), BootId(100 + n), ALL);
    }
    assert_eq!(table.sightings.count, MAX_SIGHTINGS);
    assert!(table.announce("10.0.0.2:5353", "bob", BOB, ALL).contains(&sighted(BOB, "10.0.0.2:27272")));
    assert_eq!(table.sightings.count, MAX_SIGHTINGS);
    assert!(table.round_after(7).contains(&sighted(BOB, "10.0.0.2:27272")), "and it is kept");
}

#[test]
fn the_number_of_senders_is_bounded_and_a_new_sender_is_reported_nevertheless() {
    let mut table = fixture();
    for n in 0..5_000u32 {
        let from = format!("{}:5353", std::net::Ipv4Addr::from(0x0a01_0000 + n));
        table.announce(&from, &format!("x{n}"), BootId(100 + u64::from(n)), if n % 2 == 0 { ALL } else { PTR });
        if n % 3 == 0 {
            table.receive(&from, &packet(&format!("x{n}"), 5, b"", PTR, 0));
        }
        assert!(table.sightings.senders.len() <= MAX_SIGHTINGS && table.sightings.count <= MAX_SIGHTINGS);
    }
    assert!(table.announce("10.0.0.2:5353", "bob", BOB, ALL).contains(&sighted(BOB, "10.0.0.2:27272")));
}
