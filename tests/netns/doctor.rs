//! `\doctor` where something is wrong: each cause leads to its verdict.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::field::{Field, PORT, in_a_field};
use crate::program::Node;
use crate::reach::{behind_router, finds};
use crate::talk::{befriend, pair};

/// Time until the doctor has the verdict.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the doctor until the verdict begins like this, and returns the whole answer. What it says depends on what has been noticed
/// so far.
fn verdict(node: &mut Node, line: &str, expected: &str) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = node.asks(line);
        assert_eq!(answer["event"], "doctor", "{answer}");
        if answer["verdict"].as_str().is_some_and(|verdict| verdict.starts_with(expected)) {
            return answer;
        }
        assert!(Instant::now() < end, "not {expected:?}: {answer:#}");
    }
}

/// Asserts that a check has this state and this in its text.
fn shows(answer: &Value, name: &str, state: &str, text: &str) {
    let checks = answer["checks"].as_array().expect("a list of checks");
    let is_it = |check: &&Value| {
        check["name"] == name && check["state"] == state && check["text"].as_str().is_some_and(|all| all.contains(text))
    };
    assert!(checks.iter().any(|check| is_it(&check)), "no {name} is {state} with {text:?}: {answer:#}");
}

/// A table of nft that lets nothing in to the port of nodes.
fn closed_port() -> String {
    format!("table inet wall {{ chain in {{ type filter hook input priority 0; udp dport {PORT} drop; }}; }}")
}

#[test]
fn blocked_multicast_is_the_reason_that_nobody_is_found() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "hall", "10.0.0.2/24");
        field.block_mdns("alice");
        let (mut alice, _bob) = (field.node("alice"), field.node("bob"));
        let answer = verdict(&mut alice, r"\doctor bob", "multicast is blocked here");
        shows(&answer, "multicast", "wrong", "eth0: own announcement not heard");
        assert!(answer["action"].as_str().is_some_and(|action| action.contains(r"\ping")), "{answer}");
    });
}

#[test]
fn an_interface_without_a_carrier_or_switched_off_is_named_before_what_follows_from_it() {
    in_a_field(|field| {
        let (mut alice, _bob) = pair(field);
        let pull = |field: &Field| field.pull("alice");
        let switch_off = |field: &Field| {
            field.put_back("alice");
            field.on("alice", "ip link set eth0 down");
        };
        for fault in [&pull as &dyn Fn(&Field), &switch_off] {
            fault(field);
            for line in [r"\doctor bob", r"\doctor", r"\doctor zoe"] {
                let answer = verdict(&mut alice, line, "no network interface of this machine is up: eth0");
                shows(&answer, "interfaces", "wrong", "eth0 10.0.0.1");
            }
        }
    });
}

#[test]
fn a_path_that_has_just_died_is_a_stalled_connection_until_it_counts_as_lost() {
    in_a_field(|field| {
        let (mut alice, _bob) = pair(field);
        field.part("alice", "bob");
        let answer = verdict(&mut alice, r"\doctor bob", "the connection with bob has stalled");
        shows(&answer, "session", "wrong", "connected, but nothing arrives at present");
        shows(&answer, "user", "note", "bob was last heard");
    });
}

#[test]
fn nothing_is_wrong_with_somebody_who_is_reached_through_others() {
    in_a_field(|field| {
        field.switch("hall");
        for (host, address) in [("pi", "10.0.0.9/24"), ("alice", "10.0.0.1/24"), ("bob", "10.0.0.2/24")] {
            field.desk(host, "hall", address);
            field.without_ipv6(host);
        }
        let mut pi = field.node_with("pi", "pi", &["--server"]);
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        befriend(&mut alice, &mut bob);
        finds(&mut alice, &pi);
        finds(&mut pi, &bob);
        let rule = "table inet wall { chain out { type filter hook output priority 0; ip daddr 10.0.0.2 drop; }; }";
        field.on("alice", &format!("nft '{rule}'"));
        let expected = "bob is reached through pi; there is no direct path: a firewall does not let UDP pass";
        let answer = verdict(&mut alice, r"\doctor bob", expected);
        shows(&answer, "user", "ok", "bob is reached through others");
        let checks = answer["checks"].as_array().expect("a list of checks");
        assert!(checks.iter().all(|check| check["state"] != "wrong"), "{answer:#}");
    });
}

#[test]
fn a_closed_port_is_the_reason_that_a_neighbour_on_the_link_is_not_reached() {
    in_a_field(|field| {
        let (mut alice, bob) = pair(field);
        field.on("bob", &format!("nft '{}'", closed_port()));
        alice.event_with("offline", "user", "bob");
        let answer =
            verdict(&mut alice, r"\doctor bob", "the machine of bob went off just now, or does not let UDP 27272 in");
        shows(&answer, "address", "wrong", "dialled now: no answer");
        shows(&answer, "user", "note", "bob was last heard");
        drop(bob);
    });
}

#[test]
fn if_nobody_on_the_link_answers_the_closed_port_is_here() {
    in_a_field(|field| {
        let (mut alice, mut bob) = pair(field);
        for (host, address) in [("carol", "10.0.0.3/24"), ("dora", "10.0.0.4/24")] {
            field.desk(host, "hall", address);
        }
        let mut carol = field.node("carol");
        befriend(&mut carol, &mut bob);
        field.on("bob", &format!("nft '{}'", closed_port()));
        field.on("dora", &format!("nft '{}'", closed_port()));
        let mut dora = field.node("dora");
        for node in [&mut bob, &mut dora] {
            for line in [r"\doctor alice", r"\doctor"] {
                let answer = verdict(node, line, "this machine does not let UDP 27272 in");
                shows(&answer, "port", "wrong", "announced on this network");
            }
        }
        verdict(&mut alice, r"\doctor bob", "the machine of bob");
    });
}

