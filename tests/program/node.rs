//! A running program: its input, its output, and its exit.

use std::io::Write;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Transcript, note, shortened};

/// A running program. It is killed when dropped.
pub struct Node {
    pub name: String,
    pub(super) child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) output: Receiver<Vec<u8>>,
    pub(super) complaints: Option<JoinHandle<Vec<String>>>,
    /// Events that were received and not yet waited for.
    pub(super) pending: Vec<Value>,
    /// How long each event is waited for.
    pub patience: Duration,
    /// Number of lines typed so far.
    pub(super) typed: u64,
    /// The `ready` event.
    pub ready: Value,
    pub(super) transcript: Transcript,
}

impl Node {
    pub fn id(&self) -> &str {
        self.ready["id"].as_str().expect("ready has an id")
    }

    pub fn session(&self) -> &str {
        self.ready["session"].as_str().expect("ready has a session")
    }

    pub fn port(&self) -> u16 {
        let listen = self.ready["listen"].as_array().expect("ready says where");
        let addr = listen.first().and_then(Value::as_str).expect("there is an interface");
        addr.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("an address has a port")
    }

    /// Its address for the `--bootstrap` of others.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Types a line. Returns its number.
    pub fn types(&mut self, line: &str) -> u64 {
        self.types_bytes(line.as_bytes())
    }

    pub fn types_bytes(&mut self, line: &[u8]) -> u64 {
        self.typed += 1;
        note(&self.transcript, format!("{} < {}", self.name, shortened(&String::from_utf8_lossy(line))));
        let stdin = self.stdin.as_mut().expect("its input is open");
        // A killed program accepts no input; waiting for an answer will fail with a message.
        let _ = stdin.write_all(&[line, b"\n"].concat()).and_then(|()| stdin.flush());
        self.typed
    }

    /// Closes its standard input.
    pub fn hush(&mut self) {
        self.stdin = None;
    }

    /// Types a line and waits for its answer.
    pub fn asks(&mut self, line: &str) -> Value {
        let number = self.types(line);
        self.answer(number)
    }

    /// The event that answers a line.
    pub fn answer(&mut self, number: u64) -> Value {
        self.wait(&format!("the answer to line {number}"), |event| event["line"] == number)
    }

    /// Types a line that is refused. Returns the error code.
    pub fn fails(&mut self, line: &str) -> String {
        let answer = self.asks(line);
        assert_eq!(answer["event"], "error", "{line} is answered by {answer}");
        answer["code"].as_str().expect("an error has a code").to_owned()
    }

    /// Waits for the first event of this name not waited for before.
    pub fn event(&mut self, name: &str) -> Value {
        self.wait(name, |event| event["event"] == name)
    }

    /// Waits for the first event of this name in which `key` is `value`.
    pub fn event_with(&mut self, name: &str, key: &str, value: &str) -> Value {
        self.wait(&format!("{name} with {key} {value}"), |event| event["event"] == name && event[key] == value)
    }

