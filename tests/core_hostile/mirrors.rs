//! What mirrors and comparisons of another session of the user may cause here, and who may send them.

use std::time::Duration;

use darknode::id::{Address, ConnId, SessionId, UserId};
use darknode::proto::Accept;
use darknode::proto::event::{Command, Input, Output, Query};
use darknode::proto::limits::{MAX_MIRROR_MAIL, MIRROR_BYTES};
use darknode::proto::notice::Notice;
use darknode::proto::persist::{MessageRow, Op};
use darknode::proto::ranges::{Numbers, Ranges};
use darknode::wire::content::{
    Content, MirrorBody, MirroredLine, MirroredPerson, MirroredReceipt, MirroredStream, Range, kind,
};
use darknode::wire::control::{BUCKETS, Compare, Control, HeldStream, Holdings};
use darknode::wire::record::link_state;
use darknode::wire::{Bytes, List, encode};

use crate::adversary::{Person, content, known_list, text};
use crate::sessions::{bring, sister};
use crate::unlink::{VERSION, meet_sister};
use crate::victim::{Victim, memory};

/// Alice with two other sessions, of which the phone is connected.
struct Setup {
    alice: Victim,
    phone: Person,
    tablet: Person,
    conn: ConnId,
}

impl Setup {
    fn new() -> Setup {
        let (mut alice, phone, tablet) = (Victim::new(Accept::Auto), sister(7), sister(8));
        let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id(), tablet.session_id()], &[]);
        let conn = meet_sister(&mut alice, &phone, roster);
        Setup { alice, phone, tablet, conn }
    }

    /// Hands over a mirror that the phone has sealed.
    fn mirror(&mut self, body: MirrorBody) {
        let phone = sister(7);
        self.mirror_of(&phone, self.conn, body);
    }

    fn mirror_of(&mut self, author: &Person, conn: ConnId, body: MirrorBody) {
        let parcel = author.parcel(self.to_me(), &self.alice.prekey(), vec![mirror(&body)]);
        self.alice.hand(conn, parcel);
    }

    /// The address of this session.
    fn to_me(&self) -> UserId {
        UserId(self.alice.session.0)
    }

    /// A stream of bob's to alice.
    fn of_bob(&self, epoch: u64, lines: Vec<MirroredLine>, void: Vec<Range>) -> MirroredStream {
        let bob = bob();
        MirroredStream {
            author: bob.session_id(),
            epoch,
            address: Address::from(self.alice.user),
            user: bob.user_id(),
            lines: List(lines),
            void: List(void),
        }
    }

    fn say(&mut self, message: Control) {
        self.alice.say(self.conn, message);
    }

    fn texts(&self) -> Vec<String> {
        self.alice.shown().into_iter().map(|(_, text)| text).collect()
    }

    fn stored(&self) -> usize {
        self.alice.ops.iter().filter(|op| matches!(op, Op::Received(row) if row.kind == kind::TEXT)).count()
    }

    /// What alice says that she holds, on the connection of the phone.
    fn told(&self) -> Vec<HeldStream> {
        let streams = |message: &Control| match message {
            Control::Holdings(holdings) => Some(holdings.streams.0.clone()),
            _ => None,
        };
        self.alice.said(self.conn).into_iter().filter_map(streams).flatten().collect()
    }
}

fn bob() -> Person {
    Person::new(2, "bob")
}

fn mirror(body: &MirrorBody) -> Content {
    content(kind::MIRROR, 0, 0, encode(body))
}

fn line(n: u64, lamport: u64, text: &str) -> MirroredLine {
    MirroredLine { n, kind: kind::TEXT, lamport, wall: 0, body: Bytes(text.as_bytes().to_vec()) }
}

fn streams(streams: Vec<MirroredStream>) -> MirrorBody {
    MirrorBody { streams: List(streams), ..MirrorBody::default() }
}

/// A comparison that differs in all buckets, and then holdings.
fn nothing() -> Control {
    Control::Compare(Compare { buckets: List(vec![1; BUCKETS]), people: 1, read: List(vec![]) })
}

fn holds(streams: Vec<HeldStream>) -> Control {
    Control::Holdings(Holdings { streams: List(streams), complete: true })
}

#[test]
fn a_mirror_counts_only_if_a_session_on_the_own_roster_has_signed_it() {
    let mut setup = Setup::new();
    let body = streams(vec![setup.of_bob(1, vec![line(1, 1, "forged")], vec![])]);
    let (unlisted, stranger) = (sister(9), Person::new(3, "carol"));
    for author in [&unlisted, &stranger] {
        let conn = setup.alice.meet(author);
        setup.mirror_of(author, conn, body.clone());
        setup.mirror_of(author, setup.conn, body.clone());
    }
    assert_eq!((setup.stored(), setup.texts().len()), (0, 0));
    setup.mirror(body);
    assert_eq!(setup.texts(), ["forged"], "sessions of one user believe each other");
}

