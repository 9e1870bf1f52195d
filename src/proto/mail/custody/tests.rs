use proptest::prelude::*;

use super::*;
use crate::proto::ranges::Ranges;

fn user(n: u8) -> UserId {
    UserId([n; 32])
}

/// An envelope of somebody; of mine if they are nobody's depositor, number 0.
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
        mine: (depositor == 0).then_some(Mine { r: [0; 32], load }),
        unopenable: None,
    }
}

fn stream() -> crate::id::StreamId {
    crate::id::StreamId { author: SessionId([0; 32]), epoch: 1, to: Address([1; 32]) }
}

/// The same, counted anew every time: rows in the order they came.
#[derive(Default)]
struct Naive(Vec<CustodyRow>);

impl Naive {
    fn of(&self, wanted: impl Fn(&CustodyRow) -> bool) -> (usize, usize) {
        let rows = self.0.iter().filter(|row| row.mine.is_none() && wanted(row));
        rows.fold((0, 0), |(bytes, items), row| (bytes + row.bytes.len(), items + 1))
    }

    /// What has to go for a stranger's or a member's envelope, as the rules say it.
    fn make_room(&self, depositor: UserId, member: bool, size: usize) -> Result<Vec<EnvelopeId>, Full> {
        let own = self.of(|row| row.depositor == depositor && row.member == member);
        if member && own.0 + size > CUSTODY_BYTES / 2
            || !member && (own.0 + size > STRANGER_BYTES || own.1 >= STRANGER_ITEMS)
        {
            return Err(Full);
        }
        let fits = |left: &Naive| {
            let (all, strange) = (left.of(|_| true).0 + size, left.of(|row| !row.member).0 + size);
            all <= CUSTODY_BYTES && (member || strange <= CUSTODY_BYTES / 4)
        };
        let strange_before = self.of(|row| !row.member).0 + size;
        if !member && strange_before <= CUSTODY_BYTES / 4 && !fits(self) {
            return Err(Full);
        }
        let (mut left, mut gone) = (Naive(self.0.clone()), Vec::new());
        while !fits(&left) {
            let greed = |row: &CustodyRow| {
                let asks = if !member && row.depositor == depositor { size } else { 0 };
                (left.of(|other| !other.member && other.depositor == row.depositor).0 + asks, row.depositor)
            };
            let strange = |row: &&CustodyRow| row.mine.is_none() && !row.member;
            let Some((_, greediest)) = left.0.iter().filter(strange).map(greed).max() else { return Err(Full) };
            let of_it = |row: &CustodyRow| row.mine.is_none() && !row.member && row.depositor == greediest;
            let oldest = left.0.iter().position(of_it).expect("it has one");
            gone.push(left.0.remove(oldest).envelope);
        }
        Ok(gone)
    }
}

fn agree(custody: &Custody, naive: &Naive) {
    let sum = |member: bool| naive.of(|row| row.member == member);
    assert_eq!((custody.members.bytes, custody.members.items), sum(true));
    assert_eq!((custody.strangers.bytes, custody.strangers.items), sum(false));
    let mine: Vec<&CustodyRow> = naive.0.iter().filter(|row| row.mine.is_some()).collect();
    assert_eq!(custody.own_bytes(), mine.iter().map(|row| row.bytes.len()).sum::<usize>());
    let receipts = mine.iter().filter(|row| row.mine.as_ref().is_some_and(|mine| mine.load.is_empty()));
    assert_eq!(custody.own_receipt_bytes(), receipts.map(|row| row.bytes.len()).sum::<usize>());
    let greed: BTreeSet<(usize, UserId)> = (1..=u8::MAX)
        .map(|n| (naive.of(|row| !row.member && row.depositor == user(n)), user(n)))
        .filter(|((_, items), _)| *items > 0)
        .map(|((bytes, _), user)| (bytes, user))
        .collect();
    assert_eq!(custody.greed, greed);
    for address in 0..3 {
        let to = naive.0.iter().filter(|row| row.address == Address([address; 32])).map(|row| row.envelope);
        assert!(custody.to(&Address([address; 32])).eq(to), "in the order they came");
    }
    assert_eq!(custody.next(), naive.0.iter().map(|row| row.until).min());
}

