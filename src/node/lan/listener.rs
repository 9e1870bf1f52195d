//! The listener: reads mDNS packets within the budget, passes announcements to the table of sightings, and returns queries.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::announcement::{Announcement, TTL};
use super::budget::Budget;
use super::links::{Index, Links};
use super::multicast_check::MulticastCheck;
use super::packet::{Data, Item, Malformed, Packet};
use super::sightings::{Inputs, Sightings};
use super::storm::{self, StormDetector};
use crate::node::counters::Counters;

/// Maximum size of an mDNS packet in bytes (RFC 6762 §17).
const MAX_PACKET: usize = 9000;
/// Maximum number of packets read from a socket before timers are checked.
const BATCH: usize = 32;

/// A query, as far as it concerns our service.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The message id.
    pub id: u16,
    /// Asks for all instances of our service type.
    pub asks_for_instances: bool,
    /// Asks for all instances without listing us as a known answer, or asks for our records.
    pub wants_answer: bool,
    /// Asks in a form that the responder ignores.
    pub is_unusual: bool,
    /// Lists us as a known answer (RFC 6762 §7.1) with at least half of our TTL.
    pub lists_us: bool,
    /// Lists an instance as a known answer that we do not know.
    pub lists_unknown: bool,
    /// The bytes of the first question if it asks for our service type without name compression, otherwise empty.
    pub question: Vec<u8>,
}

/// The result of reading a batch of packets.
#[derive(Debug, Default)]
pub struct Batch {
    /// The number of packets received, including dropped ones. A long packet counts as several.
    pub weight: usize,
    /// Changes of the sightings.
    pub inputs: Inputs,
    /// Queries, with their source addresses.
    pub queries: Vec<(SocketAddr, Query)>,
    /// The links on which packets of other machines were received.
    pub others: BTreeSet<Index>,
    /// Whether a storm starts with this batch.
    pub storm: bool,
}

/// Reads from the links. Everything it stores is bounded.
pub struct Listener {
    /// The nodes that are announced.
    pub sightings: Sightings,
    /// Whether our own queries come back.
    pub multicast_check: MulticastCheck,
    /// Whether a storm is active.
    pub storm: StormDetector,
    budget: Budget,
    buffer: Vec<u8>,
    counters: Arc<Counters>,
}

impl Listener {
    /// A listener that has received nothing.
    pub fn new(sightings: Sightings, counters: Arc<Counters>, now: Instant) -> Listener {
        Listener {
            sightings,
            multicast_check: MulticastCheck::default(),
            storm: StormDetector::new(now),
            budget: Budget::new(now),
            buffer: vec![0; MAX_PACKET],
            counters,
        }
    }

    /// The next deadline of the multicast check or of a storm.
    pub fn deadline(&self) -> Option<Instant> {
        self.multicast_check.deadline().into_iter().chain(self.storm.deadline()).min()
    }

    /// Reads at most a batch of packets from each socket, without waiting.
    pub fn receive(&mut self, links: &Links, announcement: &Announcement, now: Instant) -> Batch {
        let (mut batch, mut admitted) = (Batch::default(), Vec::new());
        links.read(BATCH, &mut self.buffer, |from, bytes| {
            batch.weight += storm::weight(bytes.len());
            batch.storm |= self.storm.count(from.ip(), bytes.len(), now);
            let of_sender = links.of_sender(&from);
            if of_sender.is_empty() {
                self.counters.mdns_from_elsewhere.add();
            } else if !self.budget.admits(from.ip(), now) {
                self.counters.mdns_beyond_budget.add();
            } else {
                if !links.is_own_address(from.ip()) {
                    batch.others.extend(of_sender);
                }
                admitted.push((from, bytes.to_vec()));
            }
        });
        for (from, bytes) in admitted {
            if self.on_packet(from, &bytes, announcement, now, &mut batch).is_err() {
                self.counters.mdns_garbled.add();
            }
        }
        batch
    }

    fn on_packet(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        announcement: &Announcement,
        now: Instant,
        batch: &mut Batch,
    ) -> Result<(), Malformed> {
        let packet = Packet::read(bytes)?;
        if !packet.response {
            batch.queries.push((from, self.read_query(packet, announcement)?));
            return Ok(());
        }
        // Records before a malformed one are used.
        for item in packet.items() {
            if let Item::Record(record) = item? {
                batch.inputs.extend(self.sightings.on_record(&record, from, now, &self.counters));
            }
        }
        Ok(())
    }

    fn read_query(&self, packet: Packet<'_>, announcement: &Announcement) -> Result<Query, Malformed> {
        let question = packet.first_question().unwrap_or_default().to_vec();
        let mut query = Query { id: packet.id, question, ..Query::default() };
        let mut about_us = false;
        for item in packet.items() {
            match item? {
                Item::ServiceQuestion { exact } => {
                    query.asks_for_instances = true;
                    query.is_unusual |= !exact;
                }
                Item::InstanceQuestion(label) => about_us |= announcement.is_mine(label),
                Item::Record(record) if record.answer && record.data == Data::Ptr => {
                    let is_ours = announcement.is_mine(record.instance);
                    query.lists_us |= is_ours && record.ttl >= TTL / 2;
                    query.lists_unknown |= !is_ours && !self.sightings.knows(record.instance);
                }
                Item::Record(_) | Item::Other => {}
            }
        }
        query.wants_answer = about_us || query.asks_for_instances && !query.lists_us;
        Ok(query)
    }
}

#[cfg(test)]
mod tests;
