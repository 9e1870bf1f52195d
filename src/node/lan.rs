//! The local link: announcing this node by mDNS, and hearing of others.
//!
//! What is heard is a hint to dial and nothing more: anybody can announce anything, and who it is the handshake tells.
//! Instance and host names are random per boot; the TXT record holds only a version, the boot id, and the network's tag,
//! which only members can recognise.
//!
//! The [`responder`], which is the crate mdns-sd, announces this node, answers whoever asks, and says goodbye. The
//! [`listener`] reads the same groups beside it: it knows from where a packet came, has bounds for everything, and charges
//! what a stranger says to their address: packets ([`budget`]), announcements ([`sightings`]). So one who shouts is not
//! heard at the cost of another. When more packets come than mdns-sd stands ([`storm`]) it is stopped, and until it is
//! calm again this node announces itself.
//!
//! A link that has come up is told of us and asked who is there at once, and twice more within three seconds, for a slow
//! one loses the first packets, and the responder notices it later. Then all links are asked every few seconds, for a
//! switch that joins two groups of nodes tells nobody (`docs/decisions.md`, the local link). Whoever hears somebody else
//! ask what they would have asked leaves it at that, so a hall asks about once a round and not once for each node; and
//! who is known need not answer.

mod announcement;
mod budget;
mod hearing;
mod links;
mod listener;
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
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;
use announcement::Announcement;
use budget::Bucket;
use links::{Index, Links};
use listener::{Listener, Question};
use responder::Responder;
use sightings::Sightings;

/// The port of mDNS.
pub const MDNS_PORT: u16 = 5353;
/// The version of the TXT record.
const VERSION: &str = "1";
/// Between two rounds on a quiet link: half of the design's, by IPv4 and IPv6 in turns. For the same bytes two switches
/// that are joined become one link twice as soon.
const ROUND: Duration = Duration::from_millis(3500);
/// And while this node announces itself: packets are lost in a storm, and nobody who joins it hears an answer.
const STORM_ROUND: Duration = Duration::from_secs(2);
/// Every round asks everybody: so many nodes on the link make it this much slower again.
const CROWD: u32 = 8;
const LONGEST_ROUND: Duration = Duration::from_secs(60);
/// Rounds that may be left to others, who might be liars that want nobody asked: a liar gains 20 s, and among ten nodes
/// there is one question in three seconds and not one a second.
const MOST_SKIPPED: u32 = 5;
/// On a new link, after the first word: the second, which RFC 6762 §8.3 wants, and one for a link that takes IPv6 addresses
/// into use only now.
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// The same is not said to one link twice within (RFC 6762 §6).
const BREATH: Duration = Duration::from_secs(1);
/// Answers of ours to old resolvers in a second, and at once: they go to whatever address asked.
const ALONE_PER_SECOND: f64 = 10.0;
/// Without sockets for mDNS, another attempt after this.
const RETRY: Duration = Duration::from_secs(30);
/// News that may wait for the loop before nothing more is read; sightings beyond it come again with the next round.
const MAX_NEWS: usize = 2048;

/// Who is announced, and where.
pub struct Lan {
    pub boot: BootId,
    pub network: NetworkKey,
    /// Of the QUIC endpoint.
    pub port: u16,
    /// Of mDNS: [`MDNS_PORT`], or a private one that keeps tests apart.
    pub mdns_port: u16,
    /// As [`super::interfaces::watch`] sees them.
    pub interfaces: watch::Receiver<Vec<Interface>>,
}

impl Lan {
    /// Announces and listens until `leave` is sent or dropped, then says goodbye.
    pub async fn run(self, events: mpsc::Sender<Event>, counters: Arc<Counters>, mut leave: oneshot::Receiver<()>) {
        loop {
            match Links::open(self.mdns_port) {
                Ok(links) => return Station::new(self, links, counters).run(events, leave).await,
                Err(error) => tracing::warn!(%error, "mDNS does not start; trying again"),
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                _ = &mut leave => return,
            }
        }
    }
}

/// What is to be said to one link, and when.
#[derive(Default)]
struct Turn {
    /// The announcement and the question, and how often they were said since the link came up. Until the last of them the
    /// responder may not have noticed the link.
    burst: Option<(Instant, usize)>,
    /// An answer of ours, in the place of the responder.
    answer: Option<Instant>,
    said: Option<Instant>,
    /// Somebody else has asked what we would ask.
    asked: bool,
    skipped: u32,
    /// The last question of a round went by IPv6.
    by_ipv6: bool,
}

/// Speaks and listens.
struct Station {
    me: Announcement,
    mdns_port: u16,
    links: Links,
    turns: BTreeMap<Index, Turn>,
    listener: Listener,
    /// None in a storm.
    responder: Option<Responder>,
    alone: Bucket,
    next_round: Instant,
    news: VecDeque<Input>,
    interfaces: watch::Receiver<Vec<Interface>>,
    counters: Arc<Counters>,
}