#[test]
fn mirrors_and_comparisons_of_a_revoked_session_are_refused() {
    let mut setup = Setup::new();
    let tablet = setup.tablet.session_id();
    let without = setup.phone.roster_of(VERSION + 1, &[setup.alice.session, tablet], &[setup.phone.session_id()]);
    bring(&mut setup.alice, without);
    let body = streams(vec![setup.of_bob(1, vec![line(1, 1, "forged")], vec![])]);
    setup.mirror(body.clone());
    let roster = setup.phone.roster_of(VERSION + 1, &[setup.alice.session, tablet], &[setup.phone.session_id()]);
    let tablet = sister(8);
    let conn = meet_sister(&mut setup.alice, &tablet, roster);
    // The other session may pass on what the revoked one has sealed.
    let phone = sister(7);
    setup.mirror_of(&phone, conn, body);
    setup.say(nothing());
    assert_eq!((setup.stored(), setup.told().len()), (0, 0));
}

#[test]
fn lines_that_cannot_be_in_a_history_of_this_user_are_not_taken() {
    let mut setup = Setup::new();
    let (bob, carol) = (bob(), Person::new(3, "carol"));
    let to = |address: Address, author: SessionId, user| MirroredStream {
        author,
        epoch: 1,
        address,
        user,
        lines: List(vec![line(1, 1, "forged")]),
        void: List(vec![]),
    };
    let (alice, me) = (Address::from(setup.alice.user), setup.alice.session);
    for stream in [
        to(Address::from(carol.user_id()), bob.session_id(), bob.user_id()),
        to(alice, setup.phone.session_id(), setup.alice.user),
        to(alice, me, bob.user_id()),
        to(alice, setup.tablet.session_id(), bob.user_id()),
    ] {
        setup.mirror(streams(vec![stream]));
    }
    assert_eq!((setup.stored(), setup.alice.drops("malformed mirror")), (0, 4));
}

#[test]
fn impossible_numbers_and_lamports_are_stored_without_moving_the_own_counter_far() {
    let mut setup = Setup::new();
    let numbers = [u64::MAX, 1 << 41, 1];
    let lines = numbers.map(|n| line(n, u64::MAX, "far")).to_vec();
    setup.mirror(streams(vec![setup.of_bob(u64::MAX, lines, vec![])]));
    assert_eq!(setup.texts(), ["far"; 3]);
    let bob = bob();
    setup.alice.befriend(&bob);
    setup.alice.command(Command::Say { to: bob.user_id(), text: "hello".to_owned() });
    let lamport = setup.alice.ops.iter().find_map(|op| match op {
        Op::Typed(row) if row.kind == kind::TEXT => Some(row.lamport),
        _ => None,
    });
    assert!(lamport.expect("it is stored") < 1 << 23, "each line moves the counter by a bounded step");
}

#[test]
fn void_numbers_are_taken_only_as_many_as_a_mirror_may_lack() {
    let mut setup = Setup::new();
    let whole = || vec![Range(0, u64::MAX)];
    let own = MirroredStream { author: setup.alice.session, ..setup.of_bob(3, vec![], whole()) };
    setup.mirror(streams(vec![setup.of_bob(1, vec![], whole()), own]));
    assert_eq!(setup.alice.drops("malformed mirror"), 2);
    setup.mirror(streams(vec![setup.of_bob(1, vec![line(1, 1, "still taken")], vec![])]));
    assert_eq!(setup.texts(), ["still taken"]);
}

#[test]
fn numbers_with_gaps_are_held_up_to_the_bound_of_a_stream() {
    let mut setup = Setup::new();
    for part in 0..100u64 {
        let void = (0..128).map(|n| part * 1_000 + 2 * n).map(|n| Range(n, n)).collect();
        setup.mirror(streams(vec![setup.of_bob(1, vec![], void)]));
    }
    setup.say(nothing());
    let ranges: usize = setup.told().iter().map(|stream| stream.ranges.len()).sum();
    assert!((512..1_024).contains(&ranges), "{ranges}");
    assert!(setup.alice.drops("content beyond the bounds of its stream") > 0);
}

#[test]
fn what_a_session_claims_to_hold_costs_bounded_memory() {
    let mut setup = Setup::new();
    setup.alice.keeps = false;
    let before = memory();
    for part in 0..700u64 {
        let stream = |n| HeldStream {
            author: SessionId([n as u8; 32]),
            epoch: part * 100 + n,
            address: Address([3; 32]),
            ranges: List(vec![Range(1, 9)]),
        };
        let gaps = (0..128).map(|range| range * 2 + part * 256).map(|n| Range(n, n)).collect();
        let far = HeldStream { epoch: 0, ranges: List(gaps), ..stream(0) };
        setup.say(Control::Holdings(Holdings {
            streams: List((0..100).map(stream).chain([far]).collect()),
            complete: false,
        }));
    }
    let used = memory() - before;
    assert!(used < 48 << 20, "{used} bytes");
    assert!(setup.alice.drops("claim of another session beyond its bounds") > 0);
}