#[test]
fn two_nats_that_give_every_destination_another_port_cannot_meet() {
    in_a_field(|field| {
        field.switch("public");
        for (host, last) in [("pi", 1), ("vps", 2)] {
            field.desk(host, "public", &format!("203.0.113.{last}/24"));
        }
        let _servers = [field.node_with("pi", "pi", &["--server"]), field.node_with("vps", "vps", &["--server"])];
        for (host, last) in [("alice", 11), ("bob", 12)] {
            behind_router(field, host, last, "masquerade fully-random");
        }
        let places = [format!("203.0.113.1:{PORT}"), format!("203.0.113.2:{PORT}")];
        let args = ["--bootstrap", &places[0], "--bootstrap", &places[1]];
        let mut people = ["alice", "bob"].map(|host| field.node_with(host, host, &args));
        let [alice, bob] = &mut people;
        finds(alice, bob);
        finds(bob, alice);
        let answer = verdict(alice, r"\doctor bob", "two such NATs, yours and that of bob, cannot meet; lines go by");
        shows(&answer, "nat", "note", "symmetric");
        shows(&answer, "asked", "ok", "bob is there, behind a symmetric NAT");
    });
}

#[test]
fn somebody_who_left_is_away_and_a_server_hands_the_lines_over() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("pi", "hall", "10.0.0.9/24");
        let mut pi = field.node_with("pi", "pi", &["--server"]);
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("bob", "hall", "10.0.0.2/24");
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        finds(&mut alice, &bob);
        finds(&mut bob, &alice);
        alice.event_with("linked", "user", "bob");
        finds(&mut alice, &pi);
        pi.asks(r"\add alice");
        bob.quits();
        alice.event_with("offline", "user", "bob");
        alice.asks(r"\chat bob");
        for n in 1..=4 {
            alice.types(&format!("line {n}"));
        }
        let answer = verdict(&mut alice, r"\doctor bob", "bob has been away");
        let answer = match answer["verdict"].as_str() {
            Some(said) if said.ends_with("pi will hand the lines over") => answer,
            _ => {
                (0..4).for_each(|_| drop(alice.event_with("state", "state", "carried")));
                verdict(&mut alice, r"\doctor bob", "bob has been away")
            }
        };
        shows(&answer, "session", "note", "said goodbye");
        shows(&answer, "mail", "ok", "4 lines waiting");
        assert_eq!(answer["action"], "nothing to do", "{answer:#}");
    });
}

#[test]
fn who_answers_with_another_network_key_is_told_from_who_is_away() {
    in_a_field(|field| {
        let (mut alice, bob) = pair(field);
        bob.quits();
        field.bed.network_key("other.key");
        let other = field.bed.node("robert").on_the_lan().port(PORT).with(&["--network-key", "other.key"]);
        let command = other.by_shell(&["nsenter", "--net=/run/netns/bob", "sh"], r#"exec "$0" "$@""#);
        let mut robert = field.bed.run(command, "robert");
        robert.event("ready");
        let answer = verdict(&mut alice, r"\doctor bob", "bob runs with another network key");
        shows(&answer, "address", "wrong", "dialled now: answers, but not in this network");
    });
}

#[test]
fn a_bootstrap_node_that_is_gone_or_in_another_network_is_named() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        field.desk("pi", "hall", "10.0.0.9/24");
        let mut alice = field.node_with("alice", "alice", &["--bootstrap", "10.0.0.9"]);
        let gone = "the machine of the bootstrap node 10.0.0.9:27272 is there, and no node runs at its port";
        shows(&verdict(&mut alice, r"\doctor", gone), "bootstrap", "wrong", "the port is closed");
        field.on("pi", "ip link set eth0 down");
        verdict(&mut alice, r"\doctor", "the bootstrap node 10.0.0.9:27272 does not answer");
        field.on("pi", "ip link set eth0 up");
        field.bed.network_key("other.key");
        let _pi = field.node_with("pi", "pi", &["--network-key", "other.key"]);
        verdict(&mut alice, r"\doctor", "the bootstrap node 10.0.0.9:27272 runs with another network key");
    });
}

#[test]
fn a_full_disk_is_the_reason_that_lines_are_refused() {
    in_a_field(|field| {
        field.switch("hall");
        field.desk("alice", "hall", "10.0.0.1/24");
        let dir = field.bed.path("alice");
        std::fs::create_dir_all(&dir).expect("the directory is writable");
        let shown = dir.to_str().expect("a path in UTF-8");
        let mount =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=700", "none", shown]).status();
        assert!(mount.is_ok_and(|status| status.success()), "the namespace allows it");
        let mut alice = field.node("alice");
        std::fs::write(dir.join("filling"), vec![0; 8 << 20]).expect_err("it does not fit");
        // An address more is declared, and a declaration is stored.
        field.address("alice", "eth0", "10.0.0.77/24");
        let answer = verdict(&mut alice, r"\doctor", "the disk is full, so new lines are refused");
        shows(&answer, "disk", "wrong", "the disk is full");
        assert!(answer["action"].as_str().is_some_and(|action| action.starts_with("free space")), "{answer}");
    });
}