impl Station {
    fn new(lan: Lan, links: Links, counters: Arc<Counters>) -> Station {
        let now = Instant::now();
        let me = Announcement::new(lan.boot, &lan.network, lan.port);
        Station {
            me,
            mdns_port: lan.mdns_port,
            links,
            turns: BTreeMap::new(),
            listener: Listener::new(Sightings::new(lan.boot, lan.network), counters.clone(), now),
            responder: None,
            alone: Bucket::new(ALONE_PER_SECOND, ALONE_PER_SECOND, now),
            next_round: now + round(ROUND, 0),
            news: VecDeque::new(),
            interfaces: lan.interfaces,
            counters,
        }
    }

    async fn run(mut self, events: mpsc::Sender<Event>, mut leave: oneshot::Receiver<()>) {
        self.follow_interfaces();
        self.start_responder();
        loop {
            let wake = self.next();
            tokio::select! {
                _ = &mut leave => break,
                permit = events.reserve(), if !self.news.is_empty() => match (permit, self.news.pop_front()) {
                    (Ok(permit), Some(input)) => permit.send(Event::Input(input)),
                    _ => break,
                },
                changed = self.interfaces.changed() => match changed {
                    Ok(()) => self.follow_interfaces(),
                    Err(_) => break,
                },
                () = sleep_until(wake) => self.on_time(Instant::now()),
                too_much = Responder::fills(&mut self.responder) => if too_much {
                    self.silence_responder(Instant::now());
                },
                () = self.links.readable(), if self.news.len() < MAX_NEWS => self.listen(),
            }
        }
        self.say_goodbye().await;
    }

    /// The responder first, that it says nothing after us. We say it too: there may be links it has not noticed.
    async fn say_goodbye(mut self) {
        if let Some(responder) = self.responder.take() {
            responder.leave().await;
        }
        self.links.all().for_each(|(index, _)| self.links.say(index, &self.me.goodbye()));
    }

    fn start_responder(&mut self) {
        match Responder::start(&self.me, self.mdns_port) {
            Ok(responder) => self.responder = Some(responder),
            Err(error) => tracing::warn!(%error, "the mDNS responder does not start; trying again"),
        }
    }

    /// From now on this node announces itself, soon to begin with.
    fn silence_responder(&mut self, now: Instant) {
        self.listener.storm.rage(now);
        self.next_round = now + breath();
        if let Some(responder) = self.responder.take() {
            responder.silence();
            self.counters.mdns_storms.add();
            tracing::debug!("a storm of mDNS: the responder is stopped");
        }
    }

    fn follow_interfaces(&mut self) {
        let now = Instant::now();
        let changed = self.links.update(&self.interfaces.borrow_and_update());
        self.turns.retain(|index, _| self.links.get(*index).is_some());
        for index in changed {
            self.turns.entry(index).or_default().burst = Some((now + breath(), 0));
        }
        if self.links.all().all(|(_, link)| link.loopback) {
            self.listener.hearing.no_link();
        }
        let news = self.listener.sightings.keep(|sender| !self.links.of(sender).is_empty(), now);
        self.tell(news);
    }

    /// When something is to be done next.
    fn next(&self) -> Instant {
        let of = |turn: &Turn| [turn.burst.map(|(at, _)| at), turn.answer];
        let turns = self.turns.values().flat_map(of);
        turns.chain([self.listener.next()]).flatten().fold(self.next_round, Instant::min)
    }

    fn on_time(&mut self, now: Instant) {
        if self.listener.storm.is_newly_over(now) {
            self.start_responder();
        }
        let (mut to_say, mut to_ask) = (Vec::new(), Vec::new());
        for (index, turn) in &mut self.turns {
            to_say.extend(turn.answer.take_if(|at| *at <= now).map(|_| *index));
            if let Some((_, times)) = turn.burst.take_if(|(at, _)| *at <= now) {
                turn.burst = REPEATS.get(times).map(|pause| (now + *pause, times + 1));
                to_ask.push(*index);
            }
        }
        if !to_ask.is_empty() {
            // Whoever was sighted while the connection from before was still believed in counts only now.
            let news = self.listener.sightings.round(now);
            self.tell(news);
        }
        // On a link that has come up in any case: the responder has not noticed it yet.
        to_say.extend(&to_ask);
        to_say.into_iter().for_each(|index| self.say(index, now));
        to_ask.into_iter().for_each(|index| self.ask(index, None, now));
        if self.next_round <= now {
            self.on_round(now);
        }
        if self.listener.hearing.is_newly_deaf(now) {
            self.news.push_back(Input::MulticastDeaf);
        }
    }

