//! Who announces themselves on the local link, as far as it concerns us.
//!
//! What is kept is charged to the address that said it, and that address is where an announcement leads: a liar cannot
//! make us knock at a third party's door, nor take the place of somebody who speaks from elsewhere. One address may keep
//! so many, and begin so many anew; where all places are taken, the address that has most gives one up.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::super::counters::Counters;
use super::super::interfaces::with_scope;
use super::VERSION;
use super::announcement::TTL;
use super::budget::Bucket;
use super::packet::{Data, Record, text};
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;

/// Announcements remembered: four times the nodes that one link carries sensibly.
const MAX_SIGHTINGS: usize = 1024;
/// And of one address: more nodes than one machine runs.
const MAX_OF_ONE: usize = 32;
/// Announcements that one address may begin in a second, beside as many at once as it may have: a node that is started
/// again and again by somebody impatient.
const BEGUN_PER_SECOND: f64 = 0.25;
/// Of half-heard announcements so many are asked about in one question.
const MAX_MISSING: usize = 8;
/// Names of other programs are longer than ours, but labels.
const MAX_LABEL: usize = 63;

/// Who says it: the address, with the scope of a link-local one.
type Sender = (IpAddr, u32);

pub struct Sightings {
    myself: BootId,
    network: NetworkKey,
    senders: BTreeMap<Sender, Said>,
    /// How many senders announce each instance.
    labels: BTreeMap<String, usize>,
    count: usize,
}

/// What one address says.
struct Said {
    begun: Bucket,
    /// By their instance, lower case. Oldest first by `since`.
    announcements: BTreeMap<String, Announced>,
}

/// An announcement as far as it was heard.
struct Announced {
    since: Instant,
    until: Instant,
    port: Option<u16>,
    text: Option<Text>,
    told: Option<(BootId, SocketAddr)>,
}

/// What its TXT record says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Ours(BootId),
    /// Of another network, of another version, our own, or none that we understand.
    Foreign,
}

/// What changes by hearing something.
pub type News = Vec<Input>;

impl Sightings {
    pub fn new(myself: BootId, network: NetworkKey) -> Sightings {
        Sightings { myself, network, senders: BTreeMap::new(), labels: BTreeMap::new(), count: 0 }
    }

    /// How many instances announce themselves, from however many addresses.
    pub fn instances(&self) -> usize {
        self.labels.len()
    }

    /// Whether somebody announces this instance.
    pub fn knows(&self, label: &[u8]) -> bool {
        readable(label).is_some_and(|label| self.labels.contains_key(&label))
    }

    /// Announcements that need no repeating: the surest first.
    pub fn known(&self, now: Instant) -> Vec<&str> {
        let mut longest = BTreeMap::<&str, u32>::new();
        for (label, announced) in self.senders.values().flat_map(|said| &said.announcements) {
            if announced.is_whole() && announced.left(now) > TTL / 2 {
                let left = longest.entry(label).or_default();
                *left = announced.left(now).max(*left);
            }
        }
        let mut known: Vec<(&str, u32)> = longest.into_iter().collect();
        known.sort_by_key(|(_, left)| Reverse(*left));
        known.into_iter().map(|(label, _)| label).collect()
    }

    /// Announcements of which something was not heard yet, at most one of each sender.
    pub fn missing(&self) -> Vec<&str> {
        let mut missing = Vec::new();
        for said in self.senders.values() {
            let of_it = said.announcements.iter().find(|(_, announced)| !announced.is_whole());
            missing.extend(of_it.map(|(label, _)| label.as_str()));
        }
        missing.truncate(MAX_MISSING);
        missing
    }

    /// Takes in a record of an announcement. `from` is where the packet came from.
    pub fn hear(&mut self, record: &Record<'_>, from: SocketAddr, now: Instant, counters: &Counters) -> News {
        let (Some(label), sender) = (readable(record.instance), sender(from)) else { return News::new() };
        if record.ttl == 0 {
            return self.remove(&sender, &label).into_iter().collect();
        }
        let mut news = self.begin(sender, &label, now, counters);
        let text = if let Data::Txt(data) = record.data { Some(self.understand(data)) } else { None };
        let Some(announced) = self.senders.get_mut(&sender).and_then(|said| said.announcements.get_mut(&label)) else {
            return news;
        };
        announced.until = now + Duration::from_secs(record.ttl.min(TTL).into());
        announced.text = text.or(announced.text);
        if let Data::Srv { port } = record.data {
            announced.port = Some(port);
        }
        news.extend(announced.tell_change(sender));
        news
    }

    /// Everything that is known and still up, once more; and what is over.
    pub fn round(&mut self, now: Instant) -> News {
        let mut news = News::new();
        for said in self.senders.values_mut() {
            let over = said.announcements.extract_if(.., |_, announced| announced.until <= now);
            news.extend(over.filter_map(|(_, announced)| announced.end()));
            news.extend(said.announcements.values().filter_map(Announced::again));
        }
        self.sweep(now);
        news
    }

    /// Links have gone, or changed: what came from where we are no longer is over.
    pub fn keep(&mut self, attached: impl Fn(&SocketAddr) -> bool, now: Instant) -> News {
        let mut news = News::new();
        for (sender, said) in &mut self.senders {
            if !attached(&with_scope(sender.0, 0, sender.1)) {
                news.extend(std::mem::take(&mut said.announcements).into_values().filter_map(|gone| gone.end()));
            }
        }
        self.sweep(now);
        news
    }

