//! Handshakes that never end, as many as somebody likes, from as many addresses as they have.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quinn::Connecting;
use tokio::net::UdpSocket;

use super::super::connection::tests::End;
use super::super::endpoint::client_config;
use super::super::tls;
use super::*;
use crate::id::DialId;
use crate::identity::network::NetworkKey;
use crate::proto::event::{DialFailure, Input};

const PATIENCE: Duration = Duration::from_secs(30);

/// A node at which a handshake may take for ever, as far as these tests go.
fn patient() -> End {
    End::new(1, NetworkKey::open(), |limits| limits.handshake = Duration::from_secs(600))
}

/// A way to `to` on which nothing comes back but, for those who can prove where they are, the token that they are asked
/// for: whoever dials by it begins handshakes from `source` and never ends one.
async fn mute(to: SocketAddr, source: Ipv4Addr, proves: bool) -> SocketAddr {
    let inlet = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let outlet = UdpSocket::bind((source, 0)).await.unwrap();
    let way = inlet.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut there, mut back, mut dialler) = ([0; 2048], [0; 2048], None);
        loop {
            tokio::select! {
                Ok((length, from)) = inlet.recv_from(&mut there) => {
                    dialler = Some(from);
                    outlet.send_to(&there[..length], to).await.ok();
                }
                Ok((length, _)) = outlet.recv_from(&mut back) => {
                    // RFC 9000, 17.2.5: the type in the first byte of a long header.
                    let is_retry = back[0] & 0xf0 == 0xf0;
                    if let (true, true, Some(dialler)) = (proves, is_retry, dialler) {
                        inlet.send_to(&back[..length], dialler).await.ok();
                    }
                }
            }
        }
    });
    way
}

/// Begins so many handshakes. They last as long as what is returned.
fn begin(from: &End, way: SocketAddr, count: usize) -> Vec<Connecting> {
    let dial = |_| {
        let (config, _) = from.common.credentials.client_config(None);
        from.endpoint.connect_with(client_config(config), way, tls::SERVER_NAME).unwrap()
    };
    (0..count).map(dial).collect()
}

/// Waits until a count is at least so much.
async fn reaches(count: impl Fn() -> u64, least: u64) {
    let reached = async {
        while count() < least {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{} of {least}", count()));
}

fn pending(node: &End) -> u64 {
    node.endpoint.open_connections() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn when_many_handshakes_are_pending_addresses_must_prove_themselves_and_honest_ones_do() {
    let (mut node, mallory, mut bob) = (patient(), End::open(2), End::open(3));
    let forged = mute(node.addr(), Ipv4Addr::new(127, 0, 0, 2), false).await;
    let _half = begin(&mallory, forged, BUSY);
    reaches(|| pending(&node), BUSY as u64).await;
    assert_eq!(node.common.counters.handshakes_retried.get(), 0);
    let _more = begin(&mallory, forged, 200);
    reaches(|| node.common.counters.handshakes_retried.get(), 200).await;
    assert_eq!(pending(&node), BUSY as u64, "who proves no address takes no place");
    bob.dial(1, node.addr(), None);
    bob.connected().await;
    node.connected().await;
    assert_eq!(node.common.counters.handshakes_refused.get() + node.common.counters.handshakes_ignored.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_fills_a_quarter_of_the_house_and_four_fill_it() {
    let mut node = patient();
    let (mallory, mut bob) = (End::open(2), End::open(3));
    let mut half = Vec::new();
    for host in 2..=5u8 {
        let way = mute(node.addr(), Ipv4Addr::new(127, 0, 0, host), true).await;
        half.extend(begin(&mallory, way, PER_IP));
        reaches(|| pending(&node), PER_IP as u64 * u64::from(host - 1)).await;
        if host == 2 {
            half.extend(begin(&mallory, way, 1));
            reaches(|| node.common.counters.handshakes_ignored.get(), 1).await;
            bob.dial(1, node.addr(), None);
            bob.connected().await;
            node.connected().await;
        }
    }
    bob.dial(2, node.addr(), None);
    assert_eq!(bob.next().await, Input::DialFailed { dial: DialId(2), failure: DialFailure::Unreachable });
    assert!(node.common.counters.handshakes_refused.get() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_give_their_places_back_at_the_deadline() {
    let node = End::new(1, NetworkKey::open(), |limits| limits.handshake = Duration::from_secs(1));
    let mallory = End::open(2);
    let way = mute(node.addr(), Ipv4Addr::new(127, 0, 0, 2), true).await;
    let _half = begin(&mallory, way, PER_IP);
    reaches(|| node.common.counters.handshakes_failed.get(), PER_IP as u64).await;
    let _more = begin(&mallory, way, 1);
    reaches(|| node.common.counters.handshakes_failed.get(), PER_IP as u64 + 1).await;
    assert_eq!(node.common.counters.handshakes_ignored.get(), 0);
}
