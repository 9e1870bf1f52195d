//! Home networks on an internet: behind routers that translate addresses, and a server on the public side.
#![allow(dead_code, reason = "the benchmark and the tests each use a part of it")]

use serde_json::Value;

use crate::field::Field;
use crate::program::Node;

/// The public address of the server.
pub const SERVER: &str = "203.0.113.1";

/// How a router translates the ports of outgoing packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// It keeps them where possible, the same for all destinations.
    Kept,
    /// It chooses random ones for each destination ("symmetric").
    Random,
}

impl Ports {
    fn rule(self) -> &'static str {
        match self {
            Ports::Kept => "masquerade",
            Ports::Random => "masquerade fully-random",
        }
    }
}

/// The public side, with a host for the server.
pub fn internet(field: &Field) {
    field.switch("internet");
    field.host("server");
    field.without_ipv6("server");
    field.plug("server", "eth0", "internet");
    field.address("server", "eth0", &format!("{SERVER}/24"));
}

/// A home network: the host of a user behind a router, whose public address is on the internet.
pub fn home_network(field: &Field, user: &str, public: &str, ports: Ports) {
    let (router, lan) = (router_of(user), format!("{user}-lan"));
    field.switch(&lan);
    router_between(field, &router, ["internet", &lan], [public, "192.168.1.1/24"], ports);
    settle(field, user, &lan, "192.168.1.10/24", "192.168.1.1");
}

/// A home network whose router is itself behind the router of a provider (carrier-grade NAT).
pub fn home_behind_provider(field: &Field, user: &str, public: &str, ports: Ports) {
    let (router, provider) = (router_of(user), format!("{user}-isp"));
    let (lan, inner) = (format!("{user}-lan"), format!("{user}-cgn"));
    field.switch(&inner);
    field.switch(&lan);
    router_between(field, &provider, ["internet", &inner], [public, "100.64.0.1/24"], ports);
    router_between(field, &router, [&inner, &lan], ["100.64.0.10/24", "192.168.1.1/24"], ports);
    field.on(&router, "ip route add default via 100.64.0.1");
    settle(field, user, &lan, "192.168.1.10/24", "192.168.1.1");
}

/// The router of a user.
pub fn router_of(user: &str) -> String {
    format!("{user}-nat")
}

/// A node of a user that knows the server.
pub fn at_home(field: &Field, user: &str) -> Node {
    field.node_with(user, user, &["--bootstrap", SERVER])
}

/// Starts two users who find each other by name through the server, and link.
pub fn acquainted(field: &Field) -> (Node, Node) {
    let (mut alice, mut bob) = (at_home(field, "alice"), at_home(field, "bob"));
    alice.event("bootstrap");
    bob.event("bootstrap");
    alice.asks(r"\chat bob");
    bob.event_with("linked", "user", "alice");
    bob.asks(r"\chat alice");
    (alice, bob)
}

/// Whether an event says that a user is reached directly now.
pub fn is_direct(event: &Value) -> bool {
    (event["event"] == "online" || event["event"] == "path") && event["via"] == "direct"
}

fn settle(field: &Field, user: &str, lan: &str, address: &str, gateway: &str) {
    field.host(user);
    field.without_ipv6(user);
    field.plug(user, "eth0", lan);
    field.address(user, "eth0", address);
    field.on(user, &format!("ip route add default via {gateway}"));
}

/// A router from the switch `inside` to the switch `outside` that lets in only answers.
fn router_between(field: &Field, name: &str, [outside, inside]: [&str; 2], [public, private]: [&str; 2], ports: Ports) {
    field.host(name);
    field.without_ipv6(name);
    field.plug(name, "eth0", outside);
    field.plug(name, "eth1", inside);
    field.address(name, "eth0", public);
    field.address(name, "eth1", private);
    let answers = "ct state established,related accept; iifname \"eth0\" drop;";
    let rule = ports.rule();
    let table = format!(
        "table ip nat {{ chain translate {{ type nat hook postrouting priority 100; oifname \"eth0\" {rule}; }}; \
         chain through {{ type filter hook forward priority 0; {answers} }}; \
         chain own {{ type filter hook input priority 0; {answers} }}; }}"
    );
    field.on(name, &format!("echo 1 > /proc/sys/net/ipv4/ip_forward; nft '{table}'"));
}
