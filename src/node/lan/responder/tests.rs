use std::net::Ipv4Addr;

use mdns_sd::DaemonEvent;

use super::super::packet::tests::{packet_of, record};
use super::super::tests::{Bystander, Kind, private_port};
use super::*;
use crate::id::BootId;
use crate::identity::network::NetworkKey;

const ALL: [Kind; 3] = [Kind::Ptr, Kind::Srv, Kind::Txt];

/// A responder that has announced itself, and somebody who has heard it.
async fn announced() -> (Responder, Bystander) {
    let mdns_port = private_port();
    let mut bystander = Bystander::new(mdns_port);
    let me = Announcement::new(BootId(1), &NetworkKey::open(), 27272);
    let responder = Responder::start(&me, mdns_port).unwrap();
    bystander.waits_for((Kind::Txt, 4500)).await;
    (responder, bystander)
}

/// Waits until a responder has come to an end.
async fn ended(monitor: Receiver<DaemonEvent>) {
    timeout(Duration::from_secs(20), async { while monitor.recv_async().await.is_ok() {} }).await.expect("it ends");
}

/// Goodbyes by kind.
async fn goodbyes(bystander: &mut Bystander) -> Vec<Kind> {
    let heard = bystander.catches_up().await;
    let mut kinds: Vec<Kind> = heard.into_iter().filter(|(_, ttl)| *ttl == 0).map(|(kind, _)| kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn a_responder_that_is_silenced_says_no_goodbye_and_one_that_leaves_or_is_dropped_says_it() {
    let (responder, mut bystander) = announced().await;
    let monitor = responder.daemon.monitor().unwrap();
    responder.silence();
    ended(monitor).await;
    assert_eq!(goodbyes(&mut bystander).await, []);

    let (responder, mut bystander) = announced().await;
    responder.leave().await;
    assert_eq!(goodbyes(&mut bystander).await, ALL);

    let (responder, mut bystander) = announced().await;
    let monitor = responder.daemon.monitor().unwrap();
    drop(responder);
    ended(monitor).await;
    assert_eq!(goodbyes(&mut bystander).await, ALL);
}

#[tokio::test]
async fn a_responder_that_remembers_too_much_is_found_out() {
    let (responder, bystander) = announced().await;
    let mut responder = Some(responder);
    assert!(!is_full_after(&mut responder, LOOK_AFTER).await);
    for n in 0..8u32 {
        let of = |m: u32| record(&format!("x{n}y{m}.local"), 1, 120, &Ipv4Addr::from(0x0a00_0000 + m).octets());
        let records: Vec<Vec<u8>> = (0..200).map(of).collect();
        bystander.says(&packet_of(&[], &records));
    }
    // An answer may be older than the packets.
    let found_out = async { while !is_full_after(&mut responder, LOOK_AFTER).await {} };
    timeout(Duration::from_secs(20), found_out).await.expect("it is found out");
}

#[tokio::test]
async fn a_responder_that_has_died_is_found_out() {
    let (responder, _bystander) = announced().await;
    let monitor = responder.daemon.monitor().unwrap();
    responder.daemon.shutdown().unwrap();
    ended(monitor).await;
    let mut responder = Some(responder);
    assert!(is_full_after(&mut responder, LOOK_AFTER).await);
}

async fn is_full_after(responder: &mut Option<Responder>, packets: usize) -> bool {
    responder.as_mut().expect("it runs").count(packets);
    timeout(Duration::from_secs(20), Responder::fills(responder)).await.expect("it answers")
}
