//! Arbitrary values of all wire types.

use std::net::SocketAddr;

use darknode::id::{Address, EnvelopeId, SessionId, UserId};
use darknode::wire::addr::Addr;
use darknode::wire::chat::{Chat, Items, Parcel, Release, Unopenable};
use darknode::wire::content::{
    Bundle, Content, Contents, MirrorBody, MirroredLine, MirroredPerson, MirroredRead, MirroredReceipt, MirroredStream,
    Range, ReceiptBody, StreamRanges,
};
use darknode::wire::control::{
    Batch, Compare, Control, Declare, DeliverKnownList, Digest, Explode, Exploded, Find, HeldStream, Hello, Holdings,
    KnownDeclaration, KnownUser, NearbyDigest, NearbyNode, NearbyRecords, NearbyWant, Reached, RequestPing,
    RequestUserList, Sample, SessionSummary, SessionWant, UserSummary, UserWant, Want,
};
use darknode::wire::envelope::{Envelope, Wrap};
use darknode::wire::link::{LinkSession, Newcomer, RelayedStep, Welcome};
use darknode::wire::proof::Proof;
use darknode::wire::record::{Declaration, KeyCard, LinkEntry, LinkList, Prekey, Roster, RosterSession, Signed};
use darknode::wire::{Bytes, Fixed, List, Text};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn fixed<const N: usize>() -> impl Strategy<Value = Fixed<N>> {
    vec(any::<u8>(), N).prop_map(|bytes| Fixed(bytes.try_into().expect("N bytes")))
}

fn bytes<const MAX: usize>(most: usize) -> impl Strategy<Value = Bytes<MAX>> {
    vec(any::<u8>(), 0..most.min(MAX)).prop_map(Bytes)
}

fn text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    ".{0,16}".prop_map(Text)
}

fn list<T: std::fmt::Debug, const MAX: usize>(
    item: impl Strategy<Value = T>,
    most: usize,
) -> impl Strategy<Value = List<T, MAX>> {
    vec(item, 0..=most.min(MAX)).prop_map(List)
}

fn user() -> impl Strategy<Value = UserId> {
    any::<[u8; 32]>().prop_map(UserId)
}

fn session() -> impl Strategy<Value = SessionId> {
    any::<[u8; 32]>().prop_map(SessionId)
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 32]>().prop_map(Address)
}

fn envelope_id() -> impl Strategy<Value = EnvelopeId> {
    any::<[u8; 32]>().prop_map(EnvelopeId)
}

/// An address in its only valid wire form: no mapped IPv4, no scope.
fn addr() -> impl Strategy<Value = Addr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(ip, port)| Addr(SocketAddr::new(ip.to_canonical(), port)))
}

fn signed() -> impl Strategy<Value = Signed> {
    (bytes(300), fixed()).prop_map(|(payload, signature)| Signed(payload, signature))
}

pub fn proof() -> impl Strategy<Value = Proof> {
    (list(any::<u16>(), 8), any::<u64>(), list(fixed(), 4)).prop_map(|(versions, boot, macs)| Proof {
        versions,
        boot,
        macs,
    })
}

pub fn roster() -> impl Strategy<Value = Roster> {
    let entry = (session(), text()).prop_map(|(id, label)| RosterSession { id, label });
    (user(), text(), any::<u64>(), list(entry, 16), list(session(), 32))
        .prop_map(|(user, name, version, sessions, revoked)| Roster { user, name, version, sessions, revoked })
}

pub fn declaration() -> impl Strategy<Value = Declaration> {
    let rest = (list(addr(), 8), any::<u32>(), option::of(fixed()));
    (user(), session(), any::<u64>(), any::<bool>(), rest).prop_map(
        |(user, session, seq, online, (addrs, roles, boot_nonce))| Declaration {
            user,
            session,
            seq,
            online,
            addrs,
            roles,
            boot_nonce,
        },
    )
}

