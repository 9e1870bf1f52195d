//! The responder, which is mdns-sd: it announces us on every link, answers whoever asks, follows the interfaces, and says
//! goodbye.
//!
//! It never browses: what it would report has no sender, and a subscriber is what a storm of false announcements drowns.
//! It remembers some of what it hears all the same, and without a bound, so its memory is looked at while packets come.

use std::future::pending;
use std::time::Duration;

use mdns_sd::{IfKind, Metrics, Receiver, ServiceDaemon, ServiceInfo};
use tokio::time::timeout;

use super::announcement::Announcement;
use super::packet::SERVICE;

/// Seconds between two looks at the interfaces. Each costs the same as ours, and [`crate::node::interfaces`] looks four
/// times as often: what is said on a new link until then, this node says itself.
const LOOK: u32 = 2;
/// How long the goodbye may take.
const FAREWELL: Duration = Duration::from_millis(300);
/// Packets after which its memory is looked at again.
const LOOK_AFTER: usize = 64;
/// Records it may remember: as many as a link of two hundred hosts has.
const MAX_REMEMBERED: i64 = 1000;
/// And moments at which one of them ends. It remembers two for each time that a record is said.
const MAX_TIMERS: i64 = 100_000;
const REMEMBERED: [&str; 6] =
    ["cached-ptr", "cached-srv", "cached-addr", "cached-txt", "cached-nsec", "cached-subtype"];
const TIMERS: &str = "timer";

/// A running responder. Dropping it ends it with a goodbye.
pub struct Responder {
    daemon: ServiceDaemon,
    /// Asked for, and not heard yet.
    metrics: Option<Result<Receiver<Metrics>, mdns_sd::Error>>,
    unseen: usize,
}

impl Responder {
    pub fn start(me: &Announcement, mdns_port: u16) -> Result<Responder, mdns_sd::Error> {
        let responder = Responder { daemon: ServiceDaemon::new_with_port(mdns_port)?, metrics: None, unseen: 0 };
        // Nobody hears multicast of IPv6 on loopback; two nodes of one host meet by IPv4.
        responder.daemon.disable_interface(IfKind::LoopbackV6)?;
        responder.daemon.set_ip_check_interval(LOOK)?;
        responder.daemon.register(service(me)?)?;
        Ok(responder)
    }

    /// Ends it without a goodbye, for we go on to announce ourselves. Where it reads without end it ends when the storm
    /// does.
    pub fn silence(self) {
        if let Err(error) = self.daemon.disable_interface(IfKind::All) {
            tracing::debug!(%error, "the mDNS responder does not fall silent");
        }
    }

    /// Says goodbye.
    pub async fn leave(self) {
        if let Ok(ended) = self.daemon.shutdown() {
            timeout(FAREWELL, ended.recv_async()).await.ok();
        }
    }

    /// So many packets have come. Asks for its memory once there are enough; in the place of an answer that is not here yet,
    /// for from one that has died there comes none.
    pub fn count(&mut self, packets: usize) {
        self.unseen += packets;
        if self.unseen >= LOOK_AFTER {
            self.unseen = 0;
            self.metrics = Some(self.daemon.get_metrics());
        }
    }

    /// Waits until it is known how much the responder remembers, if that was asked for. True if it must be restarted: it
    /// remembers too much, has died, or does not come to what it is told.
    pub async fn fills(responder: &mut Option<Responder>) -> bool {
        let Some(it) = responder else { return pending().await };
        let answer = match &it.metrics {
            Some(Ok(metrics)) => metrics.recv_async().await.ok(),
            Some(Err(_)) => None,
            None => return pending().await,
        };
        it.metrics = None;
        answer.is_none_or(|metrics| is_too_much(&metrics))
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Fails where it has ended, or reads without end and has not come to what it was told before.
        if let Err(error) = self.daemon.shutdown() {
            tracing::trace!(%error, "the mDNS responder is not ended");
        }
    }
}

fn service(me: &Announcement) -> Result<ServiceInfo, mdns_sd::Error> {
    let (kind, host) = (format!("{}.", SERVICE.join(".")), format!("{}.local.", me.label));
    let mut service = ServiceInfo::new(&kind, &me.label, &host, "", me.port, &me.text[..])?.enable_addr_auto();
    // Nobody else has our names; and what was not probed for, nobody can make us rename.
    service.set_requires_probe(false);
    Ok(service)
}

fn is_too_much(metrics: &Metrics) -> bool {
    let count = |name: &str| metrics.get(name).copied().unwrap_or(0);
    REMEMBERED.into_iter().map(count).sum::<i64>() > MAX_REMEMBERED || count(TIMERS) > MAX_TIMERS
}

#[cfg(test)]
mod tests;
