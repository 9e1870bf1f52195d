//! Would a stranger with `docs/protocol.md` alone get through? `tests/interop` holds a second implementation, in Python,
//! written from that page: it reads the vectors, chats with the real program, is a session of the same user, and meets it on
//! a link by mDNS.
//!
//! It needs python3 with venv, and for the first run PyPI: `tests/interop/requirements.txt` names every file by its hash,
//! and they are installed once, below the target directory. `test_certificate.py` needs `openssl`, `test_lan.py` network
//! namespaces (`unshare` and `ip`). Where something is missing the test says SKIPPED; where `CI` is set it fails.
#![cfg(all(target_os = "linux", feature = "node"))]
#![allow(clippy::disallowed_methods, reason = "tests wait by the clock")]

#[path = "netns/field.rs"]
mod field;
#[path = "program/mod.rs"]
mod program;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Scripts that are not done by then hang, in seconds.
const LONGEST: &str = "300";
/// What `test_lan.py` finds around it: a network of its own, and a place for the names of others.
const FIELD: &str = "mount -t tmpfs none /run && mkdir /run/netns && exec \"$@\"";

#[test]
fn the_vectors_are_read_and_made_again_by_another_implementation() {
    run(&[], "test_vectors");
}

#[test]
fn the_grammar_of_the_page_is_one_and_takes_the_vectors() {
    run(&[], "test_grammar");
}

#[test]
fn another_implementation_written_from_the_page_chats_with_the_program() {
    run(&[], "test_peer");
}

#[test]
fn another_implementation_and_the_program_are_sessions_of_one_user() {
    run(&[], "test_sessions");
}

#[test]
fn openssl_reads_the_certificate_and_its_key_is_the_session() {
    if works(Command::new("openssl").arg("version"), "openssl") {
        run(&[], "test_certificate");
    }
}

#[test]
fn the_local_link_is_shared_with_another_mdns() {
    if let Some(flags) = field::allowed() {
        let place: Vec<&str> = ["unshare"].iter().chain(flags).chain(&["sh", "-c", FIELD, "field"]).copied().collect();
        run(&place, "test_lan");
    }
}

/// Runs one module of tests, behind a command that makes the place for it.
fn run(place: &[&str], module: &str) {
    let Some(python) = python() else { return };
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LONGEST]).args(place).arg(python).args(["-m", "unittest", "-v", module]);
    command.current_dir(scripts()).env("DARKNODE", env!("CARGO_BIN_EXE_darknode")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("timeout is there, as coreutils are");
    assert!(output.status.success(), "{module}: {}\n{}", output.status, said(&output));
    print!("{}", said(&output));
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// The interpreter that has what the scripts import; `None` after saying why there is none.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(install).as_deref()
}

/// Makes the venv unless an earlier run has: a copy of the requirements in it says for which it was made.
fn install() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
    let (python, made_for) = (venv.join("bin/python"), venv.join("made-for"));
    let wanted = scripts().join("requirements.txt");
    let requirements = fs::read(&wanted).expect("the requirements are in the repository");
    if fs::read(&made_for).is_ok_and(|made_for| made_for == requirements) {
        return Some(python);
    }
    if !works(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), "python3 with venv") {
        return None;
    }
    let mut pip = Command::new(&python);
    pip.args("-m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:".split(' '));
    if !works(pip.arg("-r").arg(&wanted), "the Python packages of tests/interop/requirements.txt") {
        return None;
    }
    fs::write(&made_for, requirements).expect("what was made can be written to");
    Some(python)
}

/// Whether a command succeeds; if it does not, the test is skipped aloud, or fails where `CI` is set.
fn works(command: &mut Command, needed: &str) -> bool {
    let why = match command.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => said(&output).trim().replace('\n', "; "),
        Err(error) => error.to_string(),
    };
    let skipped = format!("SKIPPED: interop needs {needed}: {why}");
    assert!(std::env::var_os("CI").is_none(), "{skipped}");
    // Past the capture of the test harness: this must be seen.
    writeln!(std::io::stderr(), "{skipped}").ok();
    false
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