    /// Makes a place for an announcement, if there is none and one may be had. Somebody else's may end by it.
    fn begin(&mut self, sender: Sender, label: &str, now: Instant, counters: &Counters) -> News {
        let known = self.senders.get(&sender);
        if known.is_some_and(|said| said.announcements.contains_key(label)) {
            return News::new();
        }
        let own = known.map_or(0, |said| said.announcements.len());
        let mut news: News = self.make_room_for(&sender).into_iter().collect();
        let fresh =
            || Said { begun: Bucket::new(BEGUN_PER_SECOND, MAX_OF_ONE as f64, now), announcements: BTreeMap::new() };
        if !self.senders.entry(sender).or_insert_with(fresh).begun.take(now) {
            counters.sightings_dropped.add();
            return news;
        }
        if own >= MAX_OF_ONE {
            news.extend(self.remove_oldest(&sender));
        } else if self.count >= MAX_SIGHTINGS {
            counters.sightings_dropped.add();
            match self.greediest(own) {
                Some(greedy) => news.extend(self.remove_oldest(&greedy)),
                None => return news,
            }
        }
        if let Some(said) = self.senders.get_mut(&sender) {
            let announced = Announced { since: now, until: now, port: None, text: None, told: None };
            said.announcements.insert(label.to_owned(), announced);
            self.count += 1;
            *self.labels.entry(label.to_owned()).or_default() += 1;
        }
        news
    }

    /// Who has most announcements, and more than whoever has this many and wants one more. A newcomer takes the oldest of
    /// all: it need be told but once.
    fn greediest(&self, own: usize) -> Option<Sender> {
        let oldest = |said: &Said| said.announcements.values().map(|announced| announced.since).min();
        let greediest = self.senders.iter().max_by_key(|(_, said)| (said.announcements.len(), Reverse(oldest(said))));
        greediest.filter(|(_, said)| own == 0 || said.announcements.len() > own + 1).map(|(sender, _)| *sender)
    }

    /// Where there are too many senders, one of nothing goes; if each has something, then each has one thing, and the oldest
    /// goes with its sender.
    fn make_room_for(&mut self, newcomer: &Sender) -> Option<Input> {
        if self.senders.len() < MAX_SIGHTINGS || self.senders.contains_key(newcomer) {
            return None;
        }
        let silent = self.senders.iter().find(|(_, said)| said.announcements.is_empty()).map(|(sender, _)| *sender);
        let victim = silent.or_else(|| self.greediest(0))?;
        let ended = self.remove_oldest(&victim);
        self.senders.remove(&victim);
        ended
    }

    fn understand(&self, data: &[u8]) -> Text {
        let ours = || {
            let boot = BootId(u64::from_be_bytes(unhex(text(data, "b")?)?));
            let tag: [u8; 8] = unhex(text(data, "t")?)?;
            let ours = text(data, "v") == Some(VERSION.as_bytes()) && boot != self.myself;
            (ours && self.network.owns_tag(&tag, boot)).then_some(boot)
        };
        ours().map_or(Text::Foreign, Text::Ours)
    }

    fn remove(&mut self, sender: &Sender, label: &str) -> Option<Input> {
        let removed = self.senders.get_mut(sender)?.announcements.remove(label)?;
        self.count -= 1;
        if let Entry::Occupied(mut often) = self.labels.entry(label.to_owned()) {
            *often.get_mut() -= 1;
            if *often.get() == 0 {
                often.remove();
            }
        }
        removed.end()
    }

    fn remove_oldest(&mut self, sender: &Sender) -> Option<Input> {
        let said = &self.senders.get(sender)?.announcements;
        let oldest = said.iter().min_by_key(|(_, announced)| announced.since)?.0.clone();
        self.remove(sender, &oldest)
    }

    /// Forgets senders of nothing who have not begun anything lately, and counts what is left.
    fn sweep(&mut self, now: Instant) {
        self.senders.retain(|_, said| !said.announcements.is_empty() || !said.begun.is_full(now));
        self.labels.clear();
        for label in self.senders.values().flat_map(|said| said.announcements.keys()) {
            *self.labels.entry(label.clone()).or_default() += 1;
        }
        self.count = self.labels.values().sum();
    }
}

impl Announced {
    fn is_whole(&self) -> bool {
        self.port.is_some() && self.text.is_some()
    }

    fn left(&self, now: Instant) -> u32 {
        self.until.saturating_duration_since(now).as_secs() as u32
    }

    /// Tells what it has come to say, if that is not what was told.
    fn tell_change(&mut self, (ip, scope): Sender) -> News {
        let now = match (self.port, self.text) {
            (Some(port), Some(Text::Ours(boot))) if port != 0 => Some((boot, with_scope(ip, port, scope))),
            _ => None,
        };
        if now == self.told {
            return News::new();
        }
        let before = std::mem::replace(&mut self.told, now);
        let over = before.map(|(boot, addr)| Input::Unsighted { boot, addr });
        over.into_iter().chain(self.again()).collect()
    }

    fn again(&self) -> Option<Input> {
        self.told.map(|(boot, addr)| Input::Sighted { boot, addr })
    }

    fn end(self) -> Option<Input> {
        self.told.map(|(boot, addr)| Input::Unsighted { boot, addr })
    }
}

fn sender(from: SocketAddr) -> Sender {
    let scope = if let SocketAddr::V6(v6) = from { v6.scope_id() } else { 0 };
    (from.ip(), scope)
}

/// A label we can write again: anything else names no node.
fn readable(label: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'.';
    (label.len() <= MAX_LABEL && label.iter().all(is_plain))
        .then(|| String::from_utf8_lossy(label).to_ascii_lowercase())
}

fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    data_encoding::HEXLOWER.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
