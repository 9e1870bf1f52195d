//! `--metrics`: what a monitor reads over HTTP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use crate::program::{Node, PATIENCE, TestBed};

/// The samples of a page by name and labels, such as `darknode_users{state="online"}`.
type Samples = BTreeMap<String, f64>;

/// An address that nobody uses now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound")
}

/// Starts a node with metrics.
fn start(bed: &TestBed, name: &str) -> (Node, SocketAddr) {
    let at = free_address();
    (bed.node(name).with(&["--metrics", &at.to_string()]).start(), at)
}

/// The status and the body of an answer.
fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and closes the connection");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{head}")), body.to_owned())
}

/// Reads a page in the text format of OpenMetrics. Every sample must be of a family that was described before.
fn samples(page: &str) -> Samples {
    let page = page.strip_suffix("# EOF\n").expect("the end is marked");
    let (mut samples, mut family) = (Samples::new(), "");
    for line in page.lines() {
        if let Some(described) = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            family = described.split(' ').next().expect("a name");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let name = sample.split('{').next().expect("a name");
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("not of {family}: {line}"));
        assert!(["", "_total", "_info", "_sum", "_count", "_bucket"].contains(&suffix), "{line}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
        assert!(sample.matches('"').count() % 2 == 0 && !sample.contains('\\'), "{line}");
        let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        assert!(samples.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

/// What a node tells now.
fn metrics(at: SocketAddr) -> Samples {
    let (status, page) = get(at, "/metrics");
    assert_eq!(status, 200, "{page}");
    samples(&page)
}

#[test]
fn metrics_count_what_happens_and_tell_nobody_from_another() {
    let bed = TestBed::new();
    let mut bob = bed.start("bob");
    let (mut alice, at) = start(&bed, "alice");
    alice.meet(&mut bob);
    alice.links_with(&mut bob);
    let message = alice.says("hello");
    alice.knows_delivered(&message);
    bob.asks(r"\chat alice");
    bob.says("hello yourself");
    alice.event("message");

    let now = metrics(at);
    for (sample, value) in [
        (r#"darknode_messages_total{direction="received"}"#, 1.0),
        (r#"darknode_messages_total{direction="sent"}"#, 1.0),
        ("darknode_receipts_total", 1.0),
        ("darknode_delivery_seconds_count", 1.0),
        (r#"darknode_delivery_seconds_bucket{le="+Inf"}"#, 1.0),
        (r#"darknode_users{state="online"}"#, 1.0),
        (r#"darknode_users{state="offline"}"#, 0.0),
        (r#"darknode_connections{kind="linked"}"#, 1.0),
        (r#"darknode_dials_total{outcome="connected"}"#, 1.0),
        ("darknode_outbox_lines", 0.0),
        ("darknode_disk_refuses", 0.0),
        (r#"darknode_faces{kind="socket"}"#, 0.0),
    ] {
        assert_eq!(now.get(sample), Some(&value), "{sample} in {now:#?}");
    }
    assert!(now["darknode_commit_seconds_count"] >= 1.0 && now["darknode_store_bytes"] > 0.0, "{now:#?}");

    let page = get(at, "/metrics").1;
    for secret in [alice.id(), bob.id(), alice.session(), bob.session(), "alice", "bob", "127.0.0.1", "::1"] {
        assert!(!page.contains(secret), "{secret} in {page}");
    }
    assert_eq!((get(at, "/healthz").0, get(at, "/readyz").0, get(at, "/users").0), (200, 200, 404));
    let bobs = bob.id().to_owned();
    bob.quits();
    alice.event_with("offline", "id", &bobs);
    assert_eq!(metrics(at)[r#"darknode_users{state="offline"}"#], 1.0);
    alice.quits();
    assert!(TcpStream::connect(at).is_err(), "it has ended with the node");
}

#[test]
fn the_alerts_and_the_dashboard_name_only_metrics_that_there_are_and_the_list_names_all() {
    let bed = TestBed::new();
    let (alice, at) = start(&bed, "alice");
    let known = get(at, "/metrics").1;
    let list = include_str!("../../deploy/README.md");
    for described in known.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = described.split_once(' ').expect("a name and a type");
        let suffix = [("counter", "_total"), ("info", "_info")].into_iter().find(|(known, _)| *known == kind);
        let name = format!("`{name}{}`", suffix.map_or("", |(_, suffix)| suffix));
        assert!(list.contains(&name), "{name} is not in deploy/README.md");
    }
    for file in [
        include_str!("../../deploy/monitoring/alerts.yml"),
        include_str!("../../deploy/monitoring/alerts.test.yml"),
        include_str!("../../deploy/monitoring/dashboard.json"),
    ] {
        let words = file.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let named: Vec<&str> = words.filter(|word| word.starts_with("darknode_")).collect();
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            let family = ["_total", "_info", "_bucket"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let described = format!("# TYPE {} ", family.unwrap_or(name));
            assert!(known.contains(&described), "{name}");
        }
    }
    alice.quits();
}

#[test]
fn a_node_whose_disk_refuses_writes_is_healthy_and_not_ready() {
    let bed = TestBed::new();
    let (mut alice, mut bob) = bed.two();
    alice.chats_with(&mut bob);
    bob.quits();
    alice.quits();
    let at = free_address();
    // If the signal is ignored, a write beyond the limit fails with an ordinary error.
    let limited = r#"trap '' XFSZ; ulimit -f 512; exec "$0" "$@""#;
    let node = bed.node("alice").with(&["--metrics", &at.to_string()]);
    let mut alice = bed.run(node.by_shell(&["sh"], limited), "alice");
    alice.event("ready");
    assert_eq!(get(at, "/readyz").0, 200);
    alice.asks(r"\chat bob");
    let refuses = (0..100).any(|_| {
        alice.asks(&"x".repeat(8000));
        get(at, "/readyz").0 == 503
    });
    assert!(refuses, "it is ready with a disk that cannot take so much");
    assert_eq!(get(at, "/healthz").0, 200);
    alice.hush();
    assert_eq!(alice.ends().0.code(), Some(0));
}

#[test]
fn an_address_that_cannot_be_used_is_refused_before_anything_is_created() {
    let bed = TestBed::new();
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let taken = holder.local_addr().expect("it is bound").to_string();
    for addr in [&*taken, "192.0.2.1:9464", "localhost", "9464", ""] {
        let said = bed.node("alice").with(&["--metrics", addr]).refused();
        assert!(said.contains("--metrics"), "{said}");
    }
    assert!(!bed.path("alice").exists(), "nothing was created");
}
