//! Forged, replayed and malformed envelopes.

use darknode::id::{Address, EnvelopeId, SessionId};
use darknode::identity::seal::envelope_id;
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command};
use darknode::proto::limits::WINDOW;
use darknode::proto::persist::Op;
use darknode::wire::chat::{Chat, Release, Unopenable, custody_state};
use darknode::wire::content::{MAX_BODY, MAX_TEXT};
use darknode::wire::record::{Prekey, link_state, roles};
use darknode::wire::{Bytes, Fixed};

use crate::adversary::{EPOCH, Person, content, id_of, link, parcel, receipt, receipt_of, seal_bytes, seal_raw, text};
use crate::victim::Victim;

struct Setup {
    alice: Victim,
    mallory: Person,
    bob: Person,
    prekey: Prekey,
}

fn setup() -> Setup {
    let mut alice = Victim::new(Accept::Auto);
    let (mallory, bob) = (Person::new(1, "mallory"), Person::new(2, "bob"));
    alice.befriend(&bob);
    let prekey = alice.prekey();
    Setup { alice, mallory, bob, prekey }
}

#[test]
fn content_signed_by_another_user_is_neither_shown_nor_acknowledged() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let conn = alice.meet(&mallory);
    let own = mallory.bundle(alice.user, vec![text(5, "I am bob")]);
    let mut as_bob = own.clone();
    (as_bob.user, as_bob.session, as_bob.roster, as_bob.card) = (bob.user_id(), bob.session_id(), None, None);
    alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &as_bob, true)));
    assert_eq!(alice.drops("content not signed by its author"), 1);
    let mut as_bobs_user = own;
    (as_bobs_user.user, as_bobs_user.roster) = (bob.user_id(), Some(bob.roster()));
    alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &as_bobs_user, true)));
    assert!(alice.shown().is_empty());
    assert!(alice.items(conn).is_empty(), "no release, no receipt");
}

#[test]
fn a_bundle_for_one_user_cannot_be_sealed_to_another() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let conn = alice.meet(&mallory);
    let to_mallory = bob.bundle(mallory.user_id(), vec![text(5, "meet me, mallory")]);
    alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &to_mallory, true)));
    assert_eq!(alice.drops("content not signed by its author"), 1);
    assert!(alice.shown().is_empty() && alice.items(conn).is_empty());
}

#[test]
fn an_envelope_of_another_network_is_not_opened() {
    let Setup { mut alice, mut mallory, prekey, .. } = setup();
    let conn = alice.meet(&mallory);
    mallory.network = darknode::id::NetworkId([5; 32]);
    let bundle = mallory.bundle(alice.user, vec![text(5, "hello")]);
    alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &bundle, true)));
    assert_eq!(alice.drops("envelope with a broken seal"), 1);
    assert!(alice.shown().is_empty());
}

#[test]
fn an_envelope_with_a_wrong_lock_is_a_strike() {
    let Setup { mut alice, mallory, prekey, .. } = setup();
    let conn = alice.meet(&mallory);
    for n in 0..3 {
        let bundle = mallory.bundle(alice.user, vec![text(5 + n, "hello")]);
        alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &bundle, false)));
    }
    assert_eq!(alice.drops("envelope with a wrong lock"), 3);
    assert_eq!(alice.closed(conn), Some(CloseReason::Protocol));
    assert!(alice.shown().is_empty());
}

/// Envelopes of a person whose bundle, contents or text are none.
fn unsound(alice: &Victim, author: &Person, prekey: &Prekey) -> [Chat; 3] {
    let sound = author.bundle(alice.user, vec![text(5, "hello")]);
    let long = author.bundle(alice.user, vec![text(5, &"x".repeat(MAX_TEXT + 1))]);
    let mut no_list = sound.clone();
    no_list.contents = Bytes(vec![0xa0]);
    let raw = |bundle| parcel(seal_raw(&author.network, alice.user, prekey, bundle, true));
    [raw(&long), raw(&no_list), parcel(seal_bytes(&author.network, alice.user, prekey, &[0xff; 40], &sound.r.0))]
}

