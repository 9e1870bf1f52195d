use super::*;
use crate::id::NetworkId;
use crate::identity::{Scheme, SecretKey};
use crate::wire::codec::{Fixed, List};

const BOB: UserId = UserId([2; 32]);
const NOW: Moment = Moment(0);

fn by(n: u8) -> SessionId {
    SessionId([n; 32])
}

fn declared(seq: u64, online: bool) -> Checked<Declaration> {
    let key = SecretKey::from_seed(Scheme::Cheap, &[7; 32]);
    let (session, addrs) = (SessionId(key.public()), List(Vec::new()));
    Checked::sign(
        Declaration { user: BOB, session, seq, online, addrs, roles: 0, boot_nonce: None },
        &key,
        &NetworkId::OPEN,
    )
}

fn query(id: u64) -> RequestPing {
    let declaration = declared(1, true).signed().clone();
    RequestPing { id, target: BOB, declaration, roster: None, hops: 3, observed: None, signature: None }
}

/// Query 7 of Alice, received from one relay and passed to two more.
fn relayed() -> RelayedQueries {
    let mut queries = RelayedQueries::default();
    assert_eq!(queries.receive(&query(7), by(100), by(1), 9, NOW), Received::New);
    assert!(queries.pass(&(BOB, 7), by(8)) && queries.pass(&(BOB, 7), by(9)) && !queries.pass(&(BOB, 7), by(9)));
    queries
}

#[test]
fn a_query_is_passed_on_once_and_its_answers_return_to_all_senders() {
    let mut queries = relayed();
    assert_eq!(queries.receive(&query(7), by(100), by(2), 9, NOW), Received::Known);
    assert_eq!(queries.receive(&query(7), by(100), by(8), 9, NOW), Received::Loop);
    assert_eq!(
        queries.receive(&query(7), by(101), by(3), 9, NOW),
        Received::Refused,
        "the id belongs to another asker"
    );
    assert!(!queries.pass(&(BOB, 7), by(1)), "it is not returned to a sender");
    assert!(queries.may_answer(&(BOB, 7), &by(8)) && !queries.may_answer(&(BOB, 7), &by(3)));
    assert_eq!(queries.record_answer(&(BOB, 7), declared(5, true), 0, NOW, by(8)), [by(1), by(2)]);
    assert!(
        queries.record_answer(&(BOB, 7), declared(4, true), 0, NOW, by(9)).is_empty(),
        "an older declaration is not passed on"
    );
}

#[test]
fn answers_that_arrive_again_in_a_loop_are_passed_on_once() {
    let mut queries = relayed();
    let declarations =
        [declared(5, true), declared(6, false), declared(5, true), declared(6, false), declared(5, true)];
    let mut passed =
        |declaration: &Checked<Declaration>| queries.record_answer(&(BOB, 7), declaration.clone(), 0, NOW, by(8)).len();
    assert_eq!(declarations.iter().map(&mut passed).collect::<Vec<_>>(), [1, 1, 0, 0, 0]);
    assert_eq!(queries.get(&(BOB, 7)).map(|query| query.answers().count()), Some(0));
    assert_eq!(queries.record_answer(&(BOB, 7), declared(7, true), 0, NOW, by(8)), [by(1)], "a return is passed on");
}

#[test]
fn a_newer_key_card_is_passed_on_once_from_any_relay() {
    let mut queries = relayed();
    let mut passed = |card, relay| queries.record_answer(&(BOB, 7), declared(5, true), card, NOW, by(relay)).len();
    assert_eq!(
        [(0, 8), (3, 8), (3, 8), (0, 9), (3, 9), (2, 8)].map(|(card, relay)| passed(card, relay)),
        [1, 1, 0, 1, 0, 0]
    );
    assert_eq!([passed(4, 9), passed(4, 9)], [1, 0]);
}

#[test]
fn changes_under_one_declaration_are_passed_on_a_limited_number_of_times() {
    let mut queries = relayed();
    let mut round = |_| {
        let passed = queries.record_answer(&(BOB, 7), declared(5, true), 0, NOW, by(8)).len();
        queries.pass(&(BOB, 7), by(8));
        (passed, queries.forget_neighbour(&by(8)).0.len())
    };
    assert_eq!((0..MAX_PASSED).map(&mut round).collect::<BTreeSet<_>>(), BTreeSet::from([(1, 1)]));
    assert_eq!((0..9).map(&mut round).collect::<BTreeSet<_>>(), BTreeSet::from([(0, 1)]));
    queries.receive(&query(17), by(100), by(1), 9, NOW);
    assert_eq!(
        queries.record_answer(&(BOB, 17), declared(5, true), 0, NOW, by(8)).len(),
        1,
        "a new query is answered again"
    );
}

#[test]
fn a_session_is_gone_when_the_last_claim_is_withdrawn_or_its_relay_disconnects() {
    let mut queries = relayed();
    let session = declared(5, true).session;
    for relay in [8, 9] {
        queries.record_answer(&(BOB, 7), declared(5, true), 0, NOW, by(relay));
    }
    let (short_user, short) = (Fixed([2; 8]), Fixed(session.0[..8].try_into().expect("an id has 32 bytes")));
    assert!(queries.withdraw(short_user, short, &by(8)).is_empty());
    let gone = Gone { notify: vec![by(1)], user: BOB, session };
    assert_eq!(queries.forget_neighbour(&by(9)), (vec![gone], BTreeSet::from([BOB])));
    assert!(queries.pass(&(BOB, 7), by(9)), "it may be passed there again");
}

#[test]
fn a_newer_query_of_the_same_asker_replaces_the_older_and_keeps_its_answers() {
    let mut queries = relayed();
    queries.record_answer(&(BOB, 7), declared(5, true), 0, NOW, by(8));
    assert_eq!(queries.receive(&query(17), by(100), by(1), 9, NOW), Received::New);
    assert!(queries.get(&(BOB, 7)).is_none());
    assert_eq!(queries.get(&(BOB, 17)).map(|query| query.answers().count()), Some(1));
}

#[test]
fn queries_are_bounded_for_each_sender_and_in_total_and_expire() {
    let mut queries = RelayedQueries::default();
    let ask = |queries: &mut RelayedQueries, id: u64, from: u8| {
        let asker = SessionId([id.to_be_bytes(); 4].concat().try_into().expect("32 bytes"));
        queries.receive(&query(id), asker, by(from), 64, NOW) == Received::New
    };
    assert_eq!((0..200).filter(|id| ask(&mut queries, *id, 1)).count(), 64);
    let all = (200..300 + MAX_RELAYED_QUERIES as u64).filter(|id| ask(&mut queries, *id, (2 + id % 200) as u8)).count();
    assert_eq!(all, MAX_RELAYED_QUERIES - 64);
    queries.expire(NOW + INTEREST);
    assert!(queries.open.is_empty() && queries.next().is_none());
}
