//! What a node costs when nobody says anything: the program itself with ten neighbours, with and without the local link;
//! and what one more idle connection costs in memory, beside raw quinn with the same transport settings.
//!
//! `cargo bench --bench idle`. Linux only: it reads `/proc`. The neighbours are whole nodes in this process; their packets
//! pass through counters here, so that what is on the wire is known.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "common/program.rs"]
mod program;
#[path = "common/raw.rs"]
mod raw;
#[path = "common/relay.rs"]
mod relay;

use std::path::Path;
use std::time::{Duration, Instant};

use darknode::handle::{FaceMessage, Handle, NodeMessage};
use darknode::identity::Name;
use darknode::identity::network::NetworkKey;
use darknode::node::{NodeConfig, lan::MDNS_PORT, start};
use darknode::proto::Accept;
use darknode::proto::event::{Command, Request};
use darknode::proto::view::Notice;
use program::Program;
use quinn::{Connection, RecvStream, SendStream};
use relay::Relay;

const NEIGHBOURS: usize = 10;
const SESSIONS: usize = 200;
/// For handshakes, links and the first mDNS rounds to be over.
const SETTLE: Duration = Duration::from_secs(8);
const WATCH: Duration = Duration::from_secs(30);
/// The argument by which this program runs as the raw quinn side.
const RAW: &str = "--raw-side";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    if std::env::args().any(|arg| arg == RAW) {
        return runtime.block_on(serve_raw());
    }
    runtime.block_on(async {
        conditions::conditions();
        size();
        idle(false).await;
        idle(true).await;
        let ours = memory_of_sessions().await;
        let theirs = memory_of_raw_sessions().await;
        println!("{:42} {ours:8.1} KiB, raw quinn {theirs:.1} KiB", format!("per idle session, of {SESSIONS}"));
        conditions::conditions();
    });
}

fn size() {
    let bytes = std::fs::metadata(env!("CARGO_BIN_EXE_darknode")).expect("the program was built").len();
    println!("{:42} {:8.2} MB", "the program", bytes as f64 / 1e6);
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
    let wire = (bytes(&nodes) - wire) as f64 / seconds;
    let what = if lan { "with mDNS" } else { "without mDNS" };
    println!(
        "{:42} {cpu:8.3} % of a core, {:.1} MB, {wire:.0} B/s of QUIC both ways",
        format!("idle, {NEIGHBOURS} neighbours, {what}"),
        program.rss_kib() as f64 * 1024.0 / 1e6
    );
}

fn bytes(nodes: &[(Handle, Relay)]) -> u64 {
    nodes.iter().map(|(_, relay)| relay.bytes()).sum()
}

async fn memory_of_sessions() -> f64 {
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    let key = NetworkKey::generate(darknode::node::clock::random());
    let program = Program::start(dir.path(), &key, false);
    let mut nodes = Vec::new();
    let before = program.rss_kib();
    for n in 0..SESSIONS {
        let mut handle = node(dir.path(), &format!("n{n}"), &key, false);
        link(&mut handle, &program, program.port).await;
        nodes.push(handle);
    }
    tokio::time::sleep(SETTLE).await;
    (program.rss_kib() - before) as f64 / SESSIONS as f64
}

async fn memory_of_raw_sessions() -> f64 {
    let program = Program::raw(RAW);
    let before = program.rss_kib();
    let mut sides = Vec::new();
    for n in 0..SESSIONS {
        let side = raw::Side::new(n as u64 + 10);
        let streams = open_streams(&side.dial(program.port).await).await;
        sides.push((side, streams));
    }
    tokio::time::sleep(SETTLE).await;
    (program.rss_kib() - before) as f64 / SESSIONS as f64
}

/// The raw side: holds whatever connection comes.
async fn serve_raw() {
    let side = raw::Side::new(1);
    println!("{}", side.port);
    let mut held = Vec::new();
    loop {
        held.push(open_streams(&side.accept().await).await);
    }
}

/// One stream each way, as ours has for its control.
async fn open_streams(conn: &Connection) -> (Connection, SendStream, RecvStream) {
    let mut send = conn.open_uni().await.expect("a stream is allowed");
    send.write_all(&[1]).await.expect("it is taken");
    let mut recv = conn.accept_uni().await.expect("a stream comes");
    recv.read_exact(&mut [0]).await.expect("a byte comes");
    (conn.clone(), send, recv)
}

fn node(dir: &Path, name: &str, key: &NetworkKey, lan: bool) -> Handle {
    let config = NodeConfig {
        name: Name::parse(name).expect("a plain name"),
        data_dir: dir.join(name),
        port: Some(0),
        network: key.clone(),
        roles: 0,
        accept: Accept::Auto,
        bootstrap: Vec::new(),
        lan: lan.then_some(MDNS_PORT),
    };
    start(config).expect("a node starts in a new directory").0
}

/// Until both sides name each other.
async fn link(handle: &mut Handle, program: &Program, port: u16) {
    let ip = std::net::Ipv4Addr::LOCALHOST.into();
    for command in [Command::Ping { ip, port: Some(port) }, Command::Chat { user: program.id.clone() }] {
        let request = Request { line: None, command };
        handle.to_node.send(FaceMessage::Request(request)).await.expect("the node runs");
    }
    let linked = async {
        loop {
            match handle.from_node.recv().await {
                Some(NodeMessage::Notice { notice: Notice::Linked { .. }, .. }) => return,
                Some(_) => {}
                None => panic!("the node stopped"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), linked).await.expect("a link is made");
}