#[test]
fn a_carrier_of_malformed_sealed_contents_is_notified_and_stays_connected() {
    let Setup { mut alice, mallory, prekey, .. } = setup();
    let pi = Person::new(3, "pi");
    let conn = alice.meet_relay(&pi);
    for item in unsound(&alice, &mallory, &prekey) {
        alice.hand(conn, item);
    }
    assert_eq!(alice.drops("envelope with unsound contents"), 3);
    assert_eq!((alice.states(conn), alice.closed(conn)), (vec![custody_state::NO_CARRIER; 3], None));
}

#[test]
fn a_stranger_who_seals_malformed_contents_is_closed_at_the_third_envelope() {
    let Setup { mut alice, mallory, prekey, .. } = setup();
    let conn = alice.meet(&mallory);
    for item in unsound(&alice, &mallory, &prekey) {
        assert_eq!(alice.closed(conn), None);
        alice.hand(conn, item);
    }
    assert_eq!((alice.items(conn).len(), alice.closed(conn)), (0, Some(CloseReason::Protocol)));
}

#[test]
fn a_relay_holds_an_envelope_for_another_user_even_if_it_is_sealed_to_its_own_prekey() {
    let mut relay = Victim::with_roles(Accept::Auto, roles::RELAY);
    let (mallory, bob) = (Person::new(1, "mallory"), Person::new(2, "bob"));
    let conn = relay.meet(&mallory);
    let prekey = relay.prekey();
    relay.hand(conn, mallory.parcel(bob.user_id(), &prekey, vec![text(6, "for bob, sealed to the relay")]));
    assert_eq!((relay.states(conn), relay.held().len()), (vec![custody_state::HELD], 1));
    assert!(relay.shown().is_empty());
}

#[test]
fn a_strangers_envelope_to_another_user_is_refused() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let conn = alice.meet(&mallory);
    alice.hand(conn, mallory.parcel(bob.user_id(), &bob.prekey.public(), vec![text(5, "for bob")]));
    alice.hand(conn, mallory.parcel(bob.user_id(), &prekey, vec![text(6, "for bob, sealed to alice")]));
    assert_eq!(alice.drops("envelope to somebody else"), 2);
    let refused = |item: &Chat| matches!(item, Chat::Custody(said) if said.state == custody_state::NO_CARRIER);
    assert!(alice.items(conn).iter().filter(|item| refused(item)).count() == 2 && alice.shown().is_empty());
}

#[test]
fn a_replayed_envelope_is_shown_once_whichever_peer_sends_it() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let to_bob = alice.meet(&bob);
    let to_mallory = alice.meet(&mallory);
    let line = bob.parcel(alice.user, &prekey, vec![text(5, "once")]);
    for conn in [to_bob, to_mallory, to_bob] {
        alice.hand(conn, line.clone());
    }
    assert_eq!(alice.shown(), [(bob.user_id(), "once".to_owned())]);
}

#[test]
fn a_chat_stream_that_overtakes_the_hello_is_checked_by_its_signature() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let conn = alice.connect(mallory.session_id());
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(5, "early")]));
    assert_eq!(alice.shown(), [(mallory.user_id(), "early".to_owned())]);
    let as_bob = {
        let mut bundle = mallory.bundle(alice.user, vec![text(6, "I am bob")]);
        (bundle.user, bundle.session, bundle.roster) = (bob.user_id(), bob.session_id(), None);
        bundle
    };
    alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &as_bob, true)));
    assert_eq!(alice.shown().len(), 1);
}

#[test]
fn envelopes_of_a_closed_connection_are_ignored() {
    let Setup { mut alice, mallory, prekey, .. } = setup();
    let conn = alice.meet(&mallory);
    alice.command(Command::Block { user: mallory.user_id().to_string() });
    assert_eq!(alice.closed(conn), Some(CloseReason::Blocked));
    let before = alice.out.len();
    alice.hand(conn, mallory.parcel(alice.user, &prekey, vec![text(5, "let me in")]));
    alice.hand(conn, mallory.parcel(alice.user, &mallory.prekey.public(), vec![text(6, "to an old key")]));
    assert_eq!(alice.out.len(), before);
}

