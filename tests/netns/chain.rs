//! Islands, and hosts with interfaces on one or two of them.
#![allow(dead_code, reason = "the benchmark uses a part of it")]

use crate::field::Field;
use crate::program::Node;

/// The switch of an island.
pub fn island(n: u8) -> String {
    format!("island{n}")
}

/// Adds a user's host on an island.
pub fn settle(field: &Field, host: &str, on: u8) {
    field.desk(host, &island(on), &format!("10.0.{on}.1/24"));
}

/// Adds a host with an interface on each of two islands that forwards no packets. Its number is `nth` on both.
pub fn lay(field: &Field, host: &str, islands: [u8; 2], nth: u8) {
    field.host(host);
    for (n, on) in islands.into_iter().enumerate() {
        let iface = format!("eth{n}");
        field.plug(host, &iface, &island(on));
        field.address(host, &iface, &format!("10.0.{on}.{nth}/24"));
    }
    field.on(host, "echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
}

/// Types `\chat NAME` until the name is known, as relays may have been connected a moment ago.
pub fn finds(node: &mut Node, name: &str, id: &str) {
    for _ in 0..10 {
        let answer = node.asks(&format!(r"\chat {name}"));
        if answer["event"] == "chat" {
            assert_eq!(answer["id"], id, "{answer}");
            return;
        }
        assert_eq!(answer["code"], "unknown-user", "{answer}");
    }
    panic!("{} never found {name}", node.name);
}
