//! Checks the README: the macros, options and files it names exist, and the code blocks marked as tested run.
#![cfg(all(feature = "node", unix))]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use darknode::ui::macros::MACROS;

const PROGRAM: &str = env!("CARGO_BIN_EXE_darknode");

#[test]
fn the_readme_names_exactly_the_macros_that_exist() {
    let readme = readme();
    let named: BTreeSet<&str> = code(&readme)
        .flat_map(|text| text.match_indices('\\').map(|(at, _)| &text[at + 1..]))
        .map(|text| &text[..text.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(text.len())])
        .filter(|name| !name.is_empty() && *name != "n")
        .collect();
    let real: BTreeSet<&str> = MACROS.iter().map(|known| known.name).collect();
    assert_eq!(named, real);
}

#[test]
fn every_option_in_the_readme_exists() {
    let help = |command: Option<&str>| {
        let output = Command::new(PROGRAM).args(command).arg("--help").output().expect("it runs");
        String::from_utf8(output.stdout).expect("help is text")
    };
    let commands = ["send", "watch", "attach", "users", "export", "web", "doctor"];
    let help: String = [None].into_iter().chain(commands.map(Some)).map(help).collect();
    let known: BTreeSet<&str> = help.split(|c: char| c.is_whitespace() || c == ',').collect();
    let readme = readme();
    // Options after a pipe belong to another command.
    let commands = code(&readme).filter_map(|text| {
        let own = if text.starts_with("--") { Some(text) } else { text.find("darknode ").map(|at| &text[at..]) };
        own.and_then(|text| text.split('|').next())
    });
    let mut seen = 0;
    for word in commands.flat_map(str::split_whitespace).filter(|word| word.len() > 1 && word.starts_with('-')) {
        assert!(known.contains(word), "{word}");
        seen += 1;
    }
    assert!(seen > 10, "the README was not read: {seen}");
}

#[test]
fn every_file_in_the_readme_exists() {
    let readme = readme();
    for link in readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default()) {
        assert!(link.contains("://") || link.starts_with('#') || root().join(link).exists(), "{link}");
    }
    let map = readme.split("## The repository").nth(1).expect("the README has a map");
    let paths = map.split('`').skip(1).step_by(2);
    paths.for_each(|path| assert!(root().join(path).exists(), "{path}"));
}

#[test]
fn the_tested_blocks_of_the_readme_run() {
    let readme = readme();
    let blocks: Vec<&str> =
        readme.split("```sh tested\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let home = tempfile::tempdir().expect("a directory");
        let mut dora = Node::start(home.path());
        let output = quiet("bash", home.path())
            .env("DARKNODE_BOOTSTRAP", &dora.addr)
            .args(["-e", "-o", "pipefail", "-c", block])
            .output()
            .expect("bash is there");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.ends_with("{\"event\":\"stopped\"}\n"), "{block}\n{out}\n{err}");
        assert!(dora.quit().contains("the generator is off"), "{out}");
    }
}

#[test]
fn the_key_commands_of_the_readme_work() {
    let home = tempfile::tempdir().expect("a directory");
    let key = quiet(PROGRAM, home.path()).args(["network", "new"]).output().expect("it runs");
    assert!(key.status.success() && key.stdout.starts_with(b"# "), "a key file that says how to use it");
    Node::start(home.path()).quit();
    let words = quiet(PROGRAM, home.path()).args(["identity", "words", "-u", "dora"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&words.stdout).split_whitespace().count(), 24);
}

/// `dora`, who can be reached only by her address.
struct Node {
    child: Child,
    addr: String,
    out: BufReader<std::process::ChildStdout>,
}

impl Node {
    fn start(home: &Path) -> Node {
        let mut child = quiet(PROGRAM, home)
            .args(["-u", "dora", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut ready = String::new();
        out.read_line(&mut ready).expect("it says that it is ready");
        let at = ready.find("127.0.0.1:").unwrap_or_else(|| panic!("it listens on loopback: {ready}"));
        let addr = ready[at..].split('"').next().unwrap_or_default().to_owned();
        Node { child, addr, out }
    }

    /// Ends it by closing its input; returns its remaining output.
    fn quit(&mut self) -> String {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.out.read_to_string(&mut said).expect("it speaks UTF-8");
        assert!(self.child.wait().expect("it ends").success());
        said
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A command in its own home directory, where nodes use no mDNS and any free port.
fn quiet(program: &str, home: &Path) -> Command {
    let bin = Path::new(PROGRAM).parent().expect("it is in a directory");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.current_dir(home).env("PATH", path).env("HOME", home).env_remove("XDG_DATA_HOME");
    command.env("DARKNODE_NO_LAN", "1").env("DARKNODE_PORT", "0");
    command
}

/// The contents of code spans, and indented or fenced code lines.
fn code(readme: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    readme.lines().flat_map(move |line| {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        // The whole line, or its code spans.
        let whole = fenced || line.starts_with("    ");
        let spans: Vec<&str> = if whole { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        spans.into_iter().map(|text| text.split(" #").next().unwrap_or_default()).collect::<Vec<_>>()
    })
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("there is a README")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