#[test]
fn a_session_that_claims_to_hold_everything_gets_nothing_and_one_that_claims_nothing_gets_everything_once() {
    let mut setup = Setup::new();
    let bob = bob();
    let conn = setup.alice.befriend(&bob);
    let prekey = setup.alice.prekey();
    setup.alice.hand(conn, bob.parcel(setup.alice.user, &prekey, vec![text(2, "hello")]));
    let queries = |alice: &Victim| {
        let lines = |output: &&Output| matches!(output, Output::Query { query: Query::Lines { .. }, .. });
        alice.out.iter().filter(lines).count()
    };
    setup.say(nothing());
    let all = setup.told().into_iter().map(|held| HeldStream { ranges: List(vec![Range(0, u64::MAX)]), ..held });
    let all: Vec<HeldStream> = all.collect();
    assert!(!all.is_empty());
    setup.say(holds(all));
    assert_eq!(queries(&setup.alice), 0);
    setup.say(nothing());
    setup.say(holds(vec![]));
    assert_eq!(queries(&setup.alice), 1, "what it says last counts");
    for _ in 0..100 {
        setup.say(holds(vec![]));
    }
    assert_eq!(queries(&setup.alice), 1, "one read is under way");
}

#[test]
fn of_comparisons_in_quick_succession_the_first_ones_are_answered_and_the_last_one_later() {
    let mut setup = Setup::new();
    for _ in 0..1_000 {
        setup.say(nothing());
    }
    let answers =
        |setup: &Setup| setup.alice.said(setup.conn).iter().filter(|said| matches!(said, Control::Holdings(_))).count();
    let at_once = answers(&setup);
    assert!((1..=8).contains(&at_once), "{at_once} answers");
    setup.alice.pass(Duration::from_secs(60));
    assert_eq!(answers(&setup), at_once + 1, "without an answer the session would give nothing on this connection");
    setup.say(nothing());
    assert_eq!(answers(&setup), at_once + 2);
}

#[test]
fn deliveries_of_streams_that_no_session_has_written_are_not_kept() {
    let mut setup = Setup::new();
    let receipt = |epoch: u64| MirroredReceipt {
        author: bob().session_id(),
        epoch,
        address: Address::from(Person::new(3, "carol").user_id()),
        session: Person::new(3, "carol").session_id(),
        ranges: List(vec![Range(0, u64::MAX)]),
    };
    let delivered = List((0..64).map(receipt).collect());
    setup.mirror(MirrorBody { delivered, ..MirrorBody::default() });
    assert!(!setup.alice.ops.iter().any(|op| matches!(op, Op::Delivered { .. })));
}

#[test]
fn lines_of_somebody_blocked_are_history_that_is_not_shown_and_not_receipted() {
    let mut setup = Setup::new();
    let bob = bob();
    setup.alice.meet(&bob);
    setup.alice.command(Command::Block { user: bob.user_id().to_string() });
    setup.alice.ops.clear();
    setup.mirror(streams(vec![setup.of_bob(1, vec![line(1, 1, "before the block")], vec![])]));
    assert_eq!((setup.stored(), setup.texts().len()), (1, 0));
    assert!(!setup.alice.ops.iter().any(|op| matches!(op, Op::Owed { owed: true, .. })));
}

#[test]
fn a_stranger_who_was_dismissed_here_does_not_come_back_from_another_session() {
    let mut setup = Setup::new();
    let bob = bob();
    let conn = setup.alice.meet(&bob);
    let prekey = setup.alice.prekey();
    setup.alice.hand(conn, bob.parcel(setup.alice.user, &prekey, vec![text(1, "buy this")]));
    assert_eq!(setup.texts(), ["buy this"]);
    setup.alice.command(Command::Dismiss { user: bob.user_id().to_string() });
    setup.alice.part(conn);
    let (out, ops) = (setup.alice.out.len(), setup.alice.ops.len());
    let person = MirroredPerson {
        user: bob.user_id(),
        roster: Some(bob.roster()),
        pinned: false,
        verified: false,
        state: link_state::LINKED,
        lamport: 1,
    };
    let lines = vec![line(1, 1, "buy this"), line(2, 2, "and this")];
    setup.mirror(MirrorBody { people: List(vec![person]), ..streams(vec![setup.of_bob(0, lines, vec![])]) });
    assert!(!setup.alice.ops[ops..].iter().any(|op| matches!(op, Op::Received(_))));
    let told = setup.alice.out[out..].iter();
    let notices = told.filter(|output| matches!(output, Output::Notice { notice: Notice::Message(_), .. })).count();
    assert_eq!(notices, 0);
    setup.say(nothing());
    let held = setup.told().into_iter().find(|held| held.author == bob.session_id());
    assert_eq!(held.expect("it is not asked for again").ranges.0, [Range(1, 2)]);
}

