//! Key expiry: what a thief of all current keys can open, and what their owner still can.

use std::time::Duration;

use darknode::id::NetworkId;
use darknode::identity::seal::{PrekeySecret, open};
use darknode::proto::Accept;
use darknode::proto::limits::{CARD_LIFE, ENVELOPE_LIFE, PREKEY_LIFE, PREKEY_ROTATION};
use darknode::proto::persist::Op;
use darknode::wire::Bytes;
use darknode::wire::chat::{Chat, Parcel};

use crate::adversary::{Person, text};
use crate::victim::Victim;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The private prekeys on a victim's disk.
fn on_disk(victim: &Victim) -> Vec<PrekeySecret> {
    let mut alive: Vec<PrekeySecret> = Vec::new();
    for op in &victim.ops {
        match op {
            Op::Prekey(prekey) => alive.push(prekey.clone()),
            Op::ForgetPrekey(id) => alive.retain(|prekey| prekey.id != *id),
            _ => {}
        }
    }
    alive
}

fn opens(stolen: &[PrekeySecret], envelope: &[u8]) -> bool {
    open(&NetworkId::OPEN, envelope, |id| stolen.iter().find(|prekey| prekey.id == *id)).is_ok()
}

#[test]
fn stolen_keys_open_nothing_that_was_captured_29_days_ago() {
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(2, "bob"));
    let mut captured = Vec::new();
    for day in 0..60 {
        let conn = alice.meet(&bob);
        captured.push(bob.seal(alice.user, &alice.prekey(), vec![text(day + 1, "a line a day")]).bytes);
        alice.part(conn);
        alice.pass(DAY);
    }
    let stolen = on_disk(&alice);
    let opened: Vec<usize> = (0..60).filter(|day| opens(&stolen, &captured[*day])).collect();
    assert_eq!(opened, (32..60).collect::<Vec<_>>(), "capture days, of sixty");
    let at_once = stolen.iter().filter(|prekey| bob.prekey.id == prekey.id).count();
    assert_eq!((stolen.len(), at_once), (29, 0), "no other prekeys are stored");
}

#[test]
fn an_envelope_to_the_oldest_usable_key_is_opened_at_the_end_of_its_lifetime() {
    assert!(CARD_LIFE + ENVELOPE_LIFE + PREKEY_ROTATION <= PREKEY_LIFE);
    let (mut alice, bob) = (Victim::new(Accept::Auto), Person::new(2, "bob"));
    let conn = alice.meet(&bob);
    // The card is handed out just before the next key is made and used until its last day, and the envelope lives to
    // its end.
    let prekey = alice.prekey();
    let letters = [1, 2].map(|n| bob.seal(alice.user, &prekey, vec![text(n, "late")]).bytes);
    alice.pass(PREKEY_ROTATION + CARD_LIFE + ENVELOPE_LIFE - Duration::from_secs(2));
    let [in_time, too_late] = letters.map(|envelope| Parcel { envelope: Bytes(envelope), life_ms: 1, copies: 1 });
    alice.hand(conn, Chat::Parcel(in_time));
    assert_eq!(alice.shown().len(), 1);
    alice.pass(Duration::from_secs(10));
    alice.hand(conn, Chat::Parcel(too_late));
    assert_eq!((alice.shown().len(), alice.drops("envelope to an old key")), (1, 1));
}
