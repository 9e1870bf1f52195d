//! The connection with the running node.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use tokio::time::Instant;

use super::Failed;
use super::advice::at_a_shell;
use crate::api::place;
use crate::config::remote::Where;

/// A node answers at once. One that does not hangs, or its disk does.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest time that the system waits for: a socket refuses one without end, and a clock may be set.
const LONG: Duration = Duration::from_secs(86_400);

/// A connection with a node that has said that it is ready.
pub struct Node {
    connection: Connection,
    /// What it has said of itself.
    pub ready: Event,
}

struct Connection {
    stream: BufReader<UnixStream>,
    /// The line that is being read.
    partial: Vec<u8>,
}

/// An event, as it came and as parsed.
pub struct Event {
    /// The line, without its line ending.
    pub text: String,
    /// The object.
    pub value: Value,
}

impl Event {
    /// Its name.
    pub fn name(&self) -> &str {
        self.key("event")
    }

    /// A string in it; empty if it has none of this name.
    pub fn key(&self, key: &str) -> &str {
        self.value.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The error that it is.
    pub fn error(&self) -> Option<Failed> {
        (self.name() == "error").then(|| Failed::Refused(at_a_shell(self.key("message"))))
    }
}

impl Node {
    /// Connects, and waits until the node has said that it is ready.
    pub fn connect(node: &Where) -> Result<Node, Failed> {
        let dir = locate(node)?;
        let gone =
            |_| Failed::NoNode(format!("no node is running in {}; start it with darknode -u NAME", dir.display()));
        let stream = connect(&dir).map_err(gone)?;
        let mut connection = Connection { stream: BufReader::new(stream), partial: Vec::new() };
        let ready = connection.next(Some(Instant::now() + PATIENCE))?;
        match ready.error() {
            Some(error) => Err(error),
            None => Ok(Node { connection, ready }),
        }
    }

    /// Sends a request.
    pub fn request(&mut self, request: &Value) -> Result<(), Failed> {
        self.connection.stream.get_mut().write_all(format!("{request}\n").as_bytes()).map_err(|_| ended())
    }

    /// The next event. Fails at the deadline.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Event, Failed> {
        self.connection.next(deadline)
    }

    /// Like [`Node::next`], but it fails as well once nobody reads standard output any more.
    pub fn next_while_read(&mut self, deadline: Option<Instant>) -> Result<Event, Failed> {
        let stream = &self.connection.stream;
        while stream.buffer().is_empty() {
            let left = time_left(deadline);
            if wait_while_read(Some(stream.get_ref().as_fd()), left)? || left == Some(Duration::ZERO) {
                break;
            }
        }
        self.next(deadline)
    }

    /// The answer to a request with the number `line`, for which the node has [`PATIENCE`]. Other events are passed to
    /// `others`.
    pub fn answer(&mut self, line: u64, others: impl FnMut(Event)) -> Result<Event, Failed> {
        self.answer_by(line, Some(Instant::now() + PATIENCE), others)
    }

    /// Like [`Node::answer`], with a deadline or none.
    pub fn answer_by(
        &mut self,
        line: u64,
        deadline: Option<Instant>,
        mut others: impl FnMut(Event),
    ) -> Result<Event, Failed> {
        loop {
            let event = self.next(deadline)?;
            if event.value.get("line").and_then(Value::as_u64) == Some(line) {
                return Ok(event);
            }
            others(event);
        }
    }
}

impl Connection {
    fn next(&mut self, deadline: Option<Instant>) -> Result<Event, Failed> {
        loop {
            let left = time_left(deadline);
            if left == Some(Duration::ZERO) {
                return Err(Failed::TimedOut("the node did not answer in time".to_owned()));
            }
            self.stream.get_mut().set_read_timeout(left).map_err(|_| ended())?;
            match self.stream.read_until(b'\n', &mut self.partial) {
                Ok(_) if self.partial.ends_with(b"\n") => break,
                Ok(_) => return Err(ended()),
                // What has come of the line is kept.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(ended()),
            }
        }
        let line = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let value =
            serde_json::from_str(&text).map_err(|_| Failed::Refused("the node's answer is not JSON".to_owned()))?;
        Ok(Event { text, value })
    }
}

/// How long something may still take; `None` if it may take for ever.
fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()).min(LONG))
}

/// Waits for input, at most so long. Returns whether there is any. Who waits does not learn by writing that nobody reads.
///
/// # Errors
/// Nobody reads standard output any more: [`io::ErrorKind::BrokenPipe`], as when something is written to it.
pub fn wait_while_read(input: Option<BorrowedFd<'_>>, limit: Option<Duration>) -> io::Result<bool> {
    let stdout = io::stdout();
    // An error and the end of the reader are reported without being asked for.
    let mut awaited = vec![PollFd::new(stdout.as_fd(), PollFlags::empty())];
    awaited.extend(input.map(|input| PollFd::new(input, PollFlags::POLLIN)));
    let limit = limit.map_or(PollTimeout::NONE, |limit| limit.try_into().unwrap_or(PollTimeout::MAX));
    let ready = match poll(&mut awaited, limit) {
        Err(Errno::EINTR) => 0,
        ready => ready?,
    };
    match awaited[0].any() {
        Some(false) => Ok(ready > 0),
        _ if ready == 0 => Ok(false),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// The connection has ended.
fn ended() -> Failed {
    Failed::Ended("the node has ended".to_owned())
}

/// The data directory of a node.
pub fn locate(node: &Where) -> Result<PathBuf, Failed> {
    match node {
        Where::Dir(dir) => Ok(dir.clone()),
        Where::Only(below) => only(below),
    }
}

/// The only data directory below this one that has a running node.
fn only(below: &Path) -> Result<PathBuf, Failed> {
    let dirs = fs::read_dir(below).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut running: Vec<PathBuf> = dirs.filter(|dir| has_node(dir)).collect();
    running.sort();
    match running.as_slice() {
        [] => Err(Failed::NoNode(
            "no node of yours is running; start it with darknode -u NAME, or say where it is with --data-dir"
                .to_owned(),
        )),
        [dir] => Ok(dir.clone()),
        several => {
            let names: Vec<_> = several.iter().filter_map(|dir| dir.file_name()?.to_str()).collect();
            Err(Failed::Usage(format!("several nodes of yours are running; choose one with -u: {}", names.join(", "))))
        }
    }
}

fn has_node(dir: &Path) -> bool {
    connect(dir).is_ok()
}

/// Connects with the node of a data directory.
pub fn connect(dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(place::find(dir)?)
}