#[test]
fn a_session_that_is_off_for_ever_costs_a_mebibyte_of_mail_and_no_more_envelopes() {
    let mut setup = Setup::new();
    let relay = Person::new(30, "relay");
    setup.alice.part(setup.conn);
    setup.alice.meet_relay(&relay);
    let bob = bob();
    setup.alice.befriend(&bob);
    for n in 0..200 {
        setup.alice.command(Command::Say { to: bob.user_id(), text: format!("{n:0>16000}") });
    }
    // The store answers every query with what was typed.
    let mut answered = 0;
    for _ in 0..600 {
        setup.alice.pass(Duration::from_secs(1));
        while let Some((sister, wanted)) = next_query(&setup.alice, &mut answered) {
            let (rows, examined) = read_lines(&setup.alice, &wanted);
            setup.alice.feed(Input::Lines { sister, rows, examined });
        }
    }
    let to_sisters = |alice: &Victim, session: SessionId| {
        let own = alice.held().into_values().filter(|row| row.address == Address::from(&session));
        own.map(|row| row.bytes.len()).sum::<usize>()
    };
    let bytes = to_sisters(&setup.alice, setup.phone.session_id());
    // What was read before the bound was reached is sealed.
    let most = MAX_MIRROR_MAIL + 2 * MIRROR_BYTES;
    assert!(bytes > MAX_MIRROR_MAIL / 2 && bytes < most, "{bytes} bytes");
    let custody = setup.alice.ops.iter().filter(|op| matches!(op, Op::Custody(_))).count();
    for _ in 0..3_600 {
        setup.alice.pass(Duration::from_secs(1));
    }
    let later = setup.alice.ops.iter().filter(|op| matches!(op, Op::Custody(_))).count();
    assert_eq!(later, custody, "nothing is sealed again while it is under way");
}

#[test]
fn a_session_whose_key_card_comes_late_is_mailed_what_it_lacks() {
    let (mut alice, bob, phone) = (Victim::new(Accept::Auto), bob(), sister(7));
    let (relay, conn) = (alice.meet_relay(&Person::new(9, "relay")), alice.befriend(&bob));
    let prekey = alice.prekey();
    alice.hand(conn, bob.parcel(alice.user, &prekey, vec![text(2, "hello")]));
    let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id()], &[]);
    bring(&mut alice, roster);
    (0..10).for_each(|_| alice.pass(Duration::from_secs(1)));
    let mut answered = 0;
    assert_eq!(next_query(&alice, &mut answered), None, "nothing can be sealed to it");
    alice.say(relay, known_list(alice.user, None, vec![], vec![phone.card(1)]));
    alice.pass(Duration::ZERO);
    assert_eq!(next_query(&alice, &mut answered).expect("lines are read for it").0, phone.session_id());
}

#[test]
fn a_session_that_is_new_on_the_roster_in_its_hello_is_compared_with_once() {
    let setup = Setup::new();
    let compares = setup.alice.said(setup.conn).into_iter().filter(|said| matches!(said, Control::Compare(_)));
    assert_eq!(compares.count(), 1);
}

/// Reads the newest of the typed lines that are wanted, as many as the store reads at once.
fn read_lines(alice: &Victim, wanted: &Numbers) -> (Vec<MessageRow>, Numbers) {
    let is_wanted =
        |row: &&MessageRow| wanted.iter().any(|(of, ranges)| *of == row.id.stream && ranges.contains(row.id.n));
    let typed = alice.ops.iter().rev().filter_map(|op| if let Op::Typed(row) = op { Some(row) } else { None });
    let rows: Vec<MessageRow> = typed.filter(is_wanted).take(MIRROR_BYTES / 16_000).cloned().collect();
    let last = rows.last().map_or(0, |row| row.id.n);
    let examined = wanted.iter().map(|(stream, ranges)| {
        let mut lower = Ranges::new();
        lower.insert_range(0, last.saturating_sub(1));
        (*stream, ranges.without(&lower))
    });
    let examined = examined.collect();
    (rows, examined)
}

/// The next query for lines that was not answered yet.
fn next_query(alice: &Victim, answered: &mut usize) -> Option<(SessionId, Numbers)> {
    let queries = alice.out.iter().filter_map(|output| match output {
        Output::Query { query: Query::Lines { sister, wanted, .. }, .. } => Some((*sister, wanted.clone())),
        _ => None,
    });
    let next = queries.into_iter().nth(*answered);
    *answered += usize::from(next.is_some());
    next
}
