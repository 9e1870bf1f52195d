//! The full screen on a terminal, with a conversation of 100,000 lines: the time from a key to the drawn frame, and what it costs
//! while nothing happens.
//!
//! `cargo bench --bench screen`. Linux only: it reads `/proc`. The keys come as slowly as somebody types who is fast.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

#[path = "common/conditions.rs"]
mod conditions;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use darknode::id::{Address, MessageId, SessionId, StreamId, UserId};
use darknode::node::store::{Event, Job, Me, Store};
use darknode::proto::persist::{MessageRow, Op, Ticket};
use darknode::time::{Moment, Wall};
use darknode::wire::content::kind;
use nix::pty::{Winsize, openpty};

const LINES: u64 = 100_000;
const KEYS: usize = 500;
/// Between two keys.
const PAUSE: Duration = Duration::from_millis(90);
/// How long nothing happens.
const WATCH: Duration = Duration::from_secs(60);
/// The end of a frame.
const FRAME: &[u8] = b"\x1b[?2026l";

fn main() {
    conditions::conditions();
    let dir = tempfile::tempdir().expect("there is a temporary directory");
    fill(dir.path());
    let mut screen = Screen::start(dir.path());
    screen.settle();
    screen.measure("a letter", |n| ["a", "\x7f"][n % 2].to_owned());
    screen.measure("a page up", |_| "\x1b[5~".to_owned());
    screen.measure("a page down", |_| "\x1b[6~".to_owned());
    let (cpu, begin) = (screen.cpu(), Instant::now());
    sleep(WATCH);
    let share = (screen.cpu() - cpu) / begin.elapsed().as_secs_f64() * 100.0;
    println!("{:42} {share:8.3} % of a core, {:.1} MB", "nothing happens", screen.rss_kib() as f64 * 1024.0 / 1e6);
    conditions::conditions();
}

fn node(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darknode"));
    command.args(["-u", "alice", "-p", "0", "-t", "2", "--no-lan", "--data-dir"]).arg(dir.join("alice"));
    command
}

/// Makes a user with a long conversation.
fn fill(dir: &Path) {
    let mut command = node(dir);
    let mut child = command.arg("--json").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was built");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
    out.read_line(&mut line).expect("it speaks");
    drop(child.stdin.take());
    child.wait().expect("it ends with its input");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("the first line is JSON");
    let id = |key: &str| ready[key].as_str().and_then(|id| id.parse::<UserId>().ok()).expect("ready has ids");
    let me = Me { id: id("id"), session: SessionId(id("session").0), name: "alice".to_owned() };
    let (alice, bob) = (me.id, UserId([10; 32]));
    let store = Store::open(&dir.join("alice"), me).expect("it is that of alice");
    let (to_us, events) = channel();
    let (jobs, _) = store.start(Moment::default, move |event| drop(to_us.send(event))).expect("a thread starts");
    for n in 1..=LINES {
        let stream = StreamId { author: SessionId([30; 32]), epoch: 7, to: alice.into() };
        let row = MessageRow {
            arrival: n,
            id: MessageId { stream, n },
            kind: kind::TEXT,
            with: Address::from(bob),
            from: bob,
            lamport: n,
            wall: Wall(1_700_000_000_000 + n as i64 * 60_000),
            body: format!("line {n}: {}", "the generator is off again, bring the cable ".repeat(1 + n as usize % 3))
                .into(),
            since: Moment(0),
        };
        jobs.send(Job::Op { ticket: Ticket(n), op: Op::Received(row) }).expect("the store runs");
    }
    while !matches!(events.recv().expect("the store runs"), Event::Stored { through: Ticket(LINES), .. }) {}
}

/// The program on a terminal of 100x30.
struct Screen {
    child: Child,
    keyboard: File,
    output: Receiver<(Instant, Vec<u8>)>,
}

impl Screen {
    fn start(dir: &Path) -> Screen {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("the system has terminals");
        let end = || pair.slave.try_clone().expect("it can be shared");
        let mut command = node(dir);
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it was built");
        let keyboard = File::from(pair.master);
        let mut display = keyboard.try_clone().expect("it can be shared");
        let (to_us, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while let Ok(count @ 1..) = display.read(&mut buffer) {
                if to_us.send((Instant::now(), buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        Screen { child, keyboard, output }
    }

    /// Waits until nothing is drawn any more.
    fn settle(&mut self) {
        loop {
            match self.output.recv_timeout(Duration::from_secs(3)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("it has ended"),
            }
        }
    }

    /// The time from a key to the end of its frame.
    fn key(&mut self, key: &str) -> Duration {
        while self.output.try_recv().is_ok() {}
        let begin = Instant::now();
        self.keyboard.write_all(key.as_bytes()).expect("the terminal takes keys");
        let mut seen = Vec::new();
        loop {
            let (at, bytes) = self.output.recv_timeout(Duration::from_secs(10)).expect("a frame follows");
            seen.extend(bytes);
            if seen.windows(FRAME.len()).any(|end| end == FRAME) {
                return at.duration_since(begin);
            }
        }
    }

    fn measure(&mut self, what: &str, key: impl Fn(usize) -> String) {
        let once = |n: usize| {
            sleep(PAUSE);
            self.key(&key(n))
        };
        let mut times: Vec<Duration> = (0..KEYS).map(once).collect();
        times.sort();
        let at = |share: usize| times[KEYS * share / 100];
        println!("{what:42} p50 {:9.1?}  p99 {:9.1?}  max {:9.1?}", at(50), at(99), times[KEYS - 1]);
    }

    /// CPU time of all its threads so far, in seconds.
    fn cpu(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let ran = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
        let nanos = |stat: String| stat.split(' ').next().and_then(|ran| ran.parse::<f64>().ok());
        tasks.flatten().filter_map(ran).filter_map(nanos).sum::<f64>() / 1e9
    }

    fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
