//! Sealing and opening of envelopes, and attacks on them.

use darknode::id::{Address, NetworkId, SessionId, UserId};
use darknode::identity::record::{Checked, Verifier};
use darknode::identity::seal::{
    Author, CAPACITY, Opened, PADDED, PrekeySecret, Sealed, Unopened, envelope_id, fits, open, seal,
};
use darknode::identity::{Scheme, SecretKey};
use darknode::time::Moment;
use darknode::wire::content::{
    CONTENT_OVERHEAD, CONTENTS_OVERHEAD, Content, Contents, MAX_BODY, MAX_CONTENTS, MAX_TEXT, kind,
};
use darknode::wire::envelope::{Envelope, MAX_ENVELOPE, MAX_WRAPS};
use darknode::wire::record::{
    KeyCard, LONGEST_CARD, LONGEST_ROSTER, MAX_RECORD, MAX_SMALL_RECORD, Prekey, Roster, RosterSession, Signed,
};
use darknode::wire::{Bytes, Fixed, List, Malformed, Text, decode, encode};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const NETWORK: NetworkId = NetworkId([9; 32]);
const TO: Address = Address([8; 32]);
const VERIFIER: Verifier = Verifier { scheme: Scheme::Ed25519, network: NETWORK };

/// An author unknown to the addressee, and the addressee's three prekeys.
struct World {
    rng: ChaCha20Rng,
    user: SecretKey,
    session: SecretKey,
    prekeys: Vec<PrekeySecret>,
}

impl World {
    fn new() -> World {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let key = |byte| SecretKey::from_seed(Scheme::Ed25519, &[byte; 32]);
        let prekeys = (0..3).map(|_| PrekeySecret::generate(&mut rng, Moment(0))).collect();
        World { rng, user: key(1), session: key(2), prekeys }
    }

    fn seal(&mut self, contents: Vec<Content>) -> Option<Sealed> {
        let prekeys: Vec<Prekey> = self.prekeys.iter().map(PrekeySecret::public).collect();
        self.seal_to(&prekeys, contents)
    }

    fn seal_to(&mut self, prekeys: &[Prekey], contents: Vec<Content>) -> Option<Sealed> {
        let (roster, card) = (self.roster(), self.card());
        self.seal_with(&roster, &card, prekeys, contents)
    }

    fn seal_with(
        &mut self,
        roster: &Signed,
        card: &Signed,
        prekeys: &[Prekey],
        contents: Vec<Content>,
    ) -> Option<Sealed> {
        let author = Author {
            user: UserId(self.user.public()),
            key: &self.session,
            network: &NETWORK,
            roster: Some(roster),
            card: Some(card),
        };
        seal(&mut self.rng, &author, TO, prekeys, contents)
    }

    fn open(&self, bytes: &[u8]) -> Result<Opened, Unopened> {
        open(&NETWORK, bytes, |id| self.prekeys.iter().find(|prekey| prekey.id == *id))
    }

    /// The longest roster.
    fn roster(&self) -> Signed {
        let session = |id| RosterSession { id, label: Text("l".repeat(64)) };
        let others = (1..16).map(|n| session(SessionId([n; 32])));
        let sessions = [session(SessionId(self.session.public()))].into_iter().chain(others).collect();
        let roster = Roster {
            user: UserId(self.user.public()),
            name: Text("𒐫".repeat(32)),
            version: u64::MAX,
            sessions: List(sessions),
            revoked: List((0..32).map(|n| SessionId([n; 32])).collect()),
        };
        Checked::sign(roster, &self.user, &NETWORK).signed().clone()
    }

    /// The longest key card.
    fn card(&self) -> Signed {
        let card = KeyCard {
            user: UserId(self.user.public()),
            session: SessionId(self.session.public()),
            seq: u64::MAX,
            prekeys: List(self.prekeys.iter().map(PrekeySecret::public).collect()),
        };
        Checked::sign(card, &self.session, &NETWORK).signed().clone()
    }
}

fn text(body: &str) -> Content {
    Content { kind: kind::TEXT, epoch: 5, n: 1, lamport: 7, wall: -1, body: Bytes(body.into()) }
}

/// A line whose numbers take as many bytes as numbers can.
fn extreme(length: usize) -> Content {
    Content { epoch: u64::MAX, n: u64::MAX, lamport: u64::MAX, wall: i64::MIN, ..text(&"x".repeat(length)) }
}

fn encoded(contents: Vec<Content>) -> usize {
    encode::<Contents>(&List(contents)).len()
}

fn envelope(sealed: &Sealed) -> Envelope {
    decode(&sealed.bytes).expect("a sealed envelope can be decoded")
}

