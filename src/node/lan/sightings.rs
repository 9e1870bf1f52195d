//! The table of nodes that are announced on the local link.
//!
//! Each announcement is charged to its source address, and leads to that address. So a false announcement cannot make this
//! node dial a third party, and cannot replace that of another address. The number of announcements per
//! address, and the rate of new ones, are limited. When the table is full, the address with the most announcements loses its
//! oldest.

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
use super::budget::TokenBucket;
use super::packet::{Data, Record, text};
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;
use crate::proto::limits::MAX_SIGHTINGS;

/// Maximum number of announcements per address. More than the number of nodes on one host.
const MAX_PER_SENDER: usize = 32;
/// New announcements per address and second, in addition to a burst of [`MAX_PER_SENDER`]. Allows for a node that is
/// restarted repeatedly.
const NEW_PER_SECOND: f64 = 0.25;
/// Maximum number of incomplete announcements that one query asks about.
const MAX_MISSING: usize = 8;
/// Maximum length of a label in bytes (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// The source address of an announcement, and its IPv6 scope, or zero.
type Sender = (IpAddr, u32);

/// The table. Bounded by [`MAX_SIGHTINGS`] in senders and in announcements.
pub struct Sightings {
    /// Announcements with this boot id are our own.
    own_boot: BootId,
    network: NetworkKey,
    senders: BTreeMap<Sender, SenderEntry>,
    /// How many senders announce each instance.
    labels: BTreeMap<String, usize>,
    /// The number of announcements of all senders.
    count: usize,
}

/// The announcements of one address.
struct SenderEntry {
    /// Limits the rate of new announcements.
    new_budget: TokenBucket,
    /// By instance label in lower case.
    announcements: BTreeMap<String, Sighting>,
}

/// An announcement, possibly incomplete.
struct Sighting {
    /// When the first record was received.
    since: Instant,
    /// When it ends unless it is announced again.
    expires: Instant,
    /// From the SRV record.
    port: Option<u16>,
    /// From the TXT record.
    text: Option<Text>,
    /// What was reported to the core by `Sighted` and not yet withdrawn.
    reported: Option<(BootId, SocketAddr)>,
}

/// The content of a TXT record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// A node of our network, with its boot id.
    Member(BootId),
    /// Another network or version, this node itself, or malformed.
    Foreign,
}

/// The inputs for the core that result from an operation.
pub type Inputs = Vec<Input>;

impl Sightings {
    /// An empty table.
    pub fn new(own_boot: BootId, network: NetworkKey) -> Sightings {
        Sightings { own_boot, network, senders: BTreeMap::new(), labels: BTreeMap::new(), count: 0 }
    }

    /// The number of different instances, counted once even if announced from several addresses.
    pub fn instances(&self) -> usize {
        self.labels.len()
    }

    /// Whether an instance is in the table.
    pub fn knows(&self, label: &[u8]) -> bool {
        printable(label).is_some_and(|label| self.labels.contains_key(&label))
    }

    /// The complete instances with more than half of their TTL remaining, longest first. They need not answer a query.
    pub fn known(&self, now: Instant) -> Vec<&str> {
        let mut longest = BTreeMap::<&str, u32>::new();
        for (label, sighting) in self.senders.values().flat_map(|entry| &entry.announcements) {
            if sighting.is_complete() && sighting.remaining(now) > TTL / 2 {
                let remaining = longest.entry(label).or_default();
                *remaining = sighting.remaining(now).max(*remaining);
            }
        }
        let mut known: Vec<(&str, u32)> = longest.into_iter().collect();
        known.sort_by_key(|(_, remaining)| Reverse(*remaining));
        known.into_iter().map(|(label, _)| label).collect()
    }

    /// Incomplete instances: at most one per sender, and at most [`MAX_MISSING`].
    pub fn missing(&self) -> Vec<&str> {
        let mut missing = Vec::new();
        for entry in self.senders.values() {
            let incomplete = entry.announcements.iter().find(|(_, sighting)| !sighting.is_complete());
            missing.extend(incomplete.map(|(label, _)| label.as_str()));
        }
        missing.truncate(MAX_MISSING);
        missing
    }

