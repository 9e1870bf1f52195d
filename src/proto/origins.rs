//! Where connections come from: how many each address and prefix holds. Identities cost nothing and addresses cost something,
//! so when there are too many connections, those of the address that holds most go first.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A prefix counts as much as this many of its addresses: a quarter of it is one household, not one attacker.
const PREFIX_SHARE: usize = 4;

/// Number of connections by address and by prefix.
#[derive(Debug, Default)]
pub struct Origins {
    addresses: BTreeMap<IpAddr, usize>,
    prefixes: BTreeMap<IpAddr, usize>,
}

impl Origins {
    /// Counts a connection.
    pub fn add(&mut self, ip: IpAddr) {
        *self.addresses.entry(address(ip)).or_default() += 1;
        *self.prefixes.entry(prefix(ip)).or_default() += 1;
    }

    /// Counts the end of a connection.
    pub fn remove(&mut self, ip: IpAddr) {
        remove_one(&mut self.addresses, address(ip));
        remove_one(&mut self.prefixes, prefix(ip));
    }

    /// How much an address holds: its connections, or a share of those of its prefix if that is more.
    pub fn weight(&self, ip: IpAddr) -> usize {
        let of = |counts: &BTreeMap<IpAddr, usize>, key| counts.get(&key).copied().unwrap_or(0);
        of(&self.addresses, address(ip)).max(of(&self.prefixes, prefix(ip)) / PREFIX_SHARE)
    }
}

fn remove_one(counts: &mut BTreeMap<IpAddr, usize>, key: IpAddr) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// What counts as one address. A host with IPv6 has a whole /64 to itself, except on the local link, where all share one.
pub fn address(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => masked(v6, 64),
        ip => ip,
    }
}

/// The network of an address: /24 of IPv4, /48 of IPv6. Addresses of the local link have none but themselves, because honest
/// nodes and attackers share it.
fn prefix(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if !is_local(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) if !v6.is_unicast_link_local() && !v6.is_unique_local() => masked(v6, 48),
        ip => address(ip),
    }
}

fn is_local(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_link_local() || ip.is_loopback()
}

fn masked(ip: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - bits))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(all: &[&str], of: &str) -> usize {
        let mut origins = Origins::default();
        all.iter().for_each(|ip| origins.add(ip.parse().expect("an address")));
        origins.weight(of.parse().expect("an address"))
    }

    #[test]
    fn an_address_holds_its_connections_and_a_share_of_those_of_its_prefix() {
        assert_eq!(weight(&["198.51.100.1", "198.51.100.1", "198.51.100.2"], "198.51.100.1"), 2);
        let spread: Vec<String> = (0..40).map(|last| format!("198.51.100.{last}")).collect();
        let spread: Vec<&str> = spread.iter().map(String::as_str).collect();
        assert_eq!(weight(&spread, "198.51.100.7"), 10);
        assert_eq!(weight(&spread, "203.0.113.7"), 0);
    }

    #[test]
    fn all_addresses_of_an_ipv6_prefix_count_as_one_except_on_the_local_link() {
        assert_eq!(weight(&["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"], "2001:db8::9"), 3);
        assert_eq!(weight(&["fe80::1", "fe80::2", "fe80::3"], "fe80::1"), 1);
    }

    #[test]
    fn honest_and_hostile_nodes_in_one_private_network_are_told_apart_by_address() {
        assert_eq!(weight(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.9", "10.0.0.9"], "10.0.0.1"), 1);
    }

    #[test]
    fn an_address_without_connections_takes_no_memory() {
        let mut origins = Origins::default();
        let ip = "198.51.100.1".parse().expect("an address");
        origins.add(ip);
        origins.remove(ip);
        assert_eq!((origins.weight(ip), origins.addresses.len(), origins.prefixes.len()), (0, 0, 0));
    }
}
