use super::super::packet::tests::{name, packet_of, record};
use super::super::packet::{Item, Packet, kind};
use super::*;

const BOB: BootId = BootId(2);

/// A table, and a clock that the test sets.
struct Scene {
    sightings: Sightings,
    counters: Counters,
    now: Instant,
}

fn scene() -> Scene {
    Scene {
        sightings: Sightings::new(BootId(1), NetworkKey::open()),
        counters: Counters::default(),
        now: Instant::now(),
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Which records of an announcement are said.
const PTR: u8 = 1;
const SRV: u8 = 2;
const TXT: u8 = 4;
const ALL: u8 = 7;

fn txt(boot: BootId, key: &NetworkKey) -> Vec<u8> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let pairs = ["v=1".to_owned(), format!("b={}", hex(&boot.0.to_be_bytes())), format!("t={}", hex(&key.tag(boot)))];
    pairs.iter().flat_map(|pair| [&[pair.len() as u8], pair.as_bytes()].concat()).collect()
}

fn packet(label: &str, port: u16, text: &[u8], what: u8, ttl: u32) -> Vec<u8> {
    let (service, instance) = ("_darkchat._udp.local", format!("{label}._darkchat._udp.local"));
    let place = [&[0; 4], &port.to_be_bytes()[..], &name("host.local")].concat();
    let all = [
        (PTR, record(service, kind::PTR, ttl, &name(&instance))),
        (SRV, record(&instance, kind::SRV, ttl, &place)),
        (TXT, record(&instance, kind::TXT, ttl, text)),
    ];
    packet_of(&[], &all.into_iter().filter(|(one, _)| what & one != 0).map(|(_, record)| record).collect::<Vec<_>>())
}

impl Scene {
    fn take(&mut self, from: &str, packet: &[u8]) -> News {
        let mut news = News::new();
        for item in Packet::read(packet).unwrap().items() {
            let Item::Record(record) = item.unwrap() else { continue };
            news.extend(self.sightings.hear(&record, addr(from), self.now, &self.counters));
        }
        news
    }

    /// Somebody of our network says some of its records.
    fn says(&mut self, from: &str, label: &str, boot: BootId, what: u8) -> News {
        self.take(from, &packet(label, 27272, &txt(boot, &NetworkKey::open()), what, 120))
    }

    fn after(&mut self, seconds: u64) -> News {
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
fn an_announcement_leads_to_where_it_came_from_and_is_told_again_every_round() {
    let mut scene = scene();
    assert_eq!(scene.says("10.0.0.2:5353", "bob", BOB, ALL), [sighted(BOB, "10.0.0.2:27272")]);
    assert_eq!(scene.says("10.0.0.2:5353", "bob", BOB, ALL), []);
    assert_eq!(scene.after(7), [sighted(BOB, "10.0.0.2:27272")]);
    let link_local = scene.says("[fe80::2%3]:5353", "bob", BOB, ALL);
    assert_eq!(link_local, [sighted(BOB, "[fe80::2%3]:27272")], "with its scope, and as a candidate of its own");
}

#[test]
fn records_that_come_one_by_one_make_an_announcement_and_what_is_missing_is_asked_for() {
    let mut scene = scene();
    assert_eq!(scene.says("10.0.0.2:5353", "bob", BOB, PTR), []);
    assert_eq!(scene.sightings.missing(), ["bob"]);
    assert_eq!(scene.says("10.0.0.2:5353", "BOB", BOB, TXT), []);
    assert_eq!(scene.says("10.0.0.2:5353", "bob", BOB, SRV), [sighted(BOB, "10.0.0.2:27272")]);
    assert!(scene.sightings.missing().is_empty());
    scene.says("[fe80::2%3]:5353", "bob", BOB, ALL);
    assert_eq!(scene.sightings.known(scene.now), ["bob"], "once, from wherever it came");
    scene.after(TTL as u64 / 2);
    assert!(scene.sightings.known(scene.now).is_empty(), "it must be said again before it is over");
}

#[test]
fn it_ends_with_a_goodbye_with_its_time_and_with_its_link() {
    let mut scene = scene();
    let over = [unsighted(BOB, "10.0.0.2:27272")];
    scene.says("10.0.0.2:5353", "bob", BOB, ALL);
    assert!(scene.sightings.knows(b"Bob"));
    let goodbye = packet("bob", 27272, b"", PTR, 0);
    assert_eq!(scene.take("10.0.0.66:5353", &goodbye), [], "nobody else says goodbye for it");
    assert_eq!(scene.take("10.0.0.2:5353", &goodbye), over);
    scene.says("10.0.0.2:5353", "bob", BOB, ALL);
    assert_eq!(scene.after(120), over);
    scene.says("10.0.0.2:5353", "bob", BOB, ALL);
    assert_eq!(scene.sightings.keep(|_| false, scene.now), over);
    assert_eq!(scene.sightings.count, 0);
    assert!(!scene.sightings.knows(b"bob"));
}

#[test]
fn whoever_has_begun_too_much_ends_nothing_of_others() {
    let mut scene = scene();
    for n in 0..MAX_SIGHTINGS as u64 {
        scene.says(&format!("10.0.{}.{}:5353", 1 + n / 200, 1 + n % 200), &format!("x{n}"), BootId(100 + n), ALL);
    }
    let ended = |news: News| news.iter().filter(|input| matches!(input, Input::Unsighted { .. })).count();
    let flood = (0..10_000).map(|n| ended(scene.says("10.0.0.66:5353", &format!("y{n}"), BootId(9_000 + n), ALL)));
    assert!(flood.sum::<usize>() <= MAX_OF_ONE);
}

#[test]
fn strangers_other_versions_and_ourselves_are_not_told() {
    let mut scene = scene();
    let open = NetworkKey::open();
    let old = [b"\x03v=9", &txt(BOB, &open)[4..]].concat();
    let other = txt(BOB, &NetworkKey::generate([7; 64]));
    for (n, text) in [old, other, txt(BootId(1), &open), b"\x02b=".to_vec(), vec![]].into_iter().enumerate() {
        let label = format!("x{n}");
        assert_eq!(scene.take("10.0.0.2:5353", &packet(&label, 5, &text, ALL, 120)), [], "{text:?}");
    }
    assert_eq!(scene.take("10.0.0.2:5353", &packet("zero", 0, &txt(BOB, &open), ALL, 120)), [], "no port");
}

#[test]
fn one_who_announces_without_end_fills_little_and_is_counted() {
    let mut scene = scene();
    let mut told = 0;
    for n in 0..10_000 {
        told += scene.says("10.0.0.66:5353", &format!("x{n}"), BootId(100 + n), ALL).len();
    }
    assert_eq!((told, scene.sightings.count), (MAX_OF_ONE, MAX_OF_ONE));
    assert_eq!(scene.counters.sightings_dropped.get(), 3 * (10_000 - MAX_OF_ONE as u64), "each record of it");
    assert_eq!(scene.says("10.0.0.2:5353", "bob", BOB, ALL), [sighted(BOB, "10.0.0.2:27272")]);
    scene.after(7);
    let restarted = scene.says("10.0.0.66:5353", "new", BootId(50), ALL);
    assert!(restarted.contains(&sighted(BootId(50), "10.0.0.66:27272")), "the newest of one address counts");
}

#[test]
fn a_few_who_fill_everything_give_way_to_whoever_says_less() {
    let mut scene = scene();
    for n in 0..64 * MAX_OF_ONE as u64 {
        scene.says(&format!("10.0.1.{}:5353", n % 64), &format!("x{n}"), BootId(100 + n), ALL);
    }
    assert_eq!(scene.sightings.count, MAX_SIGHTINGS);
    assert!(scene.says("10.0.0.2:5353", "bob", BOB, ALL).contains(&sighted(BOB, "10.0.0.2:27272")));
    assert_eq!(scene.sightings.count, MAX_SIGHTINGS);
    assert!(scene.after(7).contains(&sighted(BOB, "10.0.0.2:27272")), "and stays");
}

#[test]
fn senders_without_end_take_bounded_memory_and_a_newcomer_is_told_all_the_same() {
    let mut scene = scene();
    for n in 0..5_000u32 {
        let from = format!("{}:5353", std::net::Ipv4Addr::from(0x0a01_0000 + n));
        scene.says(&from, &format!("x{n}"), BootId(100 + u64::from(n)), if n % 2 == 0 { ALL } else { PTR });
        if n % 3 == 0 {
            scene.take(&from, &packet(&format!("x{n}"), 5, b"", PTR, 0));
        }
        assert!(scene.sightings.senders.len() <= MAX_SIGHTINGS && scene.sightings.count <= MAX_SIGHTINGS);
    }
    assert!(scene.says("10.0.0.2:5353", "bob", BOB, ALL).contains(&sighted(BOB, "10.0.0.2:27272")));
}
