//! Several sessions of one user, each on a host of its own.

use std::time::Duration;

use serde_json::Value;

use crate::chain::{island, lay, settle};
use crate::field::{Field, PORT, in_a_field};
use crate::internet::{Ports, SERVER, at_home, home_network, internet};
use crate::program::Node;
use crate::talk::{befriend, hears, lines, types};

/// The hosts of alice's sessions; the first holds the user key.
const HOSTS: [&str; 3] = ["alice", "laptop", "tablet"];
/// Lines typed on each session.
const LINES: usize = 40;
/// Longer than a silent connection is kept.
const SILENCE: Duration = Duration::from_secs(16);

/// A host's `darknode link`, when it waits.
fn waiting(field: &Field, host: &str, args: &[&str]) -> Node {
    let mut node = field.run_on(host, host, field.bed.node(host).waiting().port(PORT).with(args));
    node.ready = node.event("ready");
    node
}

/// Types what the new machine shows where the user key is, as soon as both can know of each other.
fn link(alice: &mut Node, new: &mut Node) {
    let code = new.shown("code");
    let linked = alice.asks(&format!(r"\link {code}"));
    assert_eq!((&linked["event"], &linked["session"]), (&"session".into(), &new.ready["session"]), "{linked}");
    new.has_joined(alice);
    let (one, other) = (alice.session().to_owned(), new.session().to_owned());
    new.event_with("online", "session", &one);
    alice.event_with("online", "session", &other);
}

/// Writes on one session, and waits until the other shows it as the user's own.
fn shows_on(from: &mut Node, to: &mut Node, text: &str) {
    from.says(text);
    let message = to.event_with("message", "text", text);
    assert_eq!((&message["own"], &message["from"]), (&true.into(), &"alice".into()), "{message}");
}

#[test]
fn on_one_link_a_machine_is_linked_by_its_code_and_has_the_history() {
    in_a_field(|field| {
        field.switch("hall");
        for (n, host) in ["alice", "bob", "laptop"].into_iter().enumerate() {
            field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
        }
        let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
        befriend(&mut alice, &mut bob);
        let before = lines("alice", "before", 5);
        types(&mut alice, &before);
        hears(&mut bob, &before);
        let mut laptop = waiting(field, "laptop", &[]);
        link(&mut alice, &mut laptop);
        hears(&mut laptop, &before);
        shows_on(&mut alice, &mut laptop, "after");
        assert_eq!(laptop.asks(r"\chat bob")["event"], "chat");
        shows_on(&mut laptop, &mut alice, "from the laptop");
        bob.event_with("message", "text", "from the laptop");
    });
}

#[test]
fn without_mdns_a_machine_is_linked_over_the_address_given_with_bootstrap() {
    in_a_field(|field| {
        field.switch("hall");
        for (n, host) in ["alice", "laptop"].into_iter().enumerate() {
            field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
            field.block_mdns(host);
        }
        let mut alice = field.node("alice");
        let mut laptop = waiting(field, "laptop", &["--bootstrap", &format!("10.0.0.1:{PORT}")]);
        laptop.event("bootstrap");
        link(&mut alice, &mut laptop);
    });
}

#[test]
fn machines_behind_two_routers_are_linked_through_the_server_that_both_reach() {
    in_a_field(|field| {
        internet(field);
        home_network(field, "alice", "203.0.113.11/24", Ports::Kept);
        home_network(field, "laptop", "203.0.113.12/24", Ports::Kept);
        let server = field.node_with("server", "server", &["--server"]);
        let (mut alice, mut laptop) = (at_home(field, "alice"), waiting(field, "laptop", &["--bootstrap", SERVER]));
        alice.event("bootstrap");
        laptop.event("bootstrap");
        link(&mut alice, &mut laptop);
        assert_eq!(alice.asks(r"\chat server")["event"], "chat");
        server.killed();
        shows_on(&mut alice, &mut laptop, "without the server");
    });
}

