//! The responder: an mdns-sd daemon that announces this node on every link, answers queries, follows the interfaces, and
//! says goodbye.
//!
//! It does not browse. As a browser, mdns-sd does not report source addresses, and its channels overflow in a storm. It
//! caches some of the records it receives anyway, without a limit, so the size of its cache is checked as packets arrive.

use std::future::pending;
use std::time::Duration;

use mdns_sd::{IfKind, Metrics, Receiver, ServiceDaemon, ServiceInfo};
use tokio::time::timeout;

use super::announcement::Announcement;
use super::packet::SERVICE;

/// Seconds between two checks of the interfaces by the responder. [`crate::node::interfaces`] checks four times as often.
/// Until the responder notices a new link, this node announces itself there.
const INTERFACE_CHECK: u32 = 2;
/// Time limit for the goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(300);
/// Number of packets between two checks of the cache.
const CHECK_AFTER: usize = 64;
/// Maximum number of cached records. A link with two hundred hosts has as many.
const MAX_CACHED: i64 = 1000;
/// Maximum number of timers. mdns-sd adds two each time it receives a record.
const MAX_TIMERS: i64 = 100_000;
/// The names of the metrics that count cached records.
const CACHE_METRICS: [&str; 6] =
    ["cached-ptr", "cached-srv", "cached-addr", "cached-txt", "cached-nsec", "cached-subtype"];
/// The name of the metric that counts timers.
const TIMER_METRIC: &str = "timer";

/// A running responder. It says goodbye when dropped.
pub struct Responder {
    daemon: ServiceDaemon,
    /// The pending reply to a metrics request.
    metrics: Option<Result<Receiver<Metrics>, mdns_sd::Error>>,
    /// Packets since the last metrics request.
    uncounted: usize,
}

impl Responder {
    /// Starts the daemon and registers the service.
    pub fn start(announcement: &Announcement, mdns_port: u16) -> Result<Responder, mdns_sd::Error> {
        let responder = Responder { daemon: ServiceDaemon::new_with_port(mdns_port)?, metrics: None, uncounted: 0 };
        // IPv6 multicast does not work on loopback. Two nodes on one host find each other by IPv4.
        responder.daemon.disable_interface(IfKind::LoopbackV6)?;
        responder.daemon.set_ip_check_interval(INTERFACE_CHECK)?;
        responder.daemon.register(service_info(announcement)?)?;
        Ok(responder)
    }

    /// Stops it without a goodbye, because this node continues to announce itself. No interface is left to send one on. If
    /// the daemon is busy reading, it stops only at the end of the storm.
    pub fn stop_without_goodbye(self) {
        if let Err(error) = self.daemon.disable_interface(IfKind::All) {
            tracing::debug!(%error, "cannot disable the interfaces of the mDNS responder");
        }
    }

    /// Stops it with a goodbye.
    pub async fn shutdown(self) {
        if let Ok(done) = self.daemon.shutdown() {
            timeout(GOODBYE_TIMEOUT, done.recv_async()).await.ok();
        }
    }

    /// Counts received packets, and requests the metrics after every [`CHECK_AFTER`]. The request replaces a pending one,
    /// because a daemon that has ended does not reply.
    pub fn count(&mut self, packets: usize) {
        self.uncounted += packets;
        if self.uncounted >= CHECK_AFTER {
            self.uncounted = 0;
            self.metrics = Some(self.daemon.get_metrics());
        }
    }

    /// Waits for the reply to a metrics request, forever if there is none. Returns `true` if the responder must be stopped:
    /// its cache is too large, it has ended, or its command queue is full.
    pub async fn overloaded(responder: &mut Option<Responder>) -> bool {
        let Some(running) = responder else { return pending().await };
        let reply = match &running.metrics {
            Some(Ok(metrics)) => metrics.recv_async().await.ok(),
            Some(Err(_)) => None,
            None => return pending().await,
        };
        running.metrics = None;
        reply.is_none_or(|metrics| exceeds_limits(&metrics))
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Fails if the daemon has ended or its command queue is full.
        if let Err(error) = self.daemon.shutdown() {
            tracing::trace!(%error, "cannot shut down the mDNS responder");
        }
    }
}

fn service_info(announcement: &Announcement) -> Result<ServiceInfo, mdns_sd::Error> {
    let (kind, host) = (format!("{}.", SERVICE.join(".")), format!("{}.local.", announcement.label));
    let mut service =
        ServiceInfo::new(&kind, &announcement.label, &host, "", announcement.port, &announcement.text[..])?
            .enable_addr_auto();
    // The names are unique. Without probing, no conflict can make this node rename itself.
    service.set_requires_probe(false);
    Ok(service)
}

fn exceeds_limits(metrics: &Metrics) -> bool {
    let count = |name: &str| metrics.get(name).copied().unwrap_or(0);
    CACHE_METRICS.into_iter().map(count).sum::<i64>() > MAX_CACHED || count(TIMER_METRIC) > MAX_TIMERS
}

#[cfg(test)]
mod tests;
