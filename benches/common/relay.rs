//! A counting UDP forwarder between one node and a local port.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;

/// Bytes of the IPv4 and UDP headers.
const HEADERS: u64 = 28;
const LARGEST: usize = 65_536;

pub struct Relay {
    /// The address that the node dials.
    pub port: u16,
    bytes: Arc<AtomicU64>,
}

impl Relay {
    pub async fn to(port: u16) -> Relay {
        let (near, far) = (socket().await, socket().await);
        far.connect((Ipv4Addr::LOCALHOST, port)).await.expect("a port is an address");
        let bytes = Arc::new(AtomicU64::new(0));
        let relay = Relay { port: near.local_addr().expect("it is bound").port(), bytes: bytes.clone() };
        tokio::spawn(forward(near, far, bytes));
        relay
    }

    /// Bytes in both directions, including headers.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

async fn forward(near: UdpSocket, far: UdpSocket, bytes: Arc<AtomicU64>) {
    let (mut out, mut back) = (vec![0; LARGEST], vec![0; LARGEST]);
    let mut node: Option<SocketAddr> = None;
    loop {
        let length = tokio::select! {
            Ok((length, from)) = near.recv_from(&mut out) => {
                node = Some(from);
                far.send(&out[..length]).await.ok();
                length
            }
            Ok(length) = far.recv(&mut back) => {
                if let Some(node) = node {
                    near.send_to(&back[..length], node).await.ok();
                }
                length
            }
            else => return,
        };
        bytes.fetch_add(length as u64 + HEADERS, Ordering::Relaxed);
    }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port")
}