    /// Waits for the first event that fits and was not waited for before. Earlier events are kept.
    pub fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.pending.iter().position(&fits) {
            return self.pending.remove(at);
        }
        loop {
            match self.next() {
                Ok(event) if fits(&event) => return event,
                Ok(event) => self.pending.push(event),
                Err(why) => panic!("{} waited for {what}: {why}; received meanwhile: {:#?}", self.name, self.pending),
            }
        }
    }

    /// The next event of any kind.
    fn next(&mut self) -> Result<Value, RecvTimeoutError> {
        let line = self.output.recv_timeout(self.patience)?;
        Ok(serde_json::from_slice(&line).expect("every line is a JSON object"))
    }

    /// All events not waited for before; if there are none, those that arrive within `time`.
    pub fn listens(&mut self, time: Duration) -> Vec<Value> {
        if self.pending.is_empty()
            && let Ok(line) = self.output.recv_timeout(time)
        {
            self.pending.push(serde_json::from_slice(&line).expect("every line is a JSON object"));
        }
        let more = std::iter::from_fn(|| self.output.try_recv().ok());
        self.pending.extend(more.map(|line| serde_json::from_slice::<Value>(&line).expect("every line is an object")));
        std::mem::take(&mut self.pending)
    }

    /// All events until its exit that were not waited for before.
    pub fn rest(&mut self) -> Vec<Value> {
        let mut rest = std::mem::take(&mut self.pending);
        loop {
            match self.next() {
                Ok(event) => rest.push(event),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("{} did not exit", self.name),
            }
        }
    }

    /// The first event of this name; `None` if it dies before.
    pub fn event_before_death(&mut self, name: &str) -> Option<Value> {
        loop {
            match self.output.recv_timeout(self.patience) {
                // The last line may be incomplete.
                Ok(line) => match serde_json::from_slice::<Value>(&line) {
                    Ok(event) if event["event"] == name => return Some(event),
                    event => self.pending.extend(event),
                },
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("{} neither reports {name} nor dies", self.name),
            }
        }
    }

    /// The next line of the plain interface that contains `text`. Lines before it are skipped.
    pub fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.output.recv_timeout(self.patience) {
                Ok(line) => {
                    let line = String::from_utf8(line).expect("lines for people are UTF-8");
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("{} never printed a line with {text:?}", self.name),
            }
        }
    }

    /// Dials another node and waits until both sides report it.
    pub fn meet(&mut self, other: &mut Node) {
        let pong = self.asks(&format!(r"\ping 127.0.0.1 {}", other.port()));
        assert_eq!((&pong["event"], &pong["id"]), (&"pong".into(), &other.ready["id"]), "{pong}");
        let me = self.id().to_owned();
        other.event_with("nearby", "id", &me);
    }

    /// Links with another node deliberately on both sides, and opens the conversation: of a stranger the other one would take
    /// a few lines only.
    pub fn chats_with(&mut self, other: &mut Node) {
        self.links_with(other);
        assert_eq!(other.asks(&format!(r"\add {}", self.id()))["event"], "done");
    }

    /// Opens the conversation with another node, and waits until it has accepted the link by itself.
    pub fn links_with(&mut self, other: &mut Node) {
        let chat = self.asks(&format!(r"\chat {}", other.id()));
        assert_eq!(chat["event"], "chat", "{chat}");
        self.event_with("linked", "id", other.id());
        let me = self.id().to_owned();
        other.event_with("linked", "id", &me);
    }

    /// What a machine that waits to be linked shows for `\link`: under the key `code` or `token`.
    pub fn shown(&mut self, key: &str) -> String {
        self.event("code")[key].as_str().expect("it is a text").to_owned()
    }

    /// Waits until a machine that waited is a session of this user, and has started as one. Returns the `joined` event.
    pub fn has_joined(&mut self, user: &Node) -> Value {
        let joined = self.event("joined");
        assert_eq!(joined["id"], user.id(), "{joined}");
        assert_eq!(self.event("session")["session"], self.session());
        let ready = self.event("ready");
        assert_eq!((&ready["id"], &ready["session"]), (&user.ready["id"], &self.ready["session"]), "{ready}");
        self.ready = ready;
        joined
    }

    /// Types a text to the current conversation. Returns the message id.
    pub fn says(&mut self, text: &str) -> String {
        let queued = self.asks(text);
        assert_eq!(queued["event"], "queued", "{queued}");
        queued["message"].as_str().expect("queued has an id").to_owned()
    }

    /// Waits until this many lines of somebody who asks are here, and held back.
    #[expect(clippy::disallowed_methods, reason = "tests wait by the clock")]
    pub fn holds_back(&mut self, lines: u64) {
        let deadline = Instant::now() + self.patience;
        while self.asks(r"\requests")["users"][0]["lines"] != lines {
            assert!(Instant::now() < deadline, "{} holds back {lines} lines", self.name);
        }
    }

    /// Waits until a message is reported as delivered.
    pub fn knows_delivered(&mut self, message: &str) {
        self.wait("delivered", |event| {
            event["event"] == "state" && event["message"] == message && event["state"] == "delivered"
        });
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Memory in KiB that the kernel reports under this name: `VmRSS` is resident now, `VmHWM` was at most. Linux only.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kib.unwrap_or_else(|| panic!("{name} is not a number of KiB"))
    }

    /// The CPU time of all its threads. Linux only.
    pub fn cpu_time(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs");
        let stat = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("schedstat")).ok();
        let nanos = |stat: String| stat.split(' ').next().and_then(|ran| ran.parse::<u64>().ok());
        Duration::from_nanos(threads.flatten().filter_map(stat).filter_map(nanos).sum())
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it runs");
    }

    /// Sends SIGKILL. Returns all events not waited for before.
    pub fn killed(mut self) -> Vec<Value> {
        note(&self.transcript, format!("{} is killed", self.name));
        self.child.kill().expect("it runs");
        let rest = self.rest_before_kill();
        self.child.wait().expect("it ends");
        rest
    }

    /// Like `rest`, but the last line may be incomplete.
    fn rest_before_kill(&mut self) -> Vec<Value> {
        let mut rest = std::mem::take(&mut self.pending);
        while let Ok(line) = self.output.recv_timeout(self.patience) {
            rest.extend(serde_json::from_slice::<Value>(&line).ok());
        }
        rest
    }

    /// Waits for its exit. Returns the exit status, the remaining events and the lines on standard error.
    pub fn ends(mut self) -> (ExitStatus, Vec<Value>, Vec<String>) {
        let rest = self.rest();
        let status = self.child.wait().expect("it ends");
        let complaints = self.complaints.take().expect("standard error was not read before");
        (status, rest, complaints.join().expect("its errors are read"))
    }

    /// Types `\quit` and waits for a graceful exit.
    pub fn quits(mut self) {
        self.types(r"\quit");
        self.ends_well();
    }

    /// Waits for a graceful exit: `stopped` last, code 0, nothing on standard error.
    pub fn ends_well(self) {
        let name = self.name.clone();
        let (status, rest, complaints) = self.ends();
        assert_eq!(status.code(), Some(0), "{name}: {status}");
        assert_eq!(rest.last().map(|last| &last["event"]), Some(&"stopped".into()), "{name}");
        assert!(complaints.is_empty(), "{name}: {complaints:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // No process may outlive its test.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
