//! Which of the addresses of this machine others can probably reach: the order in which they are declared, shown and
//! announced. Only a few fit into a declaration, and a machine with containers or virtual machines has dozens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use if_addrs::{IfAddr, Interface};

/// What the system says about interfaces and addresses.
#[derive(Debug, Default)]
pub struct Facts {
    /// The source addresses of packets to the default routes.
    pub sources: Vec<IpAddr>,
    /// The names of the interfaces that are bridges.
    pub bridges: BTreeSet<String>,
    /// IPv6 addresses that will be given up.
    pub passing: BTreeMap<Ipv6Addr, Passing>,
}

/// Why an IPv6 address will be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passing {
    /// It changes daily, for privacy (RFC 8981).
    Temporary,
    /// Its prefix or its time is over; it accepts packets for a while (RFC 4862 §5.5.4).
    Deprecated,
}

/// How much an interface is used, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// A default route leads over it.
    DefaultRoute,
    /// Something is connected.
    Connected,
    /// A bridge with something connected, which is usually a container or a virtual machine.
    Bridge,
    /// Nothing is connected: it has no carrier.
    Unconnected,
}

/// Sorts the addresses by use. A further address in a subnet of one interface says nothing new, so all such are last.
pub fn by_use(mut interfaces: Vec<Interface>, facts: &Facts) -> Vec<Interface> {
    let routes: BTreeSet<String> = interfaces
        .iter()
        .filter(|interface| facts.sources.contains(&interface.ip()))
        .map(|interface| interface.name.clone())
        .collect();
    let key = |interface: &Interface| {
        let passing = match interface.ip() {
            IpAddr::V6(ip) => facts.passing.get(&ip).copied(),
            IpAddr::V4(_) => None,
        };
        let is_source = facts.sources.contains(&interface.ip());
        (usage(interface, &routes, &facts.bridges), is_self_assigned(interface), passing, !is_source)
    };
    interfaces.sort_by_key(key);
    let mut seen = BTreeSet::new();
    let (mut first, further): (Vec<_>, Vec<_>) =
        interfaces.into_iter().partition(|interface| seen.insert((interface.index, subnet(&interface.addr))));
    first.extend(further);
    first
}

fn usage(interface: &Interface, routes: &BTreeSet<String>, bridges: &BTreeSet<String>) -> Use {
    if routes.contains(&interface.name) {
        Use::DefaultRoute
    } else if !interface.is_oper_up() {
        Use::Unconnected
    } else if bridges.contains(&interface.name) {
        Use::Bridge
    } else {
        Use::Connected
    }
}

/// Whether it is an IPv4 link-local address, which is assigned where nobody assigns a better one.
fn is_self_assigned(interface: &Interface) -> bool {
    matches!(interface.ip(), IpAddr::V4(ip) if ip.is_link_local())
}

fn subnet(addr: &IfAddr) -> IpAddr {
    match addr {
        IfAddr::V4(addr) => IpAddr::V4(addr.ip & addr.netmask),
        IfAddr::V6(addr) => IpAddr::V6(addr.ip & addr.netmask),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use if_addrs::{IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn interface(index: u32, name: &str, ip: &str) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => {
                let netmask = Ipv4Addr::new(255, 255, 255, 0);
                IfAddr::V4(Ifv4Addr { ip, netmask, prefixlen: 24, broadcast: None })
            }
            IpAddr::V6(ip) => {
                let netmask = Ipv6Addr::from(u128::MAX << 64);
                IfAddr::V6(Ifv6Addr { ip, netmask, prefixlen: 64, broadcast: None })
            }
        };
        Interface { name: name.to_owned(), addr, index: Some(index), oper_status: IfOperStatus::Up, is_p2p: false }
    }

    fn unconnected(index: u32, name: &str, ip: &str) -> Interface {
        Interface { oper_status: IfOperStatus::Unknown, ..interface(index, name, ip) }
    }

    fn order(interfaces: &[Interface], facts: &Facts) -> Vec<String> {
        by_use(interfaces.to_vec(), facts).iter().map(|interface| interface.ip().to_string()).collect()
    }

    #[test]
    fn the_default_route_comes_first_and_bridges_without_a_carrier_last() {
        let all = [
            unconnected(2, "docker0", "172.17.0.1"),
            interface(3, "br-1", "172.18.0.1"),
            interface(4, "eth0", "192.168.1.10"),
            interface(5, "wlan0", "10.0.0.7"),
        ];
        let sources = vec!["10.0.0.7".parse().unwrap()];
        let bridges = ["docker0", "br-1"].map(str::to_owned).into();
        let facts = Facts { sources, bridges, ..Facts::default() };
        assert_eq!(order(&all, &facts), ["10.0.0.7", "192.168.1.10", "172.18.0.1", "172.17.0.1"]);
    }

    #[test]
    fn the_address_of_the_default_route_is_the_first_of_its_interface_and_self_assigned_ones_are_the_last() {
        let all = ["169.254.7.7", "192.168.1.1", "10.0.0.7"].map(|ip| interface(2, "eth0", ip));
        let facts = Facts { sources: vec!["10.0.0.7".parse().unwrap()], ..Facts::default() };
        assert_eq!(order(&all, &facts), ["10.0.0.7", "192.168.1.1", "169.254.7.7"]);
    }

    #[test]
    fn of_the_addresses_in_one_subnet_the_most_stable_is_first_and_the_others_come_after_all_other_interfaces() {
        let eth0 = ["2001:db8::bad", "2001:db8::b", "2001:db8::a"].map(|ip| interface(2, "eth0", ip));
        let all = [&eth0[..], &[interface(3, "wlan0", "2001:db8:1::1")]].concat();
        let passing = [("2001:db8::bad", Passing::Deprecated), ("2001:db8::b", Passing::Temporary)];
        let passing = passing.map(|(ip, why)| (ip.parse().unwrap(), why)).into();
        let facts = Facts { passing, ..Facts::default() };
        assert_eq!(order(&all, &facts), ["2001:db8::a", "2001:db8:1::1", "2001:db8::b", "2001:db8::bad"]);
    }
}
