//! After the hello: excessive and unknown streams.

use darknode::proto::event::{CloseReason, Command};
use darknode::wire::frame::StreamType;
use quinn::{SendDatagramError, TransportConfig, VarInt};
use tokio::time::timeout;

use crate::adversary::Person;
use crate::setup::{Node, PATIENCE, Peer, connect_as, write};

/// More streams than the rate limit allows during a test.
const MANY: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_few_unknown_streams_are_stopped_and_the_connection_stays() {
    let mut node = Node::open();
    let mut later = Peer::greeted(&node, &Person::new(1, "later")).await;
    // 3 is reserved, 77 is of nobody yet.
    for kind in [3, 77].repeat(10) {
        let mut unknown = write(&later.conn, kind, b"of a later version").await;
        assert!(timeout(PATIENCE, unknown.stopped()).await.unwrap().unwrap().is_some());
        unknown.finish().ok();
    }
    later.prekey().await;
    node.counts("unknown_streams").await;
    node.is_well().await;
    assert!(later.conn.close_reason().is_none(), "a few unknown streams are tolerated");
}

#[derive(Debug, Clone, Copy)]
enum Flood {
    Unknown,
    Reset,
    ResetUnsaid,
    BothWays,
}

/// Opens streams until the node closes the connection.
async fn flood(peer: &Peer, how: Flood) {
    for _ in 0..MANY {
        let opened = match how {
            Flood::BothWays => peer.conn.open_bi().await.map(|(send, _)| send),
            _ => peer.conn.open_uni().await,
        };
        let Ok(mut stream) = opened else { return };
        if !matches!(how, Flood::ResetUnsaid) {
            stream.write_all(&[77]).await.ok();
        }
        if matches!(how, Flood::Reset | Flood::ResetUnsaid) {
            stream.reset(VarInt::from_u32(7)).ok();
        }
    }
    panic!("all {MANY} were opened");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_streams_of_any_kind_close_the_connection() {
    let mut node = Node::open();
    for how in [Flood::Unknown, Flood::Reset, Flood::ResetUnsaid, Flood::BothWays] {
        let peer = Peer::greeted(&node, &Person::new(2, "mallory")).await;
        timeout(PATIENCE, flood(&peer, how)).await.unwrap_or_else(|_| panic!("{how:?} goes on"));
        peer.is_closed(CloseReason::Limits).await;
    }
    assert_eq!(node.drops().await.get("limits"), Some(&4));
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resetting_or_stopping_a_permanent_stream_violates_the_protocol() {
    let mut node = Node::open();
    let mut reset = Peer::greeted(&node, &Person::new(1, "mallory")).await;
    reset.prekey().await;
    reset.control.reset(VarInt::from_u32(7)).unwrap();
    reset.is_closed(CloseReason::Protocol).await;
    let mut stopped = Peer::greeted(&node, &Person::new(2, "mallory")).await;
    stopped.prekey().await;
    stopped.from_node.stop(VarInt::from_u32(7)).unwrap();
    // The next message of the node finds the stream stopped.
    node.say(Command::Chat { user: Person::new(2, "mallory").user_id().to_string() }).await;
    stopped.control(crate::setup::request(&node)).await;
    stopped.is_closed(CloseReason::Protocol).await;
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_are_not_accepted() {
    let mut node = Node::open();
    let (_endpoint, conn) = connect_as(&node, &Person::new(1, "mallory"), TransportConfig::default()).await;
    assert_eq!(conn.send_datagram(vec![0; 100].into()), Err(SendDatagramError::UnsupportedByPeer));
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_chat_streams_do_not_block_other_peers() {
    let mut node = Node::open();
    let peer = Peer::greeted(&node, &Person::new(1, "mallory")).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        let mut stream = peer.open(StreamType::Chat).await;
        stream.write_all(&[0, 0, 0]).await.ok();
        held.push(stream);
    }
    peer.is_closed(CloseReason::Protocol).await;
    node.is_well().await;
}
