//! The files in `deploy/monitoring`, checked by Prometheus itself.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Whether `promtool` is there. Without it the test is skipped with a message, and fails in CI.
fn has_promtool() -> bool {
    if Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let skipped = "SKIPPED: nobody checks deploy/monitoring, needs promtool (Debian's package prometheus)";
    assert!(std::env::var_os("CI").is_none(), "{skipped}");
    // Not captured by the test harness, so that it is seen.
    writeln!(std::io::stderr(), "{skipped}").ok();
    false
}

#[test]
fn prometheus_accepts_the_configuration_and_the_alerts_fire_when_they_must() {
    if !has_promtool() {
        return;
    }
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring");
    for args in
        [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]]
    {
        let said = Command::new("promtool").args(args).current_dir(&files).output().expect("it starts");
        let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "promtool {}: {text}", args.join(" "));
    }
}
