//! The local link: announcing this node by mDNS, and hearing of others.
//!
//! What is heard is a hint to dial and nothing more: anybody can announce anything, and who it is the handshake tells.
//! Instance and host names are random per boot; the TXT record holds only a version, the boot id, and the network's tag,
//! which only members can recognise.
//!
//! We browse again every few seconds. Each time the daemon asks the link anew and replays what it knows; without that,
//! two groups of nodes whose links are joined elsewhere would find each other after up to an hour
//! (`docs/decisions.md`, the local link). So every sighting repeats, once a round at most. Departures are the daemon's guess.
//!
//! If our own announcement does not come back over a real interface, multicast does not work here, and the person is
//! told once.

mod sightings;

use std::time::Duration;

use mdns_sd::{DaemonEvent, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::clock::random;
use super::connection::Event;
use super::{counters::Counters, interfaces};
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;
use sightings::Sightings;
use std::sync::Arc;

/// The port of mDNS.
pub const MDNS_PORT: u16 = 5353;
const SERVICE: &str = "_darkchat._udp.local.";
/// The version of the TXT record.
const VERSION: &str = "1";
/// Between two rounds on a quiet link (design §7).
const ROUND: Duration = Duration::from_secs(7);
/// Every round asks everybody: so many neighbours on the link make it this much slower again.
const CROWD: u32 = 32;
const LONGEST_ROUND: Duration = Duration::from_secs(60);
/// Probing takes a second, a slow link some more.
const DEAF: Duration = Duration::from_secs(10);
/// Without sockets for mDNS, another attempt after this.
const RETRY: Duration = Duration::from_secs(30);
/// For the goodbye to go out, and again for the daemon to end.
const GOODBYE: Duration = Duration::from_millis(300);

/// Who is announced, and where.
pub struct Lan {
    pub boot: BootId,
    pub network: NetworkKey,
    /// Of the QUIC endpoint.
    pub port: u16,
    /// Of mDNS: [`MDNS_PORT`], or a private one that keeps tests apart.
    pub mdns_port: u16,
}

impl Lan {
    /// Announces and listens until `leave` is sent or dropped, then says goodbye.
    pub async fn run(self, events: mpsc::Sender<Event>, counters: Arc<Counters>, mut leave: oneshot::Receiver<()>) {
        loop {
            match Daemon::start(&self) {
                Ok(daemon) => {
                    tokio::select! {
                        () = self.listen(&daemon, &events, &counters) => {}
                        _ = &mut leave => {}
                    }
                    return daemon.leave().await;
                }
                Err(error) => tracing::warn!(%error, "mDNS does not start; trying again"),
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                _ = &mut leave => return,
            }
        }
    }

    /// Until the loop is gone.
    async fn listen(&self, daemon: &Daemon, events: &mpsc::Sender<Event>, counters: &Counters) {
        let mut sightings = Sightings::new(self.boot, self.network.clone());
        let mut browse = daemon.browse();
        let mut next_round = Instant::now() + round(0);
        let mut deaf_at = Some(Instant::now() + DEAF);
        loop {
            let input = tokio::select! {
                event = hear(&browse) => match event {
                    Some(event) => consider(event, &mut sightings, counters),
                    None => {
                        browse = None;
                        None
                    }
                },
                event = daemon.monitor.recv_async() => {
                    if let Ok(event) = event {
                        note(event);
                    }
                    None
                }
                () = sleep_until(next_round) => {
                    sightings.next_round();
                    browse = daemon.browse();
                    next_round = Instant::now() + round(sightings.len());
                    None
                }
                () = sleep_until(deaf_at.unwrap_or(next_round)), if deaf_at.is_some() => {
                    deaf_at = None;
                    (!sightings.heard_myself() && has_link(self.port)).then_some(Input::MulticastDeaf)
                }
            };
            if let Some(input) = input
                && events.send(Event::Input(input)).await.is_err()
            {
                return;
            }
        }
    }
}

/// A running mDNS daemon that announces us.
struct Daemon {
    daemon: ServiceDaemon,
    monitor: Receiver<DaemonEvent>,
    fullname: String,
}

impl Daemon {
    fn start(lan: &Lan) -> Result<Daemon, mdns_sd::Error> {
        let daemon = ServiceDaemon::new_with_port(lan.mdns_port)?;
        let monitor = daemon.monitor()?;
        daemon.set_ip_check_interval(1)?;
        let instance = hex(&random::<8>());
        let host = format!("{instance}.local.");
        let txt =
            [("v", VERSION.into()), ("b", hex(&lan.boot.0.to_be_bytes())), ("t", hex(&lan.network.tag(lan.boot)))];
        let info = ServiceInfo::new(SERVICE, &instance, &host, "", lan.port, &txt[..])?.enable_addr_auto();
        let fullname = info.get_fullname().to_owned();
        daemon.register(info)?;
        Ok(Daemon { daemon, monitor, fullname })
    }

    fn browse(&self) -> Option<Receiver<ServiceEvent>> {
        self.daemon.browse(SERVICE).inspect_err(|error| tracing::debug!(%error, "browsing failed; again later")).ok()
    }

    async fn leave(self) {
        if let Ok(said) = self.daemon.unregister(&self.fullname) {
            timeout(GOODBYE, said.recv_async()).await.ok();
        }
        if let Ok(ended) = self.daemon.shutdown() {
            timeout(GOODBYE, ended.recv_async()).await.ok();
        }
    }
}

/// The next event; `None` when the daemon has dropped us; never, when nobody browses.
async fn hear(browse: &Option<Receiver<ServiceEvent>>) -> Option<ServiceEvent> {
    match browse {
        Some(browse) => browse.recv_async().await.ok(),
        None => std::future::pending().await,
    }
}

fn consider(event: ServiceEvent, sightings: &mut Sightings, counters: &Counters) -> Option<Input> {
    match event {
        ServiceEvent::ServiceResolved(service) => sightings.resolved(&service, counters),
        ServiceEvent::ServiceRemoved(_, fullname) => sightings.removed(&fullname),
        _ => None,
    }
}

/// The daemon tells of its errors only here, and stops working if nobody listens.
fn note(event: DaemonEvent) {
    match event {
        DaemonEvent::Error(error) => tracing::debug!(%error, "mDNS"),
        DaemonEvent::NameChange(change) => tracing::debug!(?change, "mDNS"),
        _ => {}
    }
}

fn has_link(port: u16) -> bool {
    interfaces::all(port, true).iter().any(|addr| !addr.ip().is_loopback())
}

/// Until the next round: longer in a crowd, and never quite the same, so that nodes do not ask in chorus.
fn round(known: usize) -> Duration {
    let whole = (ROUND + ROUND * known as u32 / CROWD).min(LONGEST_ROUND);
    let [chance] = random::<1>();
    whole * (205 + u32::from(chance) / 5) / 256
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_seven_seconds_with_jitter_and_a_minute_in_a_crowd() {
        for _ in 0..100 {
            assert!((5600..=7000).contains(&round(0).as_millis()));
            assert!(round(1024) <= LONGEST_ROUND);
            assert!(round(1024) > Duration::from_secs(40));
        }
    }

    #[tokio::test]
    async fn two_nodes_of_one_host_sight_each_other_and_their_going() {
        let mdns_port = 20_000 + u16::from_be_bytes(random()) % 20_000;
        let mut ends = Vec::new();
        for boot in [1, 2] {
            let (events, inputs) = mpsc::channel(64);
            let (leave, left) = oneshot::channel();
            let lan = Lan { boot: BootId(boot), network: NetworkKey::open(), port: 4000 + boot as u16, mdns_port };
            let task = tokio::spawn(lan.run(events, Arc::default(), left));
            ends.push((inputs, leave, task));
        }
        let (mut second, leave_second, second_task) = ends.pop().unwrap();
        let (mut first, _leave_first, _first_task) = ends.pop().unwrap();
        sighted(&mut second, BootId(1)).await;
        sighted(&mut first, BootId(2)).await;
        leave_second.send(()).unwrap();
        second_task.await.unwrap();
        let gone =
            async { while !matches!(first.recv().await, Some(Event::Input(Input::Unsighted { boot: BootId(2) }))) {} };
        timeout(Duration::from_secs(20), gone).await.expect("the goodbye is heard");
    }

    async fn sighted(inputs: &mut mpsc::Receiver<Event>, whom: BootId) {
        let seen = async {
            loop {
                if let Some(Event::Input(Input::Sighted { boot, addrs })) = inputs.recv().await {
                    assert_eq!(boot, whom, "nobody sights themselves");
                    return assert!(addrs.iter().all(|addr| addr.port() == 4000 + whom.0 as u16));
                }
            }
        };
        timeout(Duration::from_secs(20), seen).await.expect("sighted");
    }
}
