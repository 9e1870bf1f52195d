//! The cost of a message from typed to shown: one at a time, many at once, the first after connecting, and many
//! missed ones; compared in the same run with raw quinn with the same certificates and transport settings, and with
//! raw `fdatasync` on the same disk.
//!
//! `cargo bench --bench chat [DIR]`, where DIR is on the disk to measure; default: the system's temporary directory.
//! In memory means `/dev/shm`, where there is one.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "common/median.rs"]
mod median;
#[path = "common/pair.rs"]
mod pair;
#[path = "common/pipe.rs"]
mod pipe;
#[path = "common/raw.rs"]
mod raw;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conditions::conditions;
use median::median;
use pair::Node;
use pipe::Pipe;
use raw::Side;

const ROUNDS: usize = 5;
/// Messages per round that are sent one by one.
const ALONE: usize = 200;
/// Messages per round that are typed at once.
const TOGETHER: usize = 100_000;
const RAW_TOGETHER: usize = 200_000;
const CONNECTS: u64 = 40;
/// Messages typed while the reader is not running.
const MISSED: usize = 100_000;
const MEMORY: &str = "/dev/shm";

fn main() {
    let disk =
        std::env::args().skip(1).find(|arg| !arg.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        conditions();
        let memory = Path::new(MEMORY).is_dir().then(|| PathBuf::from(MEMORY));
        missed(&disk).await;
        one_line("disk", &disk).await;
        if let Some(memory) = &memory {
            one_line("memory", memory).await;
        }
        pipelined("disk", &disk).await;
        if let Some(memory) = &memory {
            pipelined("memory", memory).await;
        }
        cold_connect("disk", &disk).await;
        if let Some(memory) = &memory {
            cold_connect("memory", memory).await;
        }
        conditions();
    });
}

/// Alternates rounds of both, so that load on the machine affects both.
async fn one_line(place: &str, disk: &Path) {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let (mut alice, mut bob) = pair::linked(dir.path()).await;
    let mut pipe = Pipe::open().await;
    let (mut ratios, mut raws, mut syncs, mut lines) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut raw = Vec::new();
        for _ in 0..ALONE {
            raw.push(pipe.one_way().await);
        }
        let sync = pipe::fdatasyncs(disk, ALONE as u64);
        let mut line = Vec::new();
        for _ in 0..ALONE {
            line.push(one(&alice, &mut bob).await);
        }
        for _ in 0..ALONE {
            alice.delivered().await;
        }
        ratios.push(percentile(&line, 50) / (percentile(&raw, 50) + 2.0 * percentile(&sync, 50)));
        raws.extend(raw);
        syncs.extend(sync);
        lines.extend(line);
    }
    show(&format!("{place}: raw quinn, one way"), &raws);
    show(&format!("{place}: raw write + fdatasync"), &syncs);
    show(&format!("{place}: one line, typed to shown"), &lines);
    println!("{:42} {:8.2} x (one way + two fdatasync), median of {ROUNDS} rounds", "", median(&ratios));
    alice.quit().await;
    bob.quit().await;
}

/// The next message is typed when this one is shown; receipts are not waited for.
async fn one(alice: &Node, bob: &mut Node) -> Duration {
    let begin = Instant::now();
    alice.say(bob.id()).await;
    bob.message().await.0 - begin
}

async fn pipelined(place: &str, disk: &Path) {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let (mut alice, mut bob) = pair::linked(dir.path()).await;
    let mut pipe = Pipe::open().await;
    let (mut raws, mut lines, mut lost, mut cpu) = (Vec::new(), Vec::new(), 0, Vec::new());
    for _ in 0..ROUNDS {
        raws.push(pipe.per_second(RAW_TOGETHER).await);
        let before = cpu_seconds();
        let (rate, missing) = pair::per_second(&mut alice, &mut bob, TOGETHER).await;
        cpu.push((cpu_seconds() - before) * 1e6 / TOGETHER as f64);
        lines.push(rate);
        lost += missing;
    }
    println!("{:42} {:8.0} lines/s", format!("{place}: raw quinn, one write each"), median(&raws));
    println!(
        "{:42} {:8.0} lines/s, {lost} lost, {:.1} us of CPU a line; rounds {:.0?}",
        format!("{place}: pipelined, sealed, durable, shown"),
        median(&lines),
        median(&cpu),
        lines
    );
    alice.quit().await;
    bob.quit().await;
}

/// Endpoints and identities are created before the measurement, on both sides of the comparison.
async fn cold_connect(place: &str, disk: &Path) {
    let (mut raws, mut firsts) = (Vec::new(), Vec::new());
    for n in 0..CONNECTS {
        let (alice, bob) = (Side::new(2 * n), Side::new(2 * n + 1));
        raws.push(pipe::first_echo(&alice, bob).await);
        let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
        let (mut alice, bob) = (Node::start(dir.path(), "alice").await, Node::start(dir.path(), "bob").await);
        let begin = Instant::now();
        alice.ping(&bob).await;
        alice.say(bob.id()).await;
        firsts.push(alice.delivered().await.0 - begin);
        alice.quit().await;
        bob.quit().await;
    }
    show(&format!("{place}: raw quinn, connect + first echo"), &raws);
    show(&format!("{place}: connect + first line acknowledged"), &firsts);
    println!("{:42} {:8.2} x", "", percentile(&firsts, 50) / percentile(&raws, 50));
}

/// Many messages wait for a reader who then starts: the time until the last is shown, and the memory of both nodes.
async fn missed(disk: &Path) {
    let dir = tempfile::tempdir_in(disk).expect("the disk takes a directory");
    let (mut alice, bob) = pair::linked(dir.path()).await;
    let to = bob.id();
    bob.quit().await;
    let begin = Instant::now();
    for _ in 0..MISSED {
        alice.say(to).await;
    }
    let typed = begin.elapsed();
    let waiting = peak_mib();
    let mut bob = Node::start(dir.path(), "bob").await;
    let begin = Instant::now();
    alice.ping(&bob).await;
    let (last, lost) = pair::shown_once(&mut alice, &mut bob, MISSED).await;
    println!(
        "{:42} {:8.0} lines/s, {lost} lost; typed in {typed:.1?}; at most {waiting:.0} MiB while typing, {:.0} MiB in all",
        format!("disk: {MISSED} missed lines, met to shown"),
        MISSED as f64 / (last - begin).as_secs_f64(),
        peak_mib()
    );
    alice.quit().await;
    bob.quit().await;
}

/// The peak memory of this process so far; zero where the system does not report it.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn show(what: &str, times: &[Duration]) {
    println!("{what:42} p50 {:8.0} us   p99 {:8.0} us", percentile(times, 50), percentile(times, 99));
}

/// CPU time of this process so far over all threads, from `/proc/self/stat` in hundredths of a second; zero
/// elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The percentile `p` of these, in microseconds.
fn percentile(times: &[Duration], p: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() * p / 100).min(sorted.len() - 1)].as_secs_f64() * 1e6
}
