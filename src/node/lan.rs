//! The local link: announces this node by mDNS and discovers other nodes.
//!
//! A received announcement is only a hint to dial. Anybody can announce anything; the handshake authenticates the peer.
//! Instance and host name are random at every start. The TXT record contains a version, the boot id, and a tag of the
//! network that only members recognize.
//!
//! The responder (`responder`, the crate mdns-sd) announces this node, answers queries, and says goodbye. The listener
//! (`listener`) reads the same multicast groups. It knows the source address of every packet, and charges packets
//! (`budget`) and announcements (`sightings`) to it, so a flood from one address does not affect the others. Everything it
//! stores is bounded. When more packets arrive than mdns-sd can process (`storm`), the responder is stopped, and this node
//! announces itself until the storm is over.
//!
//! When a link comes up, this node announces itself and sends a query at once, and twice more within three seconds, because
//! a slow link loses the first packets and the responder notices the link later. After that, every link is queried every few
//! seconds, because nothing indicates that two switches were joined (`docs/decisions.md`, "The local link"). A node that
//! receives the same query from another node skips its own (RFC 6762 §7.3), so a link carries about one query per round.
//! Nodes that the query lists as known need not answer (§7.1).

mod announcement;
mod budget;
mod heard;
mod links;
mod listener;
mod memberships;
mod multicast_check;
pub mod packet;
mod responder;
mod sightings;
mod storm;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use if_addrs::Interface;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::clock::random;
use super::connection::Event;
use super::counters::Counters;
use crate::handle::NodeMessage;
use crate::handle::notices::NoticeSender;
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;
use crate::proto::notice::{Notice, WarningCode};
use announcement::Announcement;
use budget::TokenBucket;
pub use heard::Heard;
use links::{Changes, Index, Links};
use listener::{Listener, Query};
use responder::Responder;
use sightings::Sightings;

/// The UDP port of mDNS (RFC 6762 §3).
pub const MDNS_PORT: u16 = 5353;
/// The version in the TXT record.
const VERSION: &str = "1";
/// Time between two rounds on a quiet link. Rounds alternate between IPv4 and IPv6. Compared with a query by both every
/// seven seconds, this sends as many bytes and finds nodes behind a newly joined switch twice as fast.
const ROUND: Duration = Duration::from_millis(3500);
/// Time between two rounds while the responder is stopped. Packets are lost in a storm, and queries may not be answered.
const STORM_ROUND: Duration = Duration::from_secs(2);
/// Number of instances that lengthen a round by its initial length, because every node may answer a query.
const CROWD: u32 = 8;
/// Maximum time between two rounds.
const MAX_ROUND: Duration = Duration::from_secs(60);
/// Maximum number of consecutive rounds skipped because another node sent the query. Limits the delay that an attacker can
/// cause by false queries to 20 s. Ten nodes send one query in three seconds instead of one per second.
const MAX_SKIPPED: u32 = 5;
/// Delays of the repeated announcements on a new link, each after the one before. RFC 6762 §8.3 requires the first. The
/// second is for links on which IPv6 addresses become usable late.
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// Minimum time between two announcements on one link (RFC 6762 §6).
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Answers to legacy resolvers per second, and the largest burst. Limited because the source address of a query may be
/// forged.
const LEGACY_PER_SECOND: f64 = 10.0;
/// Delay before another attempt to open the sockets.
const RETRY: Duration = Duration::from_secs(30);
/// Maximum number of inputs that wait for the core before reading stops. Sightings beyond it are dropped; the next round
/// repeats them.
const MAX_PENDING: usize = 2048;

/// Interfaces that a warning names.
const MAX_NAMED: usize = 5;

/// The configuration of the local link.
pub(super) struct Lan {
    /// The boot id to announce.
    pub boot: BootId,
    /// The network whose members are reported.
    pub network: NetworkKey,
    /// The UDP port of the QUIC endpoint.
    pub port: u16,
    /// The UDP port of mDNS: [`MDNS_PORT`], or another one that separates tests.
    pub mdns_port: u16,
    /// The current interfaces, from [`super::interfaces::watch`].
    pub interfaces: watch::Receiver<Vec<Interface>>,
    /// Where to record what is heard.
    pub heard: Arc<Heard>,
    /// Receives warnings.
    pub ui: NoticeSender,
}

