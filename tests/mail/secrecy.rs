//! Everything that a carrier stores reveals neither the text of a message nor its author.

use std::time::Duration;

use darknode::proto::notice::Delivery;

use crate::setup::*;

const PI: usize = 2;
const SECRET: &str = "under the third stone, at dawn";

fn occurs(needle: &[u8], hay: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_carriers_store_reveals_the_addressee_and_the_depositor_and_nothing_else() {
    let mut sim = with_relays(5, 1);
    bootstrap(&mut sim, &[ALICE, BOB], &[PI]);
    sim.cut(ALICE, BOB);
    [ALICE, PI].into_iter().for_each(|node| sim.start(node));
    sim.run(Duration::from_secs(2));
    say(&mut sim, ALICE, BOB, SECRET);
    assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 1));
    let (alice, bob) = (&sim.nodes[ALICE], &sim.nodes[BOB]);
    let rows: Vec<_> = sim.nodes[PI].disk.custody().collect();
    assert!(!rows.is_empty());
    for row in rows {
        let hidden = [SECRET.as_bytes(), &alice.user.0, &alice.session.0, &bob.session.0, alice.plan.name.as_bytes()];
        assert!(hidden.iter().all(|hidden| !occurs(hidden, &row.bytes)));
        assert!(occurs(&bob.user.0, &row.bytes), "the address is public");
        assert_eq!((row.depositor, row.from), (alice.user, alice.session), "the depositor is known");
        assert!(row.mine.is_none() && row.unopenable.is_none(), "no r, no load");
    }
    let kept = sim.nodes[PI].disk.load();
    assert!(sim.nodes[PI].disk.history.is_empty() && kept.waiting.is_empty() && kept.received.is_empty());
    let everything = format!("{kept:?}");
    assert!(!everything.contains(SECRET) && !occurs(SECRET.as_bytes(), &bytes_of(&kept)));
}

/// The bytes of all signed and sealed data in a store.
fn bytes_of(kept: &darknode::proto::persist::Memory) -> Vec<u8> {
    let envelopes = kept.custody.iter().flat_map(|row| row.bytes.iter().chain(row.unopenable.iter().flatten()));
    let sessions = kept.sessions.iter().flat_map(|row| row.card.iter().chain(&row.declaration));
    let signed = sessions.chain(kept.lists.iter().flat_map(|row| &row.pages));
    envelopes.copied().chain(signed.flat_map(|signed| signed.0.iter().copied())).collect()
}

#[test]
fn messages_of_one_size_class_have_equal_length() {
    let mut sizes = std::collections::BTreeSet::new();
    for text in ["no", "yes, at once, and do not come alone"] {
        let mut sim = with_relays(6, 1);
        bootstrap(&mut sim, &[ALICE], &[PI]);
        [ALICE, PI].into_iter().for_each(|node| sim.start(node));
        sim.run(Duration::from_secs(2));
        say(&mut sim, ALICE, BOB, text);
        assert!(sim.run_until(SOON, |sim| in_state(sim, ALICE, Delivery::Carried).len() == 1));
        sizes.insert(sim.nodes[PI].disk.custody().map(|row| row.bytes.len()).collect::<Vec<_>>());
    }
    assert_eq!(sizes.len(), 1);
}
