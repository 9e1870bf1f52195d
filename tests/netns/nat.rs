//! Users behind routers that translate addresses (NAT).

use crate::field::{Field, in_a_field};
use crate::internet::{Ports, acquainted, home_behind_provider, home_network, internet, is_direct};
use crate::talk::talk;

fn two_houses(field: &Field, ports: Ports) {
    internet(field);
    home_network(field, "alice", "203.0.113.11/24", ports);
    home_network(field, "bob", "203.0.113.12/24", ports);
}

#[test]
fn users_behind_routers_that_keep_ports_talk_directly_and_without_the_server() {
    in_a_field(|field| {
        two_houses(field, Ports::Kept);
        let server = field.node_with("server", "server", &["--server"]);
        let (mut alice, mut bob) = acquainted(field);
        alice.wait("a direct path", is_direct);
        server.killed();
        talk(&mut alice, &mut bob, "directly");
    });
}

#[test]
fn users_behind_routers_that_choose_random_ports_talk_through_the_server() {
    in_a_field(|field| {
        two_houses(field, Ports::Random);
        let _server = field.node_with("server", "server", &["--server"]);
        let (mut alice, mut bob) = acquainted(field);
        talk(&mut alice, &mut bob, "through the server");
    });
}

#[test]
fn a_user_behind_two_routers_in_a_row_talks_directly() {
    in_a_field(|field| {
        internet(field);
        home_behind_provider(field, "alice", "203.0.113.11/24", Ports::Kept);
        home_network(field, "bob", "203.0.113.12/24", Ports::Kept);
        let server = field.node_with("server", "server", &["--server"]);
        let (mut alice, mut bob) = acquainted(field);
        alice.wait("a direct path", is_direct);
        server.killed();
        talk(&mut alice, &mut bob, "directly");
    });
}