impl Lan {
    /// Announces and listens until `leave` is sent or dropped, then says goodbye. Retries if the sockets cannot be opened.
    pub async fn run(self, events: mpsc::Sender<Event>, counters: Arc<Counters>, mut leave: oneshot::Receiver<()>) {
        loop {
            match Links::open(self.mdns_port) {
                Ok(links) => return Driver::new(self, links, counters).run(events, leave).await,
                Err(error) => tracing::warn!(%error, "cannot open the mDNS sockets; will retry"),
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                _ = &mut leave => return,
            }
        }
    }
}

/// What to send on one link, and when.
#[derive(Default)]
struct Schedule {
    /// On a new link: when to announce this node and query next, and how often that was done. Until the last time the
    /// responder may not have noticed the link.
    burst: Option<(Instant, usize)>,
    /// When to answer a query instead of the responder.
    answer: Option<Instant>,
    /// When this node was last announced by the driver.
    announced: Option<Instant>,
    /// Another node has sent the query of this round.
    query_received: bool,
    /// The number of consecutive rounds skipped.
    skipped: u32,
    /// Whether the last query was sent by IPv6.
    by_ipv6: bool,
}

/// Drives the responder, the listener, and the timers.
struct Driver {
    announcement: Announcement,
    mdns_port: u16,
    links: Links,
    schedules: BTreeMap<Index, Schedule>,
    listener: Listener,
    /// `None` in a storm, or if it could not be started.
    responder: Option<Responder>,
    /// Limits the answers to legacy resolvers.
    legacy_budget: TokenBucket,
    next_round: Instant,
    /// Inputs for the core.
    pending: VecDeque<Input>,
    interfaces: watch::Receiver<Vec<Interface>>,
    heard: Arc<Heard>,
    ui: NoticeSender,
    warned_of_left_out: bool,
    counters: Arc<Counters>,
}

impl Driver {
    fn new(lan: Lan, links: Links, counters: Arc<Counters>) -> Driver {
        let now = Instant::now();
        let announcement = Announcement::new(lan.boot, &lan.network, lan.port);
        Driver {
            announcement,
            mdns_port: lan.mdns_port,
            links,
            schedules: BTreeMap::new(),
            listener: Listener::new(Sightings::new(lan.boot, lan.network), counters.clone(), now),
            responder: None,
            legacy_budget: TokenBucket::new(LEGACY_PER_SECOND, LEGACY_PER_SECOND, now),
            next_round: now + round(ROUND, 0),
            pending: VecDeque::new(),
            interfaces: lan.interfaces,
            heard: lan.heard,
            ui: lan.ui,
            warned_of_left_out: false,
            counters,
        }
    }

    async fn run(mut self, events: mpsc::Sender<Event>, mut leave: oneshot::Receiver<()>) {
        self.follow_interfaces();
        self.start_responder();
        loop {
            let deadline = self.deadline();
            tokio::select! {
                _ = &mut leave => break,
                permit = events.reserve(), if !self.pending.is_empty() => match (permit, self.pending.pop_front()) {
                    (Ok(permit), Some(input)) => permit.send(Event::Input(input)),
                    _ => break,
                },
                changed = self.interfaces.changed() => match changed {
                    Ok(()) => self.follow_interfaces(),
                    Err(_) => break,
                },
                () = sleep_until(deadline) => self.on_timer(Instant::now()),
                overloaded = Responder::overloaded(&mut self.responder) => if overloaded {
                    self.stop_responder(Instant::now());
                },
                () = self.links.readable(), if self.pending.len() < MAX_PENDING => self.receive(),
            }
        }
        self.say_goodbye().await;
    }

    /// Stops the responder, then sends a goodbye on every link, because the responder may not have noticed all of them. In
    /// this order the responder cannot announce this node after the goodbye.
    async fn say_goodbye(mut self) {
        if let Some(responder) = self.responder.take() {
            responder.shutdown().await;
        }
        self.links.iter().for_each(|(index, _)| self.links.send(index, &self.announcement.goodbye()));
    }

    fn start_responder(&mut self) {
        match Responder::start(&self.announcement, self.mdns_port) {
            Ok(responder) => self.responder = Some(responder),
            Err(error) => tracing::warn!(%error, "cannot start the mDNS responder; will retry"),
        }
    }

