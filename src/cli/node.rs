//! The connection with the running node.

use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};

use super::Failed;
use super::advice::at_a_shell;
use crate::api::{self, Stream};
use crate::config::remote::Where;

/// A node answers at once. One that does not hangs, or its disk does.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection with a node that has said that it is ready.
pub struct Node {
    connection: Connection,
    /// What it has said of itself.
    pub ready: Event,
}

struct Connection {
    stream: BufReader<Stream>,
    /// Waits for the stream, at most until a deadline.
    runtime: Runtime,
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
        let runtime = runtime()?;
        let stream = runtime.block_on(api::connect(&dir)).map_err(gone)?;
        let mut connection = Connection { stream: BufReader::new(stream), runtime, partial: Vec::new() };
        let ready = connection.next(Some(Instant::now() + PATIENCE), pending())?;
        match ready.error() {
            Some(error) => Err(error),
            None => Ok(Node { connection, ready }),
        }
    }

    /// Sends a request.
    pub fn request(&mut self, request: &Value) -> Result<(), Failed> {
        let Connection { stream, runtime, .. } = &mut self.connection;
        runtime.block_on(stream.write_all(format!("{request}\n").as_bytes())).map_err(|_| ended())
    }

    /// The next event. Fails at the deadline.
    pub fn next(&mut self, deadline: Option<Instant>) -> Result<Event, Failed> {
        self.connection.next(deadline, pending())
    }

    /// Like [`Node::next`], but it fails as well with what `end` returns.
    pub fn next_until(
        &mut self,
        deadline: Option<Instant>,
        end: impl Future<Output = io::Error>,
    ) -> Result<Event, Failed> {
        self.connection.next(deadline, end)
    }

    /// The answer to a request with the number `line`, for which the node has [`PATIENCE`]. Other events are passed to
    /// `others`.
    pub fn answer(&mut self, line: u64, others: impl FnMut(Event)) -> Result<Event, Failed> {
        self.answer_by(line, Some(Instant::now() + PATIENCE), others)
    }

    /// Like [`Node::answer`], but until `by` if that is sooner.
    pub fn answer_soon(&mut self, line: u64, by: Option<Instant>, others: impl FnMut(Event)) -> Result<Event, Failed> {
        let patience = Instant::now() + PATIENCE;
        self.answer_by(line, Some(by.map_or(patience, |by| by.min(patience))), others)
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
    /// The next event, unless the deadline or `end` comes first.
    fn next(&mut self, deadline: Option<Instant>, end: impl Future<Output = io::Error>) -> Result<Event, Failed> {
        let late = || Failed::TimedOut("the node did not answer in time".to_owned());
        // Events that never end are not read for ever.
        if deadline.is_some_and(|at| at <= Instant::now()) {
            return Err(late());
        }
        let Connection { stream, runtime, partial } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                // What has come of a line until then is kept.
                read = stream.read_until(b'\n', partial) => match read {
                    Ok(_) if partial.ends_with(b"\n") => Ok(()),
                    _ => Err(ended()),
                },
                error = end => Err(error.into()),
                () = reach(deadline) => Err(late()),
            }
        })?;
        let line = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let value =
            serde_json::from_str(&text).map_err(|_| Failed::Refused("the node's answer is not JSON".to_owned()))?;
        Ok(Event { text, value })
    }
}

/// Waits until then; for ever if there is no time.
async fn reach(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => pending().await,
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
    let runtime = runtime()?;
    let mut running: Vec<PathBuf> = dirs.filter(|dir| runtime.block_on(api::connect(dir)).is_ok()).collect();
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

/// What commands wait with: they do one thing at a time, so it needs no further threads.
pub fn runtime() -> Result<Runtime, Failed> {
    let cannot = |error: io::Error| Failed::NoNode(format!("cannot connect with a node: {error}"));
    Builder::new_current_thread().enable_all().build().map_err(cannot)
}