    /// Adds a record of an announcement. `from` is the source address of the packet.
    pub fn on_record(&mut self, record: &Record<'_>, from: SocketAddr, now: Instant, counters: &Counters) -> Inputs {
        let (Some(label), sender) = (printable(record.instance), sender(from)) else { return Inputs::new() };
        if record.ttl == 0 {
            return self.remove(&sender, &label).into_iter().collect();
        }
        let mut inputs = self.insert(sender, &label, now, counters);
        let text = if let Data::Txt(data) = record.data { Some(self.parse_text(data)) } else { None };
        let Some(sighting) = self.senders.get_mut(&sender).and_then(|entry| entry.announcements.get_mut(&label)) else {
            return inputs;
        };
        sighting.expires = now + Duration::from_secs(record.ttl.min(TTL).into());
        sighting.text = text.or(sighting.text);
        if let Data::Srv { port } = record.data {
            sighting.port = Some(port);
        }
        inputs.extend(sighting.update_report(sender));
        inputs
    }

    /// Reports all current sightings again, and removes those that have expired.
    pub fn round(&mut self, now: Instant) -> Inputs {
        let mut inputs = Inputs::new();
        for entry in self.senders.values_mut() {
            let expired = entry.announcements.extract_if(.., |_, sighting| sighting.expires <= now);
            inputs.extend(expired.filter_map(|(_, sighting)| sighting.withdraw()));
            inputs.extend(entry.announcements.values().filter_map(Sighting::report));
        }
        self.sweep(now);
        inputs
    }

    /// Removes the sightings of all senders that are no longer on an attached link.
    pub fn retain_attached(&mut self, is_attached: impl Fn(&SocketAddr) -> bool, now: Instant) -> Inputs {
        let mut inputs = Inputs::new();
        for (sender, entry) in &mut self.senders {
            if !is_attached(&with_scope(sender.0, 0, sender.1)) {
                inputs.extend(
                    std::mem::take(&mut entry.announcements).into_values().filter_map(|sighting| sighting.withdraw()),
                );
            }
        }
        self.sweep(now);
        inputs
    }

    /// Adds an empty sighting, unless it exists or a limit forbids it. May evict a sighting of another sender.
    fn insert(&mut self, sender: Sender, label: &str, now: Instant, counters: &Counters) -> Inputs {
        let known = self.senders.get(&sender);
        if known.is_some_and(|entry| entry.announcements.contains_key(label)) {
            return Inputs::new();
        }
        let own = known.map_or(0, |entry| entry.announcements.len());
        let mut inputs: Inputs = self.evict_sender_for(&sender).into_iter().collect();
        let new_entry = || SenderEntry {
            new_budget: TokenBucket::new(NEW_PER_SECOND, MAX_PER_SENDER as f64, now),
            announcements: BTreeMap::new(),
        };
        if !self.senders.entry(sender).or_insert_with(new_entry).new_budget.take(now) {
            counters.sightings_dropped.add();
            return inputs;
        }
        if own >= MAX_PER_SENDER {
            inputs.extend(self.remove_oldest(&sender));
        } else if self.count >= MAX_SIGHTINGS {
            counters.sightings_dropped.add();
            match self.largest_sender(own) {
                Some(largest) => inputs.extend(self.remove_oldest(&largest)),
                None => return inputs,
            }
        }
        if let Some(entry) = self.senders.get_mut(&sender) {
            let sighting = Sighting { since: now, expires: now, port: None, text: None, reported: None };
            entry.announcements.insert(label.to_owned(), sighting);
            self.count += 1;
            *self.labels.entry(label.to_owned()).or_default() += 1;
        }
        inputs
    }

    /// The sender that must give up an announcement for one with `own` announcements: the sender with the most, and among
    /// equals the one with the oldest, if it has more than `own + 1`. For a new sender any number is enough, because the
    /// core needs only one report to dial.
    fn largest_sender(&self, own: usize) -> Option<Sender> {
        let oldest = |entry: &SenderEntry| entry.announcements.values().map(|sighting| sighting.since).min();
        let largest = self.senders.iter().max_by_key(|(_, entry)| (entry.announcements.len(), Reverse(oldest(entry))));
        largest.filter(|(_, entry)| own == 0 || entry.announcements.len() > own + 1).map(|(sender, _)| *sender)
    }