pub fn key_card() -> impl Strategy<Value = KeyCard> {
    let prekey = (fixed(), fixed()).prop_map(|(id, key)| Prekey { id, key });
    (user(), session(), any::<u64>(), list(prekey, 3)).prop_map(|(user, session, seq, prekeys)| KeyCard {
        user,
        session,
        seq,
        prekeys,
    })
}

pub fn link_list() -> impl Strategy<Value = LinkList> {
    let entry =
        (user(), any::<u8>(), any::<u64>()).prop_map(|(user, state, lamport)| LinkEntry { user, state, lamport });
    (user(), session(), any::<u64>(), any::<u16>(), any::<u16>(), list(entry, 20)).prop_map(
        |(user, session, version, page, pages, entries)| LinkList { user, session, version, page, pages, entries },
    )
}

fn hello() -> impl Strategy<Value = Hello> {
    let number = || option::of(any::<u64>());
    (signed(), signed(), option::of(signed()), addr(), number(), text(), number()).prop_map(
        |(declaration, roster, card, observed, known_seq, agent, features)| Hello {
            declaration,
            roster,
            card,
            observed,
            known_seq,
            agent,
            features,
        },
    )
}

fn declare() -> impl Strategy<Value = Declare> {
    let optional = || option::of(signed());
    (signed(), optional(), optional(), any::<u64>(), any::<u8>(), any::<u64>(), list(fixed(), 64)).prop_map(
        |(declaration, roster, card, age_ms, hops, flood, told)| Declare {
            declaration,
            roster,
            card,
            age_ms,
            hops,
            flood,
            told,
        },
    )
}

fn request_ping() -> impl Strategy<Value = RequestPing> {
    let asked = (any::<u64>(), user(), signed(), option::of(signed()));
    (asked, any::<u8>(), option::of(addr()), option::of(fixed())).prop_map(
        |((id, target, declaration, roster), hops, observed, signature)| RequestPing {
            id,
            target,
            declaration,
            roster,
            hops,
            observed,
            signature,
        },
    )
}

fn known_user() -> impl Strategy<Value = KnownUser> {
    let known = (signed(), any::<u64>(), option::of(addr()), option::of(any::<bool>()))
        .prop_map(|(declaration, age_ms, observed, live)| KnownDeclaration { declaration, age_ms, observed, live });
    (user(), option::of(signed()), list(signed(), 2), list(signed(), 2), list(known, 2)).prop_map(
        |(user, roster, links, cards, declarations)| {
            let card_ages = List(vec![7; cards.len()]);
            KnownUser { user, roster, links, cards, declarations, card_ages }
        },
    )
}

fn known_list() -> impl Strategy<Value = DeliverKnownList> {
    (any::<u64>(), list(known_user(), 3), any::<bool>(), any::<bool>())
        .prop_map(|(id, users, complete, more)| DeliverKnownList { id, users, complete, more })
}

fn find() -> impl Strategy<Value = Find> {
    (any::<u64>(), option::of(text()), option::of(user()), any::<u8>()).prop_map(|(id, name, user, hops)| Find {
        id,
        name,
        user,
        hops,
    })
}

fn digest() -> impl Strategy<Value = Digest> {
    let number = || option::of(any::<u64>());
    let session = (fixed(), number(), number(), number(), option::of(any::<bool>()), option::of(any::<u8>())).prop_map(
        |(session, seq, card, links, live, distance)| SessionSummary { session, seq, card, links, live, distance },
    );
    let user = (fixed(), number(), list(session, 16), option::of(any::<u8>()))
        .prop_map(|(user, version, sessions, distance)| UserSummary { user, version, sessions, distance });
    list(user, 4).prop_map(|users| Digest { users })
}

fn want() -> impl Strategy<Value = Want> {
    let session = (fixed(), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(session, declaration, card, links)| SessionWant { session, declaration, card, links });
    let user = (fixed(), any::<bool>(), list(session, 16)).prop_map(|(user, roster, sessions)| UserWant {
        user,
        roster,
        sessions,
    });
    list(user, 4).prop_map(|users| Want { users })
}

fn sample() -> impl Strategy<Value = Sample> {
    (list(known_user(), 2), any::<bool>()).prop_map(|(members, answer)| Sample { members, answer })
}

