//! Ten thousand lies a second on the link: two honest nodes meet all the same, and it costs them little.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use darknode::id::BootId;
use darknode::identity::network::NetworkKey;

use crate::field::{Field, in_a_field};
use crate::talk::{befriend, ends_with_nothing_left, talk};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);
/// The host that storms has this address and some more above it.
const STORM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
/// Packets in a second.
const RATE: u32 = 10_000;
/// How long it goes on.
const LONG: Duration = Duration::from_secs(5);
/// What it may leave in a node's memory, in KiB.
const LEFT_BEHIND: u64 = 6 * 1024;
/// Packets of two nodes that dial liars, in a second: each has at most 24 such dials under way, of at most ten packets each
/// until it gives up after four seconds.
const KNOCKS: u64 = 2 * 24 * 10 / 4;

/// One of many packets, by its number.
type Flavour = fn(u64) -> Vec<u8>;

fn name(dotted: &str) -> Vec<u8> {
    let labels = dotted.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    [name, &kind.to_be_bytes(), &[0, 1, 0, 0, 0x11, 0x94], &(data.len() as u16).to_be_bytes(), data].concat()
}

fn packet(flags: u16, questions: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let counts = [0, flags, questions, records.len() as u16 - questions, 0, 0];
    [counts.iter().flat_map(|count| count.to_be_bytes()).collect(), records.concat()].concat()
}

/// A node of the open network, announced whole, somewhere on the link.
fn announcement(n: u64) -> Vec<u8> {
    let boot = BootId(0x6666_0000_0000_0000 | n);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let pairs = [
        "v=1".into(),
        format!("b={}", hex(&boot.0.to_be_bytes())),
        format!("t={}", hex(&NetworkKey::open().tag(boot))),
    ];
    let text: Vec<u8> = pairs.iter().flat_map(|pair| [&[pair.len() as u8], pair.as_bytes()].concat()).collect();
    let (service, instance, host) =
        (name("_darkchat._udp.local"), name(&format!("x{n}._darkchat._udp.local")), name(&format!("x{n}.local")));
    let port = 1024 + (n % 60_000) as u16;
    let place = [&[0; 4], &port.to_be_bytes()[..], &host].concat();
    let victim = [10, 0, 0, 1 + (n % 250) as u8];
    let records = [
        record(&service, 12, &instance),
        record(&instance, 33, &place),
        record(&instance, 16, &text),
        record(&host, 1, &victim),
    ];
    packet(0x8400, 0, &records)
}

/// Half of an announcement, so that somebody waits for the other.
fn pointer(n: u64) -> Vec<u8> {
    packet(0x8400, 0, &[record(&name("_darkchat._udp.local"), 12, &name(&format!("y{n}._darkchat._udp.local")))])
}

fn address(n: u64) -> Vec<u8> {
    packet(0x8400, 0, &[record(&name(&format!("x{n}.local")), 1, &(n as u32).to_be_bytes())])
}

fn question(n: u64) -> Vec<u8> {
    let asked = if n.is_multiple_of(2) { "_darkchat._udp.local" } else { "_services._dns-sd._udp.local" };
    packet(0, 1, &[[name(asked), vec![0, 12, 0, 1]].concat()])
}

fn garbage(n: u64) -> Vec<u8> {
    let mut bytes = announcement(n);
    let len = bytes.len() as u64;
    bytes[(n * 31 % len) as usize] = n as u8;
    bytes.truncate((n * 17 % len) as usize);
    bytes
}

fn addresses(senders: u8) -> impl Iterator<Item = Ipv4Addr> {
    (0..u32::from(senders)).map(|n| Ipv4Addr::from(u32::from(STORM) + n))
}

/// A host that says all of these in turn, as fast as it is told, until it is dropped.
struct Storm {
    stop: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Storm {
    fn start(field: &Field, host: &str, senders: u8, flavours: &'static [Flavour]) -> Storm {
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), said.clone());
        let thread = field.stand_on(host, move || {
            let bind = |ip| UdpSocket::bind((ip, 5353)).expect("nobody else speaks from there");
            let sockets: Vec<UdpSocket> = addresses(senders).map(bind).collect();
            let start = Instant::now();
            for n in 0u64.. {
                let flavour = flavours[(n % flavours.len() as u64) as usize];
                sockets[n as usize % sockets.len()].send_to(&flavour(n), GROUP).ok();
                count.store(n, Ordering::Relaxed);
                while start.elapsed() < Duration::from_secs(1) * n as u32 / RATE {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Storm { stop, said, thread: Some(thread) }
    }

    fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Two people come to a link where it storms, meet, link and talk; and it goes on for a while.
fn they_meet_in(field: &Field, senders: u8, flavours: &'static [Flavour], counted: &[&str]) {
    field.switch("hall");
    for (host, address) in [("alice", "10.0.0.1"), ("bob", "10.0.0.2"), ("victim", "10.0.0.9"), ("storm", "10.0.0.66")]
    {
        field.desk(host, "hall", &format!("{address}/24"));
    }
    for more in addresses(senders).skip(1) {
        field.address("storm", "eth0", &format!("{more}/24"));
    }
    field.on("storm", "ip route add 224.0.0.0/4 dev eth0");
    field.count_packets("storm");
    field.count_packets("victim");
    let (storm, start) = (Storm::start(field, "storm", senders, flavours), Instant::now());
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    talk(&mut alice, &mut bob, "in the storm");
    let (before, spent) = (field.memory_of("alice"), field.time_of("alice"));
    field.pass(LONG);
    let (after, spent) = (field.memory_of("alice"), field.time_of("alice") - spent);
    assert!(after < before + LEFT_BEHIND, "{before} KiB, then {after} KiB");
    assert!(spent < LONG / 2, "{spent:?} of a processor in {LONG:?}");
    talk(&mut alice, &mut bob, "still");
    let said = storm.said();
    drop(storm);
    let dropped = alice.asks(r"\me")["drops"].clone();
    for reason in counted {
        assert!(dropped[reason].as_u64().is_some_and(|count| count > 0), "{reason}: {dropped}");
    }
    let (knocks, seconds) = (field.packets("storm"), start.elapsed().as_secs());
    assert!(knocks <= KNOCKS * (seconds + 1), "{knocks} packets in {seconds} s");
    assert_eq!(field.packets("victim"), 0, "a liar's word makes nobody knock at a third party's door");
    println!("{said} packets in {seconds} s: {spent:?}, {before} to {after} KiB, {knocks} knocks, {dropped}");
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
}

#[test]
fn two_people_meet_where_ten_thousand_false_announcements_are_made_a_second() {
    let counted = ["mdns_beyond_budget", "sightings_dropped"];
    in_a_field(|field| they_meet_in(field, 1, &[announcement], &counted));
}

#[test]
fn two_people_meet_in_a_storm_of_halves_addresses_questions_and_garbage() {
    let counted = ["mdns_beyond_budget", "mdns_garbled", "sightings_dropped"];
    in_a_field(|field| they_meet_in(field, 1, &[pointer, address, question, garbage], &counted));
}

#[test]
fn two_people_meet_where_thirty_liars_share_the_storm() {
    let counted = ["sightings_dropped"];
    in_a_field(|field| they_meet_in(field, 30, &[announcement, pointer], &counted));
}
