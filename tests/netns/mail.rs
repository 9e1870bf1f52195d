//! Mail over a relay.

use darknode::node::clock::random;

use crate::field::in_a_field;
use crate::kills::over_a_relay;

#[test]
fn no_message_is_lost_or_duplicated_over_a_relay_while_all_three_nodes_are_killed() {
    in_a_field(|field| {
        let given = std::env::var("DARKNODE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from_be_bytes(random()));
        eprintln!("DARKNODE_TEST_SEED={seed}");
        let outcome = over_a_relay(field, seed, 60);
        assert!(outcome.kills > 0 && outcome.lines > 0);
    });
}
