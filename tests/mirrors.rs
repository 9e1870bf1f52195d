//! Mirrors between two sessions of one user, beside `docs/protocol.md`: the bytes, and what the program makes of them.

mod known;

use std::time::Duration;

use darknode::id::{ConnId, MessageId, NetworkId, StreamId};
use darknode::identity::seal::open;
use darknode::proto::Core;
use darknode::proto::event::{Command, Connected, Input, Output, Query, Request};
use darknode::proto::notice::Notice;
use darknode::wire::chat::{Chat, Parcel, Release};
use darknode::wire::content::{Content, MirrorBody, MirroredRead, Range, kind};
use darknode::wire::control::{BUCKETS, Compare, Control, Hello, Holdings};
use darknode::wire::record::Signed;
use darknode::wire::{Bytes, Fixed, List, Text, decode, encode};
use known::{BOOT, Person, Vectors, addr, bob, sisters};

/// What a session says that holds nothing and knows nobody.
fn nothing() -> Compare {
    Compare { buckets: List(vec![0; BUCKETS]), people: 0, read: List(vec![]) }
}

#[test]
fn mirrors_are_as_in_the_files() {
    let mut vectors = Vectors::default();
    let (laptop, phone, sealed) = (Person::bob(), sisters::phone(), sisters::sealed(sisters::contents()));
    vectors.note(
        "Bob's phone mirrors to his laptop two lines of Alice's and one of its own, what it knows of her, and which",
    );
    vectors.note(
        "session of hers has its line. Bob's user and laptop are those of seal.txt; the seed of the phone is 24….",
    );
    vectors.hex("author-user", &phone.user_id().0);
    vectors.hex("author-session", &phone.session_id().0);
    vectors.hex("address", &laptop.session_id().0);
    vectors.hex("prekey-id", &laptop.prekey.id);
    vectors.hex("prekey-secret", &laptop.prekey.secret);
    vectors.hex("mirror-body", &encode(&sisters::body()));
    vectors.hex("envelope", &sealed.bytes);
    vectors.hex("envelope-id", &sealed.id.0);
    let opened = open(&NetworkId::OPEN, &sealed.bytes, |_| Some(&laptop.prekey)).expect("sealed to this prekey");
    assert_eq!(opened.contents, sisters::contents());
    vectors.note("What the laptop holds then is compare and holdings in control.txt.");
    vectors.settle("mirrors.txt");
}

/// A session connects and says who it is, and one thing more.
fn connect(laptop: &mut Core, conn: ConnId, of: &Person, roster: Signed, then: Option<Control>) -> Vec<Output> {
    let (session, seen_at, rtt) = (of.session_id(), addr("192.0.2.7:27272").0, Duration::ZERO);
    let connected = Connected { conn, session, boot: BOOT, addr: seen_at, exporter: [0; 32], dial: None, rtt };
    bob::feed(laptop, Input::Connected(connected));
    let hello = Control::Hello(Hello {
        declaration: of.declaration(true),
        roster,
        card: Some(of.card()),
        observed: addr("198.51.100.2:4711"),
        known_seq: None,
        agent: Text("example/1".to_owned()),
        features: None,
    });
    bob::feed(laptop, Input::Control { conn, batch: [hello].into_iter().chain(then).collect() })
}

fn meet(laptop: &mut Core, conn: ConnId) -> Vec<Output> {
    connect(laptop, conn, &sisters::phone(), sisters::roster(), None)
}

fn hand(laptop: &mut Core, conn: ConnId, contents: Vec<Content>) -> Vec<Output> {
    let envelope = Bytes(sisters::sealed(contents).bytes);
    let item = Chat::Parcel(Parcel { envelope, life_ms: 1_209_600_000, copies: 1 });
    bob::feed(laptop, Input::Chat { conn, items: vec![item] })
}

fn comparisons(out: &[Output]) -> Vec<&Compare> {
    let compare = |output| match output {
        &Output::Control { message: Control::Compare(ref compare), .. } => Some(compare),
        _ => None,
    };
    out.iter().filter_map(compare).collect()
}

