//! A program that runs: what is typed into it, what it prints, how it ends.

use std::io::Write;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{PATIENCE, Transcript, note, shortened};

/// A program that runs. It is killed when a test lets go of it.
pub struct Node {
    pub name: String,
    pub(super) child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) output: Receiver<Vec<u8>>,
    pub(super) complaints: Option<JoinHandle<Vec<String>>>,
    /// Events that nobody has waited for yet.
    pub(super) pending: Vec<Value>,
    /// Lines typed so far.
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

    /// What others give to `--bootstrap`.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Types a line; its number.
    pub fn types(&mut self, line: &str) -> u64 {
        self.types_bytes(line.as_bytes())
    }

    pub fn types_bytes(&mut self, line: &[u8]) -> u64 {
        self.typed += 1;
        note(&self.transcript, format!("{} < {}", self.name, shortened(&String::from_utf8_lossy(line))));
        let stdin = self.stdin.as_mut().expect("its input is open");
        // A program that was killed takes nothing any more; whoever waits for an answer will see that it is gone.
        let _ = stdin.write_all(&[line, b"\n"].concat()).and_then(|()| stdin.flush());
        self.typed
    }

    /// Ends its input.
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

    /// Types a line that is refused; the error's code.
    pub fn fails(&mut self, line: &str) -> String {
        let answer = self.asks(line);
        assert_eq!(answer["event"], "error", "{line} is answered by {answer}");
        answer["code"].as_str().expect("an error has a code").to_owned()
    }

    /// The first event of this name that nobody has waited for.
    pub fn event(&mut self, name: &str) -> Value {
        self.wait(name, |event| event["event"] == name)
    }

    /// The first event of this name in which `key` is `value`.
    pub fn event_with(&mut self, name: &str, key: &str, value: &str) -> Value {
        self.wait(&format!("{name} with {key} {value}"), |event| event["event"] == name && event[key] == value)
    }

    /// The first event that nobody has waited for and that fits; the ones before it stay.
    pub fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.pending.iter().position(&fits) {
            return self.pending.remove(at);
        }
        loop {
            match self.next() {
                Ok(event) if fits(&event) => return event,
                Ok(event) => self.pending.push(event),
                Err(why) => panic!("{} waited for {what}: {why}; meanwhile came {:#?}", self.name, self.pending),
            }
        }
    }

    /// Whatever comes next, waited for or not.
    fn next(&mut self) -> Result<Value, RecvTimeoutError> {
        let line = self.output.recv_timeout(PATIENCE)?;
        Ok(serde_json::from_slice(&line).expect("every line is a JSON object"))
    }

    /// Events that nobody has waited for: those that are there, or those that come within `time` where there are none.
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

    /// Everything printed by now and by its end that nobody has waited for.
    pub fn rest(&mut self) -> Vec<Value> {
        let mut rest = std::mem::take(&mut self.pending);
        loop {
            match self.next() {
                Ok(event) => rest.push(event),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("{} was to end and did not", self.name),
            }
        }
    }

    /// The first event of this name, or none if it dies before.
    pub fn event_before_death(&mut self, name: &str) -> Option<Value> {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                // The last line may be half of one.
                Ok(line) => match serde_json::from_slice::<Value>(&line) {
                    Ok(event) if event["event"] == name => return Some(event),
                    event => self.pending.extend(event),
                },
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("{} neither says {name} nor dies", self.name),
            }
        }
    }

    /// The next line of a plain face that holds `text`; what stands before it is passed over.
    pub fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.output.recv_timeout(PATIENCE) {
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

    /// Dials another node and waits until it has answered on both sides.
    pub fn meet(&mut self, other: &mut Node) {
        let pong = self.asks(&format!(r"\ping 127.0.0.1 {}", other.port()));
        assert_eq!((&pong["event"], &pong["id"]), (&"pong".into(), &other.ready["id"]), "{pong}");
        let me = self.id().to_owned();
        other.event_with("nearby", "id", &me);
    }

    /// Begins the conversation with another node, and waits until they are linked.
    pub fn chats_with(&mut self, other: &mut Node) {
        let chat = self.asks(&format!(r"\chat {}", other.id()));
        assert_eq!(chat["event"], "chat", "{chat}");
        self.event_with("linked", "id", other.id());
        let me = self.id().to_owned();
        other.event_with("linked", "id", &me);
    }

    /// Types a text to the current conversation; the id of its message.
    pub fn says(&mut self, text: &str) -> String {
        let queued = self.asks(text);
        assert_eq!(queued["event"], "queued", "{queued}");
        queued["message"].as_str().expect("queued has an id").to_owned()
    }

    /// Waits until the author knows that a message has arrived.
    pub fn knows_delivered(&mut self, message: &str) {
        self.wait("delivered", |event| {
            event["event"] == "state" && event["message"] == message && event["state"] == "delivered"
        });
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it runs");
    }

    /// SIGKILL, and everything it had printed before that nobody has waited for.
    pub fn killed(mut self) -> Vec<Value> {
        note(&self.transcript, format!("{} is killed", self.name));
        self.child.kill().expect("it runs");
        let rest = self.rest_before_kill();
        self.child.wait().expect("it ends");
        rest
    }

    /// The last line may be half of one: a kill can cut it.
    fn rest_before_kill(&mut self) -> Vec<Value> {
        let mut rest = std::mem::take(&mut self.pending);
        while let Ok(line) = self.output.recv_timeout(PATIENCE) {
            rest.extend(serde_json::from_slice::<Value>(&line).ok());
        }
        rest
    }

    /// Waits for its end: the exit status, what it printed last, and what it complained about.
    pub fn ends(mut self) -> (ExitStatus, Vec<Value>, Vec<String>) {
        let rest = self.rest();
        let status = self.child.wait().expect("it ends");
        let complaints = self.complaints.take().expect("nobody has asked before");
        (status, rest, complaints.join().expect("its errors are read"))
    }

    /// `\quit`, and a graceful end.
    pub fn quits(mut self) {
        self.types(r"\quit");
        self.ends_well();
    }

    /// Waits for a graceful end: `stopped` last, code 0, no complaint.
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
        // Ended or not: a test lets nothing run on.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