#[derive(Debug, Clone)]
enum Step {
    Take {
        depositor: u8,
        member: bool,
        size: usize,
    },
    Forget(usize),
    /// A member brings what is held already.
    Adopt(usize, u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let take = (0..40u8, any::<bool>(), 500_000..1_000_000usize);
    prop_oneof![
        12 => take.prop_map(|(depositor, member, size)| Step::Take { depositor, member, size }),
        2 => any::<usize>().prop_map(Step::Forget),
        1 => (any::<usize>(), 1..40u8).prop_map(|(n, by)| Step::Adopt(n, by)),
        1 => Just(Step::Restart),
    ]
}

fn play(steps: Vec<Step>) {
    let (mut custody, mut naive) = (Custody::default(), Naive::default());
    for (number, step) in (0u32..).zip(steps) {
        match step {
            Step::Take { depositor: 0, size, .. } => {
                let mine = row(number, 0, true, size);
                custody.take(mine.clone());
                naive.0.push(mine);
            }
            Step::Take { depositor, member, size } => {
                let room = custody.make_room(&user(depositor), member, size);
                assert_eq!(room, naive.make_room(user(depositor), member, size));
                let Ok(gone) = room else { continue };
                for id in gone {
                    let row = custody.forget(&id).expect("what goes was held");
                    assert!(!row.member, "a member's mail never goes");
                    naive.0.retain(|row| row.envelope != id);
                }
                let row = row(number, depositor, member, size);
                custody.take(row.clone());
                naive.0.push(row);
            }
            Step::Forget(n) if !naive.0.is_empty() => {
                let row = naive.0.remove(n % naive.0.len());
                assert_eq!(custody.forget(&row.envelope), Some(row));
            }
            Step::Adopt(n, by) if !naive.0.is_empty() => {
                let at = n % naive.0.len();
                let row = &mut naive.0[at];
                if row.mine.is_none() {
                    (row.depositor, row.member, row.until) = (user(by), true, Moment(9));
                    custody.change(row.clone());
                }
            }
            Step::Restart => custody = Custody::new(naive.0.clone(), Vec::new()),
            Step::Forget(_) | Step::Adopt(..) => {}
        }
        agree(&custody, &naive);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_accounts_are_what_a_recount_of_the_rows_says_whatever_comes_and_goes(
        steps in proptest::collection::vec(step(), 120),
    ) {
        play(steps);
    }
}

/// So many strangers deposit as much as they may.
fn besieged(strangers: u32, size: usize) -> (Custody, u32) {
    let mut custody = Custody::default();
    let mut number = 0;
    for round in 0..STRANGER_ITEMS.min(CUSTODY_BYTES / 2 / size / strangers as usize) {
        for stranger in 0..strangers {
            number += 1;
            let mut id = [0; 32];
            id[..4].copy_from_slice(&(stranger + 1).to_be_bytes());
            let row = CustodyRow { depositor: UserId(id), ..row(2 * number, 1, false, size) };
            let Ok(gone) = custody.make_room(&row.depositor, false, size) else {
                panic!("a stranger is refused in {round}")
            };
            gone.iter().for_each(|id| drop(custody.forget(id)));
            custody.take(row);
        }
    }
    (custody, number)
}

#[test]
fn a_thousand_strangers_get_a_quarter_and_push_out_one_another_alone() {
    let mut custody = Custody::default();
    (0..50).for_each(|n| custody.take(row(1_000_000 + n, 200, true, 100_000)));
    let (flooded, _) = besieged(1_000, 500);
    assert!(flooded.strangers.bytes <= CUSTODY_BYTES / 4 && flooded.strangers.items <= CUSTODY_ITEMS / 4);
    assert!(flooded.greed.len() == 1_000, "each has a place");
    let modest = custody.make_room(&user(9), false, 1_000);
    assert_eq!(modest, Ok(vec![]), "what members take is not the strangers'");
}

#[test]
fn members_get_the_room_that_strangers_take_and_at_the_bound_of_envelopes_too() {
    let (mut custody, mut number) = besieged(1_000, 500);
    for n in 0.. {
        number += 1;
        let row = row(2 * number, (n % 7 + 1) as u8, true, 500);
        let Ok(gone) = custody.make_room(&row.depositor, true, row.bytes.len()) else { break };
        gone.iter().for_each(|id| drop(custody.forget(id)));
        custody.take(row);
    }
    assert_eq!((custody.members.items, custody.strangers.items), (CUSTODY_ITEMS, 0));
}

#[test]
fn whoever_becomes_a_friend_is_a_member_with_what_they_bring_from_then_on() {
    let mut custody = Custody::default();
    custody.take(row(1, 5, false, 600_000));
    assert_eq!(custody.make_room(&user(5), false, 600_000), Err(Full));
    assert_eq!(custody.make_room(&user(5), true, 600_000), Ok(vec![]));
    custody.take(row(2, 5, true, 600_000));
    assert_eq!((custody.strangers.bytes, custody.members.bytes), (600_000, 600_000));
    assert_eq!(custody.make_room(&user(5), false, 100_000), Ok(vec![]), "and a stranger again when the link is gone");
}
