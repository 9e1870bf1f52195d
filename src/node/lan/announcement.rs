//! What this node says on the local link: its announcement, answers to who asks for it, and the question who is there.
//!
//! Instance and host are 64 random bits of this boot, so nobody else can have them and nothing is probed for (RFC 6762
//! §8.1 probes for names that people choose). A question that wants a unicast answer is answered to all: on a host with
//! several responders only one of them would see the unicast.

use std::net::IpAddr;

use super::packet::{Name, Question, Writer, kind};
use super::{VERSION, hex};
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::node::clock::random;

/// Seconds that others may remember what we say. Names end with their boot, so that no record need live longer.
pub const TTL: u32 = 120;
/// And old resolvers, which do not hear a goodbye (RFC 6762 §6.7).
const LEGACY_TTL: u32 = 10;
/// Addresses told of one interface.
const MAX_ADDRS: usize = 8;

/// What was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    pub pointer: bool,
    pub service: bool,
    pub text: bool,
    pub addrs: bool,
    /// Which services there are at all.
    pub catalogue: bool,
}

impl Wanted {
    pub const ALL: Wanted = Wanted { pointer: true, service: true, text: true, addrs: true, catalogue: false };

    pub fn is_empty(self) -> bool {
        self == Wanted::default()
    }

    pub fn add(&mut self, more: Wanted) {
        self.pointer |= more.pointer;
        self.service |= more.service;
        self.text |= more.text;
        self.addrs |= more.addrs;
        self.catalogue |= more.catalogue;
    }
}

/// What this boot announces.
pub struct Announcement {
    pub service: Name,
    catalogue: Name,
    instance: Name,
    label: String,
    host: Name,
    port: u16,
    text: Vec<u8>,
}

impl Announcement {
    /// Draws names for this boot. `port` is that of QUIC.
    pub fn new(boot: BootId, network: &NetworkKey, port: u16) -> Announcement {
        let label = hex(&random::<8>());
        let pairs = [
            format!("v={VERSION}"),
            format!("b={}", hex(&boot.0.to_be_bytes())),
            format!("t={}", hex(&network.tag(boot))),
        ];
        let text = pairs.iter().flat_map(|pair| [&[pair.len() as u8], pair.as_bytes()].concat()).collect();
        Announcement {
            service: Name::new("_darkchat._udp.local"),
            catalogue: Name::new("_services._dns-sd._udp.local"),
            instance: Name::new(&format!("{label}._darkchat._udp.local")),
            host: Name::new(&format!("{label}.local")),
            label,
            port,
            text,
        }
    }

    /// Whether an instance is ours.
    pub fn is_mine(&self, label: &[u8]) -> bool {
        self.label.as_bytes().eq_ignore_ascii_case(label)
    }

    /// What of ours a question is about.
    pub fn wanted_by(&self, question: &Question) -> Wanted {
        let is_kind = |kinds: &[u16]| question.kind == kind::ANY || kinds.contains(&question.kind);
        let is = |name: &Name, kinds: &[u16]| question.name == *name && is_kind(kinds);
        if !question.is_ours() {
            return Wanted::default();
        }
        Wanted {
            pointer: is(&self.service, &[kind::PTR]),
            service: is(&self.instance, &[kind::SRV]),
            text: is(&self.instance, &[kind::TXT]),
            addrs: is(&self.host, &[kind::A, kind::AAAA]),
            catalogue: is(&self.catalogue, &[kind::PTR]),
        }
    }

    /// What we say to the link; `addrs` are ours on it.
    pub fn say(&self, wanted: Wanted, addrs: &[IpAddr]) -> Vec<u8> {
        self.write(Writer::response(0), wanted, addrs, TTL, true)
    }

    /// That all of it is over.
    pub fn goodbye(&self, addrs: &[IpAddr]) -> Vec<u8> {
        self.write(Writer::response(0), Wanted::ALL, addrs, 0, true)
    }

    /// The answer to an old resolver, which asked from a port of its own: it wants its question back.
    pub fn answer_alone(&self, id: u16, questions: &[Question], wanted: Wanted, addrs: &[IpAddr]) -> Vec<u8> {
        let mut writer = Writer::response(id);
        questions.iter().for_each(|question| writer.ask(question));
        self.write(writer, wanted, addrs, LEGACY_TTL, false)
    }

    /// Who is there? With what we know already, so that those need not answer; ourselves first, for we need not answer
    /// either, and whoever hears this come back knows that the link carries multicast. And what is missing of whom.
    pub fn ask(&self, missing: &[&str], known: &[(&str, u32)]) -> Vec<u8> {
        let mut writer = Writer::question();
        writer.ask(&Question::new(self.service.clone(), kind::PTR));
        for label in missing {
            writer.ask(&Question::new(self.instance_of(label), kind::ANY));
        }
        for (label, ttl) in [(self.label.as_str(), TTL)].iter().chain(known) {
            if writer.is_full() {
                break;
            }
            let instance = self.instance_of(label);
            writer.record(false, &self.service, kind::PTR, false, *ttl, |writer| writer.name(&instance));
        }
        writer.finish()
    }

    fn instance_of(&self, label: &str) -> Name {
        Name::new(&format!("{label}._darkchat._udp.local"))
    }

