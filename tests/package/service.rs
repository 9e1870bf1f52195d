//! The systemd unit, used as by an operator.

use crate::machine::{Machine, allowed};
use crate::program::{Node, TestBed};

const SETTINGS: &str = "/etc/darknode/darknode.env";

/// A property of the unit.
fn property(machine: &Machine, name: &str) -> String {
    machine.does(&format!("systemctl show --property={name} --value darknode"))
}

fn is_active(machine: &Machine) -> String {
    machine.does("systemctl is-active darknode || true")
}

/// Dials the service and starts a conversation with it.
fn meets(person: &mut Node) {
    let pong = person.asks(r"\ping 127.0.0.1 27272");
    let id = pong["id"].as_str().unwrap_or_else(|| panic!("{pong}")).to_owned();
    let chat = person.asks(&format!(r"\chat {id}"));
    assert_eq!(chat["event"], "chat", "{chat}");
}

/// Sends a line and waits for its delivery. Only the user of the conversation can confirm it, because it is sealed to them.
fn is_heard(person: &mut Node, line: &str) {
    let message = person.says(line);
    person.knows_delivered(&message);
}

#[test]
fn the_service_keeps_its_identity_when_stopped_killed_upgraded_and_removed() {
    if !allowed() {
        return;
    }
    let bed = TestBed::new();
    let machine = Machine::boot(&bed);
    machine.does("dpkg -i /package.deb");
    assert_eq!(is_active(&machine), "inactive", "installed is not started");
    machine.writes(SETTINGS, "DARKNODE_USERNAME=harbour");
    let mut journal = machine.journal();
    machine.does("systemctl enable --now darknode");
    journal.line_with("harbour is a server of the open network");
    let words = machine.does("journalctl -u darknode -o cat | sed -n 's/.*recovery words: sudo //p' | sh");
    assert_eq!(words.split_whitespace().count(), 24, "{words}");
    let mut ann = machine.person("ann", &[]);
    meets(&mut ann);
    is_heard(&mut ann, "are you there?");
    assert_eq!(machine.does("stat -c %a /var/lib/private/darknode"), "700");
    let user: u32 = machine.does("stat -c %u /var/lib/private/darknode").parse().expect("a number");
    assert!((61_184..=65_519).contains(&user), "{user} is no user of its own");

    machine.does("systemctl stop darknode");
    assert_eq!(ann.event("offline")["reason"], "declared");
    assert_eq!([property(&machine, "Result"), property(&machine, "ExecMainStatus")], ["success", "0"]);

    machine.does("systemctl start darknode");
    journal.line_with("harbour is a server of the open network");
    is_heard(&mut ann, "and again?");

    machine.does("systemctl kill --signal=KILL darknode");
    journal.line_with("harbour is a server of the open network");
    assert_eq!(property(&machine, "NRestarts"), "1");
    is_heard(&mut ann, "and after a kill?");

    machine.does("dpkg -i /package.deb");
    journal.line_with("harbour is a server of the open network");
    assert_eq!(is_active(&machine), "active", "an upgrade starts it again");
    is_heard(&mut ann, "and after an upgrade?");
    ann.quits();

    machine.does("dpkg --purge darknode");
    assert_eq!(is_active(&machine), "inactive", "what is removed does not run on");
    machine.does("test -e /var/lib/private/darknode/user.pem");
}

#[test]
fn the_service_gets_its_network_key_as_a_credential() {
    if !allowed() {
        return;
    }
    let bed = TestBed::new();
    let machine = Machine::boot(&bed);
    machine.does(
        "dpkg -i /package.deb; mkdir -p /etc/darknode; umask 077; darknode network new > /etc/darknode/network.key",
    );
    machine.writes(
        "/etc/systemd/system/darknode.service.d/override.conf",
        "[Service]\nLoadCredential=network.key:/etc/darknode/network.key\nEnvironment=DARKNODE_NETWORK_KEY=%d/network.key",
    );
    let mut journal = machine.journal();
    machine.does("systemctl daemon-reload; systemctl start darknode");
    journal.line_with("is a server of the closed network");
    let mut ann = machine.person("ann", &["--network-key", "/etc/darknode/network.key"]);
    meets(&mut ann);
    is_heard(&mut ann, "among us?");
    let refused = machine.person("mallory", &[]).fails(r"\ping 127.0.0.1 27272");
    assert_eq!(refused, "unreachable");
}

#[test]
fn a_service_that_cannot_work_is_not_restarted_and_reports_the_reason() {
    if !allowed() {
        return;
    }
    let bed = TestBed::new();
    let machine = Machine::boot(&bed);
    machine.does("dpkg -i /package.deb");
    machine.writes(SETTINGS, "DARKNODE_PORT=80");
    let mut journal = machine.journal();
    machine.does("systemctl start darknode || true");
    journal.line_with("choose one above 1023");
    journal.line_with("Failed with result");
    let seen = ["Result", "ExecMainStatus", "NRestarts"].map(|name| property(&machine, name));
    assert_eq!(seen, ["exit-code", "2", "0"]);
}

#[test]
fn the_unit_is_valid_and_its_sandbox_is_strict() {
    if !allowed() {
        return;
    }
    let bed = TestBed::new();
    let machine = Machine::boot(&bed);
    machine.does("dpkg -i /package.deb");
    // It reports unknown settings, but with exit code 0.
    assert_eq!(machine.does("systemd-analyze verify darknode.service 2>&1"), "");
    machine.does("systemd-analyze security --offline=true --threshold=20 /lib/systemd/system/darknode.service");
}