fn releases(out: &[Output]) -> Vec<&Release> {
    let release = |output| match output {
        &Output::Chat { item: Chat::Release(ref release), .. } => Some(release),
        _ => None,
    };
    out.iter().filter_map(release).collect()
}

/// The texts that are shown, and whether the user wrote them.
fn shown(out: &[Output]) -> Vec<(&str, bool)> {
    let text = |output| match output {
        &Output::Notice { notice: Notice::Message(ref view), .. } => Some((view.text.as_str(), view.own)),
        _ => None,
    };
    out.iter().filter_map(text).collect()
}

#[test]
fn a_session_that_holds_nothing_says_so_with_all_buckets() {
    let out = meet(&mut bob::program(), ConnId(1));
    assert_eq!(comparisons(&out).last(), Some(&&nothing()));
}

#[test]
fn a_mirror_is_shown_released_and_in_the_next_comparison() {
    let (mut laptop, conn) = (bob::program(), ConnId(1));
    meet(&mut laptop, conn);
    let out = hand(&mut laptop, conn, sisters::contents());
    let sealed = sisters::sealed(sisters::contents());
    assert_eq!(releases(&out), [&Release { envelope: sealed.id, r: Fixed(sealed.r) }]);
    let expected = [("on my way", true), ("hello, bob", false), ("are you there?", false)];
    assert_eq!(shown(&out), expected, "the stream with the highest number last");
    let again = hand(&mut laptop, conn, sisters::contents());
    assert_eq!((releases(&again).len(), shown(&again).len()), (1, 0), "what is known is released and not shown");
    assert_eq!(comparisons(&meet(&mut laptop, ConnId(2))), [&sisters::compare()]);
}

#[test]
fn a_comparison_in_the_frame_that_brings_the_roster_is_answered() {
    let then = Some(Control::Compare(Compare { buckets: List(vec![]), ..nothing() }));
    let out = connect(&mut bob::program(), ConnId(1), &sisters::phone(), sisters::roster(), then);
    let is_answer = |output: &Output| matches!(output, Output::Control { message: Control::Holdings(_), .. });
    assert!(out.iter().any(is_answer), "{out:?}");
}

#[test]
fn buckets_that_differ_are_answered_by_what_is_held() {
    let (mut laptop, conn) = (bob::program(), ConnId(1));
    meet(&mut laptop, conn);
    hand(&mut laptop, conn, sisters::contents());
    let mut holdings = |compare: Compare| {
        let out = bob::feed(&mut laptop, Input::Control { conn, batch: vec![Control::Compare(compare)] });
        let holdings = |output| match output {
            Output::Control { message: Control::Holdings(holdings), .. } => Some(holdings),
            _ => None,
        };
        out.into_iter().filter_map(holdings).collect::<Vec<_>>()
    };
    let all = sisters::holdings();
    assert_eq!(holdings(Compare { buckets: List(vec![]), ..nothing() }), std::slice::from_ref(&all));
    let none = Holdings { streams: List(vec![]), complete: true };
    assert_eq!(holdings(sisters::compare()), [none], "equal sessions list nothing");
}

/// The bodies of the mirrors that are sent to the phone.
fn mirrors(out: &[Output]) -> Vec<MirrorBody> {
    let prekey = sisters::phone().prekey;
    let body = |output: &Output| {
        let Output::Chat { item: Chat::Parcel(parcel), .. } = output else { return None };
        let opened = open(&NetworkId::OPEN, &parcel.envelope, |_| Some(&prekey)).expect("it is sealed to the phone");
        decode(&opened.contents[0].body).ok()
    };
    out.iter().filter_map(body).collect()
}

/// What the interfaces are told about what was read: the conversation, and the number of the last message.
fn told(out: &[Output]) -> Vec<(String, u64)> {
    let read = |output: &Output| match output {
        Output::Notice { line: None, notice: Notice::Read { with, through } } => Some((with.clone(), through.n)),
        _ => None,
    };
    out.iter().filter_map(read).collect()
}