    fn write(&self, mut writer: Writer, wanted: Wanted, addrs: &[IpAddr], ttl: u32, flush: bool) -> Vec<u8> {
        if wanted.catalogue {
            writer.record(false, &self.catalogue, kind::PTR, false, ttl, |writer| writer.name(&self.service));
        }
        if wanted.pointer {
            writer.record(false, &self.service, kind::PTR, false, ttl, |writer| writer.name(&self.instance));
        }
        for (asked, along) in [(true, false), (false, true)] {
            if wanted.service == asked && (asked || wanted.pointer) {
                writer.record(along, &self.instance, kind::SRV, flush, ttl, |writer| {
                    writer.bytes(&[0; 4]);
                    writer.u16(self.port);
                    writer.whole_name(&self.host);
                });
            }
            if wanted.text == asked && (asked || wanted.pointer) {
                writer.record(along, &self.instance, kind::TXT, flush, ttl, |writer| writer.bytes(&self.text));
            }
            if wanted.addrs == asked && (asked || wanted.pointer || wanted.service) {
                self.write_addrs(&mut writer, along, addrs, flush, ttl);
            }
        }
        writer.finish()
    }

    fn write_addrs(&self, writer: &mut Writer, along: bool, addrs: &[IpAddr], flush: bool, ttl: u32) {
        for addr in addrs.iter().take(MAX_ADDRS) {
            match addr {
                IpAddr::V4(ip) => {
                    writer.record(along, &self.host, kind::A, flush, ttl, |writer| writer.bytes(&ip.octets()));
                }
                IpAddr::V6(ip) => {
                    writer.record(along, &self.host, kind::AAAA, flush, ttl, |writer| writer.bytes(&ip.octets()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Data, Item, MAX_WRITTEN, Packet, text};
    use super::*;

    fn announcement() -> Announcement {
        Announcement::new(BootId(7), &NetworkKey::open(), 27272)
    }

    fn addrs() -> [IpAddr; 2] {
        ["10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap()]
    }

    /// Questions, answers and records that come along.
    fn counts(bytes: &[u8]) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for item in Packet::read(bytes).unwrap().items() {
            match item.unwrap() {
                Item::Question(_) => counts.0 += 1,
                Item::Record(record) if record.answer => counts.1 += 1,
                Item::Record(_) => counts.2 += 1,
            }
        }
        counts
    }

    #[test]
    fn what_is_said_to_the_link_names_boot_and_tag_and_fits_a_packet() {
        let me = announcement();
        let bytes = me.say(Wanted::ALL, &addrs());
        assert!(bytes.len() < 300, "{}", bytes.len());
        assert_eq!(counts(&bytes), (0, 5, 0));
        let txt = Packet::read(&bytes).unwrap().items().find_map(|item| match item.unwrap() {
            Item::Record(record) => {
                if let Data::Txt(data) = record.data {
                    Some(data)
                } else {
                    None
                }
            }
            Item::Question(_) => None,
        });
        let txt = txt.expect("a TXT record");
        assert_eq!(text(txt, "v"), Some(&b"1"[..]));
        assert_eq!(text(txt, "b"), Some(&b"0000000000000007"[..]));
        assert_eq!(text(txt, "t").map(<[u8]>::len), Some(16));
    }

    #[test]
    fn whoever_asks_gets_what_they_asked_for_and_what_they_will_ask_next() {
        let me = announcement();
        let asked = |name: &Name, kind| me.wanted_by(&Question::new(name.clone(), kind));
        let answer = |wanted| counts(&me.say(wanted, &addrs()));
        assert_eq!(answer(asked(&me.service, kind::PTR)), (0, 1, 4));
        assert_eq!(answer(asked(&me.instance, kind::SRV)), (0, 1, 2));
        assert_eq!(answer(asked(&me.instance, kind::TXT)), (0, 1, 0));
        assert_eq!(answer(asked(&me.instance, kind::ANY)), (0, 2, 2));
        assert_eq!(answer(asked(&me.host, kind::AAAA)), (0, 2, 0));
        assert_eq!(answer(asked(&me.catalogue, kind::PTR)), (0, 1, 0));
        assert!(asked(&me.service, kind::SRV).is_empty());
        assert!(asked(&Name::new("_other._udp.local"), kind::ANY).is_empty());
    }

    #[test]
    fn an_old_resolver_gets_its_id_and_its_question_back() {
        let me = announcement();
        let question = Question::new(me.service.clone(), kind::PTR);
        let bytes = me.answer_alone(0x1234, &[question], Wanted { pointer: true, ..Wanted::default() }, &addrs());
        assert_eq!(Packet::read(&bytes).unwrap().id, 0x1234);
        assert_eq!(counts(&bytes), (1, 1, 4));
        for item in Packet::read(&bytes).unwrap().items() {
            assert!(!matches!(item.unwrap(), Item::Record(record) if record.ttl > LEGACY_TTL));
        }
    }

    #[test]
    fn a_question_in_a_crowd_says_whom_we_know_as_far_as_a_packet_goes() {
        let labels: Vec<String> = (0..1000).map(|n| format!("{n:016x}")).collect();
        let known: Vec<(&str, u32)> = labels.iter().map(|label| (label.as_str(), 100)).collect();
        let bytes = announcement().ask(&[], &known);
        assert!(bytes.len() <= MAX_WRITTEN);
        assert!(counts(&bytes).1 > 30);
    }
}
