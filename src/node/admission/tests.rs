//! Handshakes that never complete, from many addresses.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use quinn::Connecting;
use tokio::net::UdpSocket;

use super::super::connection::tests::End;
use super::super::endpoint::client_config;
use super::super::tls;
use super::*;
use crate::identity::network::NetworkKey;

const PATIENCE: Duration = Duration::from_secs(30);

/// A node with a handshake deadline far beyond the length of these tests.
fn node_without_deadline() -> End {
    End::new(1, NetworkKey::open(), |limits| limits.handshake = Duration::from_secs(600))
}

/// A UDP forwarder to `to` that drops all replies, except retry tokens if `proves`. A dial through it starts a
/// handshake from `source` that never completes.
async fn stalling_forwarder(to: SocketAddr, source: Ipv4Addr, proves: bool) -> SocketAddr {
    let inlet = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let outlet = UdpSocket::bind((source, 0)).await.unwrap();
    let forwarder = inlet.local_addr().unwrap();
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
    forwarder
}

/// Starts `count` handshakes. They last as long as the returned values.
fn begin(from: &End, forwarder: SocketAddr, count: usize) -> Vec<Connecting> {
    let dial = |_| {
        let (config, _) = from.shared.credentials.client_config(None);
        from.endpoint.connect_with(client_config(config), forwarder, tls::SERVER_NAME).unwrap()
    };
    (0..count).map(dial).collect()
}

/// Waits until a count is at least `least`.
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
async fn with_many_handshakes_pending_addresses_must_be_validated_and_honest_peers_still_connect() {
    let (mut node, mallory, mut bob) = (node_without_deadline(), End::open(2), End::open(3));
    let forged = stalling_forwarder(node.addr(), Ipv4Addr::new(127, 0, 0, 2), false).await;
    let _half = begin(&mallory, forged, BUSY);
    reaches(|| pending(&node), BUSY as u64).await;
    assert_eq!(node.shared.counters.handshakes_retried.get(), 0);
    let _more = begin(&mallory, forged, 200);
    reaches(|| node.shared.counters.handshakes_retried.get(), 200).await;
    assert_eq!(pending(&node), BUSY as u64, "an address that was not validated takes no slot");
    bob.dial(1, node.addr(), None);
    bob.connected().await;
    node.connected().await;
    assert_eq!(node.shared.counters.handshakes_refused.get() + node.shared.counters.handshakes_ignored.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_hold_all_the_slots_they_may_leave_some_for_another_one() {
    let mut node = node_without_deadline();
    let (mallory, mut bob) = (End::open(2), End::open(3));
    let mut half = Vec::new();
    for host in 2..=9u8 {
        let forwarder = stalling_forwarder(node.addr(), Ipv4Addr::new(127, 0, 0, host), true).await;
        let ignored = node.shared.counters.handshakes_ignored.get();
        half.extend(begin(&mallory, forwarder, MAX_PENDING / SHARE));
        reaches(|| node.shared.counters.handshakes_ignored.get(), ignored + 1).await;
    }
    assert!(pending(&node) > MAX_PENDING as u64 / 2, "{}", pending(&node));
    bob.dial(1, node.addr(), None);
    bob.connected().await;
    node.connected().await;
    assert_eq!(node.shared.counters.handshakes_refused.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_complete_free_their_slots_at_the_deadline() {
    let node = End::new(1, NetworkKey::open(), |limits| limits.handshake = Duration::from_secs(1));
    let mallory = End::open(2);
    let forwarder = stalling_forwarder(node.addr(), Ipv4Addr::new(127, 0, 0, 2), true).await;
    let many = MAX_PENDING / SHARE / 2;
    let _half = begin(&mallory, forwarder, many);
    reaches(|| node.shared.counters.handshakes_failed.get(), many as u64).await;
    let _more = begin(&mallory, forwarder, 1);
    reaches(|| node.shared.counters.handshakes_failed.get(), many as u64 + 1).await;
    assert_eq!(node.shared.counters.handshakes_ignored.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_never_stops_dialling_is_answered_at_a_limited_rate_and_another_one_at_once() {
    let mut node = End::new(1, NetworkKey::open(), |limits| limits.handshake = Duration::from_millis(50));
    let (mallory, mut bob) = (End::open(2), End::open(3));
    let forwarder = stalling_forwarder(node.addr(), Ipv4Addr::new(127, 0, 0, 2), true).await;
    let mut begun = 0;
    while node.shared.counters.handshakes_ignored.get() == 0 {
        assert!(begun < 4 * u64::from(HANDSHAKE_BURST), "never limited");
        drop(begin(&mallory, forwarder, 1));
        begun += 1;
        let answered = || node.shared.counters.handshakes_failed.get() + node.shared.counters.handshakes_ignored.get();
        reaches(answered, begun).await;
    }
    assert!(begun >= u64::from(HANDSHAKE_BURST), "{begun}");
    bob.dial(1, node.addr(), None);
    bob.connected().await;
    node.connected().await;
}
