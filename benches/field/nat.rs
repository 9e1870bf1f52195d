//! Users behind routers that translate addresses, who know a public server.

use std::time::{Duration, Instant};

use crate::field::Field;
use crate::figures::Figures;
use crate::internet::{Ports, acquainted, home_behind_provider, home_network, internet, is_direct, router_of};
use crate::program::Node;
use crate::setup::{Two, a_while};
use crate::talk::{hears, talk, types};

/// A path counts as relayed if it is not direct by then.
const DIRECT_WITHIN: Duration = Duration::from_secs(20);
/// Time without a line, in which a router with short time-outs would forget a silent connection.
const REST: Duration = Duration::from_secs(60);
/// The time-outs of such a router, in seconds.
const SHORT: u64 = 20;

fn server(field: &Field) -> Node {
    field.node_with("server", "server", &["--server"])
}

/// Both users behind routers of one kind.
fn houses(field: &Field, ports: Ports) {
    internet(field);
    home_network(field, "alice", "203.0.113.11/24", ports);
    home_network(field, "bob", "203.0.113.12/24", ports);
}

/// Both are started, find each other and write one line each. Afterwards it is observed whether they are connected directly.
fn first_lines(field: &Field) -> Figures {
    let _server = server(field);
    let start = Instant::now();
    let (mut alice, mut bob) = acquainted(field);
    let (of_alice, of_bob) = (["alice says hello".to_owned()], ["bob says hello".to_owned()]);
    types(&mut alice, &of_alice);
    types(&mut bob, &of_bob);
    hears(&mut bob, &of_alice);
    hears(&mut alice, &of_bob);
    let spoken = start.elapsed();
    let shows_direct = alice.listens(DIRECT_WITHIN).iter().any(is_direct);
    let is_direct = shows_direct || reached(&mut alice, "bob") == "direct";
    Figures::new().seconds("first lines", spoken).with("relayed", f64::from(u8::from(!is_direct)))
}

/// How a user is reached, as `\users` says.
fn reached(node: &mut Node, user: &str) -> String {
    let listed = node.asks(r"\users");
    let of_user = |view: &&serde_json::Value| view["user"] == user;
    let view = listed["users"].as_array().and_then(|users| users.iter().find(of_user).cloned());
    view.and_then(|view| view["sessions"][0]["via"].as_str().map(str::to_owned)).unwrap_or_default()
}

pub fn kept(field: &Field) -> Figures {
    houses(field, Ports::Kept);
    first_lines(field)
}

pub fn random(field: &Field) -> Figures {
    houses(field, Ports::Random);
    first_lines(field)
}

pub fn provider(field: &Field) -> Figures {
    internet(field);
    home_behind_provider(field, "alice", "203.0.113.11/24", Ports::Kept);
    home_network(field, "bob", "203.0.113.12/24", Ports::Kept);
    first_lines(field)
}

/// Two users with a direct path, after a random delay.
fn directly(field: &Field) -> Two {
    let (mut alice, bob) = acquainted(field);
    if reached(&mut alice, "bob") != "direct" {
        alice.wait("a direct path", is_direct);
    }
    a_while(field, Duration::from_secs(5));
    Two::new(alice, bob)
}

/// A minute of rest behind routers that forget a silent connection after 20 s.
pub fn forgetful(field: &Field) -> Figures {
    houses(field, Ports::Kept);
    for user in ["alice", "bob"] {
        let of = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout";
        field.on(&router_of(user), &format!("echo {SHORT} > {of}; echo {SHORT} > {of}_stream"));
    }
    let _server = server(field);
    let mut two = directly(field);
    field.pass(REST);
    let start = Instant::now();
    two.type_lines("after a rest", 5);
    two.finish(field, "all shown", start)
}

/// The server is killed, the users talk, and it comes back: until both are connected with it again.
pub fn server_killed(field: &Field) -> Figures {
    houses(field, Ports::Kept);
    let first = server(field);
    let mut two = directly(field);
    first.killed();
    let start = Instant::now();
    talk(&mut two.alice, &mut two.bob, "without a server");
    let talked = start.elapsed();
    field.pass(Duration::from_secs(20));
    let start = Instant::now();
    let _second = server(field);
    two.alice.event("bootstrap");
    two.bob.event("bootstrap");
    let rejoined = start.elapsed();
    let start = Instant::now();
    two.type_lines("with a server again", 5);
    Figures::new().seconds("rejoined", rejoined).seconds("without it", talked).and(two.finish(
        field,
        "all shown",
        start,
    ))
}

/// Alice's router is without a connection for five seconds and then has another public address.
pub fn renumbered(field: &Field) -> Figures {
    houses(field, Ports::Kept);
    let _server = server(field);
    let mut two = directly(field);
    let router = router_of("alice");
    field.on(&router, "ip link set eth0 down; ip addr flush dev eth0");
    field.pass(Duration::from_secs(5));
    two.alice.listens(Duration::ZERO);
    field.address(&router, "eth0", "203.0.113.21/24");
    field.on(&router, "ip link set eth0 up");
    let start = Instant::now();
    two.type_lines("at a new address", 5);
    two.alice.wait("a direct path", is_direct);
    let direct = start.elapsed();
    Figures::new().seconds("direct", direct).and(two.finish(field, "all shown", start))
}
