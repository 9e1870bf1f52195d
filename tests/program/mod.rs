//! Runs the real program as a script would: lines on its standard input, events from its standard output.
//!
//! A [`TestBed`] is a temporary directory and a transcript of all input and output; a failing test prints it. Nothing
//! here sleeps: tests wait for events, for [`PATIENCE`] at most unless they say otherwise.
#![allow(dead_code, reason = "each test target uses a part of it")]

pub mod client;
pub mod http;
mod node;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub use node::Node;

/// The longest wait for an event: generous, as a busy machine is slow, but a hang never ends.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A temporary directory for programs, and their transcript.
pub struct TestBed {
    dir: TempDir,
    transcript: Transcript,
}

type Transcript = Arc<Mutex<Vec<String>>>;

fn note(transcript: &Transcript, line: String) {
    transcript.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

impl TestBed {
    pub fn new() -> TestBed {
        TestBed { dir: TempDir::new().expect("a temporary directory"), transcript: Transcript::default() }
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds a note to the transcript.
    pub fn say(&self, text: impl Into<String>) {
        note(&self.transcript, text.into());
    }

    /// The program with a clean environment and a home directory of its own.
    pub fn bare(&self) -> Command {
        program(self.dir.path())
    }

    /// Creates a network key in a private file of this name. Returns its text.
    pub fn network_key(&self, file: &str) -> String {
        let output = self.bare().args(["network", "new"]).stdin(Stdio::null()).output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("it is text");
        self.keep_secret(file, &text);
        text
    }

    /// Writes a private file.
    pub fn keep_secret(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("it can be written");
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// Configures a node for user `name` with JSON output: no mDNS, any free port, and a data directory of that name.
    pub fn node(&self, name: &str) -> NodeOptions<'_> {
        NodeOptions {
            bed: self,
            name: name.into(),
            dir: name.into(),
            port: 0,
            lan: false,
            interface: "--json",
            more: Vec::new(),
            waits: false,
        }
    }

    /// Starts a node configured by [`TestBed::node`].
    pub fn start(&self, name: &str) -> Node {
        self.node(name).start()
    }

    /// Two nodes that have connected.
    pub fn two(&self) -> (Node, Node) {
        let (mut alice, mut bob) = (self.start("alice"), self.start("bob"));
        alice.meet(&mut bob);
        (alice, bob)
    }

    /// Starts a command as a node with pipes for standard input and output.
    pub fn run(&self, mut command: Command, name: &str) -> Node {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        note(&self.transcript, format!("{name} $ {command:?}"));
        let mut child = command.spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("it is a pipe");
        let stderr = child.stderr.take().expect("it is a pipe");
        let (lines, output) = mpsc::channel();
        let transcript = self.transcript.clone();
        let who = name.to_owned();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                note(&transcript, format!("{who} > {}", shortened(&String::from_utf8_lossy(&line))));
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let transcript = self.transcript.clone();
        let who = name.to_owned();
        let complaints = std::thread::spawn(move || {
            let mut all = Vec::new();
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                note(&transcript, format!("{who} ! {line}"));
                all.push(line);
            }
            all
        });
        Node {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            output,
            complaints: Some(complaints),
            pending: Vec::new(),
            patience: PATIENCE,
            typed: 0,
            ready: Value::Null,
            transcript: self.transcript.clone(),
        }
    }
}

impl Drop for TestBed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.transcript.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("--- input (<), output (>) and errors (!) ---\n{}\n---", lines.join("\n"));
        }
    }
}

/// The program under test: the one built with the tests, or the one named by `DARKNODE_TEST_PROGRAM`, such as an
/// installed one or one built for another machine.
pub fn tested() -> OsString {
    std::env::var_os("DARKNODE_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_darknode").into())
}

/// The program with a clean environment and the home directory `home`.
pub fn program(home: &Path) -> Command {
    let mut command = Command::new(tested());
    clean(&mut command, home);
    command
}

