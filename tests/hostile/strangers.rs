//! Before a valid proof: peers that are not members.

use darknode::id::BootId;
use darknode::identity::network::{NetworkKey, Role};
use darknode::node::tls;
use darknode::proto::event::CloseReason;
use darknode::wire::control::Control;
use darknode::wire::encode;
use darknode::wire::frame::StreamType;
use darknode::wire::proof::Proof;

use crate::adversary::Person;
use crate::setup::{Node, Peer, close_reason, connect, frame, write};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_proof_nothing_is_revealed() {
    let secret = NetworkKey::generate([7; 64]);
    let mut node = Node::in_network(secret.clone());
    let mallory = Person::new(1, "mallory");
    let none = Proof { macs: darknode::wire::List(vec![]), ..proof(&secret, &[0; 32], Role::Dialler) };
    for attempt in 0..6 {
        let (_endpoint, conn) = connect(&node, &mallory).await;
        let exporter = tls::exporter(&conn);
        let bytes = match attempt {
            0 => encode(&none),
            1 => encode(&proof(&NetworkKey::open(), &exporter, Role::Dialler)),
            2 => encode(&proof(&secret, &[0; 32], Role::Dialler)),
            3 => encode(&proof(&secret, &exporter, Role::Acceptor)),
            4 => {
                encode(&Proof { versions: darknode::wire::List(vec![99]), ..proof(&secret, &exporter, Role::Dialler) })
            }
            _ => vec![0xff; 10_000],
        };
        let _control = write(&conn, StreamType::Control as u8, &frame(&bytes)).await;
        assert_eq!(close_reason(&conn).await, CloseReason::Stranger as u64, "attempt {attempt}");
    }
    assert_eq!(node.drops().await.get("strangers"), Some(&6));
}

fn proof(key: &NetworkKey, exporter: &[u8; 32], role: Role) -> Proof {
    key.prove(exporter, role, BootId(9))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_a_hello_instead_of_a_proof_or_nothing_is_a_stranger() {
    let mut node = Node::open();
    let mallory = Person::new(1, "mallory");
    let (_one, hasty) = connect(&node, &mallory).await;
    let batch: darknode::wire::control::Batch = darknode::wire::List(vec![Control::Hello(mallory.hello())]);
    let _control = write(&hasty, StreamType::Control as u8, &frame(&encode(&batch))).await;
    let (_two, silent) = connect(&node, &mallory).await;
    let (_three, wrong) = connect(&node, &mallory).await;
    let _chat = write(&wrong, StreamType::Chat as u8, &frame(&[0x80])).await;
    for conn in [hasty, wrong, silent] {
        assert_eq!(close_reason(&conn).await, CloseReason::Stranger as u64);
    }
    node.is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dials_itself_closes_the_connection() {
    let mut node = Node::open();
    let myself = Person { session: node.session_key(), ..Person::new(1, "alice") };
    let peer = Peer::proved(&node, &myself).await;
    peer.is_closed(CloseReason::Myself).await;
    node.is_well().await;
}
