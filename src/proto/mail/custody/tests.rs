use proptest::prelude::*;

use super::*;
use crate::proto::ranges::Ranges;

fn user(n: u8) -> UserId {
    UserId([n; 32])
}

/// An envelope; an own one if `depositor` is 0.
fn row(number: u32, depositor: u8, member: bool, size: usize) -> CustodyRow {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let load = if number.is_multiple_of(2) { vec![] } else { vec![(stream(), Ranges::default())] };
    CustodyRow {
        envelope: EnvelopeId(id),
        address: Address([depositor % 3; 32]),
        lock: [0; 32],
        depositor: user(depositor),
        from: SessionId([depositor; 32]),
        member,
        until: Moment(u64::from(number) % 7),
        copies: 1,
        bytes: vec![0; size],
        mine: (depositor == 0).then_some(Mine { r: [0; 32], load, changes: Ranges::new() }),
        unopenable: None,
    }
}

fn stream() -> crate::id::StreamId {
    crate::id::StreamId { author: SessionId([0; 32]), epoch: 1, to: Address([1; 32]) }
}

/// A model that recounts its rows every time, in the order of insertion.
#[derive(Default)]
struct Naive(Vec<CustodyRow>);

impl Naive {
    fn of(&self, wanted: impl Fn(&CustodyRow) -> bool) -> (usize, usize) {
        let rows = self.0.iter().filter(|row| row.mine.is_none() && wanted(row));
        rows.fold((0, 0), |(bytes, items), row| (bytes + row.bytes.len(), items + 1))
    }

    /// The evictions for an envelope, according to the rules.
    fn evictions_for(&self, depositor: UserId, member: bool, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let own = self.of(|row| row.depositor == depositor && row.member == member);
        if member && own.0 + size > CUSTODY_BYTES / 2
            || !member && (own.0 + size > STRANGER_BYTES || own.1 >= STRANGER_ITEMS)
        {
            return Err(Full);
        }
        let fits = |left: &Naive| {
            let (all, of_strangers) = (left.of(|_| true).0 + size, left.of(|row| !row.member).0 + size);
            all <= CUSTODY_BYTES && (member || of_strangers <= CUSTODY_BYTES / 4)
        };
        let of_strangers_before = self.of(|row| !row.member).0 + size;
        if !member && of_strangers_before <= CUSTODY_BYTES / 4 && !fits(self) {
            return Err(Full);
        }
        let (mut left, mut gone) = (Naive(self.0.clone()), Vec::new());
        while !fits(&left) {
            let bytes_of_depositor = |row: &CustodyRow| {
                let new = if !member && row.depositor == depositor { size } else { 0 };
                (left.of(|other| !other.member && other.depositor == row.depositor).0 + new, row.depositor)
            };
            let is_strangers = |row: &&CustodyRow| row.mine.is_none() && !row.member;
            let Some((_, largest)) = left.0.iter().filter(is_strangers).map(bytes_of_depositor).max() else {
                return Err(Full);
            };
            let of_largest = |row: &CustodyRow| row.mine.is_none() && !row.member && row.depositor == largest;
            let oldest = left.0.iter().position(of_largest).expect("it has at least one");
            gone.push(left.0.remove(oldest).envelope);
        }
        Ok(gone)
    }
}

fn assert_agreement(custody: &Custody, naive: &Naive) {
    let sum = |member: bool| naive.of(|row| row.member == member);
    assert_eq!((custody.members.bytes, custody.members.items), sum(true));
    assert_eq!((custody.strangers.bytes, custody.strangers.items), sum(false));
    let own: Vec<&CustodyRow> = naive.0.iter().filter(|row| row.mine.is_some()).collect();
    assert_eq!(custody.own_bytes(), own.iter().map(|row| row.bytes.len()).sum::<usize>());
    let receipts = own.iter().filter(|row| row.mine.as_ref().is_some_and(|own| own.load.is_empty()));
    assert_eq!(custody.own_receipt_bytes(), receipts.map(|row| row.bytes.len()).sum::<usize>());
    let by_bytes: BTreeSet<(usize, UserId)> = (1..=u8::MAX)
        .map(|n| (naive.of(|row| !row.member && row.depositor == user(n)), user(n)))
        .filter(|((_, items), _)| *items > 0)
        .map(|((bytes, _), user)| (bytes, user))
        .collect();
    assert_eq!(custody.strangers_by_bytes, by_bytes);
    for address in 0..3 {
        let to = naive.0.iter().filter(|row| row.address == Address([address; 32])).map(|row| row.envelope);
        assert!(custody.to(&Address([address; 32])).eq(to), "in the order of insertion");
    }
    assert_eq!(custody.next(), naive.0.iter().map(|row| row.until).min());
}