#[test]
fn what_a_blocked_user_writes_stays_with_the_carrier_and_is_asked_for_when_the_block_ends() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let by_bob = alice.befriend(&bob);
    alice.command(Command::Block { user: bob.user_id().to_string() });
    assert_eq!(alice.closed(by_bob), Some(CloseReason::Blocked));
    let relay = alice.meet_relay(&mallory);
    let letters = [9, 10].map(|n| bob.parcel(alice.user, &prekey, vec![text(n, &n.to_string())]));
    let is_release = |item: &&Chat| matches!(item, Chat::Release(_));
    for letter in letters.iter().chain(&letters) {
        alice.hand(relay, letter.clone());
    }
    assert_eq!(alice.states(relay), [custody_state::NO_CARRIER; 4]);
    assert_eq!(alice.items(relay).iter().filter(|item| is_release(item)).count(), 0);
    assert!(alice.shown().is_empty());
    alice.command(Command::Add { user: bob.user_id().to_string() });
    let asked: Vec<EnvelopeId> = alice.items(relay).into_iter().filter_map(asked_for).flatten().collect();
    assert_eq!(asked, letters.each_ref().map(id_of));
    for letter in &letters {
        alice.hand(relay, letter.clone());
    }
    assert_eq!(alice.shown(), ["9", "10"].map(|text| (bob.user_id(), text.to_owned())));
    assert_eq!(alice.items(relay).iter().filter(|item| is_release(item)).count(), 2);
}

fn asked_for(item: &Chat) -> Option<Vec<EnvelopeId>> {
    match item {
        Chat::Ask(ask) => Some(ask.envelopes.0.clone()),
        _ => None,
    }
}

#[test]
fn receipts_count_only_for_messages_to_their_sender() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    alice.command(Command::Say { to: bob.user_id(), text: "for bob alone".to_owned() });
    let conn = alice.meet(&mallory);
    let epochs: Vec<u64> = alice
        .ops
        .iter()
        .filter_map(|op| match op {
            darknode::proto::persist::Op::Typed(row) => Some(row.id.stream.epoch),
            _ => None,
        })
        .collect();
    for author in [alice.session, SessionId([4; 32])] {
        let contents = vec![receipt(author, epochs[0]), receipt(author, 77)];
        alice.hand(conn, mallory.parcel(alice.user, &prekey, contents));
    }
    assert_eq!(alice.delivered(), 0);
    let from_bob = alice.meet(&bob);
    alice.hand(from_bob, bob.parcel(alice.user, &prekey, vec![receipt(alice.session, epochs[0])]));
    assert_eq!(alice.delivered(), 1, "bob's own counts");
}

#[test]
fn a_receipt_for_a_stream_to_somewhere_else_is_none_for_a_line() {
    let Setup { mut alice, bob, prekey, .. } = setup();
    alice.command(Command::Say { to: bob.user_id(), text: "for bob".to_owned() });
    let epoch = alice.ops.iter().find_map(|op| if let Op::Typed(row) = op { Some(row.id.stream.epoch) } else { None });
    let epoch = epoch.expect("a line was stored");
    let conn = alice.meet(&bob);
    for address in [Address([7; 32]), Address::from(bob.user_id())] {
        let elsewhere = receipt_of(alice.session, epoch, Some(address));
        alice.hand(conn, bob.parcel(alice.user, &prekey, vec![elsewhere]));
    }
    assert_eq!(alice.delivered(), 0);
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![receipt(alice.session, epoch)]));
    assert_eq!(alice.delivered(), 1);
}

#[test]
fn a_text_over_its_cap_is_refused_and_a_longer_body_of_another_kind_is_stored_and_receipted() {
    let Setup { mut alice, bob, prekey, .. } = setup();
    let conn = alice.meet(&bob);
    let stored = |alice: &Victim| alice.ops.iter().filter(|op| matches!(op, Op::Received(_))).count();
    let before = stored(&alice);
    let long = bob.bundle(alice.user, vec![text(5, &"x".repeat(MAX_TEXT + 1))]);
    alice.hand(conn, parcel(seal_raw(&bob.network, alice.user, &prekey, &long, true)));
    assert_eq!((alice.drops("envelope with unsound contents"), stored(&alice)), (1, before));
    for kind in 4..=10 {
        alice.hand(conn, bob.parcel(alice.user, &prekey, vec![content(kind, EPOCH, kind, vec![7; MAX_BODY])]));
    }
    assert_eq!(stored(&alice), before + 7);
    assert!(alice.shown().is_empty() && alice.closed(conn).is_none());
    let released = alice.items(conn).into_iter().filter(|item| matches!(item, Chat::Release(_)));
    assert!(released.count() >= 7);
}

