//! The local link: announcing this node by mDNS, and hearing of others.
//!
//! What is heard is a hint to dial and nothing more: anybody can announce anything, and who it is the handshake tells.
//! Instance and host names are random per boot; the TXT record holds only a version, the boot id, and the network's tag,
//! which only members can recognise.
//!
//! A link that has come up is told of us and asked who is there at once, and twice more within three seconds, for a slow
//! one loses the first packets. Then all links are asked every few seconds, for a switch that joins two groups of nodes
//! tells nobody (`docs/decisions.md`, the local link). Whoever hears somebody else ask what they would have asked leaves it
//! at that, so a hall asks about once a round and not once for each node; and who is known need not answer.
//!
//! Everything that strangers can make grow has a bound, and what a stranger says is charged to their address: packets
//! ([`budget`]), announcements ([`sightings`]). So one who shouts is not heard at the cost of another.

mod announcement;
mod budget;
mod hearing;
mod links;
pub mod packet;
mod sightings;

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
use announcement::{Announcement, TTL, Wanted};
use budget::{Bucket, Budget};
use hearing::Hearing;
use links::{Index, Links};
use packet::{Data, Item, Packet, Question};
use sightings::Sightings;

/// The port of mDNS.
pub const MDNS_PORT: u16 = 5353;
/// The version of the TXT record.
const VERSION: &str = "1";
/// Between two rounds on a quiet link: half of the design's, by IPv4 and IPv6 in turns. For the same bytes two switches
/// that are joined become one link twice as soon.
const ROUND: Duration = Duration::from_millis(3500);
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
/// Answers to old resolvers in a second, and at once: they go to whatever address asked.
const ALONE_PER_SECOND: f64 = 10.0;
/// Without sockets for mDNS, another attempt after this.
const RETRY: Duration = Duration::from_secs(30);
/// The longest packet of mDNS (RFC 6762 §17).
const LONGEST_PACKET: usize = 9000;
/// Packets read of a socket before timers have their turn.
const BATCH: usize = 32;
/// Questions that an old resolver gets back.
const MAX_ECHOED: usize = 8;
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
    /// The announcement and the question, and how often they were said since the link came up.
    burst: Option<(Instant, usize)>,
    /// Answers to what others ask.
    answer: Option<(Instant, Wanted)>,
    said: Option<Instant>,
    /// Somebody else has asked what we would ask.
    asked: bool,
    skipped: u32,
    /// The last question of a round went by IPv6.
    by_ipv6: bool,
}

/// What a packet of questions asks of us.
#[derive(Default)]
struct Asked {
    /// Those about us.
    questions: Vec<Question>,
    wanted: Wanted,
    /// We need not say who we are.
    knows_me: bool,
    /// Somebody is known there whom we do not know.
    knows_more: bool,
}

/// Speaks and listens.
struct Station {
    me: Announcement,
    mdns_port: u16,
    links: Links,
    turns: BTreeMap<Index, Turn>,
    sightings: Sightings,
    hearing: Hearing,
    budget: Budget,
    alone: Bucket,
    next_round: Instant,
    news: VecDeque<Input>,
    interfaces: watch::Receiver<Vec<Interface>>,
    counters: Arc<Counters>,
}

impl Station {
    fn new(lan: Lan, links: Links, counters: Arc<Counters>) -> Station {
        let now = Instant::now();
        Station {
            me: Announcement::new(lan.boot, &lan.network, lan.port),
            mdns_port: lan.mdns_port,
            links,
            turns: BTreeMap::new(),
            sightings: Sightings::new(lan.boot, lan.network),
            hearing: Hearing::default(),
            budget: Budget::new(now),
            alone: Bucket::new(ALONE_PER_SECOND, ALONE_PER_SECOND, now),
            next_round: now + round(0),
            news: VecDeque::new(),
            interfaces: lan.interfaces,
            counters,
        }
    }

