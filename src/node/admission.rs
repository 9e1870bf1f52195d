//! Admission of incoming handshakes, bounded in total and by address until their proof holds.
//!
//! While many are pending, an unvalidated address must first return a token (QUIC retry), so that spoofed addresses
//! cost nothing. An address may hold a quarter of the slots that are free: many nodes may share an address, but however
//! many addresses an attacker has, another one finds a slot. The rate of handshakes of each address is limited too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, Incoming};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Shared, accept_proved};
use super::endpoint::{MAX_PENDING, canonical};
use crate::proto::budget::Budget;
use crate::proto::origins::{Origins, address};

/// Number of pending handshakes above which addresses must be validated.
const BUSY: usize = 32;
/// An address may hold this share of the free slots: 51 of 256 if it is alone, 32 if there are four like it.
const SHARE: usize = 4;
/// Handshakes of one address at once: those of a crowd behind one router after a restart.
const HANDSHAKE_BURST: u32 = 256;
/// Time until one more is answered. A handshake costs two milliseconds of processor time, so an address can take two percent.
const HANDSHAKE_REFILL: Duration = Duration::from_millis(125);
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
                    pending.origins.remove(ip);
                }
            }
        }
    }
}

struct Pending {
    handshakes: JoinSet<IpAddr>,
    origins: Origins,
    /// Limits the rate of handshakes by address. This machine may make as many as it likes.
    rates: Budget<IpAddr>,
}

impl Default for Pending {
    fn default() -> Pending {
        let rates = Budget::new(HANDSHAKE_BURST, HANDSHAKE_REFILL);
        Pending { handshakes: JoinSet::new(), origins: Origins::default(), rates }
    }
}

impl Pending {
    fn admit_or_refuse(&mut self, incoming: Incoming, endpoint: &Endpoint, shared: &Arc<Shared>) {
        let ip = canonical(incoming.remote_address()).ip();
        let free = MAX_PENDING.saturating_sub(self.handshakes.len());
        if self.handshakes.len() >= MAX_PENDING || endpoint.open_connections() >= MAX_CONNECTIONS {
            shared.counters.handshakes_refused.add();
            incoming.refuse();
        } else if SHARE * self.origins.weight(ip) >= free {
            shared.counters.handshakes_ignored.add();
            incoming.ignore();
        } else if self.handshakes.len() >= BUSY && !incoming.remote_address_validated() && incoming.may_retry() {
            shared.counters.handshakes_retried.add();
            incoming.retry().ok();
        } else if !is_this_machine(ip) && !self.rates.draw(address(ip), shared.clock.now().moment) {
            shared.counters.handshakes_ignored.add();
            incoming.ignore();
        } else {
            self.origins.add(ip);
            self.handshakes.spawn(handshake(incoming, ip, shared.clone()));
        }
    }
}

fn is_this_machine(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
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