/// Alice has many messages for a connected mallory.
fn much_for(alice: &mut Victim, mallory: &Person) -> darknode::id::ConnId {
    let conn = alice.befriend(mallory);
    // The messages of the link setup are not counted.
    alice.out.clear();
    for _ in 0..200 {
        alice.command(Command::Say { to: mallory.user_id(), text: "x".repeat(10_000) });
    }
    conn
}

#[test]
fn without_valid_releases_a_peer_gets_one_window_of_envelopes() {
    let Setup { mut alice, mallory, .. } = setup();
    let conn = much_for(&mut alice, &mallory);
    let sent = alice.parcels(conn).len();
    assert!((WINDOW - 2..=WINDOW).contains(&sent), "{sent} after the link setup");
    let ids: Vec<EnvelopeId> = alice.parcels(conn).into_iter().map(id_of).collect();
    for envelope in ids.into_iter().chain([EnvelopeId([1; 32])]) {
        alice.hand(conn, Chat::Release(Release { envelope, r: Fixed([0; 32]) }));
    }
    assert_eq!(alice.parcels(conn).len(), sent, "r must fit the lock");
    assert!(alice.drops("release that fits no lock") > 0);
}

#[test]
fn a_peer_that_can_open_nothing_causes_a_bounded_number_of_envelopes() {
    let Setup { mut alice, mallory, .. } = setup();
    let conn = much_for(&mut alice, &mallory);
    for seq in 0..500 {
        let Some(last) = alice.parcels(conn).into_iter().map(id_of).next_back() else { break };
        let (roster, card) = (mallory.roster(), mallory.card(100 + seq));
        alice.hand(conn, Chat::Unopenable(Unopenable { envelope: last, roster, card }));
    }
    let sealed = alice.parcels(conn).len();
    assert!(sealed < 4 * WINDOW, "{sealed} envelopes were sealed");
}

#[test]
fn envelopes_to_old_keys_are_returned_a_bounded_number_of_times() {
    let Setup { mut alice, mallory, bob, .. } = setup();
    let conn = alice.meet(&mallory);
    for n in 0..1000 {
        alice.hand(conn, mallory.parcel(alice.user, &bob.prekey.public(), vec![text(n, "old")]));
    }
    let handed_back = alice.items(conn).len();
    assert!((1..=2 * WINDOW).contains(&handed_back), "{handed_back} were returned");
    assert_eq!(alice.drops("envelope to an old key"), 1000);
}

#[test]
fn extreme_numbers_are_accepted_without_breaking_counters() {
    let Setup { mut alice, bob, prekey, .. } = setup();
    let conn = alice.meet(&bob);
    let mut extreme = text(u64::MAX, "last");
    (extreme.lamport, extreme.wall, extreme.epoch) = (u64::MAX, i64::MAX, u64::MAX);
    let mut unknown = text(u64::MAX - 1, "");
    unknown.kind = u64::MAX;
    let contents = vec![extreme, text(0, "numberless"), link(9, 77, u64::MAX), unknown];
    alice.hand(conn, bob.parcel(alice.user, &prekey, contents));
    assert_eq!(alice.shown(), [(bob.user_id(), "last".to_owned())]);
    alice.command(Command::Say { to: bob.user_id(), text: "still here".to_owned() });
    assert_eq!(alice.drops("unknown link state"), 1);
}

#[test]
fn a_link_message_of_another_user_changes_no_link() {
    let Setup { mut alice, mallory, bob, prekey } = setup();
    let conn = alice.meet(&mallory);
    let removed = bob.bundle(mallory.user_id(), vec![link(9, link_state::REMOVED, 900)]);
    alice.hand(conn, parcel(seal_raw(&mallory.network, alice.user, &prekey, &removed, true)));
    let sealed = mallory.seal(alice.user, &prekey, vec![link(2, link_state::REMOVED, 900)]);
    assert_eq!(envelope_id(&sealed.bytes), sealed.id);
    alice.hand(conn, parcel(sealed.bytes));
    assert!(alice.users().iter().any(|user| user.id == bob.user_id() && user.distance == Some(1)));
}
