//! Admission of incoming handshakes, bounded in total and per IP until their proof holds.
//!
//! While many are pending, an unvalidated address must first return a token (QUIC retry), so that spoofed addresses
//! cost nothing. One IP may hold at most a quarter of the slots: many nodes may share an address, but none may use up
//! all slots.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use quinn::{Endpoint, Incoming};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Shared, accept_proved};
use super::endpoint::{MAX_PENDING, canonical};

/// Number of pending handshakes above which addresses must be validated.
const BUSY: usize = 32;
/// Maximum of pending handshakes per IP.
const PER_IP: usize = MAX_PENDING / 4;
/// Maximum of connections: 180 MiB at 45 KiB each. A relay is meant for a thousand.
const MAX_CONNECTIONS: usize = 4096;

/// Accepts connections until the endpoint closes.
pub async fn admit(endpoint: Endpoint, shared: Arc<Shared>) {
    let mut pending = Pending::default();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => pending.admit_or_refuse(incoming, &endpoint, &shared),
                None => return,
            },
            Some(done) = pending.handshakes.join_next() => {
                if let Ok(ip) = done {
                    pending.release(ip);
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
    fn admit_or_refuse(&mut self, incoming: Incoming, endpoint: &Endpoint, shared: &Arc<Shared>) {
        let ip = canonical(incoming.remote_address()).ip();
        let of_ip = self.by_ip.get(&ip).copied().unwrap_or(0);
        if self.handshakes.len() >= MAX_PENDING || endpoint.open_connections() >= MAX_CONNECTIONS {
            shared.counters.handshakes_refused.add();
            incoming.refuse();
        } else if of_ip >= PER_IP {
            shared.counters.handshakes_ignored.add();
            incoming.ignore();
        } else if self.handshakes.len() >= BUSY && !incoming.remote_address_validated() && incoming.may_retry() {
            shared.counters.handshakes_retried.add();
            incoming.retry().ok();
        } else {
            *self.by_ip.entry(ip).or_default() += 1;
            self.handshakes.spawn(handshake(incoming, ip, shared.clone()));
        }
    }

    fn release(&mut self, ip: IpAddr) {
        if let Some(count) = self.by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }
}

/// Completes a handshake and its proof. A proved connection then runs in a task of its own.
async fn handshake(incoming: Incoming, ip: IpAddr, shared: Arc<Shared>) -> IpAddr {
    let handshake = async { incoming.accept()?.await };
    match timeout(shared.limits.handshake, handshake).await {
        Ok(Ok(conn)) => {
            if let Some(connection) = accept_proved(conn, &shared).await {
                tokio::spawn(connection.run(shared));
            }
        }
        Ok(Err(error)) => {
            shared.counters.handshakes_failed.add();
            tracing::debug!(%ip, %error, "handshake failed");
        }
        Err(_) => shared.counters.handshakes_failed.add(),
    }
    ip
}

#[cfg(test)]
mod tests;
