//! Who announces themselves on the local link, as far as it concerns us.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use mdns_sd::{ResolvedService, ScopedIp};

use super::super::counters::Counters;
use super::super::interfaces::with_scope;
use super::VERSION;
use crate::id::BootId;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;

/// Announcements remembered: four times the nodes that one link carries sensibly. More are dropped and counted.
const MAX_SIGHTINGS: usize = 1024;
/// Addresses taken of one announcement: a machine with more cables than this is rather an attack.
const MAX_ADDRS: usize = 16;

pub struct Sightings {
    myself: BootId,
    network: NetworkKey,
    by_name: BTreeMap<String, Sighting>,
    heard_myself: bool,
}

struct Sighting {
    boot: BootId,
    addrs: BTreeSet<SocketAddr>,
    told: bool,
}

impl Sightings {
    pub fn new(myself: BootId, network: NetworkKey) -> Sightings {
        Sightings { myself, network, by_name: BTreeMap::new(), heard_myself: false }
    }

    /// How many announce themselves.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether our own announcement came back over a real interface.
    pub fn heard_myself(&self) -> bool {
        self.heard_myself
    }

    /// From here on everything may be told once more.
    pub fn next_round(&mut self) {
        self.by_name.values_mut().for_each(|sighting| sighting.told = false);
    }

    /// An announcement, or some more addresses of it.
    pub fn resolved(&mut self, service: &ResolvedService, counters: &Counters) -> Option<Input> {
        let text = |key| service.get_property_val_str(key);
        let boot = BootId(u64::from_be_bytes(unhex(text("b")?)?));
        let addrs = addresses(service);
        if boot == self.myself {
            self.heard_myself |= addrs.iter().any(|addr| !addr.ip().is_loopback());
            return None;
        }
        let tag: [u8; 8] = unhex(text("t")?)?;
        if text("v") != Some(VERSION) || addrs.is_empty() || !self.network.owns_tag(&tag, boot) {
            return None;
        }
        self.note(&service.fullname, boot, addrs, counters)
    }

    fn note(&mut self, name: &str, boot: BootId, addrs: BTreeSet<SocketAddr>, counters: &Counters) -> Option<Input> {
        if self.by_name.len() >= MAX_SIGHTINGS && !self.by_name.contains_key(name) {
            counters.sightings_dropped.add();
            return None;
        }
        let sighting =
            self.by_name.entry(name.to_owned()).or_insert(Sighting { boot, addrs: BTreeSet::new(), told: false });
        if sighting.told && sighting.boot == boot && sighting.addrs == addrs {
            return None;
        }
        *sighting = Sighting { boot, addrs, told: true };
        Some(Input::Sighted { boot, addrs: sighting.addrs.iter().copied().collect() })
    }

    /// An announcement has ended.
    pub fn removed(&mut self, fullname: &str) -> Option<Input> {
        let Sighting { boot, .. } = self.by_name.remove(fullname)?;
        let elsewhere = self.by_name.values().any(|sighting| sighting.boot == boot);
        (!elsewhere).then_some(Input::Unsighted { boot })
    }
}

fn addresses(service: &ResolvedService) -> BTreeSet<SocketAddr> {
    let usable = |addr: &SocketAddr| addr.port() != 0 && !addr.ip().is_unspecified() && !addr.ip().is_multicast();
    let found = service.addresses.iter().map(|ip| {
        let index = if let ScopedIp::V6(ip) = ip { ip.scope_id().index } else { 0 };
        with_scope(ip.to_ip_addr(), service.port, index)
    });
    found.filter(usable).take(MAX_ADDRS).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sightings() -> (Sightings, Counters) {
        (Sightings::new(BootId(1), NetworkKey::open()), Counters::default())
    }

    fn addrs(texts: &[&str]) -> BTreeSet<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_sighting_is_told_once_a_round_and_again_with_every_new_address() {
        let (mut sightings, counters) = sightings();
        let note =
            |sightings: &mut Sightings, ips: &[&str]| sightings.note("a", BootId(2), addrs(ips), &counters).is_some();
        assert!(note(&mut sightings, &["10.0.0.1:5"]));
        assert!(!note(&mut sightings, &["10.0.0.1:5"]));
        assert!(note(&mut sightings, &["10.0.0.1:5", "[fe80::1%2]:5"]));
        sightings.next_round();
        assert!(note(&mut sightings, &["10.0.0.1:5", "[fe80::1%2]:5"]));
        assert_eq!(sightings.removed("a"), Some(Input::Unsighted { boot: BootId(2) }));
        assert_eq!(sightings.removed("a"), None);
    }

    #[test]
    fn a_storm_of_announcements_is_dropped_and_counted() {
        let (mut sightings, counters) = sightings();
        for n in 0..2000 {
            sightings.note(&n.to_string(), BootId(n + 10), addrs(&["10.0.0.1:5"]), &counters);
        }
        assert_eq!(sightings.len(), MAX_SIGHTINGS);
        assert_eq!(counters.sightings_dropped.get(), 2000 - MAX_SIGHTINGS as u64);
    }
}
