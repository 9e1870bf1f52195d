//! A program that is connected to the socket of a node. It reads only when the test waits for something.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{PATIENCE, TestBed};

pub struct Client {
    stream: BufReader<UnixStream>,
    /// The first event.
    pub ready: Value,
    /// Events that were read and not yet waited for.
    pending: Vec<Value>,
    requested: u64,
}

/// The socket that the node of a data directory has noted.
pub fn socket(bed: &TestBed, dir: &str) -> PathBuf {
    fs::read_to_string(bed.path(dir).join("api")).expect("a node runs").into()
}

impl Client {
    /// Connects to the node of a data directory, and reads the first event, whatever it is.
    pub fn connect(bed: &TestBed, dir: &str) -> Client {
        Client::over(UnixStream::connect(socket(bed, dir)).expect("the node accepts"))
    }

    /// Reads the first event, whatever it is, from a connection.
    pub fn over(stream: UnixStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a time");
        let mut client =
            Client { stream: BufReader::new(stream), ready: Value::Null, pending: Vec::new(), requested: 0 };
        client.ready = client.next().expect("the node says something first");
        client
    }

    /// Sends bytes as they are.
    pub fn sends(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the node reads");
    }

    /// Sends a request with a number. Returns the number.
    pub fn requests(&mut self, mut request: Value) -> u64 {
        self.requested += 1;
        request["line"] = self.requested.into();
        self.sends(format!("{request}\n").as_bytes());
        self.requested
    }

    /// Sends a request, and waits for its answer.
    pub fn asks(&mut self, request: Value) -> Value {
        let number = self.requests(request);
        self.wait(|event| event["line"] == number)
    }

    /// Subscribes, and waits for the answer.
    pub fn subscribes(&mut self, since: &str) -> Value {
        let answer = self.asks(json!({"do": "subscribe", "since": since}));
        assert_eq!(answer["event"], "subscribed", "{answer}");
        answer
    }

    /// The next event; `None` if the node has closed the connection.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).expect("the node writes or closes in time");
        (read > 0).then(|| serde_json::from_str(&line).expect("every line is a JSON object"))
    }

    /// Waits for the first event that fits and was not waited for before. Earlier events are kept.
    pub fn wait(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.pending.iter().position(&fits) {
            return self.pending.remove(at);
        }
        loop {
            let event = self.next().expect("the node is still there");
            if fits(&event) {
                return event;
            }
            self.pending.push(event);
        }
    }

    pub fn event(&mut self, name: &str) -> Value {
        self.wait(|event| event["event"] == name)
    }

    /// All events that were not waited for up to the first one that fits, which is the last.
    pub fn all_until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        while !all.last().is_some_and(&fits) {
            all.push(match self.pending.is_empty() {
                true => self.next().expect("the node is still there"),
                false => self.pending.remove(0),
            });
        }
        all
    }
}

/// The value of a key of all events of a name.
pub fn each<'a>(events: &'a [Value], name: &str, key: &str) -> Vec<&'a str> {
    events.iter().filter(|event| event["event"] == name).filter_map(|event| event[key].as_str()).collect()
}
