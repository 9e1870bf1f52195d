//! A node with a page, and a program that speaks HTTP to it, as no browser would let a page do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Node, PATIENCE, TestBed};

/// The page of a node.
pub struct Page {
    pub addr: SocketAddr,
    /// The last link that was printed has this code.
    pub code: String,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The events in the body.
    pub fn events(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).expect("every line is an event")).collect()
    }
}

/// What `darknode web` prints for the node of a data directory.
pub fn darknode_web(bed: &TestBed, dir: &str, more: &[&str]) -> String {
    let mut command = bed.bare();
    command.args(["web", "--data-dir", dir]).args(more).stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

impl Page {
    /// Has the node of a data directory serve its page.
    pub fn of(bed: &TestBed, dir: &str) -> Page {
        let printed = darknode_web(bed, dir, &[]);
        let link = printed.trim_end().strip_prefix("http://").expect("a link");
        let (addr, code) = link.split_once("/#").expect("it has a code");
        Page { addr: addr.parse().expect("an address"), code: code.to_owned() }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a time");
        stream
    }

    /// Sends bytes, and reads the answer to its end.
    pub fn sends(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that refuses may close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        read(&answer)
    }

    /// A request with these header fields beside the host, and this body.
    pub fn asks(&self, line: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let host = format!("Host: {}\r\n", self.addr);
        self.sends(format!("{line} HTTP/1.1\r\n{host}{}", rest(fields, body)).as_bytes())
    }

    pub fn gets(&self, path: &str) -> Answer {
        self.asks(&format!("GET {path}"), &[], "")
    }

    pub fn logs_in(&self, code: &str) -> Answer {
        self.asks("POST /login", &[JSON], &json!({ "code": code }).to_string())
    }

    /// Logs in with the code of the link. Returns the field that shows the token.
    pub fn enters(&self) -> String {
        let answer = self.logs_in(&self.code);
        assert_eq!(answer.status, 200, "{answer:?}");
        let token: Value = serde_json::from_str(&answer.body).expect("it is JSON");
        format!("Bearer {}", token["token"].as_str().expect("it has a token"))
    }

    /// Makes a request of the local API.
    pub fn requests(&self, token: &str, request: &Value) -> Answer {
        self.asks("POST /api", &[JSON, ("Authorization", token)], &request.to_string())
    }

    /// Opens a stream of events, and reads its head.
    pub fn streams(&self, token: &str, since: &str) -> Stream {
        let mut stream = self.connect();
        let fields = rest(&[("Authorization", token)], "");
        let head = format!("GET /api/events?since={since} HTTP/1.1\r\nHost: {}\r\n{fields}", self.addr);
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).expect("it answers"), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Stream { stream, piece: Vec::new() }
    }
}

/// The field of a body of JSON.
pub const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The fields after the host, and the body.
pub fn rest(fields: &[(&str, &str)], body: &str) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{fields}{length}\r\n{body}")
}

fn read(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").expect("the end of a chunk");
    }
    whole
}

/// A stream of events.
pub struct Stream {
    stream: BufReader<TcpStream>,
    piece: Vec<u8>,
}

impl Stream {
    /// The next line, which may be blank; `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.piece.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.piece.drain(..=end).collect();
                return Some(String::from_utf8(line).expect("it is text").trim_end().to_owned());
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).ok().filter(|read| *read > 0)?;
            let size = usize::from_str_radix(size.trim_end(), 16).expect("the size of a chunk");
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).ok().filter(|()| size > 0)?;
            self.piece.extend_from_slice(&chunk[..size]);
        }
    }

    /// Waits for the next event of this name.
    pub fn event(&mut self, name: &str) -> Value {
        self.wait(|event| event["event"] == name).unwrap_or_else(|| panic!("{name} is told in time"))
    }

    /// The next event that fits; `None` if it does not come in time, or the stream ends before.
    #[expect(clippy::disallowed_methods, reason = "tests wait by the clock")]
    pub fn wait(&mut self, mut fits: impl FnMut(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + PATIENCE;
        // A stream without events has a blank line now and then.
        while Instant::now() < deadline {
            let event = serde_json::from_str(&self.line()?).unwrap_or_default();
            if fits(&event) {
                return Some(event);
            }
        }
        None
    }

    /// Waits for the end of the stream.
    #[expect(clippy::disallowed_methods, reason = "tests wait by the clock")]
    pub fn ends(mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.line().is_some() {
            assert!(Instant::now() < deadline, "the stream goes on");
        }
    }
}

/// A node, and its page.
pub fn alice(bed: &TestBed) -> (Node, Page) {
    let alice = bed.start("alice");
    let page = Page::of(bed, "alice");
    (alice, page)
}
