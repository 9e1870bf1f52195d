//! Signed records: which are accepted, and which are refused.

use darknode::id::{NetworkId, SessionId, UserId};
use darknode::identity::{Checked, Name, Refused, Scheme, SecretKey, Verifier};
use darknode::wire::record::{Declaration, KeyCard, LinkList, Roster, RosterSession, Signed};
use darknode::wire::{Bytes, List, Malformed, Text, encode};

const NETWORK: NetworkId = NetworkId([9; 32]);
const VERIFIER: Verifier = Verifier { scheme: Scheme::Ed25519, network: NETWORK };

fn key(byte: u8) -> SecretKey {
    SecretKey::from_seed(Scheme::Ed25519, &[byte; 32])
}

fn roster(name: &str) -> Roster {
    let session = RosterSession { id: SessionId(key(2).public()), label: Text("laptop".to_owned()) };
    Roster {
        user: UserId(key(1).public()),
        name: Text(name.to_owned()),
        version: 1,
        sessions: List(vec![session]),
        revoked: List(vec![]),
    }
}

fn declaration() -> Declaration {
    Declaration {
        user: UserId(key(1).public()),
        session: SessionId(key(2).public()),
        seq: 1,
        online: true,
        addrs: List(vec![]),
        roles: 0,
        boot_nonce: None,
    }
}

fn signed(roster: Roster) -> Signed {
    Checked::sign(roster, &key(1), &NETWORK).signed().clone()
}

#[test]
fn a_record_signed_by_its_subject_is_accepted() {
    let checked = Checked::<Roster>::open(&signed(roster("alice")), &VERIFIER).expect("signed by the user");
    assert_eq!(*checked, roster("alice"));
    assert!(checked.admits(&SessionId(key(2).public())));
    assert!(!checked.admits(&SessionId(key(3).public())));
}

#[test]
fn forged_foreign_and_changed_records_are_refused() {
    let forged = Checked::sign(roster("alice"), &key(3), &NETWORK).signed().clone();
    assert_eq!(Checked::<Roster>::open(&forged, &VERIFIER), Err(Refused::BadSignature));
    let foreign = Verifier { network: NetworkId::OPEN, ..VERIFIER };
    assert_eq!(Checked::<Roster>::open(&signed(roster("alice")), &foreign), Err(Refused::BadSignature));
    let changed = Signed(Bytes(encode(&roster("alicf"))), signed(roster("alice")).1);
    assert_eq!(Checked::<Roster>::open(&changed, &VERIFIER), Err(Refused::BadSignature));
}

#[test]
fn a_record_of_one_kind_is_not_accepted_as_another() {
    let declared = Checked::sign(declaration(), &key(2), &NETWORK).signed().clone();
    assert!(Checked::<Declaration>::open(&declared, &VERIFIER).is_ok());
    assert!(Checked::<KeyCard>::open(&declared, &VERIFIER).is_err());
    assert!(Checked::<LinkList>::open(&declared, &VERIFIER).is_err());
    assert!(Checked::<Roster>::open(&declared, &VERIFIER).is_err());
}

#[test]
fn records_over_their_size_limit_are_refused_without_decoding() {
    let long = Signed(Bytes(vec![0; 1025]), signed(roster("alice")).1);
    assert_eq!(Checked::<Declaration>::open(&long, &VERIFIER), Err(Refused::TooLong(1025)));
    assert_eq!(Checked::<KeyCard>::open(&long, &VERIFIER), Err(Refused::TooLong(1025)));
}

#[test]
fn what_is_no_name_in_a_roster_names_nobody() {
    for name in ["a#b", "a: b", "a\u{202e}b", "Zoe\u{308}", " alice", "🦊"] {
        let roster = Checked::<Roster>::open(&signed(roster(name)), &VERIFIER).expect("the rest of it counts");
        assert_eq!(roster.name(), None, "{name:?}");
    }
    let alice = Checked::<Roster>::open(&signed(roster("alice")), &VERIFIER).expect("it is sound");
    assert_eq!(alice.name(), Name::parse("alice").ok());
}

#[test]
fn records_that_contradict_themselves_are_refused() {
    assert_eq!(Checked::<Roster>::open(&signed(roster("")), &VERIFIER), Err(Refused::Unsound));
    let empty = Roster { sessions: List(vec![]), ..roster("alice") };
    assert_eq!(Checked::<Roster>::open(&signed(empty), &VERIFIER), Err(Refused::Unsound));
    let (user, session) = (UserId(key(1).public()), SessionId(key(2).public()));
    let card = KeyCard { user, session, seq: 1, prekeys: List(vec![]) };
    let card = Checked::sign(card, &key(2), &NETWORK);
    assert_eq!(Checked::<KeyCard>::open(card.signed(), &VERIFIER), Err(Refused::Unsound));
    let page = LinkList { user, session, version: 1, page: 1, pages: 1, entries: List(vec![]) };
    let page = Checked::sign(page, &key(2), &NETWORK);
    assert_eq!(Checked::<LinkList>::open(page.signed(), &VERIFIER), Err(Refused::Unsound));
}

#[test]
fn a_signed_record_may_hold_keys_of_later_versions() {
    let mut payload = encode(&declaration());
    payload[0] += 1;
    payload.extend([0x18, 99, 0x61, b'x']);
    let domain = darknode::identity::Domain::Declaration;
    let signature = key(2).sign(domain, &NETWORK, &[&payload]);
    let later = Signed(Bytes(payload), darknode::wire::Fixed(signature));
    let checked = Checked::<Declaration>::open(&later, &VERIFIER).expect("later keys are skipped");
    assert_eq!(*checked, declaration());
    assert_eq!(checked.signed(), &later);
}

#[test]
fn a_payload_that_is_not_a_record_is_malformed() {
    let garbage = Signed(Bytes(vec![0xff; 40]), signed(roster("alice")).1);
    assert!(matches!(
        Checked::<Roster>::open(&garbage, &VERIFIER),
        Err(Refused::Malformed(Malformed::NotCanonical(_)))
    ));
}
