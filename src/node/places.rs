//! From places, as people type them, to socket addresses: the interface of a link-local address is found, and host names
//! are resolved.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use if_addrs::Interface;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::endpoint::canonical;
use super::interfaces;
use crate::identity::place::{Host, Place};

/// Time limit of one look-up of a host name. Resolvers may hang for minutes where there is no uplink.
pub const LOOKUP: Duration = Duration::from_secs(10);
/// Addresses used per host name. The system sorts the most useful first.
const MAX_ADDRS: usize = 8;

/// Why a place has no address. The text is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No interface has this name or index.
    #[error("this machine has no interface {wanted}; it has {}", .present.join(", "))]
    NoInterface { wanted: String, present: Vec<String> },
    /// A link-local address, and not exactly one interface that could lead there.
    #[error("{ip} can be behind any interface; name one, as in {ip}%{}", .candidates.join(" or %"))]
    WhichInterface { ip: Ipv6Addr, candidates: Vec<String> },
    /// A link-local address, and no interface with one.
    #[error("{0} cannot be reached: no interface of this machine has an IPv6 link-local address")]
    NoLinkLocal(Ipv6Addr),
    /// The system cannot resolve the name.
    #[error("the name {name} cannot be resolved ({why}); check the spelling, or use an IP address")]
    Name { name: String, why: String },
}

/// The addresses of a place, at least one; several only for a host name.
///
/// # Errors
/// See [`Unresolved`]. A look-up takes [`LOOKUP`] at most.
pub async fn resolve(place: &Place) -> Result<Vec<SocketAddr>, Unresolved> {
    match (without_lookup(place), &place.host) {
        (None, Host::Name(name)) => look_up(name, place.port()).await,
        (resolved, _) => resolved.into_iter().collect(),
    }
}

/// The address of a place that has no host name.
pub fn without_lookup(place: &Place) -> Option<Result<SocketAddr, Unresolved>> {
    match &place.host {
        Host::Name(_) => None,
        Host::Ip(ip) => Some(Ok(SocketAddr::new(*ip, place.port()))),
        Host::LinkLocal(ip, interface) => {
            let index = index_of(*ip, interface.as_deref(), &interfaces::list());
            Some(index.map(|index| interfaces::with_scope(IpAddr::V6(*ip), place.port(), index)))
        }
    }
}

/// The link-local ones of these addresses, with the name of their interface.
pub fn link_local(addrs: &[SocketAddr], interfaces: &[Interface]) -> Vec<Place> {
    let place = |addr: &SocketAddr| {
        let SocketAddr::V6(v6) = addr else { return None };
        let interface = interfaces.iter().find(|interface| interface.index == Some(v6.scope_id()))?;
        let host = Host::LinkLocal(*v6.ip(), Some(interface.name.clone()));
        Some(Place { host, port: Some(v6.port()) })
    };
    let is_link_local = |addr: &&SocketAddr| matches!(addr.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    addrs.iter().filter(is_link_local).filter_map(place).collect()
}

async fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
    let why = match timeout(LOOKUP, lookup_host((name, port))).await {
        Ok(Ok(addrs)) => {
            let mut addrs: Vec<SocketAddr> = addrs.map(canonical).collect();
            let mut seen = BTreeSet::new();
            addrs.retain(|addr| seen.insert(*addr));
            addrs.truncate(MAX_ADDRS);
            if !addrs.is_empty() {
                return Ok(addrs);
            }
            "it has no address".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the resolver does not answer".to_owned(),
    };
    Err(Unresolved::Name { name: name.to_owned(), why })
}

/// The index of the interface that leads to a link-local address: the one named, by its name or index, or the only one with
/// such an address.
fn index_of(ip: Ipv6Addr, wanted: Option<&str>, interfaces: &[Interface]) -> Result<u32, Unresolved> {
    let names = |found: &mut dyn Iterator<Item = &Interface>| -> Vec<String> {
        found.map(|interface| interface.name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    };
    if let Some(wanted) = wanted {
        let is_wanted = |interface: &&Interface| {
            interface.name == wanted || interface.index.is_some_and(|index| index.to_string() == wanted)
        };
        return interfaces.iter().find(is_wanted).and_then(|interface| interface.index).ok_or_else(|| {
            Unresolved::NoInterface { wanted: wanted.to_owned(), present: names(&mut interfaces.iter()) }
        });
    }
    let is_link_local = |interface: &&Interface| matches!(interface.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    let candidates = || interfaces.iter().filter(is_link_local);
    let indexes: BTreeSet<u32> = candidates().filter_map(|interface| interface.index).collect();
    match indexes.iter().collect::<Vec<_>>()[..] {
        [] => Err(Unresolved::NoLinkLocal(ip)),
        [only] => Ok(*only),
        _ => Err(Unresolved::WhichInterface { ip, candidates: names(&mut candidates()) }),
    }
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfAddr, IfOperStatus, Ifv6Addr};

    use super::*;

    const FE80: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7);

    fn interface(name: &str, index: u32, ip: &str) -> Interface {
        let addr = Ifv6Addr { ip: ip.parse().unwrap(), netmask: Ipv6Addr::UNSPECIFIED, prefixlen: 64, broadcast: None };
        let (name, index, oper_status) = (name.to_owned(), Some(index), IfOperStatus::Up);
        Interface { name, addr: IfAddr::V6(addr), index, oper_status, is_p2p: false }
    }

    #[test]
    fn the_interface_of_a_link_local_address_is_found_by_name_or_index() {
        let present = [interface("eth0", 2, "fe80::1"), interface("wlan0", 3, "fe80::2"), interface("lo", 1, "::1")];
        assert_eq!(index_of(FE80, Some("wlan0"), &present), Ok(3));
        assert_eq!(index_of(FE80, Some("2"), &present), Ok(2));
        let error = index_of(FE80, Some("eth1"), &present).unwrap_err().to_string();
        assert_eq!(error, "this machine has no interface eth1; it has eth0, lo, wlan0");
    }

    #[test]
    fn without_a_name_the_only_interface_with_a_link_local_address_is_meant() {
        let present = [interface("eth0", 2, "fe80::1"), interface("eth0", 2, "fe80::3"), interface("lo", 1, "::1")];
        assert_eq!(index_of(FE80, None, &present), Ok(2));
        assert_eq!(index_of(FE80, None, &present[2..]), Err(Unresolved::NoLinkLocal(FE80)));
        let two = [interface("eth0", 2, "fe80::1"), interface("wlan0", 3, "fe80::2")];
        let error = index_of(FE80, None, &two).unwrap_err().to_string();
        assert!(error.ends_with("name one, as in fe80::7%eth0 or %wlan0"), "{error}");
    }

    #[tokio::test]
    async fn an_ip_address_is_its_own_place_and_a_name_is_looked_up() {
        let addrs = |text: &str| text.parse().map(|place: Place| async move { resolve(&place).await }).unwrap();
        assert_eq!(addrs("127.0.0.1:5").await, Ok(vec!["127.0.0.1:5".parse().unwrap()]));
        assert!(addrs("localhost:5").await.unwrap().contains(&"127.0.0.1:5".parse().unwrap()));
        let error = addrs("no-such-host.invalid").await.unwrap_err().to_string();
        assert!(error.starts_with("the name no-such-host.invalid cannot be resolved"), "{error}");
    }
}
