//! After the hello: neighbours that send too much, read too little, or forge content.

use std::time::Duration;

use darknode::proto::event::{CloseReason, Command};
use darknode::wire::List;
use darknode::wire::chat::Chat;
use darknode::wire::control::{Batch, Control, RequestUserList};
use darknode::wire::frame::{StreamType, encode_frame};
use quinn::{TransportConfig, VarInt};

use crate::adversary::{Person, known_list, parcel, seal_raw, text};
use crate::setup::{Node, Peer, connect_as};

async fn hand(stream: &mut quinn::SendStream, items: Vec<Chat>) {
    let frame = encode_frame(StreamType::Chat, &List::<Chat, 64>(items)).unwrap();
    stream.write_all(&frame).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_hello_closes_the_connection_and_shows_no_user() {
    let mut node = Node::open();
    let (mallory, bob) = (Person::new(1, "mallory"), Person::new(2, "bob"));
    for hello in
        [bob.hello(), Person { network: darknode::id::NetworkId([5; 32]), ..Person::new(1, "mallory") }.hello()]
    {
        let mut peer = Peer::proved(&node, &mallory).await;
        peer.control(Control::Hello(hello)).await;
        peer.is_closed(CloseReason::Protocol).await;
    }
    assert_eq!(
        node.drops().await.get("hello with invalid records, or of a session that its user does not list"),
        Some(&2)
    );
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_messages_are_not_shown_and_close_the_connection() {
    let mut node = Node::open();
    let (mallory, bob) = (Person::new(1, "mallory"), Person::new(2, "bob"));
    let mut peer = Peer::greeted(&node, &mallory).await;
    let prekey = peer.prekey().await;
    let mut chat = peer.open(StreamType::Chat).await;
    for n in 0..3 {
        let mut forged = mallory.bundle(node.ready.id, vec![text(n, "I am bob")]);
        (forged.user, forged.session, forged.roster) = (bob.user_id(), bob.session_id(), Some(bob.roster()));
        hand(&mut chat, vec![parcel(seal_raw(&mallory.network, node.ready.id, &prekey, &forged, true))]).await;
    }
    peer.is_closed(CloseReason::Protocol).await;
    node.counts("content not signed by its author").await;
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_requests_and_known_lists_are_throttled_and_others_are_still_served() {
    let mut node = Node::open();
    let mallory = Person::new(1, "mallory");
    let mut asking = Peer::greeted(&node, &mallory).await;
    let request = Control::RequestUserList(RequestUserList { id: 1, user: node.ready.id });
    let batch: Batch = List(vec![request; 64]);
    let frame = encode_frame(StreamType::Control, &batch).unwrap();
    let mut control = std::mem::replace(&mut asking.control, asking.conn.open_uni().await.unwrap());
    let asked = tokio::spawn(async move { while control.write_all(&frame).await.is_ok() {} });
    let liar = Person::new(2, "liar");
    let mut listing = Peer::greeted(&node, &liar).await;
    let cards = |from: u64| (from..from + 16).map(|seq| liar.card(seq)).collect();
    let batch: Batch = List((0..10).map(|n| known_list(liar.user_id(), None, vec![], cards(16 * n))).collect());
    let frame = encode_frame(StreamType::Control, &batch).unwrap();
    let mut control = std::mem::replace(&mut listing.control, listing.conn.open_uni().await.unwrap());
    let listed = tokio::spawn(async move { while control.write_all(&frame).await.is_ok() {} });
    node.is_well().await;
    asking.conn.close(VarInt::from_u32(0), b"\x1b]0;pwned\x07");
    listing.conn.close(VarInt::from_u32(0), b"\x1b[2J");
    asked.await.unwrap();
    listed.await.unwrap();
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_envelopes_does_not_block_other_chats() {
    let mut node = Node::open();
    let mallory = Person::new(1, "mallory");
    let mut peer = Peer::greeted(&node, &mallory).await;
    let prekey = peer.prekey().await;
    let mut chat = peer.open(StreamType::Chat).await;
    // A session that is on no roster: its envelopes are opened and checked every time, and never stored.
    let unlisted = Person { session: Person::new(9, "x").session, ..Person::new(1, "mallory") };
    let mut bundle = unlisted.bundle(node.ready.id, vec![text(7, "never")]);
    bundle.roster = Some(mallory.roster());
    let one = parcel(seal_raw(&mallory.network, node.ready.id, &prekey, &bundle, true));
    let frame = encode_frame(StreamType::Chat, &List::<Chat, 64>(vec![one; 64])).unwrap();
    let flood = tokio::spawn(async move { while chat.write_all(&frame).await.is_ok() {} });
    node.counts("content of a session that its user's roster does not list").await;
    node.is_well().await;
    peer.conn.close(VarInt::from_u32(0), b"");
    flood.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_nothing_costs_one_window() {
    let mut node = Node::open();
    let sloth = Person::new(1, "sloth");
    let peer = Peer::greeted(&node, &sloth).await;
    node.is_well().await;
    for n in 0..400 {
        node.say(Command::Say { to: sloth.user_id(), text: format!("{n} {}", "x".repeat(15_000)) }).await;
    }
    node.is_well().await;
    assert!(peer.conn.close_reason().is_none(), "it may be slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reads_a_byte_a_second_delays_no_other() {
    let mut node = Node::open();
    let sloth = Person::new(1, "sloth");
    let mut narrow = TransportConfig::default();
    narrow.stream_receive_window(VarInt::from_u32(16));
    let mut peer = Peer::proved_on(connect_as(&node, &sloth, narrow).await).await;
    peer.control(Control::Hello(sloth.hello())).await;
    let sipping = tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        while peer.from_node.read_exact(&mut [0]).await.is_ok() {
            second.tick().await;
        }
    });
    node.is_well().await;
    for n in 0..400 {
        node.say(Command::Say { to: sloth.user_id(), text: format!("{n} {}", "x".repeat(15_000)) }).await;
    }
    for _ in 0..3 {
        node.is_well().await;
    }
    sipping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_sequence_number_does_not_stop_declarations() {
    let mut node = Node::open();
    let mallory = Person::new(1, "mallory");
    let mut peer = Peer::proved(&node, &mallory).await;
    let hello = darknode::wire::control::Hello { known_seq: Some(u64::MAX), ..mallory.hello() };
    peer.control(Control::Hello(hello)).await;
    node.is_well().await;
}