    async fn run(mut self, events: mpsc::Sender<Event>, mut leave: oneshot::Receiver<()>) {
        let mut packet = vec![0; LONGEST_PACKET];
        self.follow_interfaces();
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
                () = self.links.readable(), if self.news.len() < MAX_NEWS => self.listen(&mut packet),
            }
        }
        for (index, link) in self.links.all() {
            self.links.say(index, &self.me.goodbye(&link.addrs()));
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
            self.hearing.no_link();
        }
        let news = self.sightings.keep(|sender| !self.links.of(sender).is_empty(), now);
        self.tell(news);
    }

    /// When something is to be done next.
    fn next(&self) -> Instant {
        let of = |turn: &Turn| [turn.burst.map(|(at, _)| at), turn.answer.map(|(at, _)| at)];
        let turns = self.turns.values().flat_map(of);
        turns.chain([self.hearing.next()]).flatten().fold(self.next_round, Instant::min)
    }

    fn on_time(&mut self, now: Instant) {
        let due = |at: Instant| at <= now;
        let mut to_say = Vec::new();
        for (index, turn) in &mut self.turns {
            if let Some((_, wanted)) = turn.answer.take_if(|(at, _)| due(*at)) {
                to_say.push((*index, wanted, false));
            }
            if let Some((_, times)) = turn.burst.take_if(|(at, _)| due(*at)) {
                turn.burst = REPEATS.get(times).map(|pause| (now + *pause, times + 1));
                to_say.push((*index, Wanted::ALL, true));
            }
        }
        for (index, wanted, ask) in to_say {
            self.say(index, wanted, now);
            if ask {
                self.ask(index, None, now);
            }
        }
        if due(self.next_round) {
            self.on_round(now);
        }
        if self.hearing.is_newly_deaf(now) {
            self.news.push_back(Input::MulticastDeaf);
        }
    }

    fn on_round(&mut self, now: Instant) {
        let mut to_ask = Vec::new();
        for (index, turn) in &mut self.turns {
            let left_to_others = std::mem::take(&mut turn.asked) && turn.skipped < MOST_SKIPPED;
            turn.skipped = if left_to_others { turn.skipped + 1 } else { 0 };
            if !left_to_others {
                turn.by_ipv6 = !turn.by_ipv6;
                to_ask.push((*index, turn.by_ipv6));
            }
        }
        let news = self.sightings.round(now);
        self.tell(news);
        to_ask.into_iter().for_each(|(index, by_ipv6)| self.ask(index, Some(by_ipv6), now));
        self.next_round = now + round(self.sightings.instances());
    }

    fn say(&mut self, index: Index, wanted: Wanted, now: Instant) {
        let Some(link) = self.links.get(index) else { return };
        self.links.say(index, &self.me.say(wanted, &link.addrs()));
        if let Some(turn) = self.turns.get_mut(&index) {
            turn.said = Some(now);
        }
    }

    fn ask(&mut self, index: Index, by_ipv6: Option<bool>, now: Instant) {
        let Some(link) = self.links.get(index) else { return };
        let mut known = self.sightings.known(now);
        known.retain(|(label, _)| !self.me.is_mine(label.as_bytes()));
        let question = self.me.ask(&self.sightings.missing(), &known);
        match by_ipv6 {
            Some(by_ipv6) => self.links.say_by_one(index, by_ipv6, &question),
            None => self.links.say(index, &question),
        }
        if !link.loopback {
            self.hearing.said(now);
        }
    }

    fn listen(&mut self, packet: &mut [u8]) {
        let now = Instant::now();
        let mut heard = Vec::new();
        self.links.read(BATCH, packet, |from, bytes| {
            if self.links.of(&from).is_empty() {
                self.counters.mdns_from_elsewhere.add();
            } else if !self.budget.admits(from.ip(), now) {
                self.counters.mdns_beyond_budget.add();
            } else {
                heard.push((from, bytes.to_vec()));
            }
        });
        for (from, bytes) in heard {
            self.hear(from, &bytes, now);
        }
    }

    fn hear(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let heard = match Packet::read(bytes) {
            Ok(packet) if packet.response => self.hear_answer(packet, from, now),
            Ok(packet) => self.hear_question(packet, from, now),
            Err(garbled) => Err(garbled),
        };
        if heard.is_err() {
            self.counters.mdns_garbled.add();
        }
    }

    /// What comes before something garbled counts.
    fn hear_answer(&mut self, packet: Packet<'_>, from: SocketAddr, now: Instant) -> Result<(), packet::Garbled> {
        for item in packet.items() {
            if let Item::Record(record) = item? {
                let news = self.sightings.hear(&record, &self.me.service, from, now, &self.counters);
                self.tell(news);
            }
        }
        Ok(())
    }

    fn hear_question(&mut self, packet: Packet<'_>, from: SocketAddr, now: Instant) -> Result<(), packet::Garbled> {
        let mut asked = self.read_question(packet)?;
        let asks_who_is_there = asked.wanted.pointer;
        asked.wanted.pointer &= !asked.knows_me;
        let (of, mine) = (self.links.of(&from), self.links.is_mine(from.ip()));
        if mine && asked.knows_me && self.is_real(&of) {
            self.hearing.heard();
        }
        if from.port() != self.mdns_port {
            self.answer_alone(packet.id, &asked, from, now);
            return Ok(());
        }
        for index in of {
            let Some(turn) = self.turns.get_mut(&index) else { continue };
            turn.asked |= asks_who_is_there && !asked.knows_more && !mine;
            if !asked.wanted.is_empty() {
                let at = (now + breath()).max(turn.said.map_or(now, |said| said + BREATH));
                turn.answer.get_or_insert((at, asked.wanted)).1.add(asked.wanted);
            }
        }
        Ok(())
    }

    fn read_question(&self, packet: Packet<'_>) -> Result<Asked, packet::Garbled> {
        let mut asked = Asked::default();
        for item in packet.items() {
            match item? {
                Item::Question(question) => {
                    let about_us = self.me.wanted_by(&question);
                    if !about_us.is_empty() && asked.questions.len() < MAX_ECHOED {
                        asked.questions.push(question);
                    }
                    asked.wanted.add(about_us);
                }
                Item::Record(record) if record.answer => {
                    let Data::Ptr(target) = &record.data else { continue };
                    let Some(label) = target.label_under(&self.me.service) else { continue };
                    let mine = self.me.is_mine(label);
                    asked.knows_me |= mine && record.ttl >= TTL / 2;
                    asked.knows_more |= !mine && !self.sightings.knows(label);
                }
                Item::Record(_) => {}
            }
        }
        Ok(asked)
    }

    fn is_real(&self, of: &[Index]) -> bool {
        of.iter().filter_map(|index| self.links.get(*index)).any(|link| !link.loopback)
    }

    fn answer_alone(&mut self, id: u16, asked: &Asked, from: SocketAddr, now: Instant) {
        let link = self.links.of(&from).first().and_then(|index| self.links.get(*index));
        let Some(link) = link.filter(|_| !asked.wanted.is_empty() && from.port() != 0) else { return };
        if self.alone.take(now) {
            let answer = self.me.answer_alone(id, &asked.questions, asked.wanted, &link.addrs());
            self.links.say_to(from, &answer);
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
fn round(known: usize) -> Duration {
    let whole = (ROUND + ROUND * known as u32 / CROWD).min(LONGEST_ROUND);
    let [chance] = random::<1>();
    whole * (205 + u32::from(chance) / 5) / 256
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests;
