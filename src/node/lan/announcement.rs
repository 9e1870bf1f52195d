//! The announcement of this node, and the packets that the driver and not the responder sends: queries, the goodbye, and the
//! announcement on new links and while the responder is stopped.
//!
//! Instance and host name are 64 random bits drawn at every start. They are unique, so the probing of RFC 6762 §8.1 is not
//! needed.

use super::packet::{AUTHORITY, CLASS_IN, RESPONSE, SERVICE, TOP_BIT, kind};
use super::{VERSION, hex};
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::node::clock::random;

/// Time to live of an announcement in seconds. It can be short, because names are valid only until the next start.
pub const TTL: u32 = 120;
/// Time to live of known answers in seconds. mdns-sd answers anyway if this is less than half of its own TTL of 75 minutes
/// (RFC 6762 §7.1).
const KNOWN_TTL: u32 = 4500;
/// Time to live in seconds for legacy resolvers, which do not receive a goodbye (RFC 6762 §6.7).
const LEGACY_TTL: u32 = 10;
/// Maximum size of a query in bytes. Fits an Ethernet frame with IPv4 and IPv6.
const MAX_QUERY: usize = 1440;
/// Offset of the service name in every packet that this node writes.
const SERVICE_AT: u16 = 12;
/// The bits that mark a compression pointer (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;

/// What this node announces until its next start.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The label of the instance and of the host.
    pub label: String,
    /// The UDP port of QUIC.
    pub port: u16,
    /// Keys and values of the TXT record.
    pub text: [(&'static str, String); 3],
}

impl Announcement {
    /// Draws a random name. `port` is the UDP port of QUIC.
    pub fn new(boot: BootId, network: &NetworkKey, port: u16) -> Announcement {
        let text = [("v", VERSION.to_owned()), ("b", hex(&boot.0.to_be_bytes())), ("t", hex(&network.tag(boot)))];
        Announcement { label: hex(&random::<8>()), port, text }
    }

    /// Whether an instance label is that of this node.
    pub fn is_mine(&self, label: &[u8]) -> bool {
        self.label.as_bytes().eq_ignore_ascii_case(label)
    }

    /// A query for all instances, and for the records of the `missing` instances. It lists the `known` instances as known
    /// answers, so that they need not answer (RFC 6762 §7.1), as many as fit.
    ///
    /// This node lists itself first: it need not answer, and it recognizes its own queries when they come back, which shows
    /// that the link carries multicast.
    pub fn query(&self, missing: &[&str], known: &[&str]) -> Vec<u8> {
        let mut packet = Writer::new(0, 0);
        packet.service();
        packet.u16s(&[kind::PTR, CLASS_IN]);
        for label in missing {
            packet.instance(label);
            packet.u16s(&[kind::ANY, CLASS_IN]);
        }
        let mut records = 0;
        for label in [self.label.as_str()].iter().chain(known) {
            if packet.bytes.len() + 16 + label.len() > MAX_QUERY {
                break;
            }
            packet.record(POINTER | SERVICE_AT, kind::PTR, CLASS_IN, KNOWN_TTL, |packet| packet.instance(label));
            records += 1;
        }
        packet.finish(1 + missing.len() as u16, records)
    }

    /// An unsolicited response that announces this node (RFC 6762 §8.3).
    pub fn response(&self) -> Vec<u8> {
        self.write_response(TTL)
    }

    /// An announcement with a TTL of zero (RFC 6762 §10.1).
    pub fn goodbye(&self) -> Vec<u8> {
        self.write_response(0)
    }

    fn write_response(&self, ttl: u32) -> Vec<u8> {
        let mut packet = Writer::new(0, RESPONSE | AUTHORITY);
        packet.service();
        self.write_records(packet, 0, ttl, TOP_BIT)
    }

    /// The unicast response to a legacy resolver, which queries from a port other than that of mDNS. It repeats the query id
    /// and the question (RFC 6762 §6.7). `question` must start with the uncompressed service name.
    pub fn legacy_response(&self, id: u16, question: &[u8]) -> Vec<u8> {
        let mut packet = Writer::new(id, RESPONSE | AUTHORITY);
        packet.bytes.extend_from_slice(question);
        packet.u16s(&[POINTER | SERVICE_AT]);
        self.write_records(packet, 1, LEGACY_TTL, 0)
    }

    /// Writes PTR, SRV and TXT. The name of the PTR record has been written already. `flush` is [`TOP_BIT`] or zero.
    fn write_records(&self, mut packet: Writer, questions: u16, ttl: u32, flush: u16) -> Vec<u8> {
        let mut instance = 0;
        packet.after_name(kind::PTR, CLASS_IN, ttl, |packet| {
            instance = POINTER | packet.bytes.len() as u16;
            packet.instance(&self.label);
        });
        packet.record(instance, kind::SRV, CLASS_IN | flush, ttl, |packet| {
            packet.u16s(&[0, 0, self.port]);
            // Uncompressed, as legacy resolvers require (RFC 6762 §18.14).
            packet.labels(&[&self.label, "local"]);
            packet.bytes.push(0);
        });
        packet.record(instance, kind::TXT, CLASS_IN | flush, ttl, |packet| {
            self.text.iter().for_each(|(key, value)| packet.labels(&[&format!("{key}={value}")]));
        });
        packet.finish(questions, 3)
    }
}

/// A packet under construction.
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

    /// Labels of a name, or pairs of a TXT record, each with a length prefix.
    fn labels(&mut self, labels: &[&str]) {
        for label in labels {
            self.bytes.push(label.len() as u8);
            self.bytes.extend_from_slice(label.as_bytes());
        }
    }

    /// The name of the service type. Must be the first name in a packet, because others point to it.
    fn service(&mut self) {
        debug_assert_eq!(self.bytes.len(), usize::from(SERVICE_AT));
        self.labels(&SERVICE);
        self.bytes.push(0);
    }

    /// The name of an instance, with a pointer to the service type.
    fn instance(&mut self, label: &str) {
        self.labels(&[label]);
        self.u16s(&[POINTER | SERVICE_AT]);
    }

    fn record(&mut self, name: u16, kind: u16, class: u16, ttl: u32, data: impl FnOnce(&mut Writer)) {
        self.u16s(&[name]);
        self.after_name(kind, class, ttl, data);
    }

    /// The part of a record after its name.
    fn after_name(&mut self, kind: u16, class: u16, ttl: u32, data: impl FnOnce(&mut Writer)) {
        self.u16s(&[kind, class]);
        self.bytes.extend(ttl.to_be_bytes());
        let len_at = self.bytes.len();
        self.u16s(&[0]);
        data(self);
        let len = (self.bytes.len() - len_at - 2) as u16;
        self.bytes[len_at..len_at + 2].copy_from_slice(&len.to_be_bytes());
    }

    /// Sets the counts in the header.
    fn finish(mut self, questions: u16, answers: u16) -> Vec<u8> {
        self.bytes[4..6].copy_from_slice(&questions.to_be_bytes());
        self.bytes[6..8].copy_from_slice(&answers.to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests;