/// Removes all options from a command's environment and sets its home directory.
pub fn clean(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DARKNODE_")) {
        command.env_remove(name);
    }
    command.env("HOME", home).env_remove("XDG_DATA_HOME").current_dir(home);
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// Whether the system allows mounts in a namespace. If not, prints a visible message, and fails if `CI` is set.
pub fn may_mount() -> bool {
    let test = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).output();
    if test.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "this system allows no mount namespaces (unshare -Urm): CI must");
    eprintln!("SKIPPED: this system allows no mount namespaces (unshare -Urm)");
    false
}

/// The configuration of a node to be started.
pub struct NodeOptions<'a> {
    bed: &'a TestBed,
    name: String,
    dir: String,
    port: u16,
    lan: bool,
    interface: &'static str,
    more: Vec<String>,
    waits: bool,
}

impl NodeOptions<'_> {
    /// Sets another data directory.
    pub fn dir(mut self, dir: &str) -> Self {
        self.dir = dir.to_owned();
        self
    }

    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Enables mDNS.
    pub fn on_the_lan(mut self) -> Self {
        self.lan = true;
        self
    }

    pub fn plain(mut self) -> Self {
        self.interface = "--plain";
        self
    }

    /// With the line editor.
    pub fn line_editor(mut self) -> Self {
        self.interface = "--line";
        self
    }

    /// With the interface that the program chooses itself: on a terminal, the full screen.
    pub fn interactive(mut self) -> Self {
        self.interface = "";
        self
    }

    pub fn with(mut self, args: &[&str]) -> Self {
        self.more.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// As `darknode link`, which waits to become a session of a user.
    pub fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }

    /// The arguments for the program.
    pub fn args(&self) -> Vec<String> {
        let mut args = match self.waits {
            true => vec!["link".into()],
            false => vec!["-u".into(), self.name.clone()],
        };
        args.extend(["--data-dir".into(), self.dir.clone()]);
        args.extend(["--port".into(), self.port.to_string()]);
        args.extend((!self.interface.is_empty()).then(|| self.interface.into()));
        args.extend((!self.lan).then(|| "--no-lan".into()));
        args.extend(self.more.iter().cloned());
        args
    }

    pub fn command(&self) -> Command {
        let mut command = self.bed.bare();
        command.args(self.args());
        command
    }

    /// The program run by `sh -c SCRIPT`, in which `"$0" "$@"` is the program with its arguments.
    pub fn by_shell(&self, shell: &[&str], script: &str) -> Command {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-c").arg(script).arg(tested()).args(self.args());
        clean(&mut command, self.bed.dir.path());
        command
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Node {
        let mut node = self.bed.run(self.command(), &self.name);
        match self.interface {
            "--json" => node.ready = node.event("ready"),
            _ => {
                node.line_with("you are");
            }
        }
        node
    }

    /// Starts it where it cannot work. Asserts exit code 2 and one line on standard error only, and returns that
    /// line.
    pub fn refused(self) -> String {
        refused(self.command())
    }
}

/// Runs a command that cannot work. Asserts exit code 2 and one line on standard error only, and returns that line.
pub fn refused(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let error = String::from_utf8(output.stderr).expect("errors are text");
    assert_eq!(output.status.code(), Some(2), "{command:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{command:?}: {error}");
    assert!(error.starts_with("darknode: "), "{error}");
    assert!(output.stdout.is_empty(), "{command:?} printed {}", String::from_utf8_lossy(&output.stdout));
    error
}

/// The keys of an event, sorted, without `event` and `line`.
pub fn keys(event: &Value) -> Vec<&str> {
    let object = event.as_object().unwrap_or_else(|| panic!("{event} is not an object"));
    let mut keys: Vec<&str> =
        object.keys().map(String::as_str).filter(|key| !["event", "line"].contains(key)).collect();
    keys.sort_unstable();
    keys
}

/// Asserts that an event has this name and exactly these keys besides `event` and `line`.
pub fn assert_form(event: &Value, name: &str, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(event["event"], name, "{event}");
    assert_eq!(keys(event), expected, "{event}");
}

/// Runs a command to its end. Returns its standard output.
pub fn output_of(command: &mut Command, args: &[&str]) -> Vec<u8> {
    let output = command.args(args.iter().map(OsStr::new)).stdin(Stdio::null()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Reads a stream to its end as text.
pub fn read_all(mut stream: impl Read) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).expect("it can be read");
    String::from_utf8_lossy(&text).into_owned()
}