    /// Starts or extends a storm: this node announces itself from now on, for the first time after a short delay.
    fn stop_responder(&mut self, now: Instant) {
        self.listener.storm.start(now);
        self.next_round = now + response_delay();
        if let Some(responder) = self.responder.take() {
            responder.stop_without_goodbye();
            self.counters.mdns_storms.add();
            tracing::debug!("mDNS storm: stopped the responder");
        }
    }

    fn follow_interfaces(&mut self) {
        let now = Instant::now();
        let Changes { changed, left_out } = self.links.update(&self.interfaces.borrow_and_update());
        self.warn_of_left_out(&left_out);
        self.schedules.retain(|index, _| self.links.get(*index).is_some());
        self.heard.retain(&self.links.iter().filter(|(_, link)| !link.loopback).map(|(index, _)| index).collect());
        for index in changed {
            self.schedules.entry(index).or_default().burst = Some((now + response_delay(), 0));
        }
        if self.links.iter().all(|(_, link)| link.loopback) {
            self.listener.multicast_check.no_link();
        }
        let inputs = self.listener.sightings.retain_attached(|sender| !self.links.of_sender(sender).is_empty(), now);
        self.enqueue(inputs);
    }

    /// Warns once, until all links are joined again.
    fn warn_of_left_out(&mut self, left_out: &[String]) {
        let warned = std::mem::replace(&mut self.warned_of_left_out, !left_out.is_empty());
        if left_out.is_empty() || warned {
            return;
        }
        let names = left_out.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if left_out.len() > MAX_NAMED { " and others" } else { "" };
        let message = format!(
            "there are too many interfaces for multicast: others may not be found on {names}{more}; use \\ping HOST or --bootstrap"
        );
        let notice = Notice::Warning { code: WarningCode::Multicast, message, user: None };
        self.ui.send(NodeMessage::notice(None, notice)).ok();
    }

    /// When [`Driver::on_timer`] is due.
    fn deadline(&self) -> Instant {
        let deadlines = |schedule: &Schedule| [schedule.burst.map(|(at, _)| at), schedule.answer];
        let schedules = self.schedules.values().flat_map(deadlines);
        schedules.chain([self.listener.deadline()]).flatten().fold(self.next_round, Instant::min)
    }

    fn on_timer(&mut self, now: Instant) {
        if self.listener.storm.end_if_calm(now) {
            self.start_responder();
        }
        let (mut to_announce, mut to_query) = (Vec::new(), Vec::new());
        for (index, schedule) in &mut self.schedules {
            to_announce.extend(schedule.answer.take_if(|at| *at <= now).map(|_| *index));
            if let Some((_, times)) = schedule.burst.take_if(|(at, _)| *at <= now) {
                schedule.burst = REPEATS.get(times).map(|pause| (now + *pause, times + 1));
                to_query.push(*index);
            }
        }
        if !to_query.is_empty() {
            // Repeats sightings that were ignored because a lost connection was not yet detected.
            let inputs = self.listener.sightings.round(now);
            self.enqueue(inputs);
        }
        // A new link needs an announcement in any case: the responder may not have noticed it yet.
        to_announce.extend(&to_query);
        to_announce.into_iter().for_each(|index| self.announce(index, now));
        to_query.into_iter().for_each(|index| self.query(index, None, now));
        if self.next_round <= now {
            self.on_round(now);
        }
        if self.listener.multicast_check.fail_if_overdue(now) {
            self.pending.push_back(Input::MulticastDeaf);
        }
    }

    /// Repeats the sightings, and queries every link unless another node has done so.
    fn on_round(&mut self, now: Instant) {
        if self.responder.is_none() && !self.listener.storm.is_active() {
            self.start_responder();
        }
        let stopped = self.responder.is_none();
        let mut to_query = Vec::new();
        for (index, schedule) in &mut self.schedules {
            let skip = std::mem::take(&mut schedule.query_received) && schedule.skipped < MAX_SKIPPED && !stopped;
            schedule.skipped = if skip { schedule.skipped + 1 } else { 0 };
            if !skip {
                schedule.by_ipv6 = !schedule.by_ipv6;
                to_query.push((*index, schedule.by_ipv6));
            }
        }
        let inputs = self.listener.sightings.round(now);
        self.enqueue(inputs);
        for (index, by_ipv6) in to_query {
            if stopped {
                self.announce(index, now);
            }
            self.query(index, (!stopped).then_some(by_ipv6), now);
        }
        let interval = if stopped { STORM_ROUND } else { ROUND };
        self.next_round = now + round(interval, self.listener.sightings.instances());
    }

