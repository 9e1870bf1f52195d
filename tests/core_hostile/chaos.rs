//! Two proved peers send arbitrary messages, in any order and with damage.

use darknode::id::UserId;
use darknode::proto::Accept;
use darknode::proto::event::{Command, Input};
use darknode::proto::notice::Notice;
use darknode::wire::chat::{Chat, Items, Release, Unopenable};
use darknode::wire::control::{Batch, Control, Hello, RequestPing, RequestUserList};
use darknode::wire::record::{Prekey, link_state};
use darknode::wire::{Fixed, List, decode, encode};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::adversary::{Person, known_list, link, receipt, seal_raw, text};
use crate::victim::{Victim, memory};

/// One action of one of the peers.
#[derive(Debug, Clone)]
struct Act {
    who: bool,
    what: u8,
    n: u64,
    /// Which byte is changed, and to what.
    damage: Option<(Index, u8)>,
}

fn act() -> impl Strategy<Value = Act> {
    let n = prop_oneof![4 => 0..6u64, 1 => any::<u64>()];
    (any::<bool>(), 0..20u8, n, proptest::option::weighted(0.3, any::<(Index, u8)>()))
        .prop_map(|(who, what, n, damage)| Act { who, what, n, damage })
}

/// The control message of an action.
fn control(act: &Act, me: &Person, other: &Person, alice: UserId) -> Option<Control> {
    let n = act.n;
    Some(match act.what {
        0 => Control::Hello(me.hello()),
        1 => Control::Hello(Hello { known_seq: Some(n), ..me.hello() }),
        2 => Control::Hello(other.hello()),
        3 => me.declare(me.declaration(n, n.is_multiple_of(2), &[([127, 0, 0, 1], 9).into()])),
        4 => other.declare(other.declaration(n, false, &[])),
        5 => Control::RequestUserList(RequestUserList { id: n, user: alice }),
        6 => {
            let (declaration, roster) = (me.declaration(n, true, &[]), None);
            Control::RequestPing(RequestPing {
                id: n,
                target: alice,
                declaration,
                roster,
                hops: 1,
                observed: None,
                signature: None,
            })
        }
        7 => known_list(me.user_id(), Some(me.roster_of(n, &[me.session_id()], &[])), vec![], vec![me.card(n)]),
        8 => known_list(me.user_id(), None, vec![me.link_list(alice, (n % 6) as u8, n)], vec![]),
        9 => known_list(other.user_id(), Some(other.roster_of(n, &[me.session_id()], &[])), vec![], vec![]),
        _ => return None,
    })
}

/// The chat item of an action. Texts begin with their true author's name.
fn chat(act: &Act, me: &Person, other: &Person, alice: &Victim, prekey: &Prekey) -> Chat {
    let n = act.n;
    match act.what {
        10 | 11 => me.parcel(alice.user, prekey, vec![text(n, &me.name)]),
        12 => me.parcel(alice.user, prekey, vec![link(n, link_state::LINKED, n), text(n.wrapping_add(1), &me.name)]),
        13 => me.parcel(alice.user, prekey, vec![receipt(alice.session, n)]),
        14 => {
            let mut forged = me.bundle(alice.user, vec![text(n, &me.name)]);
            (forged.user, forged.session, forged.roster) = (other.user_id(), other.session_id(), Some(other.roster()));
            crate::adversary::parcel(seal_raw(&me.network, alice.user, prekey, &forged, true))
        }
        15 => {
            let stolen = other.bundle(me.user_id(), vec![text(n, "never for alice")]);
            crate::adversary::parcel(seal_raw(&me.network, alice.user, prekey, &stolen, n.is_multiple_of(2)))
        }
        16 => me.parcel(alice.user, &other.prekey.public(), vec![text(n, &me.name)]),
        17 => Chat::Release(Release { envelope: darknode::id::EnvelopeId([n as u8; 32]), r: Fixed([0; 32]) }),
        18 => {
            let envelope = darknode::id::EnvelopeId([n as u8; 32]);
            Chat::Unopenable(Unopenable { envelope, roster: me.roster(), card: me.card(n) })
        }
        _ => other.parcel(alice.user, prekey, vec![text(n, &other.name)]),
    }
}

/// Decodes the bytes with one of them changed; `None` if the decoder refuses them.
fn damaged<T: serde::de::DeserializeOwned>(mut bytes: Vec<u8>, damage: &Option<(Index, u8)>) -> Option<T> {
    if let Some((at, byte)) = damage {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    decode(&bytes).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_signed_content_is_shown_and_nothing_panics(acts in prop::collection::vec(act(), 1..80)) {
        let people = [Person::new(1, "mallory"), Person::new(2, "bob")];
        let mut alice = Victim::new(Accept::Auto);
        let mut conns = [alice.meet(&people[0]), alice.meet(&people[1])];
        let prekey = alice.prekey();
        alice.command(Command::Say { to: people[0].user_id(), text: "hello".to_owned() });
        let before = memory();
        for act in &acts {
            let (me, other) = (&people[usize::from(act.who)], &people[usize::from(!act.who)]);
            let conn = &mut conns[usize::from(act.who)];
            if alice.closed(*conn).is_some() {
                alice.feed(Input::Closed { conn: *conn, reason: None });
                *conn = alice.meet(me);
            }
            if let Some(message) = control(act, me, other, alice.user) {
                let batch: Batch = List(vec![message]);
                let Some(List(batch)) = damaged::<Batch>(encode(&batch), &act.damage) else { continue };
                alice.feed(Input::Control { conn: *conn, batch });
            } else {
                let items: Items = List(vec![chat(act, me, other, &alice, &prekey)]);
                let Some(List(items)) = damaged::<Items>(encode(&items), &act.damage) else { continue };
                alice.feed(Input::Chat { conn: *conn, items });
            }
        }
        for (from, text) in alice.shown() {
            let author = people.iter().find(|person| person.user_id() == from);
            prop_assert_eq!(author.map(|person| person.name.clone()), Some(text));
        }
        let with_a_stranger = |notice: &Notice| {
            matches!(notice, Notice::Linked { id, .. } if people.iter().all(|person| person.user_id() != *id))
        };
        prop_assert!(!alice.notices().any(with_a_stranger));
        prop_assert!(memory() - before < 200 * 1024 * acts.len() as isize, "{} bytes", memory() - before);
    }
}
