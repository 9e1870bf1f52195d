//! Who may come in: incoming handshakes, bounded in all and per IP, until their proof holds.
//!
//! When many are pending, an address that was not yet seen to receive must first send a token back (QUIC retry), so
//! that forged addresses cost nothing. One IP has at most a quarter of the places: many nodes may stand behind one
//! address, but none may fill the house.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use quinn::{Endpoint, Incoming};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Common, greet};
use super::endpoint::{MAX_PENDING, canonical};

/// Pending handshakes from which on addresses must prove themselves.
const BUSY: usize = 32;
/// Pending handshakes of one IP.
const PER_IP: usize = MAX_PENDING / 4;
/// Connections in all: at 45 KiB each, 180 MiB. A relay is meant for a thousand.
const MAX_CONNECTIONS: usize = 4096;

/// Accepts until the endpoint closes.
pub async fn admit(endpoint: Endpoint, common: Arc<Common>) {
    let mut pending = Pending::default();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => pending.consider(incoming, &endpoint, &common),
                None => return,
            },
            Some(done) = pending.handshakes.join_next() => {
                if let Ok(ip) = done {
                    pending.leave(ip);
                }
            }
        }
    }
}

#[derive(Default)]
struct Pending {
    handshakes: JoinSet<IpAddr>,
    by_ip: BTreeMap<IpAddr, usize>,
}

impl Pending {
    fn consider(&mut self, incoming: Incoming, endpoint: &Endpoint, common: &Arc<Common>) {
        let ip = canonical(incoming.remote_address()).ip();
        let of_ip = self.by_ip.get(&ip).copied().unwrap_or(0);
        if self.handshakes.len() >= MAX_PENDING || endpoint.open_connections() >= MAX_CONNECTIONS {
            common.counters.handshakes_refused.add();
            incoming.refuse();
        } else if of_ip >= PER_IP {
            common.counters.handshakes_ignored.add();
            incoming.ignore();
        } else if self.handshakes.len() >= BUSY && !incoming.remote_address_validated() && incoming.may_retry() {
            common.counters.handshakes_retried.add();
            incoming.retry().ok();
        } else {
            *self.by_ip.entry(ip).or_default() += 1;
            self.handshakes.spawn(shake_hands(incoming, ip, common.clone()));
        }
    }

    fn leave(&mut self, ip: IpAddr) {
        if let Some(count) = self.by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }
}

/// Ends when the proof holds or failed; the connection then lives by itself.
async fn shake_hands(incoming: Incoming, ip: IpAddr, common: Arc<Common>) -> IpAddr {
    let handshake = async { incoming.accept()?.await };
    match timeout(common.limits.handshake, handshake).await {
        Ok(Ok(conn)) => {
            if let Some(arrival) = greet(conn, &common).await {
                tokio::spawn(arrival.live(common));
            }
        }
        Ok(Err(error)) => {
            common.counters.handshakes_failed.add();
            tracing::debug!(%ip, %error, "a handshake failed");
        }
        Err(_) => common.counters.handshakes_failed.add(),
    }
    ip
}

#[cfg(test)]
mod tests;