fn explode() -> impl Strategy<Value = Explode> {
    (any::<u64>(), signed(), option::of(signed()), any::<u8>()).prop_map(|(flood, declaration, roster, hops)| Explode {
        flood,
        declaration,
        roster,
        hops,
    })
}

fn exploded() -> impl Strategy<Value = Exploded> {
    let reached = (fixed(), fixed()).prop_map(|(user, session)| Reached(user, session));
    (any::<u64>(), list(reached, 20), any::<u64>()).prop_map(|(flood, reached, messages)| Exploded {
        flood,
        reached,
        messages,
    })
}

fn nearby_node() -> impl Strategy<Value = NearbyNode> {
    (signed(), signed()).prop_map(|(roster, declaration)| NearbyNode { roster, declaration })
}

fn link_session() -> impl Strategy<Value = LinkSession> {
    (any::<u8>(), option::of(fixed()), option::of(fixed()), option::of(bytes(2000)), option::of(any::<u8>())).prop_map(
        |(step, share, confirmation, sealed, reason)| LinkSession { step, share, confirmation, sealed, reason },
    )
}

fn relayed_step() -> impl Strategy<Value = RelayedStep> {
    (session(), any::<bool>(), link_session()).prop_map(|(session, passed_on, step)| RelayedStep {
        session,
        passed_on,
        step,
    })
}

pub fn newcomer() -> impl Strategy<Value = Newcomer> {
    text().prop_map(|label| Newcomer { label })
}

pub fn welcome() -> impl Strategy<Value = Welcome> {
    (signed(), signed(), signed(), list(signed(), 2)).prop_map(|(roster, declaration, card, links)| Welcome {
        roster,
        declaration,
        card,
        links,
    })
}

fn compare() -> impl Strategy<Value = Compare> {
    let hashes = || list(any::<u64>(), 256);
    (hashes(), any::<u64>(), hashes()).prop_map(|(buckets, people, read)| Compare { buckets, people, read })
}

fn holdings() -> impl Strategy<Value = Holdings> {
    let stream = (session(), any::<u64>(), address(), ranges())
        .prop_map(|(author, epoch, address, ranges)| HeldStream { author, epoch, address, ranges });
    (list(stream, 5), any::<bool>()).prop_map(|(streams, complete)| Holdings { streams, complete })
}

pub fn batch() -> impl Strategy<Value = Batch> {
    let message = prop_oneof![
        hello().prop_map(Control::Hello),
        declare().prop_map(Control::DeclareOnline),
        declare().prop_map(Control::DeclareOffline),
        request_ping().prop_map(Control::RequestPing),
        (any::<u64>(), user()).prop_map(|(id, user)| Control::RequestUserList(RequestUserList { id, user })),
        known_list().prop_map(Control::DeliverKnownList),
        find().prop_map(Control::Find),
        digest().prop_map(Control::Digest),
        want().prop_map(Control::Want),
        sample().prop_map(Control::Sample),
        link_session().prop_map(Control::LinkSession),
        relayed_step().prop_map(Control::RelayedStep),
        explode().prop_map(Control::Explode),
        exploded().prop_map(Control::Exploded),
        compare().prop_map(Control::Compare),
        holdings().prop_map(Control::Holdings),
        list(any::<u64>(), 20).prop_map(|marks| Control::NearbyDigest(NearbyDigest { marks })),
        list(any::<u64>(), 20).prop_map(|boots| Control::NearbyWant(NearbyWant { boots })),
        list(nearby_node(), 4).prop_map(|nodes| Control::NearbyRecords(NearbyRecords { nodes })),
    ];
    list(message, 4)
}

pub fn items() -> impl Strategy<Value = Items> {
    let parcel = (bytes(2000), any::<u64>(), any::<u8>());
    let item = prop_oneof![
        parcel.prop_map(|(envelope, life_ms, copies)| Chat::Parcel(Parcel { envelope, life_ms, copies })),
        (envelope_id(), fixed()).prop_map(|(envelope, r)| Chat::Release(Release { envelope, r })),
        (envelope_id(), signed(), signed()).prop_map(|(envelope, roster, card)| Chat::Unopenable(Unopenable {
            envelope,
            roster,
            card
        })),
    ];
    list(item, 6)
}

