//! Clients of the local API, in processes of their own like those of users: how fast ten of them get events beside one reader of
//! standard output, what an idle one costs, and how long a script waits that sends a line.
//!
//! `cargo bench --bench clients`. Linux only: it reads `/proc`.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "../tests/program/mod.rs"]
mod program;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use program::{TestBed, output_of};

/// Lines that are sent one by one.
const ALONE: usize = 100;
/// Before each of them: longer than the interval between two receipts.
const PAUSE: Duration = Duration::from_millis(60);
/// Lines typed at once, each of which is an event.
const EVENTS: usize = 100_000;
const CLIENTS: usize = 10;
/// As many as a node takes.
const IDLE: usize = 32;
/// Time for the memory of a node to settle.
const SETTLE: Duration = Duration::from_secs(3);

fn main() {
    conditions::conditions();
    send();
    let alone = fan_out(0);
    let ten = fan_out(CLIENTS);
    println!("{:42} {:8.2} x", "ten clients, beside one reader alone", ten.as_secs_f64() / alone.as_secs_f64());
    idle();
    conditions::conditions();
}

/// A line of a script, which waits for the receipt, beside one that is typed.
fn send() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    let (mut shown, mut receipted, mut sent, mut started) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ALONE {
        sleep(PAUSE);
        let begin = Instant::now();
        alice.types("a line that is typed");
        bob.event("message");
        shown.push(begin.elapsed());
        alice.event_with("state", "state", "delivered");
        receipted.push(begin.elapsed());
        sleep(PAUSE);
        let begin = Instant::now();
        let args = ["send", "bob", "a line of a script", "--wait", "delivered", "--data-dir", "alice"];
        output_of(&mut bed.bare(), &args);
        sent.push(begin.elapsed());
        bob.event("message");
        alice.event_with("state", "state", "delivered");
        let begin = Instant::now();
        output_of(&mut bed.bare(), &["--version"]);
        started.push(begin.elapsed());
    }
    show("a line, typed to shown", shown);
    show("a line, typed to receipt", receipted);
    show("send --wait delivered, the whole process", sent);
    show("--version, the whole process", started);
    alice.quits();
    bob.quits();
}

/// Ends when it is dropped.
struct Alice(Child);

impl Alice {
    /// Starts the node of alice in her data directory, in the conversation with bob, who is away.
    fn start(bed: &TestBed) -> Alice {
        let (mut alice, mut bob) = bed.two();
        alice.chats_with(&mut bob);
        bob.quits();
        alice.quits();
        let mut command = bed.node("alice").command();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was built");
        let mut alice = Alice(child);
        alice.types("\\chat bob\n");
        alice
    }

    fn types(&mut self, lines: &str) {
        self.0.stdin.as_mut().expect("it is a pipe").write_all(lines.as_bytes()).expect("the node reads");
    }

    /// CPU time of all its threads so far, in seconds.
    fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("it runs");
        let ran = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok();
        let nanos = |stat: String| stat.split(' ').next().and_then(|ran| ran.parse::<f64>().ok());
        tasks.flatten().filter_map(ran).filter_map(nanos).sum::<f64>() / 1e9
    }

    /// A figure of `/proc`, in MiB.
    fn mib(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("Linux says so");
        line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<f64>().expect("a number of KiB") / 1024.0
    }
}

impl Drop for Alice {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A client that is told what happens from now on.
fn client(bed: &TestBed) -> BufReader<UnixStream> {
    let socket = fs::read_to_string(bed.path("alice").join("api")).expect("the node runs");
    let mut client = BufReader::new(UnixStream::connect(socket).expect("the node accepts"));
    client.get_mut().write_all(b"{\"do\":\"subscribe\",\"since\":\"now\",\"line\":1}\n").expect("the node reads");
    let mut line = String::new();
    while !line.contains(r#""event":"live""#) {
        line.clear();
        client.read_line(&mut line).expect("it is told");
    }
    client
}

/// The time until everybody has the events: standard output and this many clients.
fn fan_out(clients: usize) -> Duration {
    let bed = TestBed::new();
    let mut alice = Alice::start(&bed);
    let mut stdout = BufReader::new(alice.0.stdout.take().expect("it is a pipe"));
    let mut first = String::new();
    while !first.contains(r#""event":"chat""#) {
        first.clear();
        stdout.read_line(&mut first).expect("the node speaks");
    }
    let clients: Vec<_> = (0..clients).map(|_| client(&bed)).collect();
    let (before, cpu, begin) = (alice.mib("VmRSS"), alice.cpu(), Instant::now());
    let stdout = spawn(move || counted(stdout, begin));
    let clients: Vec<_> = clients.into_iter().map(|client| spawn(move || counted(client, begin))).collect();
    let lines: String = (0..EVENTS).map(|n| format!("line {n} of a hundred thousand\n")).collect();
    alice.types(&lines);
    let typed = begin.elapsed();
    let (printed, _) = stdout.join().expect("standard output is read");
    let counts: Vec<_> = clients.into_iter().map(|client| client.join().expect("it is read")).collect();
    let all = counts.iter().map(|(at, _)| *at).max().unwrap_or(printed);
    let gaps: usize = counts.iter().map(|(_, gaps)| gaps).sum();
    println!(
        "{:42} typed in {typed:.2?}, on standard output after {printed:.2?}, at all clients after {all:.2?}; {gaps} gaps; \
         {:.2} s of CPU; {before:.0} MiB, at most {:.0} MiB",
        format!("{EVENTS} events, {} clients", counts.len()),
        alice.cpu() - cpu,
        alice.mib("VmHWM"),
    );
    all.max(printed)
}

/// Reads until all lines have come. Returns the time, and the number of gaps before.
fn counted(mut reader: BufReader<impl Read>, begin: Instant) -> (Duration, usize) {
    let (mut line, mut events, mut gaps) = (Vec::new(), 0, 0);
    while events < EVENTS {
        line.clear();
        assert!(reader.read_until(b'\n', &mut line).expect("it can be read") > 0, "it ended after {events} events");
        events += usize::from(line.starts_with(br#"{"event":"queued""#));
        gaps += usize::from(line.starts_with(br#"{"event":"gap""#));
    }
    (begin.elapsed(), gaps)
}

/// The memory of clients to which nothing is told.
fn idle() {
    let bed = TestBed::new();
    let alice = Alice::start(&bed);
    sleep(SETTLE);
    let before = alice.mib("VmRSS");
    let clients: Vec<_> = (0..IDLE).map(|_| client(&bed)).collect();
    sleep(SETTLE);
    let each = (alice.mib("VmRSS") - before) * 1024.0 / clients.len() as f64;
    println!("{:42} {each:8.1} KiB each, of {IDLE}; the node without them {before:.1} MiB", "idle clients");
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let millis = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!("{what:42} p50 {:8.1} ms   p99 {:8.1} ms", millis(50), millis(99));
}