#[test]
fn every_session_of_the_addressee_opens_what_was_sealed_to_it() {
    let mut world = World::new();
    let sealed = world.seal(vec![text("hello"), text("bob")]).expect("it fits");
    assert_eq!(sealed.id, envelope_id(&sealed.bytes));
    for prekey in &world.prekeys {
        let opened = open(&NETWORK, &sealed.bytes, |id| (prekey.id == *id).then_some(prekey)).expect("sealed to it");
        assert_eq!(opened.contents, [text("hello"), text("bob")]);
        assert_eq!((opened.id, opened.address, opened.user.0), (sealed.id, TO, world.user.public()));
        assert_eq!((opened.roster.clone(), opened.card.clone()), (Some(world.roster()), Some(world.card())));
        assert!(fits(&envelope(&sealed).lock.0, &opened.r));
        assert!(opened.is_by_author(&VERIFIER));
    }
}

#[test]
fn a_text_of_16_000_bytes_fits_together_with_roster_and_key_card() {
    let mut world = World::new();
    let sealed = world.seal(vec![text(&"x".repeat(MAX_TEXT))]).expect("it fits");
    assert_eq!(world.open(&sealed.bytes).expect("sealed to us").contents[0].body.len(), MAX_TEXT);
    assert!(world.seal(vec![text(&"x".repeat(MAX_TEXT + 1))]).is_none());
}

#[test]
fn contents_up_to_the_guaranteed_room_fit_and_much_larger_ones_do_not() {
    let mut world = World::new();
    assert_eq!((world.roster().0.len(), world.card().0.len()), (LONGEST_ROSTER, LONGEST_CARD));
    let pair = |second: usize| vec![text(&"x".repeat(MAX_TEXT)), text(&"x".repeat(second))];
    let second = 1000 + CAPACITY - encoded(pair(1000));
    assert_eq!(encoded(pair(second)), CAPACITY);
    assert!(world.seal(pair(second)).is_some());
    // The head of a card's payload is a byte shorter than that of a roster's, for which both are reckoned.
    assert!(world.seal(pair(second + 2)).is_none());
    assert!(world.seal(vec![text("x"); 513]).is_none());
}

#[test]
fn the_longest_body_fits_beside_the_longest_roster_and_card_and_is_no_text() {
    let mut world = World::new();
    let body = |kind, length| vec![Content { kind, ..text(&"x".repeat(length)) }];
    let sealed = world.seal(body(4, MAX_BODY)).expect("it fits");
    assert_eq!(world.open(&sealed.bytes).expect("sealed to us").contents, body(4, MAX_BODY));
    assert!(world.seal(body(4, MAX_BODY + 1)).is_none());
    assert!(world.seal(body(kind::TEXT, MAX_BODY)).is_none());
}

#[test]
fn the_longest_line_fits_beside_any_roster_and_card_of_a_later_version() {
    let mut world = World::new();
    let signed = |length| Signed(Bytes(vec![0; length]), Fixed([0; 64]));
    let prekeys = [world.prekeys[0].public()];
    let line = vec![extreme(MAX_TEXT)];
    assert_eq!(encoded(line.clone()), 1 + CONTENT_OVERHEAD + MAX_TEXT);
    let sealed = world.seal_with(&signed(MAX_RECORD), &signed(MAX_SMALL_RECORD), &prekeys, line);
    assert_eq!(envelope(&sealed.expect("it fits")).sealed.len(), 21_504 + 16);
}

#[test]
fn a_content_takes_no_more_than_is_reckoned_for_it() {
    let many = |count: usize| encoded(vec![extreme(40); count]);
    assert_eq!(many(MAX_CONTENTS), CONTENTS_OVERHEAD + MAX_CONTENTS * (CONTENT_OVERHEAD - 1 + 40));
}

#[test]
fn the_longest_envelope_is_within_its_cap_and_one_more_wrap_is_none() {
    let mut world = World::new();
    let prekeys = vec![world.prekeys[0].public(); MAX_WRAPS + 1];
    let sealed = world.seal_to(&prekeys[1..], vec![text(&"x".repeat(MAX_TEXT))]).expect("it fits");
    assert_eq!((sealed.bytes.len(), MAX_ENVELOPE), (33_630, 33_792));
    assert_eq!(world.open(&sealed.bytes).expect("sealed to us").contents.len(), 1);
    assert!(world.seal_to(&prekeys, vec![text("x")]).is_none());
    let mut envelope = envelope(&sealed);
    envelope.wraps.0.push(envelope.wraps[0].clone());
    assert!(matches!(world.open(&encode(&envelope)), Err(Unopened::Malformed(_))));
}

#[test]
fn lengths_are_hidden_on_five_steps() {
    let mut world = World::new();
    let mut lengths = std::collections::BTreeSet::new();
    let prekeys = [world.prekeys[0].public()];
    for length in (0..MAX_TEXT).step_by(997).chain([1, 200, 500, 3000]) {
        let author = Author { user: UserId([0; 32]), key: &world.session, network: &NETWORK, roster: None, card: None };
        let sealed = seal(&mut world.rng, &author, TO, &prekeys, vec![text(&"x".repeat(length))]).expect("it fits");
        lengths.insert(envelope(&sealed).sealed.len() - 16);
    }
    assert_eq!(Vec::from_iter(lengths), [256, 512, 1024, 4096, 21_504]);
    assert_eq!(PADDED, [256, 512, 1024, 4096, 21_504]);
}

