//! Links that fail and recover.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::field::Field;
use crate::figures::Figures;
use crate::setup::{Two, a_while, below, hall};
use crate::talk::{befriend, hears, pair};

/// How long a link flaps.
const FLAPPING: Duration = Duration::from_secs(600);

pub fn cut(field: &Field, length: u64) -> Figures {
    let mut two = two(field);
    field.cut("bob");
    two.type_lines("in the dark", 20);
    field.pass(Duration::from_secs(length));
    field.mend("bob", "hall");
    two.finish(field, "all shown", Instant::now())
}

/// Two users who chat, after a random delay.
fn two(field: &Field) -> Two {
    let (alice, bob) = pair(field);
    field.pass(Duration::from_secs(3));
    a_while(field, Duration::from_secs(7));
    Two::new(alice, bob)
}

pub fn moved(field: &Field) -> Figures {
    hall(field, &[]);
    for (host, address) in [("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
        field.host(host);
        field.without_ipv6(host);
        field.plug(host, "eth0", "hall");
        field.address(host, "eth0", address);
    }
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    a_while(field, Duration::from_secs(7));
    let mut two = Two::new(alice, bob);
    field.readdress("alice", "eth0", "10.0.7.1/24");
    field.readdress("bob", "eth0", "10.0.7.2/24");
    let start = Instant::now();
    two.type_lines("elsewhere", 5);
    two.finish(field, "all shown", start)
}

/// A stopped process simulates a suspended machine. Only its clock differs: it keeps running. In both cases peers
/// have given the node up, and its own connections are dead when it continues.
pub fn slept(field: &Field) -> Figures {
    let mut two = two(field);
    two.bob.signal(Signal::SIGSTOP);
    field.pass(Duration::from_secs(60));
    two.bob.signal(Signal::SIGCONT);
    let start = Instant::now();
    two.type_lines("awake", 5);
    two.finish(field, "all shown", start)
}

/// Also measures the traffic of alice's interface: retries of all kinds, mDNS, and two messages per flap.
pub fn flapping(field: &Field) -> Figures {
    let mut two = two(field);
    let (begin, before) = (Instant::now(), field.bytes("alice"));
    let mut flaps = 0;
    while begin.elapsed() < FLAPPING {
        flaps += 1;
        field.pull("bob");
        two.type_lines(&format!("in between {flaps}"), 1);
        field.pass(Duration::from_secs(1) + below(Duration::from_secs(5)));
        field.put_back("bob");
        if begin.elapsed() < FLAPPING {
            field.pass(Duration::from_secs(1) + below(Duration::from_secs(5)));
        }
    }
    let (start, bytes) = (Instant::now(), field.bytes("alice") - before);
    let rate = bytes as f64 / begin.elapsed().as_secs_f64();
    two.finish(field, "all shown", start).with("B/s", rate).with("flaps", f64::from(flaps))
}

/// First messages, then ten more, each typed when the previous one was shown.
pub fn lossy(field: &Field) -> Figures {
    hall(field, &["alice", "bob"]);
    for host in ["alice", "bob"] {
        // At both ends of the cable: 0.84 squared is 0.7.
        field.lose(host, 16);
    }
    let start = Instant::now();
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    alice.types("first");
    hears(&mut bob, &["first".to_owned()]);
    let first = start.elapsed();
    let mut each = Vec::new();
    for n in 0..10 {
        let typed = Instant::now();
        alice.types(&format!("line {n}"));
        hears(&mut bob, &[format!("line {n}")]);
        each.push(typed.elapsed());
    }
    each.sort_unstable();
    Figures::new().seconds("first line", first).seconds("a line, p50", each[5]).seconds("a line, worst", each[9])
}
