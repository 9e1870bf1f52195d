//! After the proof: malformed frames and unknown streams.

use darknode::proto::event::CloseReason;
use darknode::wire::control::{Batch, Control, RequestUserList};
use darknode::wire::frame::StreamType;
use darknode::wire::{List, encode};

use crate::adversary::Person;
use crate::setup::{Node, Peer, frame, write};

/// Resident memory of this process in bytes; 0 where the system does not report it.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Payloads that every decoder refuses.
fn refused() -> Vec<Vec<u8>> {
    let nested = |level: &[u8]| [level.repeat(1000), vec![0]].concat();
    let request = encode(&List::<Control, 64>(vec![Control::RequestUserList(RequestUserList {
        id: 1,
        user: darknode::id::UserId([1; 32]),
    })]));
    vec![
        nested(&[0x81]),
        nested(&[0xa1, 0x00]),
        nested(&[0x81, 0x82, 0x01]),
        [&request[..], &[0]].concat(),
        request[..request.len() - 1].to_vec(),
        vec![0x81, 0x82, 0x05, 0xa2, 0x00, 0x01, 0x00, 0x01],
        vec![0x81, 0x82, 0x01, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        vec![0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        vec![0x81, 0x82, 0x0c, 0x62, 0xff, 0xfe],
        vec![0x9f, 0xff],
        vec![],
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_close_only_their_own_connection() {
    let mut node = Node::open();
    let mallory = Person::new(1, "mallory");
    for payload in refused() {
        let mut peer = Peer::greeted(&node, &mallory).await;
        peer.raw(&frame(&payload)).await;
        peer.is_closed(CloseReason::Protocol).await;
        let peer = Peer::greeted(&node, &mallory).await;
        let _chat = write(&peer.conn, StreamType::Chat as u8, &frame(&payload)).await;
        peer.is_closed(CloseReason::Protocol).await;
    }
    assert_eq!(node.drops().await.get("protocol"), Some(&(2 * refused().len() as u64)));
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frame_lengths_of_two_gibibytes_use_no_memory() {
    let mut node = Node::open();
    let before = resident();
    for number in 0..40 {
        let mallory = Person::new(number, "mallory");
        let mut peer = Peer::greeted(&node, &mallory).await;
        if number % 2 == 0 {
            peer.raw(&(1u32 << 31).to_be_bytes()).await;
        } else {
            let _chat = write(&peer.conn, StreamType::Chat as u8, &(1u32 << 31).to_be_bytes()).await;
            peer.is_closed(CloseReason::Protocol).await;
            continue;
        }
        peer.is_closed(CloseReason::Protocol).await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes more");
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_frame_or_stream_type_closes_the_connection_at_the_deadline() {
    let mut node = Node::open();
    let mut half = Peer::greeted(&node, &Person::new(1, "mallory")).await;
    half.raw(&[0, 0, 0, 9, 1]).await;
    let chat = Peer::greeted(&node, &Person::new(2, "mallory")).await;
    let _chat = write(&chat.conn, StreamType::Chat as u8, &[0, 0]).await;
    node.is_well().await;
    half.is_closed(CloseReason::Limits).await;
    chat.is_closed(CloseReason::Limits).await;
    node.counts("limits").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_control_stream_or_a_late_hello_violates_the_protocol() {
    let mut node = Node::open();
    let peer = Peer::greeted(&node, &Person::new(1, "mallory")).await;
    let _second = write(&peer.conn, StreamType::Control as u8, &[]).await;
    peer.is_closed(CloseReason::Protocol).await;
    let mut early = Peer::proved(&node, &Person::new(2, "mallory")).await;
    early.control(Control::RequestUserList(RequestUserList { id: 1, user: node.ready.id })).await;
    early.is_closed(CloseReason::Protocol).await;
    node.counts("message before hello").await;
    let unknown: Batch = List(vec![]);
    let mut quiet = Peer::greeted(&node, &Person::new(3, "quiet")).await;
    quiet.raw(&frame(&encode(&unknown))).await;
    node.is_well().await;
}