#[derive(Debug, Clone)]
enum Step {
    Insert {
        depositor: u8,
        member: bool,
        size: usize,
    },
    Remove(usize),
    /// A member deposits an envelope that is held already.
    Adopt(usize, u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let insert = (0..40u8, any::<bool>(), 500_000..1_000_000usize);
    prop_oneof![
        12 => insert.prop_map(|(depositor, member, size)| Step::Insert { depositor, member, size }),
        2 => any::<usize>().prop_map(Step::Remove),
        1 => (any::<usize>(), 1..40u8).prop_map(|(n, by)| Step::Adopt(n, by)),
        1 => Just(Step::Restart),
    ]
}

fn play(steps: Vec<Step>) {
    let (mut custody, mut naive) = (Custody::default(), Naive::default());
    for (number, step) in (0u32..).zip(steps) {
        match step {
            Step::Insert { depositor: 0, size, .. } => {
                let own = row(number, 0, true, size);
                custody.insert(own.clone());
                naive.0.push(own);
            }
            Step::Insert { depositor, member, size } => {
                let evictions = custody.evictions_for(&user(depositor), member, size);
                assert_eq!(evictions, naive.evictions_for(user(depositor), member, size));
                let Ok(gone) = evictions else { continue };
                for id in gone {
                    let row = custody.remove(&id).expect("an evicted envelope was held");
                    assert!(!row.member, "an envelope of a member is never evicted");
                    naive.0.retain(|row| row.envelope != id);
                }
                let row = row(number, depositor, member, size);
                custody.insert(row.clone());
                naive.0.push(row);
            }
            Step::Remove(n) if !naive.0.is_empty() => {
                let row = naive.0.remove(n % naive.0.len());
                assert_eq!(custody.remove(&row.envelope), Some(row));
            }
            Step::Adopt(n, by) if !naive.0.is_empty() => {
                let at = n % naive.0.len();
                let row = &mut naive.0[at];
                if row.mine.is_none() {
                    (row.depositor, row.member, row.until) = (user(by), true, Moment(9));
                    custody.update(row.clone());
                }
            }
            Step::Restart => custody = Custody::new(naive.0.clone(), Vec::new()),
            Step::Remove(_) | Step::Adopt(..) => {}
        }
        assert_agreement(&custody, &naive);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_accounts_agree_with_a_recount_of_all_rows_after_every_step(
        steps in proptest::collection::vec(step(), 120),
    ) {
        play(steps);
    }
}

/// Custody in which each of many strangers has deposited as much as it may.
fn filled_by_strangers(strangers: u32, size: usize) -> (Custody, u32) {
    let mut custody = Custody::default();
    let mut number = 0;
    for round in 0..STRANGER_ITEMS.min(CUSTODY_BYTES / 2 / size / strangers as usize) {
        for stranger in 0..strangers {
            number += 1;
            let mut id = [0; 32];
            id[..4].copy_from_slice(&(stranger + 1).to_be_bytes());
            let row = CustodyRow { depositor: UserId(id), ..row(2 * number, 1, false, size) };
            let Ok(gone) = custody.evictions_for(&row.depositor, false, size) else {
                panic!("a stranger is refused in {round}")
            };
            gone.iter().for_each(|id| drop(custody.remove(id)));
            custody.insert(row);
        }
    }
    (custody, number)
}

#[test]
fn a_thousand_strangers_get_a_quarter_and_evict_only_each_other() {
    let mut custody = Custody::default();
    (0..50).for_each(|n| custody.insert(row(1_000_000 + n, 200, true, 100_000)));
    let (flooded, _) = filled_by_strangers(1_000, 500);
    assert!(flooded.strangers.bytes <= CUSTODY_BYTES / 4 && flooded.strangers.items <= CUSTODY_ITEMS / 4);
    assert!(flooded.strangers_by_bytes.len() == 1_000, "each stranger keeps an envelope");
    let evictions = custody.evictions_for(&user(9), false, 1_000);
    assert_eq!(evictions, Ok(vec![]), "members' envelopes do not count for strangers");
}

#[test]
fn members_evict_strangers_also_at_the_bound_on_the_number_of_envelopes() {
    let (mut custody, mut number) = filled_by_strangers(1_000, 500);
    for n in 0.. {
        number += 1;
        let row = row(2 * number, (n % 7 + 1) as u8, true, 500);
        let Ok(gone) = custody.evictions_for(&row.depositor, true, row.bytes.len()) else { break };
        gone.iter().for_each(|id| drop(custody.remove(id)));
        custody.insert(row);
    }
    assert_eq!((custody.members.items, custody.strangers.items), (CUSTODY_ITEMS, 0));
}

#[test]
fn a_stranger_who_becomes_a_friend_deposits_as_a_member_from_then_on() {
    let mut custody = Custody::default();
    custody.insert(row(1, 5, false, 600_000));
    assert_eq!(custody.evictions_for(&user(5), false, 600_000), Err(Full));
    assert_eq!(custody.evictions_for(&user(5), true, 600_000), Ok(vec![]));
    custody.insert(row(2, 5, true, 600_000));
    assert_eq!((custody.strangers.bytes, custody.members.bytes), (600_000, 600_000));
    assert_eq!(custody.evictions_for(&user(5), false, 100_000), Ok(vec![]), "a stranger again once the link has ended");
}
