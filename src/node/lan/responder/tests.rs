use std::net::Ipv4Addr;

use mdns_sd::DaemonEvent;

use super::super::packet::tests::{packet_of, record};
use super::super::tests::{Kind, Observer, private_port};
use super::*;
use crate::id::BootId;
use crate::identity::network::NetworkKey;

const ALL: [Kind; 3] = [Kind::Ptr, Kind::Srv, Kind::Txt];

/// A responder that has announced itself, and an observer that has received the announcement.
async fn announced() -> (Responder, Observer) {
    let mdns_port = private_port();
    let mut observer = Observer::new(mdns_port);
    let announcement = Announcement::new(BootId(1), &NetworkKey::open(), 27272);
    let responder = Responder::start(&announcement, mdns_port).unwrap();
    observer.wait_for((Kind::Txt, 4500)).await;
    (responder, observer)
}

/// Waits until a responder has ended.
async fn ended(monitor: Receiver<DaemonEvent>) {
    timeout(Duration::from_secs(20), async { while monitor.recv_async().await.is_ok() {} })
        .await
        .expect("the daemon ends");
}

/// The kinds of the records of which a goodbye was received.
async fn goodbyes(observer: &mut Observer) -> Vec<Kind> {
    let received = observer.received_until_now().await;
    let mut kinds: Vec<Kind> = received.into_iter().filter(|(_, ttl)| *ttl == 0).map(|(kind, _)| kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn stopping_without_goodbye_sends_none_while_shutdown_and_drop_send_it() {
    let (responder, mut observer) = announced().await;
    let monitor = responder.daemon.monitor().unwrap();
    responder.stop_without_goodbye();
    ended(monitor).await;
    assert_eq!(goodbyes(&mut observer).await, []);

    let (responder, mut observer) = announced().await;
    responder.shutdown().await;
    assert_eq!(goodbyes(&mut observer).await, ALL);

    let (responder, mut observer) = announced().await;
    let monitor = responder.daemon.monitor().unwrap();
    drop(responder);
    ended(monitor).await;
    assert_eq!(goodbyes(&mut observer).await, ALL);
}

#[tokio::test]
async fn a_responder_with_too_many_cached_records_is_detected() {
    let (responder, observer) = announced().await;
    let mut responder = Some(responder);
    assert!(!is_overloaded_after(&mut responder, CHECK_AFTER).await);
    for n in 0..8u32 {
        let of = |m: u32| record(&format!("x{n}y{m}.local"), 1, 120, &Ipv4Addr::from(0x0a00_0000 + m).octets());
        let records: Vec<Vec<u8>> = (0..200).map(of).collect();
        observer.send(&packet_of(&[], &records));
    }
    // A reply may be older than the packets.
    let detected = async { while !is_overloaded_after(&mut responder, CHECK_AFTER).await {} };
    timeout(Duration::from_secs(20), detected).await.expect("the overload is detected");
}

#[tokio::test]
async fn a_responder_that_has_ended_is_detected() {
    let (responder, _observer) = announced().await;
    let monitor = responder.daemon.monitor().unwrap();
    responder.daemon.shutdown().unwrap();
    ended(monitor).await;
    let mut responder = Some(responder);
    assert!(is_overloaded_after(&mut responder, CHECK_AFTER).await);
}

async fn is_overloaded_after(responder: &mut Option<Responder>, packets: usize) -> bool {
    responder.as_mut().expect("the responder is running").count(packets);
    timeout(Duration::from_secs(20), Responder::overloaded(responder)).await.expect("the daemon replies")
}
