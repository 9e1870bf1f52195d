//! The cost of an idle node: the program with ten neighbours, with and without mDNS.
//!
//! `cargo bench --bench idle`. Linux only: it reads `/proc`. The neighbours are whole nodes in this process. Their
//! packets pass through counters here, which measures the traffic.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "common/friend.rs"]
mod friend;
#[path = "common/program.rs"]
mod program;
#[path = "common/relay.rs"]
mod relay;

use std::time::{Duration, Instant};

use darknode::handle::Handle;
use darknode::identity::network::NetworkKey;
use friend::{link, node};
use program::Program;
use relay::Relay;

const NEIGHBOURS: usize = 10;
/// Time for handshakes, links and the first rounds of mDNS to complete.
const SETTLE: Duration = Duration::from_secs(8);
const WATCH: Duration = Duration::from_secs(30);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async {
        conditions::conditions();
        idle(false).await;
        idle(true).await;
        conditions::conditions();
    });
}

async fn idle(lan: bool) {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let key = NetworkKey::generate(darknode::node::clock::random());
    let program = Program::start(dir.path(), &key, lan);
    let mut nodes = Vec::new();
    for n in 0..NEIGHBOURS {
        let relay = Relay::to(program.port).await;
        let mut handle = node(dir.path(), &format!("n{n}"), &key, lan);
        link(&mut handle, &program, relay.port).await;
        nodes.push((handle, relay));
    }
    tokio::time::sleep(SETTLE).await;
    let (cpu, wire, begin) = (program.cpu(), bytes(&nodes), Instant::now());
    tokio::time::sleep(WATCH).await;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = (program.cpu() - cpu) / seconds * 100.0;
    let wire = format!(", {:.0} B/s of QUIC both ways", (bytes(&nodes) - wire) as f64 / seconds);
    // Nodes that discover each other by mDNS bypass the counters.
    let (what, wire) = if lan { ("with mDNS", String::new()) } else { ("without mDNS", wire) };
    println!(
        "{:42} {cpu:8.3} % of a core, {:.1} MB{wire}",
        format!("idle, {NEIGHBOURS} neighbours, {what}"),
        program.rss_kib() as f64 * 1024.0 / 1e6
    );
}

fn bytes(nodes: &[(Handle, Relay)]) -> u64 {
    nodes.iter().map(|(_, relay)| relay.bytes()).sum()
}
