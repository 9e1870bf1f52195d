//! Runs a test in a mount namespace of its own, so that it needs no privilege and no mount outlives it.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

/// An environment variable, set inside the namespace.
const INSIDE: &str = "BAD_DISK_INSIDE";
/// The `unshare` flags to try: as any user, or as root without a user namespace.
const WAYS: [&[&str]; 2] = [
    &["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
    &["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
];
/// Time limit of one round of a test, in seconds.
const LONGEST: u64 = 240;

/// Runs a test where it may mount. Where the system does not allow it, the test is skipped with a visible message,
/// and fails if `CI` is set.
pub fn alone<F: Fn()>(test: F) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let Some(way) = allowed() else { return };
    let name = std::any::type_name::<F>();
    let name = name.strip_suffix("::{{closure}}").expect("tests give closures");
    let (_, name) = name.split_once("::").expect("tests are in modules");
    let mut command = Command::new("timeout");
    let rounds = std::env::var("DARKNODE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    command.args(["--signal=KILL", &(LONGEST * rounds).to_string(), "unshare"]).args(way);
    command.arg(std::env::current_exe().expect("the path of the current program is known")).env(INSIDE, "1");
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let output = command.output().expect("timeout is there, as unshare is");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "with a bad disk:\n{said}");
    assert!(said.contains("1 passed"), "{name} was not found:\n{said}");
    print!("{said}");
}

fn allowed() -> Option<&'static [&'static str]> {
    let mut why = match OpenOptions::new().read(true).write(true).open("/dev/fuse") {
        Ok(_) => "unshare refuses".to_owned(),
        Err(error) => format!("/dev/fuse: {error}"),
    };
    if !why.starts_with("/dev/fuse") {
        for way in WAYS {
            match Command::new("unshare").args(way).args(["mount", "-t", "tmpfs", "none", "/tmp"]).output() {
                Ok(output) if output.status.success() => return Some(way),
                Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
                Err(error) => why = error.to_string(),
            }
        }
    }
    let skipped = format!("SKIPPED: no test disk, needs FUSE and mount namespaces: {why}");
    assert!(std::env::var_os("CI").is_none(), "{skipped}");
    // Written past the capture of the test harness, so that it is visible.
    writeln!(std::io::stderr(), "{skipped}").ok();
    None
}