    /// Makes space for a new sender if there are too many: removes one without announcements. If there is none, every sender
    /// has exactly one, and the sender with the oldest is removed.
    fn evict_sender_for(&mut self, new_sender: &Sender) -> Option<Input> {
        if self.senders.len() < MAX_SIGHTINGS || self.senders.contains_key(new_sender) {
            return None;
        }
        let empty = self.senders.iter().find(|(_, entry)| entry.announcements.is_empty()).map(|(sender, _)| *sender);
        let victim = empty.or_else(|| self.largest_sender(0))?;
        let removal = self.remove_oldest(&victim);
        self.senders.remove(&victim);
        removal
    }

    /// Interprets the data of a TXT record.
    fn parse_text(&self, data: &[u8]) -> Text {
        let member = || {
            let boot = BootId(u64::from_be_bytes(unhex(text(data, "b")?)?));
            let tag: [u8; 8] = unhex(text(data, "t")?)?;
            let is_candidate = text(data, "v") == Some(VERSION.as_bytes()) && boot != self.own_boot;
            (is_candidate && self.network.owns_tag(&tag, boot)).then_some(boot)
        };
        member().map_or(Text::Foreign, Text::Member)
    }

    fn remove(&mut self, sender: &Sender, label: &str) -> Option<Input> {
        let removed = self.senders.get_mut(sender)?.announcements.remove(label)?;
        self.count -= 1;
        if let Entry::Occupied(mut senders) = self.labels.entry(label.to_owned()) {
            *senders.get_mut() -= 1;
            if *senders.get() == 0 {
                senders.remove();
            }
        }
        removed.withdraw()
    }

    fn remove_oldest(&mut self, sender: &Sender) -> Option<Input> {
        let entry = &self.senders.get(sender)?.announcements;
        let oldest = entry.iter().min_by_key(|(_, sighting)| sighting.since)?.0.clone();
        self.remove(sender, &oldest)
    }

    /// Removes senders that have no announcements and a full budget, and recounts the rest.
    fn sweep(&mut self, now: Instant) {
        self.senders.retain(|_, entry| !entry.announcements.is_empty() || !entry.new_budget.is_full(now));
        self.labels.clear();
        for label in self.senders.values().flat_map(|entry| entry.announcements.keys()) {
            *self.labels.entry(label.clone()).or_default() += 1;
        }
        self.count = self.labels.values().sum();
    }
}

impl Sighting {
    fn is_complete(&self) -> bool {
        self.port.is_some() && self.text.is_some()
    }

    fn remaining(&self, now: Instant) -> u32 {
        self.expires.saturating_duration_since(now).as_secs() as u32
    }

    /// Reports the current content if it differs from what was reported before.
    fn update_report(&mut self, (ip, scope): Sender) -> Inputs {
        let now = match (self.port, self.text) {
            (Some(port), Some(Text::Member(boot))) if port != 0 => Some((boot, with_scope(ip, port, scope))),
            _ => None,
        };
        if now == self.reported {
            return Inputs::new();
        }
        let previous = std::mem::replace(&mut self.reported, now);
        let withdrawn = previous.map(|(boot, addr)| Input::Unsighted { boot, addr });
        withdrawn.into_iter().chain(self.report()).collect()
    }

    fn report(&self) -> Option<Input> {
        self.reported.map(|(boot, addr)| Input::Sighted { boot, addr })
    }

    fn withdraw(self) -> Option<Input> {
        self.reported.map(|(boot, addr)| Input::Unsighted { boot, addr })
    }
}

fn sender(from: SocketAddr) -> Sender {
    let scope = if let SocketAddr::V6(v6) = from { v6.scope_id() } else { 0 };
    (from.ip(), scope)
}

/// The label in lower case, if it is printable ASCII without dots. Other labels are not those of nodes.
fn printable(label: &[u8]) -> Option<String> {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'.';
    (label.len() <= MAX_LABEL && label.iter().all(is_printable))
        .then(|| String::from_utf8_lossy(label).to_ascii_lowercase())
}

fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    data_encoding::HEXLOWER.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
