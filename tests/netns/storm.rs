//! Storms of ten thousand mDNS packets per second: two nodes find each other and talk, at a bounded cost.

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
/// The first address of the host that sends the storm. Further ones follow it.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
/// Packets per second.
const RATE: u32 = 10_000;
/// How long processor time and memory are measured.
const MEASURED: Duration = Duration::from_secs(5);
/// Maximum growth of a node's memory, in KiB.
const MAX_GROWTH: u64 = 6 * 1024;
/// Maximum number of packets per second that two nodes send to the attacker. Each node has at most 24 such dials in
/// progress. A dial sends at most ten packets and times out after four seconds.
const MAX_DIAL_PACKETS: u64 = 2 * 24 * 10 / 4;

/// Creates a packet from its number.
type Generator = fn(u64) -> Vec<u8>;

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

/// A complete announcement of a node in the open network. The address record has the address of another host.
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
    let srv = [&[0; 4], &port.to_be_bytes()[..], &host].concat();
    let victim = [10, 0, 0, 1 + (n % 250) as u8];
    let records = [
        record(&service, 12, &instance),
        record(&instance, 33, &srv),
        record(&instance, 16, &text),
        record(&host, 1, &victim),
    ];
    packet(0x8400, 0, &records)
}

/// An incomplete announcement: a node queries the missing records.
fn pointer(n: u64) -> Vec<u8> {
    packet(0x8400, 0, &[record(&name("_darkchat._udp.local"), 12, &name(&format!("y{n}._darkchat._udp.local")))])
}

/// An address record of a host of some announcement.
fn address(n: u64) -> Vec<u8> {
    packet(0x8400, 0, &[record(&name(&format!("x{n}.local")), 1, &(n as u32).to_be_bytes())])
}

/// A query for our service type or for all service types.
fn question(n: u64) -> Vec<u8> {
    let service = if n.is_multiple_of(2) { "_darkchat._udp.local" } else { "_services._dns-sd._udp.local" };
    packet(0, 1, &[[name(service), vec![0, 12, 0, 1]].concat()])
}

/// An announcement with one byte changed, truncated.
fn garbage(n: u64) -> Vec<u8> {
    let mut bytes = announcement(n);
    let len = bytes.len() as u64;
    bytes[(n * 31 % len) as usize] = n as u8;
    bytes.truncate((n * 17 % len) as usize);
    bytes
}

/// The source addresses of the storm.
fn addresses(senders: u8) -> impl Iterator<Item = Ipv4Addr> {
    (0..u32::from(senders)).map(|n| Ipv4Addr::from(u32::from(ATTACKER) + n))
}

/// Sends packets of all generators in turn from a host, at [`RATE`], until it is dropped.
struct Storm {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Storm {
    fn start(field: &Field, host: &str, senders: u8, generators: &'static [Generator]) -> Storm {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), sent.clone());
        let thread = field.stand_on(host, move || {
            let bind = |ip| UdpSocket::bind((ip, 5353)).expect("the port is free");
            let sockets: Vec<UdpSocket> = addresses(senders).map(bind).collect();
            let start = Instant::now();
            for n in 0u64.. {
                let generator = generators[(n % generators.len() as u64) as usize];
                sockets[n as usize % sockets.len()].send_to(&generator(n), GROUP).ok();
                count.store(n, Ordering::Relaxed);
                while start.elapsed() < Duration::from_secs(1) * n as u32 / RATE {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Storm { stop, sent, thread: Some(thread) }
    }

    /// The number of packets sent so far.
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Starts two nodes during a storm, lets them connect and talk, then measures what the continuing storm costs one of them.
fn connect_in_storm(field: &Field, senders: u8, generators: &'static [Generator], counted: &[&str]) {
    field.switch("lan");
    for (host, address) in
        [("alice", "10.0.0.1"), ("bob", "10.0.0.2"), ("victim", "10.0.0.9"), ("attacker", "10.0.0.66")]
    {
        field.desk(host, "lan", &format!("{address}/24"));
    }
    for more in addresses(senders).skip(1) {
        field.address("attacker", "eth0", &format!("{more}/24"));
    }
    field.on("attacker", "ip route add 224.0.0.0/4 dev eth0");
    field.count_packets("attacker");
    field.count_packets("victim");
    let (storm, start) = (Storm::start(field, "attacker", senders, generators), Instant::now());
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    talk(&mut alice, &mut bob, "in the storm");
    let (before, spent) = (alice.memory("VmRSS"), alice.cpu_time());
    field.pass(MEASURED);
    let (after, spent) = (alice.memory("VmRSS"), alice.cpu_time() - spent);
    assert!(after < before + MAX_GROWTH, "{before} KiB, then {after} KiB");
    assert!(spent < MEASURED / 2, "{spent:?} of a processor in {MEASURED:?}");
    talk(&mut alice, &mut bob, "in the storm, later");
    let sent = storm.sent();
    drop(storm);
    let dropped = alice.asks(r"\me")["drops"].clone();
    for reason in counted {
        assert!(dropped[reason].as_u64().is_some_and(|count| count > 0), "{reason}: {dropped}");
    }
    let (dial_packets, seconds) = (field.packets("attacker"), start.elapsed().as_secs());
    assert!(dial_packets <= MAX_DIAL_PACKETS * (seconds + 1), "{dial_packets} packets in {seconds} s");
    assert_eq!(field.packets("victim"), 0, "an address record makes no node dial a third party");
    println!(
        "{sent} packets in {seconds} s: {spent:?}, {before} to {after} KiB, {dial_packets} dial packets, {dropped}"
    );
    ends_with_nothing_left(alice);
    ends_with_nothing_left(bob);
}

#[test]
fn two_nodes_connect_in_a_storm_of_false_announcements() {
    let counted = ["mdns_beyond_budget", "sightings_dropped"];
    in_a_field(|field| connect_in_storm(field, 1, &[announcement], &counted));
}

#[test]
fn two_nodes_connect_in_a_storm_of_incomplete_announcements_addresses_questions_and_garbage() {
    let counted = ["mdns_beyond_budget", "mdns_garbled", "sightings_dropped"];
    in_a_field(|field| connect_in_storm(field, 1, &[pointer, address, question, garbage], &counted));
}

#[test]
fn two_nodes_connect_in_a_storm_from_thirty_addresses() {
    let counted = ["sightings_dropped"];
    in_a_field(|field| connect_in_storm(field, 30, &[announcement, pointer], &counted));
}
