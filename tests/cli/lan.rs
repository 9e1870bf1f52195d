//! Two nodes on one link that can find each other only by mDNS.

use crate::program::TestBed;

/// They use their own closed network, so that other nodes on the link do not interfere.
#[test]
fn two_nodes_on_one_link_find_each_other_without_server_or_configuration() {
    let bed = TestBed::new();
    bed.network_key("key");
    let start = |name: &str| bed.node(name).on_the_lan().with(&["--network-key", "key"]).start();
    let (mut alice, mut bob) = (start("alice"), start("bob"));
    assert_eq!(alice.event("nearby")["id"], bob.id());
    assert_eq!(bob.event("nearby")["id"], alice.id());
    alice.chats_with(&mut bob);
    let said = alice.says("found you");
    assert_eq!(bob.event("message")["message"], said);
    bob.quits();
    assert_eq!(alice.event("offline")["reason"], "declared");
    let mut bob = start("bob");
    alice.event("online");
    let said = alice.says("and again");
    assert_eq!(bob.event_with("message", "text", "and again")["message"], said);
    bob.quits();
    alice.quits();
}