    fn on_round(&mut self, now: Instant) {
        if self.responder.is_none() && !self.listener.storm.rages() {
            self.start_responder();
        }
        let alone = self.responder.is_none();
        let mut to_ask = Vec::new();
        for (index, turn) in &mut self.turns {
            let left_to_others = std::mem::take(&mut turn.asked) && turn.skipped < MOST_SKIPPED && !alone;
            turn.skipped = if left_to_others { turn.skipped + 1 } else { 0 };
            if !left_to_others {
                turn.by_ipv6 = !turn.by_ipv6;
                to_ask.push((*index, turn.by_ipv6));
            }
        }
        let news = self.listener.sightings.round(now);
        self.tell(news);
        for (index, by_ipv6) in to_ask {
            if alone {
                self.say(index, now);
            }
            self.ask(index, (!alone).then_some(by_ipv6), now);
        }
        let whole = if alone { STORM_ROUND } else { ROUND };
        self.next_round = now + round(whole, self.listener.sightings.instances());
    }

    /// Announces this node, where the responder does not, or not yet.
    fn say(&mut self, index: Index, now: Instant) {
        self.links.say(index, &self.me.say());
        if let Some(turn) = self.turns.get_mut(&index) {
            turn.said = Some(now);
        }
    }

    fn ask(&mut self, index: Index, by_ipv6: Option<bool>, now: Instant) {
        let Some(link) = self.links.get(index) else { return };
        let mut known = self.listener.sightings.known(now);
        known.retain(|label| !self.me.is_mine(label.as_bytes()));
        let question = self.me.ask(&self.listener.sightings.missing(), &known);
        match by_ipv6 {
            Some(by_ipv6) => self.links.say_by_one(index, by_ipv6, &question),
            None => self.links.say(index, &question),
        }
        if !link.loopback {
            self.listener.hearing.said(now);
        }
    }

    fn listen(&mut self) {
        let now = Instant::now();
        let batch = self.listener.listen(&self.links, &self.me, now);
        if batch.storm {
            self.silence_responder(now);
        } else if let Some(responder) = &mut self.responder {
            responder.count(batch.weight);
        }
        self.tell(batch.news);
        batch.questions.into_iter().for_each(|(from, asked)| self.hear_question(from, &asked, now));
    }

    fn hear_question(&mut self, from: SocketAddr, asked: &Question, now: Instant) {
        let (of, mine) = (self.links.of(&from), self.links.is_mine(from.ip()));
        if mine && asked.knows_us && self.is_real(&of) {
            self.listener.hearing.heard();
        }
        let overlooked = self.responder.is_none() || asked.is_odd;
        if from.port() != self.mdns_port {
            if asked.wants_us && overlooked {
                self.answer_alone(from, asked, now);
            }
            return;
        }
        for index in of {
            let Some(turn) = self.turns.get_mut(&index) else { continue };
            turn.asked |= asked.who_is_there && !asked.knows_more && !mine;
            if asked.wants_us && (overlooked || turn.burst.is_some()) {
                let at = (now + breath()).max(turn.said.map_or(now, |said| said + BREATH));
                turn.answer.get_or_insert(at);
            }
        }
    }

    fn is_real(&self, of: &[Index]) -> bool {
        of.iter().filter_map(|index| self.links.get(*index)).any(|link| !link.loopback)
    }

    fn answer_alone(&mut self, from: SocketAddr, asked: &Question, now: Instant) {
        if asked.spelled.is_empty() || from.port() == 0 {
            return;
        }
        if self.alone.take(now) {
            self.links.say_to(from, &self.me.answer_alone(asked.id, &asked.spelled));
        } else {
            self.counters.mdns_beyond_budget.add();
        }
    }

    /// What has ended must be told; what is up comes again.
    fn tell(&mut self, news: Vec<Input>) {
        for input in news {
            if self.news.len() < MAX_NEWS || !matches!(input, Input::Sighted { .. }) {
                self.news.push_back(input);
            } else {
                self.counters.sightings_dropped.add();
            }
        }
    }
}

/// Before an answer that others may give too, and before the first word on a new link: so that not all speak at once (RFC
/// 6762 §6).
fn breath() -> Duration {
    let [chance] = random::<1>();
    Duration::from_millis(20 + u64::from(chance) * 100 / 255)
}

/// Until the next round: longer in a crowd, and never quite the same, so that nodes do not ask in chorus.
fn round(whole: Duration, known: usize) -> Duration {
    let whole = (whole + whole * known as u32 / CROWD).min(LONGEST_ROUND);
    let [chance] = random::<1>();
    whole * (205 + u32::from(chance) / 5) / 256
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
pub mod tests;