#[test]
fn what_was_read_on_one_session_is_read_on_the_other_and_told_once() {
    let (mut laptop, conn) = (bob::program(), ConnId(1));
    meet(&mut laptop, conn);
    assert_eq!(told(&hand(&mut laptop, conn, sisters::contents())), [("alice".to_owned(), 2)]);
    assert_eq!(told(&hand(&mut laptop, conn, sisters::contents())), []);
    let command = Command::Conversations;
    let out = bob::feed(&mut laptop, Input::Request(Request { line: Some(1), command }));
    let [MirroredRead { author, epoch, user, .. }] = &sisters::body().read.0[..] else { panic!("one stream") };
    let (to, with) = (Person::bob().user_id().into(), *user);
    let stream = StreamId { author: *author, epoch: *epoch, to };
    let numbers = |first, last| vec![(stream, [(first, last)].into_iter().collect())];
    let unread = |output: &Output| match output {
        Output::Query { query: Query::Conversations { unread, .. }, .. } => Some(unread.clone()),
        _ => None,
    };
    assert_eq!(out.iter().find_map(unread), Some(numbers(3, 3)));
    let complete = Control::Holdings(sisters::holdings());
    bob::feed(&mut laptop, Input::Control { conn, batch: vec![complete] });
    let through = Some((MessageId { stream, n: 3 }, numbers(3, 3)));
    let out = bob::feed(&mut laptop, Input::Read { line: Some(2), with, through });
    assert_eq!(told(&out), [("alice".to_owned(), 3)]);
    let done = |output: &Output| matches!(output, Output::Notice { line: Some(2), notice: Notice::Done { .. } });
    assert!(out.iter().any(done));
    let read = |body: MirrorBody| body.read.0;
    let ranges = List(vec![Range(1, 3)]);
    let expected = MirroredRead { author: *author, epoch: *epoch, user: with, ranges };
    assert_eq!(mirrors(&out).into_iter().flat_map(read).collect::<Vec<_>>(), [expected]);
}

#[test]
fn sessions_that_differ_in_what_was_read_tell_each_other_when_they_meet() {
    let (mut laptop, conn) = (bob::program(), ConnId(1));
    meet(&mut laptop, conn);
    hand(&mut laptop, conn, sisters::contents());
    let mut read_in = |compare: Compare| {
        let batch = vec![Control::Compare(compare), Control::Holdings(sisters::holdings())];
        let out = bob::feed(&mut laptop, Input::Control { conn, batch });
        mirrors(&out).into_iter().flat_map(|body| body.read.0).collect::<Vec<_>>()
    };
    assert_eq!(read_in(sisters::compare()), []);
    assert_eq!(read_in(Compare { read: List(vec![]), ..sisters::compare() }), sisters::body().read.0);
}

#[test]
fn contents_to_a_session_that_are_no_mirror_of_a_sister_are_released_and_ignored() {
    let (mut laptop, conn) = (bob::program(), ConnId(1));
    meet(&mut laptop, conn);
    let [mirror] = sisters::contents().try_into().expect("one content");
    let no_mirror = Content { body: Bytes(vec![0x80]), ..mirror.clone() };
    let text = Content { kind: kind::TEXT, n: 1, body: Bytes(b"hello".to_vec()), ..mirror.clone() };
    let numbered = Content { n: 1, ..mirror };
    for content in [no_mirror, text, numbered] {
        let out = hand(&mut laptop, conn, vec![content]);
        assert_eq!((releases(&out).len(), shown(&out).len()), (1, 0));
    }
    assert_eq!(comparisons(&meet(&mut laptop, ConnId(2))), [&nothing()]);
}

#[test]
fn a_comparison_by_somebody_else_is_not_answered() {
    let (mut laptop, alice) = (bob::program(), Person::alice());
    let compare = Control::Compare(Compare { people: 1, ..nothing() });
    let out = connect(&mut laptop, ConnId(1), &alice, alice.roster("alice"), Some(compare));
    let answers = |output: &&Output| {
        matches!(output, Output::Control { message: Control::Compare(_) | Control::Holdings(_), .. })
    };
    assert_eq!(out.iter().filter(answers).count(), 0);
}
