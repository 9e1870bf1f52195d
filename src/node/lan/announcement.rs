//! Who is announced on the local link, and the packets that we write ourselves: the question who is there, and for the
//! time in which the responder is stopped, the announcement and the goodbye.
//!
//! Instance and host are 64 random bits of this boot, so nobody else can have them and nothing is probed for (RFC 6762
//! §8.1 probes for names that people choose).

use super::packet::{AUTHORITY, IN, RESPONSE, SERVICE, TOP, kind};
use super::{VERSION, hex};
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::node::clock::random;

/// Seconds for which an announcement holds. Names end with their boot, so that it need not be longer.
pub const TTL: u32 = 120;
/// Seconds that we claim to remember those we know: the responder takes nobody's word for less than half of its own
/// 75 minutes, and answers.
const KNOWN_TTL: u32 = 4500;
/// What old resolvers may keep, which do not hear a goodbye (RFC 6762 §6.7).
const LEGACY_TTL: u32 = 10;
/// Bytes of a question: fits an Ethernet frame with either IP.
const MAX_WRITTEN: usize = 1440;
/// Where the name of the service stands in every packet of ours, and a pointer to it.
const SERVICE_AT: u16 = 12;
const POINTER: u16 = 0xc000;

/// What this boot announces.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The label of the instance, and of the host.
    pub label: String,
    /// Of QUIC.
    pub port: u16,
    /// Keys and values of TXT.
    pub text: [(&'static str, String); 3],
}

impl Announcement {
    /// Draws a name for this boot. `port` is that of QUIC.
    pub fn new(boot: BootId, network: &NetworkKey, port: u16) -> Announcement {
        let text = [("v", VERSION.to_owned()), ("b", hex(&boot.0.to_be_bytes())), ("t", hex(&network.tag(boot)))];
        Announcement { label: hex(&random::<8>()), port, text }
    }

    /// Whether an instance is ours.
    pub fn is_mine(&self, label: &[u8]) -> bool {
        self.label.as_bytes().eq_ignore_ascii_case(label)
    }

    /// Who is there? With what we know already, so that those need not answer; ourselves first, for we need not answer
    /// either, and whoever hears this come back knows that the link carries multicast. And what is missing of whom.
    pub fn ask(&self, missing: &[&str], known: &[&str]) -> Vec<u8> {
        let mut packet = Writer::new(0, 0);
        packet.service();
        packet.u16s(&[kind::PTR, IN]);
        for label in missing {
            packet.instance(label);
            packet.u16s(&[kind::ANY, IN]);
        }
        let mut records = 0;
        for label in [self.label.as_str()].iter().chain(known) {
            if packet.bytes.len() + 16 + label.len() > MAX_WRITTEN {
                break;
            }
            packet.record(POINTER | SERVICE_AT, kind::PTR, IN, KNOWN_TTL, |packet| packet.instance(label));
            records += 1;
        }
        packet.finish(1 + missing.len() as u16, records)
    }

    /// That we are here.
    pub fn say(&self) -> Vec<u8> {
        self.write(TTL)
    }

    /// That it is over.
    pub fn goodbye(&self) -> Vec<u8> {
        self.write(0)
    }

    fn write(&self, ttl: u32) -> Vec<u8> {
        let mut packet = Writer::new(0, RESPONSE | AUTHORITY);
        packet.service();
        self.write_records(packet, 0, ttl, TOP)
    }

    /// The answer to an old resolver, which asked from a port of its own: it wants its question back, as it asked it, first
    /// in the packet and with the name of the service in full.
    pub fn answer_alone(&self, id: u16, question: &[u8]) -> Vec<u8> {
        let mut packet = Writer::new(id, RESPONSE | AUTHORITY);
        packet.bytes.extend_from_slice(question);
        packet.u16s(&[POINTER | SERVICE_AT]);
        self.write_records(packet, 1, LEGACY_TTL, 0)
    }

    /// PTR, whose name has been written, SRV and TXT.
    fn write_records(&self, mut packet: Writer, questions: u16, ttl: u32, flush: u16) -> Vec<u8> {
        let mut instance = 0;
        packet.rest(kind::PTR, IN, ttl, |packet| {
            instance = POINTER | packet.bytes.len() as u16;
            packet.instance(&self.label);
        });
        packet.record(instance, kind::SRV, IN | flush, ttl, |packet| {
            packet.u16s(&[0, 0, self.port]);
            // In full, as old resolvers want it.
            packet.labels(&[&self.label, "local"]);
            packet.bytes.push(0);
        });
        packet.record(instance, kind::TXT, IN | flush, ttl, |packet| {
            self.text.iter().for_each(|(key, value)| packet.labels(&[&format!("{key}={value}")]));
        });
        packet.finish(questions, 3)
    }
}

/// A packet being written.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(id: u16, flags: u16) -> Writer {
        let mut writer = Writer { bytes: Vec::new() };
        writer.u16s(&[id, flags, 0, 0, 0, 0]);
        writer
    }

    fn u16s(&mut self, values: &[u16]) {
        self.bytes.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    }

    /// Labels, or the pairs of a TXT record: each behind its length.
    fn labels(&mut self, labels: &[&str]) {
        for label in labels {
            self.bytes.push(label.len() as u8);
            self.bytes.extend_from_slice(label.as_bytes());
        }
    }

    /// The name of the service, which must come first in a packet.
    fn service(&mut self) {
        debug_assert_eq!(self.bytes.len(), usize::from(SERVICE_AT));
        self.labels(&SERVICE);
        self.bytes.push(0);
    }

    fn instance(&mut self, label: &str) {
        self.labels(&[label]);
        self.u16s(&[POINTER | SERVICE_AT]);
    }

    fn record(&mut self, name: u16, kind: u16, class: u16, ttl: u32, data: impl FnOnce(&mut Writer)) {
        self.u16s(&[name]);
        self.rest(kind, class, ttl, data);
    }

    /// What follows the name of a record.
    fn rest(&mut self, kind: u16, class: u16, ttl: u32, data: impl FnOnce(&mut Writer)) {
        self.u16s(&[kind, class]);
        self.bytes.extend(ttl.to_be_bytes());
        let before = self.bytes.len();
        self.u16s(&[0]);
        data(self);
        let len = (self.bytes.len() - before - 2) as u16;
        self.bytes[before..before + 2].copy_from_slice(&len.to_be_bytes());
    }

    fn finish(mut self, questions: u16, answers: u16) -> Vec<u8> {
        self.bytes[4..6].copy_from_slice(&questions.to_be_bytes());
        self.bytes[6..8].copy_from_slice(&answers.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests;