#[test]
fn machines_behind_two_routers_between_which_there_is_no_way_are_linked_over_the_server() {
    in_a_field(|field| {
        internet(field);
        home_network(field, "alice", "203.0.113.11/24", Ports::Random);
        home_network(field, "laptop", "203.0.113.12/24", Ports::Random);
        let _server = field.node_with("server", "server", &["--server"]);
        let (mut alice, mut laptop) = (at_home(field, "alice"), waiting(field, "laptop", &["--bootstrap", SERVER]));
        alice.event("bootstrap");
        laptop.event("bootstrap");
        link(&mut alice, &mut laptop);
        assert_eq!(alice.asks(r"\chat server")["event"], "chat");
        shows_on(&mut alice, &mut laptop, "over the server");
    });
}

#[test]
fn machines_on_two_islands_are_linked_over_the_server_that_both_reach_and_have_the_history() {
    in_a_field(|field| {
        (0..2).for_each(|n| field.switch(&island(n)));
        settle(field, "alice", 0);
        settle(field, "bob", 0);
        field.readdress("bob", "eth0", "10.0.0.2/24");
        settle(field, "laptop", 1);
        let (_server, at) = server_of_two_islands(field);
        let mut alice = field.node_with("alice", "alice", &["--bootstrap", &at[0]]);
        let mut bob = field.node("bob");
        befriend(&mut alice, &mut bob);
        let before = lines("alice", "before", 5);
        types(&mut alice, &before);
        hears(&mut bob, &before);
        let mut laptop = waiting(field, "laptop", &["--bootstrap", &at[1]]);
        alice.event("bootstrap");
        laptop.event("bootstrap");
        link(&mut alice, &mut laptop);
        hears(&mut laptop, &before);
        assert_eq!(alice.asks(r"\chat bob")["event"], "chat");
        shows_on(&mut alice, &mut laptop, "over the server");
        assert_eq!(laptop.asks(r"\chat bob")["event"], "chat");
        shows_on(&mut laptop, &mut alice, "and back");
        bob.event_with("message", "text", "and back");
    });
}

#[test]
fn a_linked_machine_that_moves_to_another_island_mirrors_through_the_server_that_both_reach() {
    in_a_field(|field| {
        (0..2).for_each(|n| field.switch(&island(n)));
        settle(field, "alice", 0);
        settle(field, "laptop", 0);
        field.readdress("laptop", "eth0", "10.0.0.2/24");
        let (_server, at) = server_of_two_islands(field);
        let mut alice = field.node_with("alice", "alice", &["--bootstrap", &at[0]]);
        alice.event("bootstrap");
        let mut laptop = waiting(field, "laptop", &[]);
        link(&mut alice, &mut laptop);
        assert_eq!(alice.asks(r"\chat server")["event"], "chat");
        laptop.quits();
        field.unplug("laptop", "eth0");
        field.plug("laptop", "eth0", &island(1));
        field.address("laptop", "eth0", "10.0.1.2/24");
        let node = field.bed.node("alice").dir("laptop").port(PORT).with(&["--bootstrap", &at[1]]);
        let mut laptop = field.run_on("laptop", "laptop", node);
        laptop.event("bootstrap");
        assert_eq!(laptop.asks(r"\chat server")["event"], "chat");
        shows_on(&mut alice, &mut laptop, "to the other island");
        shows_on(&mut laptop, &mut alice, "and back");
    });
}

/// A server on two islands that forwards no packets, and its place on each.
fn server_of_two_islands(field: &Field) -> (Node, [String; 2]) {
    lay(field, "server", [0, 1], 9);
    let server = field.node_with("server", "server", &["--server"]);
    (server, [0, 1].map(|island| format!("10.0.{island}.9:{PORT}")))
}

/// Alice's three sessions and bob on one switch; on each of them the conversation of the two is open.
fn three_sessions(field: &Field) -> ([Node; 3], Node) {
    field.switch("hall");
    for (n, host) in HOSTS.into_iter().chain(["bob"]).enumerate() {
        field.desk(host, "hall", &format!("10.0.0.{}/24", n + 1));
    }
    let (mut alice, mut bob) = (field.node("alice"), field.node("bob"));
    befriend(&mut alice, &mut bob);
    let [laptop, tablet] = [HOSTS[1], HOSTS[2]].map(|host| {
        let mut node = waiting(field, host, &[]);
        link(&mut alice, &mut node);
        assert_eq!(node.asks(r"\chat bob")["event"], "chat");
        node
    });
    ([alice, laptop, tablet], bob)
}

