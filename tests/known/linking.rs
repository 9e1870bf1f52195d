//! How Alice's session links a second one, in which Bob's session key stands for that of the second: the exchange, what it
//! seals, and the messages.

use curve25519_dalek::scalar::Scalar;
use darknode::id::NetworkId;
use darknode::identity::invitation::{Code, Invitation, Token};
use darknode::identity::pake::{Binding, Channel, Exchange, Keys, Side};
use darknode::identity::record::Checked;
use darknode::wire::control::Control;
use darknode::wire::link::{LinkSession, Newcomer, RelayedStep, Welcome, link_step, refusal};
use darknode::wire::record::{Roster, RosterSession, Signed};
use darknode::wire::{Bytes, Fixed, List, Text, encode};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::{EXPORTER, Person, addr};

/// The random bits of the code `abandon zoo able`: the numbers of the words, from the lowest bits on.
pub const CODE_BITS: u64 = (2 << 22) | (2_047 << 11);
/// The seed of the secret scalars.
const SEED: [u8; 32] = [0x5a; 32];

/// An exchange that both sides have finished.
pub struct Linked {
    /// The secret scalars, the holder's first.
    pub scalars: [[u8; 32]; 2],
    /// The shares, the holder's first.
    pub shares: [[u8; 32]; 2],
    pub holder: Keys,
    pub newcomer: Keys,
}

pub fn code() -> Code {
    Code::from_random(CODE_BITS)
}

/// What the second session shows beside the code.
pub fn token() -> Token {
    let addrs = vec![addr("192.0.2.7:27272").0, addr("[2001:db8::7]:27272").0];
    Token { session: Person::bob().session_id(), secret: [0x7e; 16], addrs }
}

/// The exchange on a connection of the two, or through a relay.
pub fn exchange(channel: Channel) -> Linked {
    let (alice, bob) = (Person::alice(), Person::bob());
    let (holder, newcomer) = (alice.session_id(), bob.session_id());
    let binding = Binding { network: NetworkId::OPEN, channel, holder, newcomer };
    let password = Invitation::Code(code()).password();
    let mut rng = ChaCha20Rng::from_seed(SEED);
    let (holder, ask) = Exchange::start(&password, Side::Holder, &binding, &mut rng);
    let (newcomer, answer) = Exchange::start(&password, Side::Newcomer, &binding, &mut rng);
    let mut drawn = [[0; 64]; 2];
    ChaCha20Rng::from_seed(SEED).fill_bytes(drawn.as_flattened_mut());
    let scalars = drawn.map(|bytes| Scalar::from_bytes_mod_order_wide(&bytes).to_bytes());
    let (holder, newcomer) = (holder.finish(&answer).expect("a point"), newcomer.finish(&ask).expect("a point"));
    Linked { scalars, shares: [ask, answer], holder, newcomer }
}

/// What the new session seals.
pub fn newcomer() -> Newcomer {
    Newcomer { label: Text("pi".to_owned()) }
}

/// What the holder seals.
pub fn welcome() -> Welcome {
    let alice = Person::alice();
    let (declaration, card, links) = (alice.declaration(true), alice.card(), alice.links(Person::bob().user_id()));
    Welcome { roster: roster(), declaration, card, links: List(vec![links]) }
}

/// The roster that lists both sessions.
fn roster() -> Signed {
    let (alice, bob) = (Person::alice(), Person::bob());
    let session = |of: &Person, label: &str| RosterSession { id: of.session_id(), label: Text(label.to_owned()) };
    let roster = Roster {
        user: alice.user_id(),
        name: Text("alice".to_owned()),
        version: 1_700_000_000_001,
        sessions: List(vec![session(&alice, "laptop"), session(&bob, "pi")]),
        revoked: List(vec![]),
    };
    Checked::sign(roster, &alice.user, &NetworkId::OPEN).signed().clone()
}

pub fn messages() -> Vec<(&'static str, Control)> {
    let Linked { shares: [ask, answer], holder, newcomer: keys, .. } = exchange(Channel::Direct(EXPORTER));
    let step = |step, share: Option<[u8; 32]>| LinkSession { share: share.map(Fixed), ..LinkSession::empty(step) };
    let confirmed =
        |step, keys: &Keys| LinkSession { confirmation: Some(Fixed(keys.confirmation())), ..LinkSession::empty(step) };
    let sealed = |keys: &Keys, payload: &[u8]| Some(Bytes(keys.seal(payload)));
    let wrong = LinkSession { reason: Some(refusal::WRONG), ..LinkSession::empty(link_step::REFUSE) };
    let accept = LinkSession { sealed: sealed(&keys, &encode(&newcomer())), ..confirmed(link_step::ACCEPT, &keys) };
    let welcome = LinkSession { sealed: sealed(&holder, &encode(&welcome())), ..step(link_step::WELCOME, None) };
    [
        ("link-by-code", step(link_step::BY_CODE, Some(ask))),
        ("link-answer", step(link_step::ANSWER, Some(answer))),
        ("link-confirm", confirmed(link_step::CONFIRM, &holder)),
        ("link-accept", accept),
        ("link-welcome", welcome),
        ("link-refuse", wrong),
    ]
    .into_iter()
    .map(|(name, step)| (name, Control::LinkSession(step)))
    .chain(relayed_messages())
    .collect()
}

/// The first two steps through a relay: to the relay, and from it.
fn relayed_messages() -> [(&'static str, Control); 4] {
    let Linked { shares: [ask, answer], .. } = exchange(Channel::Relayed);
    let message = |session, passed_on, step, share| {
        let step = LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(step) };
        Control::RelayedStep(RelayedStep { session, passed_on, step })
    };
    let (holder, newcomer) = (Person::alice().session_id(), Person::bob().session_id());
    [
        ("relayed-by-code", message(newcomer, false, link_step::BY_CODE, ask)),
        ("relayed-by-code-passed-on", message(holder, true, link_step::BY_CODE, ask)),
        ("relayed-answer", message(holder, false, link_step::ANSWER, answer)),
        ("relayed-answer-passed-on", message(newcomer, true, link_step::ANSWER, answer)),
    ]
}