#[test]
fn without_a_matching_prekey_an_envelope_cannot_be_opened() {
    let mut world = World::new();
    let sealed = world.seal(vec![text("secret")]).expect("it fits");
    assert_eq!(open(&NETWORK, &sealed.bytes, |_| None), Err(Unopened::NoKey(TO)));
    let mut stranger = PrekeySecret::generate(&mut world.rng, Moment(0));
    stranger.id = world.prekeys[0].id;
    assert_eq!(open(&NETWORK, &sealed.bytes, |_| Some(&stranger)), Err(Unopened::Broken));
}

#[test]
fn a_seal_is_bound_to_its_network_address_and_lock() {
    let mut world = World::new();
    let sealed = world.seal(vec![text("hello")]).expect("it fits");
    let elsewhere = open(&NetworkId::OPEN, &sealed.bytes, |_| Some(&world.prekeys[0]));
    assert_eq!(elsewhere, Err(Unopened::Broken));
    let redirected = Envelope { address: Address([7; 32]), ..envelope(&sealed) };
    assert_eq!(world.open(&encode(&redirected)), Err(Unopened::Broken));
    let relocked = Envelope { lock: Fixed([7; 32]), ..envelope(&sealed) };
    assert_eq!(world.open(&encode(&relocked)), Err(Unopened::Broken));
}

#[test]
fn contents_for_another_author_address_or_network_fail_verification() {
    let mut world = World::new();
    let sealed = world.seal(vec![text("hello")]).expect("it fits");
    let opened = world.open(&sealed.bytes).expect("sealed to us");
    let claims = |change: fn(&mut Opened)| {
        let mut claimed = opened.clone();
        change(&mut claimed);
        claimed.is_by_author(&VERIFIER)
    };
    assert!(claims(|_| ()));
    assert!(!claims(|opened| opened.address = Address([7; 32])));
    assert!(!claims(|opened| opened.user = UserId([7; 32])));
    assert!(!claims(|opened| opened.session = SessionId(SecretKey::from_seed(Scheme::Ed25519, &[1; 32]).public())));
    assert!(!opened.is_by_author(&Verifier { network: NetworkId::OPEN, ..VERIFIER }));
}

#[test]
fn prekeys_of_small_order_are_skipped() {
    let mut world = World::new();
    let bad = Prekey { id: Fixed([1; 8]), key: Fixed([0; 32]) };
    let good = world.prekeys[0].public();
    let sealed = world.seal_to(&[bad.clone(), good.clone()], vec![text("hello")]).expect("one prekey is good");
    assert_eq!(envelope(&sealed).wraps.len(), 1);
    assert!(world.open(&sealed.bytes).is_ok());
    assert!(world.seal_to(&[bad], vec![text("hello")]).is_none());
    assert!(world.seal_to(&[], vec![text("hello")]).is_none());
}

#[test]
fn an_encapsulated_key_of_small_order_opens_nothing() {
    let mut world = World::new();
    let sealed = world.seal(vec![text("hello")]).expect("it fits");
    let mut envelope = envelope(&sealed);
    envelope.wraps.0[0].1 = Fixed([0; 32]);
    assert_eq!(world.open(&encode(&envelope)), Err(Unopened::Broken));
}

#[test]
fn sealed_content_of_another_size_is_malformed() {
    let mut world = World::new();
    let sealed = world.seal(vec![text("hello")]).expect("it fits");
    let mut envelope = envelope(&sealed);
    envelope.sealed.0.pop();
    assert!(matches!(world.open(&encode(&envelope)), Err(Unopened::Malformed(Malformed::Shape(_)))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A changed wrap of another recipient is not noticed when opening; carriers notice it by the id.
    #[test]
    fn a_changed_envelope_opens_to_nothing_else(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut world = World::new();
        let mut bytes = world.seal(vec![text("hello")]).expect("it fits").bytes;
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let first = &world.prekeys[0];
        let opened = open(&NETWORK, &bytes, |id| (first.id == *id).then_some(first));
        prop_assert!(opened.is_err() || opened.is_ok_and(|opened| opened.contents == [text("hello")]));
    }

    #[test]
    fn arbitrary_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(World::new().open(&bytes).is_err());
    }

    #[test]
    fn sealed_contents_can_be_opened(bodies in prop::collection::vec(".{0,60}", 0..20)) {
        let mut world = World::new();
        let contents: Vec<Content> = bodies.iter().map(|body| text(body)).collect();
        let sealed = world.seal(contents.clone()).expect("it fits");
        prop_assert_eq!(world.open(&sealed.bytes).expect("sealed to us").contents, contents);
    }
}
