//! The cost of idle connections at a relay: thousands of strangers, compared with raw quinn with the same transport
//! settings, keep-alive and number of connections at the same time; and friends, each of whom is sent the
//! declarations of all others.
//!
//! `cargo bench --bench sessions [STRANGERS [FRIENDS]]`; default: 1,000 and 200. Linux only: it reads `/proc`. The
//! relay is the program itself. Strangers run in this process and send only a proof and a hello; friends are whole
//! nodes.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "common/friend.rs"]
mod friend;
#[path = "common/held.rs"]
mod held;
#[path = "common/peer.rs"]
mod peer;
#[path = "common/program.rs"]
mod program;
#[path = "common/raw.rs"]
mod raw;

use std::time::{Duration, Instant};

use darknode::identity::network::NetworkKey;
use held::Held;
use peer::Peer;
use program::Program;
use raw::Side;
use tokio::time::sleep;

/// The number of connections a relay is designed for.
const STRANGERS: u64 = 1000;
const FRIENDS: u64 = 200;
/// One connection in this many is opened before memory is first measured, so that fixed costs (code pages, the
/// store's pages) are not counted.
const FIRST: u64 = 10;
/// Time for activity started by the first connections to end.
const BEGIN: Duration = Duration::from_secs(10);
/// Time until each connection has received some forty packets: quinn then allocates a second block for them.
const SETTLE: Duration = Duration::from_secs(100);
const WATCH: Duration = Duration::from_secs(60);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == held::ARGUMENT) {
        return runtime.block_on(held::serve());
    }
    let mut numbers = args.iter().filter_map(|arg| arg.parse().ok());
    let (count, friends) = (numbers.next().unwrap_or(STRANGERS), numbers.next().unwrap_or(FRIENDS));
    runtime.block_on(async {
        conditions::conditions();
        strangers(count).await;
        friends_of_a_relay(friends).await;
        conditions::conditions();
    });
}

async fn strangers(count: u64) {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let key = NetworkKey::generate(darknode::node::clock::random());
    let (ours, raw) = (Program::start(dir.path(), &key, false), held::start());
    let (mut peers, mut before) = (Vec::new(), (0, 0));
    for seed in 1..=count {
        let side = Side::new(seed);
        let peer = Peer::meet(&side, seed, &key, ours.port).await;
        let held = Held::open(side.dial(raw.port).await).await;
        peers.push((side, peer, held));
        if seed == count / FIRST {
            sleep(BEGIN).await;
            before = (ours.rss_kib(), raw.rss_kib());
        }
    }
    sleep(SETTLE).await;
    let (cpu, begin) = ((ours.cpu(), raw.cpu()), Instant::now());
    sleep(WATCH).await;
    let share = |before: f64, after: f64| (after - before) / begin.elapsed().as_secs_f64() * 100.0;
    let (ours_cpu, raw_cpu) = (share(cpu.0, ours.cpu()), share(cpu.1, raw.cpu()));
    let connected = peers.iter().filter(|(_, peer, _)| peer.is_connected()).count();
    println!("{connected} strangers of {count} are connected");
    row("one more, idle", "KiB", each(before.0, &ours, count), each(before.1, &raw, count));
    row("in all", "MiB", ours.rss_kib() as f64 / 1024.0, raw.rss_kib() as f64 / 1024.0);
    row("all of them, idle", "% of a core", ours_cpu, raw_cpu);
}

async fn friends_of_a_relay(count: u64) {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let key = NetworkKey::generate(darknode::node::clock::random());
    let program = Program::start(dir.path(), &key, false);
    let (mut nodes, mut before) = (Vec::new(), 0);
    for n in 1..=count {
        let mut handle = friend::node(dir.path(), &format!("n{n}"), &key, false);
        friend::link(&mut handle, &program, program.port).await;
        nodes.push(handle);
        if n == count / FIRST {
            sleep(BEGIN).await;
            before = program.rss_kib();
        }
    }
    sleep(SETTLE).await;
    println!("{count} friends are linked and connected");
    println!("{:20} {:8.2} KiB", "one more, idle", each(before, &program, count));
    println!("{:20} {:8.2} MiB", "in all", program.rss_kib() as f64 / 1024.0);
}

/// KiB per connection after the first ones.
fn each(before: u64, program: &Program, count: u64) -> f64 {
    (program.rss_kib() as f64 - before as f64) / (count - count / FIRST) as f64
}

fn row(what: &str, unit: &str, ours: f64, raw: f64) {
    println!("{what:20} {ours:8.2} {unit}, raw quinn {raw:.2}: {:.2} x", ours / raw);
}