pub fn envelope() -> impl Strategy<Value = Envelope> {
    let wrap = (fixed(), fixed(), fixed()).prop_map(|(id, encapped, key)| Wrap(id, encapped, key));
    (address(), fixed(), list(wrap, 4), bytes(5000)).prop_map(|(address, lock, wraps, sealed)| Envelope {
        address,
        lock,
        wraps,
        sealed,
    })
}

pub fn bundle() -> impl Strategy<Value = Bundle> {
    (fixed(), user(), session(), bytes(2000), fixed(), option::of(signed()), option::of(signed())).prop_map(
        |(r, user, session, contents, signature, roster, card)| Bundle {
            r,
            user,
            session,
            contents,
            signature,
            roster,
            card,
        },
    )
}

pub fn contents() -> impl Strategy<Value = Contents> {
    let content = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<i64>(), bytes(200))
        .prop_map(|(kind, epoch, n, lamport, wall, body)| Content { kind, epoch, n, lamport, wall, body });
    list(content, 20)
}

fn ranges<const MAX: usize>() -> impl Strategy<Value = List<Range, MAX>> {
    list((any::<u64>(), any::<u64>()).prop_map(|(first, last)| Range(first, last)), 10)
}

pub fn receipt() -> impl Strategy<Value = ReceiptBody> {
    let stream = (session(), any::<u64>(), ranges(), option::of(address()))
        .prop_map(|(author, epoch, ranges, address)| StreamRanges { author, epoch, ranges, address });
    list(stream, 5).prop_map(|streams| ReceiptBody { streams })
}

pub fn mirror() -> impl Strategy<Value = MirrorBody> {
    let line = (any::<u64>(), any::<u64>(), any::<u64>(), any::<i64>(), bytes(200))
        .prop_map(|(n, kind, lamport, wall, body)| MirroredLine { n, kind, lamport, wall, body });
    let stream = (session(), any::<u64>(), address(), user(), list(line, 4), ranges()).prop_map(
        |(author, epoch, address, user, lines, void)| MirroredStream { author, epoch, address, user, lines, void },
    );
    let person = (user(), option::of(signed()), any::<bool>(), any::<bool>(), any::<u8>(), any::<u64>()).prop_map(
        |(user, roster, pinned, verified, state, lamport)| MirroredPerson {
            user,
            roster,
            pinned,
            verified,
            state,
            lamport,
        },
    );
    let receipt = (session(), any::<u64>(), address(), session(), ranges()).prop_map(
        |(author, epoch, address, session, ranges)| MirroredReceipt { author, epoch, address, session, ranges },
    );
    let read = (session(), any::<u64>(), user(), ranges()).prop_map(|(author, epoch, user, ranges)| MirroredRead {
        author,
        epoch,
        user,
        ranges,
    });
    (list(stream, 3), list(person, 3), list(receipt, 3), list(read, 3))
        .prop_map(|(streams, people, delivered, read)| MirrorBody { streams, people, delivered, read })
}

/// The CBOR of a value of an unknown later version.
pub fn later_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(vec![0xf6]),
        Just(vec![0xf5]),
        Just([&[0x3b][..], &[255; 8]].concat()),
        (0..20u8).prop_map(|n| vec![n]),
        (0..20usize).prop_map(|length| [vec![0x40 + length as u8], vec![7; length]].concat()),
        "[a-z]{0,20}".prop_map(|text| [vec![0x60 + text.len() as u8], text.into_bytes()].concat()),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| [vec![0x80 + items.len() as u8], items.concat()].concat()),
            vec(inner, 0..5).prop_map(|values| {
                let pairs = values.iter().enumerate().map(|(key, value)| [vec![key as u8], value.clone()].concat());
                [vec![0xa0 + values.len() as u8], pairs.collect::<Vec<_>>().concat()].concat()
            }),
        ]
    })
}
