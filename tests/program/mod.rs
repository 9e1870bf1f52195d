//! The real program, started as a script starts it: lines into its standard input, events out of its standard output.
//!
//! A [`Stage`] is a temporary directory and the transcript of all that was typed, said and complained about in it; a test
//! that fails prints it. Nothing here sleeps: whoever wants something waits for an event, for [`PATIENCE`] at most.
#![allow(dead_code, reason = "each test target uses a part of it")]

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

/// How long nothing may happen while something must: a busy machine is slow, a hang is for ever.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A place for programs to play in.
pub struct Stage {
    dir: TempDir,
    transcript: Transcript,
}

type Transcript = Arc<Mutex<Vec<String>>>;

fn note(transcript: &Transcript, line: String) {
    transcript.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

impl Stage {
    pub fn new() -> Stage {
        Stage { dir: TempDir::new().expect("a temporary directory"), transcript: Transcript::default() }
    }

    /// A path on this stage.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A note in the transcript.
    pub fn say(&self, text: impl Into<String>) {
        note(&self.transcript, text.into());
    }

    /// The program with nothing from the environment, and a home of its own.
    pub fn bare(&self) -> Command {
        program(self.dir.path())
    }

    /// A new network key in a file of this name that nobody else can read; its text.
    pub fn network_key(&self, file: &str) -> String {
        let output = self.bare().args(["network", "new"]).stdin(Stdio::null()).output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("it is text");
        self.keep_secret(file, &text);
        text
    }

    /// Writes a file that nobody else can read.
    pub fn keep_secret(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("it can be written");
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    /// A node for `name` that speaks JSON, alone: no mDNS, any free port, a data directory of that name.
    pub fn cast(&self, name: &str) -> Cast<'_> {
        Cast {
            stage: self,
            name: name.into(),
            dir: name.into(),
            port: 0,
            lan: false,
            interface: "--json",
            more: Vec::new(),
        }
    }

    /// Starts a node as [`Stage::cast`] makes it.
    pub fn start(&self, name: &str) -> Node {
        self.cast(name).start()
    }

    /// Two nodes that have met.
    pub fn two(&self) -> (Node, Node) {
        let (mut alice, mut bob) = (self.start("alice"), self.start("bob"));
        alice.meet(&mut bob);
        (alice, bob)
    }

    /// Starts a command as a node whose standard input and output are pipes.
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
            typed: 0,
            ready: Value::Null,
            transcript: self.transcript.clone(),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.transcript.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("--- what was typed (<), printed (>) and complained (!) ---\n{}\n---", lines.join("\n"));
        }
    }
}

/// What is tested: the program built with the tests, or the one that `DARKNODE_TEST_PROGRAM` names, built for another
/// machine or installed.
pub fn tested() -> OsString {
    std::env::var_os("DARKNODE_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_darknode").into())
}

/// The program with nothing from the environment, and its home at `home`.
pub fn program(home: &Path) -> Command {
    let mut command = Command::new(tested());
    clean(&mut command, home);
    command
}

/// Takes every option out of a command's environment and gives it a home.
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

/// Whether the system lets us make mounts of our own; says so loudly where it does not, and fails where `CI` is set.
pub fn may_mount() -> bool {
    let test = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).output();
    if test.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "this system allows no mount namespaces (unshare -Urm): CI must");
    eprintln!("SKIPPED: this system allows no mount namespaces (unshare -Urm)");
    false
}

/// A node that is to be started.
pub struct Cast<'a> {
    stage: &'a Stage,
    name: String,
    dir: String,
    port: u16,
    lan: bool,
    interface: &'static str,
    more: Vec<String>,
}

impl Cast<'_> {
    /// Another data directory than the one of its name.
    pub fn dir(mut self, dir: &str) -> Self {
        self.dir = dir.to_owned();
        self
    }

    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// With mDNS.
    pub fn on_the_lan(mut self) -> Self {
        self.lan = true;
        self
    }

    pub fn plain(mut self) -> Self {
        self.interface = "--plain";
        self
    }

    /// With the interface that the program chooses itself.
    pub fn interactive(mut self) -> Self {
        self.interface = "";
        self
    }

    pub fn with(mut self, args: &[&str]) -> Self {
        self.more.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// The arguments as they are given to the program.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec!["-u".into(), self.name.clone(), "--data-dir".into(), self.dir.clone()];
        args.extend(["--port".into(), self.port.to_string()]);
        args.extend((!self.interface.is_empty()).then(|| self.interface.into()));
        args.extend((!self.lan).then(|| "--no-lan".into()));
        args.extend(self.more.iter().cloned());
        args
    }

    pub fn command(&self) -> Command {
        let mut command = self.stage.bare();
        command.args(self.args());
        command
    }

    /// The program started by `sh -c SCRIPT`, in which `"$0" "$@"` is it with its arguments.
    pub fn by_shell(&self, shell: &[&str], script: &str) -> Command {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-c").arg(script).arg(tested()).args(self.args());
        clean(&mut command, self.stage.dir.path());
        command
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Node {
        let mut node = self.stage.run(self.command(), &self.name);
        match self.interface {
            "--json" => node.ready = node.event("ready"),
            _ => {
                node.line_with("you are");
            }
        }
        node
    }

    /// Starts it where it cannot work: one line on standard error, code 2, nothing on standard output. The line.
    pub fn refused(self) -> String {
        refused(self.command())
    }
}

/// Runs a command that cannot work: one line on standard error, code 2, nothing on standard output. The line.
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
    let object = event.as_object().unwrap_or_else(|| panic!("{event} is no object"));
    let mut keys: Vec<&str> =
        object.keys().map(String::as_str).filter(|key| !["event", "line"].contains(key)).collect();
    keys.sort_unstable();
    keys
}

/// Whether an event has this name and exactly these keys beside `event` and `line`.
pub fn assert_form(event: &Value, name: &str, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(event["event"], name, "{event}");
    assert_eq!(keys(event), expected, "{event}");
}

/// Runs a command to its end: everything on its standard output.
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
