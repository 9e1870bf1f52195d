//! What is heard on the links: packets within their budget, who announces themselves from where, and what is asked of us.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::announcement::{Announcement, TTL};
use super::budget::Budget;
use super::hearing::Hearing;
use super::links::Links;
use super::packet::{Data, Garbled, Item, Packet};
use super::sightings::{News, Sightings};
use super::storm::{self, Storm};
use crate::node::counters::Counters;

/// The longest packet of mDNS (RFC 6762 §17).
const LONGEST_PACKET: usize = 9000;
/// Packets read of a socket before timers have their turn.
const BATCH: usize = 32;

/// What a packet asks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Question {
    pub id: u16,
    /// Somebody asks who is there.
    pub who_is_there: bool,
    /// And has not heard of us, or asks about us.
    pub wants_us: bool,
    /// In a way that the responder overlooks.
    pub is_odd: bool,
    pub knows_us: bool,
    /// Somebody is known there whom we do not know.
    pub knows_more: bool,
    /// The question as it was asked, if it is the first of the packet.
    pub spelled: Vec<u8>,
}

/// What a few packets came to.
#[derive(Debug, Default)]
pub struct Batch {
    /// How many there were, read or not; a long one counts as several.
    pub weight: usize,
    pub news: News,
    pub questions: Vec<(SocketAddr, Question)>,
    /// With these a storm begins.
    pub storm: bool,
}

pub struct Listener {
    pub sightings: Sightings,
    pub hearing: Hearing,
    pub storm: Storm,
    budget: Budget,
    buffer: Vec<u8>,
    counters: Arc<Counters>,
}

impl Listener {
    pub fn new(sightings: Sightings, counters: Arc<Counters>, now: Instant) -> Listener {
        Listener {
            sightings,
            hearing: Hearing::default(),
            storm: Storm::new(now),
            budget: Budget::new(now),
            buffer: vec![0; LONGEST_PACKET],
            counters,
        }
    }

    /// When something is over by itself.
    pub fn next(&self) -> Option<Instant> {
        self.hearing.next().into_iter().chain(self.storm.next()).min()
    }

    /// Reads what has come, and no more than a batch of it.
    pub fn listen(&mut self, links: &Links, me: &Announcement, now: Instant) -> Batch {
        let (mut batch, mut heard) = (Batch::default(), Vec::new());
        links.read(BATCH, &mut self.buffer, |from, bytes| {
            batch.weight += storm::weight(bytes.len());
            batch.storm |= self.storm.begins_with(from.ip(), bytes.len(), now);
            if links.of(&from).is_empty() {
                self.counters.mdns_from_elsewhere.add();
            } else if !self.budget.admits(from.ip(), now) {
                self.counters.mdns_beyond_budget.add();
            } else {
                heard.push((from, bytes.to_vec()));
            }
        });
        for (from, bytes) in heard {
            if self.hear(from, &bytes, me, now, &mut batch).is_err() {
                self.counters.mdns_garbled.add();
            }
        }
        batch
    }

    fn hear(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        me: &Announcement,
        now: Instant,
        batch: &mut Batch,
    ) -> Result<(), Garbled> {
        let packet = Packet::read(bytes)?;
        if !packet.response {
            batch.questions.push((from, self.read_question(packet, me)?));
            return Ok(());
        }
        // What comes before something garbled counts.
        for item in packet.items() {
            if let Item::Record(record) = item? {
                batch.news.extend(self.sightings.hear(&record, from, now, &self.counters));
            }
        }
        Ok(())
    }

    fn read_question(&self, packet: Packet<'_>, me: &Announcement) -> Result<Question, Garbled> {
        let spelled = packet.first_question().unwrap_or_default().to_vec();
        let mut asked = Question { id: packet.id, spelled, ..Question::default() };
        let mut about_us = false;
        for item in packet.items() {
            match item? {
                Item::WhoIsThere { plain } => {
                    asked.who_is_there = true;
                    asked.is_odd |= !plain;
                }
                Item::WhatOf(label) => about_us |= me.is_mine(label),
                Item::Record(record) if record.answer && record.data == Data::Ptr => {
                    let mine = me.is_mine(record.instance);
                    asked.knows_us |= mine && record.ttl >= TTL / 2;
                    asked.knows_more |= !mine && !self.sightings.knows(record.instance);
                }
                Item::Record(_) | Item::Other => {}
            }
        }
        asked.wants_us = about_us || asked.who_is_there && !asked.knows_us;
        Ok(asked)
    }
}

#[cfg(test)]
mod tests;