/// Types these lines on each session, one line of each in turns. Returns all of them.
fn each_types(sessions: &mut [Node], when: &str, count: usize) -> Vec<String> {
    let of_each: Vec<Vec<String>> = sessions.iter().map(|node| lines(&node.name, when, count)).collect();
    for n in 0..count {
        sessions.iter_mut().zip(&of_each).for_each(|(node, lines)| types(node, &lines[n..=n]));
    }
    of_each.concat()
}

/// Waits until each session has shown all lines that it has not typed itself, each once.
fn each_hears(sessions: &mut [Node], texts: &[String]) {
    for node in sessions {
        let own = format!("{} ", node.name);
        let others: Vec<String> = texts.iter().filter(|text| !text.starts_with(&own)).cloned().collect();
        hears(node, &others);
    }
}

/// The ids and texts of the conversation with bob, in the order in which a session lists them.
fn history(node: &mut Node, with: &str) -> Vec<(Value, Value)> {
    let history = node.asks(&format!(r"\history {with} 1000"));
    let messages = history["messages"].as_array().expect("a list");
    messages.iter().map(|message| (message["message"].clone(), message["text"].clone())).collect()
}

/// Asserts that all sessions and bob list the same lines in the same order, and each of these lines once.
fn all_agree(sessions: &mut [Node], bob: &mut Node, texts: &[String]) {
    let of_first = history(&mut sessions[0], "bob");
    for node in &mut sessions[1..] {
        assert_eq!(history(node, "bob"), of_first, "{} and {}", node.name, HOSTS[0]);
    }
    assert_eq!(history(bob, "alice"), of_first, "bob and {}", HOSTS[0]);
    let mut listed: Vec<&str> = of_first.iter().filter_map(|(_, text)| text.as_str()).collect();
    let mut typed: Vec<&str> = texts.iter().map(String::as_str).collect();
    listed.sort_unstable();
    typed.sort_unstable();
    assert_eq!(listed, typed);
}

#[test]
fn sessions_of_which_two_are_cut_off_from_each_other_get_all_lines_from_the_third() {
    in_a_field(|field| {
        let (mut sessions, mut bob) = three_sessions(field);
        let mut all = Vec::new();
        for (n, [one, other]) in [[0, 1], [1, 2], [2, 0]].into_iter().enumerate() {
            field.part(HOSTS[one], HOSTS[other]);
            let typed = each_types(&mut sessions, &format!("round {n}"), LINES / 3 + 1);
            each_hears(&mut sessions, &typed);
            field.reunite(HOSTS[one], HOSTS[other]);
            hears(&mut bob, &typed);
            all.extend(typed);
        }
        all_agree(&mut sessions, &mut bob, &all);
    });
}

#[test]
fn sessions_that_were_all_cut_off_from_each_other_have_the_same_lines_in_the_same_order() {
    in_a_field(|field| {
        let (mut sessions, mut bob) = three_sessions(field);
        HOSTS.iter().for_each(|host| field.cut(host));
        let typed = each_types(&mut sessions, "alone", LINES);
        field.pass(SILENCE);
        HOSTS.iter().for_each(|host| field.mend(host, "hall"));
        each_hears(&mut sessions, &typed);
        hears(&mut bob, &typed);
        all_agree(&mut sessions, &mut bob, &typed);
    });
}

#[test]
fn two_sessions_that_are_never_connected_have_the_same_lines_through_the_third() {
    in_a_field(|field| {
        let (mut sessions, mut bob) = three_sessions(field);
        field.part("laptop", "tablet");
        field.pass(SILENCE);
        let typed = each_types(&mut sessions, "apart", LINES);
        each_hears(&mut sessions, &typed);
        hears(&mut bob, &typed);
        all_agree(&mut sessions, &mut bob, &typed);
    });
}