    /// Announces this node on a link where the responder does not, or does not yet.
    fn announce(&mut self, index: Index, now: Instant) {
        self.links.send(index, &self.announcement.response());
        if let Some(schedule) = self.schedules.get_mut(&index) {
            schedule.announced = Some(now);
        }
    }

    /// Queries a link, by one version of IP or by both.
    fn query(&mut self, index: Index, by_ipv6: Option<bool>, now: Instant) {
        let Some(link) = self.links.get(index) else { return };
        let mut known = self.listener.sightings.known(now);
        known.retain(|label| !self.announcement.is_mine(label.as_bytes()));
        let packet = self.announcement.query(&self.listener.sightings.missing(), &known);
        match by_ipv6 {
            Some(by_ipv6) => self.links.send_by_one_version(index, by_ipv6, &packet),
            None => self.links.send(index, &packet),
        }
        if !link.loopback {
            self.listener.multicast_check.sent(now);
            self.heard.sent(index, now);
        }
    }

    fn receive(&mut self) {
        let now = Instant::now();
        let batch = self.listener.receive(&self.links, &self.announcement, now);
        if batch.storm {
            self.stop_responder(now);
        } else if let Some(responder) = &mut self.responder {
            responder.count(batch.weight);
        }
        if !batch.others.is_empty() {
            self.heard.heard_others(&batch.others, now);
        }
        self.enqueue(batch.inputs);
        batch.queries.into_iter().for_each(|(from, query)| self.on_query(from, &query, now));
    }

    fn on_query(&mut self, from: SocketAddr, query: &Query, now: Instant) {
        let (links, is_own) = (self.links.of_sender(&from), self.links.is_own_address(from.ip()));
        if is_own && query.lists_us && self.any_real(&links) {
            self.listener.multicast_check.received();
            links.iter().for_each(|index| self.heard.came_back(*index));
        }
        let ignored_by_responder = self.responder.is_none() || query.is_unusual || self.links.exceed_responder();
        if from.port() != self.mdns_port {
            if query.wants_answer && ignored_by_responder {
                self.answer_legacy(from, query, now);
            }
            return;
        }
        for index in links {
            let Some(schedule) = self.schedules.get_mut(&index) else { continue };
            schedule.query_received |= query.asks_for_instances && !query.lists_unknown && !is_own;
            if query.wants_answer && (ignored_by_responder || schedule.burst.is_some()) {
                let at = (now + response_delay()).max(schedule.announced.map_or(now, |at| at + MIN_INTERVAL));
                schedule.answer.get_or_insert(at);
            }
        }
    }

    /// Whether any of these links is not loopback.
    fn any_real(&self, links: &[Index]) -> bool {
        links.iter().filter_map(|index| self.links.get(*index)).any(|link| !link.loopback)
    }

    /// Answers a legacy resolver by unicast (RFC 6762 §6.7), within the budget.
    fn answer_legacy(&mut self, from: SocketAddr, query: &Query, now: Instant) {
        if query.question.is_empty() || from.port() == 0 {
            return;
        }
        if self.legacy_budget.take(now) {
            self.links.send_to(from, &self.announcement.legacy_response(query.id, &query.question));
        } else {
            self.counters.mdns_beyond_budget.add();
        }
    }

    /// Queues inputs for the core. Sightings beyond the limit are dropped, because they are repeated; other inputs are not.
    fn enqueue(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            if self.pending.len() < MAX_PENDING || !matches!(input, Input::Sighted { .. }) {
                self.pending.push_back(input);
            } else {
                self.counters.sightings_dropped.add();
            }
        }
    }
}

/// A random delay of 20 to 120 ms before an answer and before the first packet on a new link, so that nodes do not send at
/// the same time (RFC 6762 §6).
fn response_delay() -> Duration {
    let [chance] = random::<1>();
    Duration::from_millis(20 + u64::from(chance) * 100 / 255)
}

/// The time until the next round: longer with more instances, and up to a fifth shorter at random, so that nodes do not
/// send at the same time.
fn round(interval: Duration, instances: usize) -> Duration {
    let longest = (interval + interval * instances as u32 / CROWD).min(MAX_ROUND);
    let [chance] = random::<1>();
    longest * (205 + u32::from(chance) / 5) / 256
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests;
