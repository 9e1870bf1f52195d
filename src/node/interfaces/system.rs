//! Asks the system what interfaces and addresses are used for. Bridges and passing addresses are in files that only Linux has;
//! elsewhere the order of addresses follows from the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use if_addrs::Interface;

use super::order::{Facts, Passing};

/// Addresses for documentation (RFC 5737, RFC 3849), to which the default routes lead.
const FAR_V4: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
const FAR_V6: (Ipv6Addr, u16) = (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9);

/// What the system says about these interfaces.
pub fn facts(interfaces: &[Interface]) -> Facts {
    let sources = [source(FAR_V4.into()), source(FAR_V6.into())].into_iter().flatten().collect();
    Facts { sources, bridges: bridges(interfaces), passing: passing() }
}

/// The address from which a packet to this one would be sent. Sends none.
fn source(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}

/// The names of those interfaces that are bridges.
fn bridges(interfaces: &[Interface]) -> BTreeSet<String> {
    let is_bridge = |name: &&str| Path::new("/sys/class/net").join(name).join("bridge").exists();
    let names: BTreeSet<&str> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
    names.into_iter().filter(is_bridge).map(str::to_owned).collect()
}

/// The IPv6 addresses that will be given up.
fn passing() -> BTreeMap<Ipv6Addr, Passing> {
    parse_passing(&fs::read_to_string("/proc/self/net/if_inet6").unwrap_or_default())
}

/// Parses `/proc/self/net/if_inet6`: address, index, prefix, scope, flags (in hexadecimal), name.
fn parse_passing(table: &str) -> BTreeMap<Ipv6Addr, Passing> {
    /// `IFA_F_TEMPORARY` and `IFA_F_DEPRECATED` of `linux/if_addr.h`.
    const TEMPORARY: u32 = 0x01;
    const DEPRECATED: u32 = 0x20;
    let entry = |line: &str| {
        let mut columns = line.split_whitespace();
        let ip = Ipv6Addr::from(u128::from_str_radix(columns.next()?, 16).ok()?);
        let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
        let why = if flags & DEPRECATED != 0 { Passing::Deprecated } else { Passing::Temporary };
        (flags & (TEMPORARY | DEPRECATED) != 0).then_some((ip, why))
    };
    table.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_the_source_of_a_packet_names_an_own_address() {
        assert_eq!(source((Ipv4Addr::LOCALHOST, 9).into()), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn temporary_and_deprecated_addresses_are_recognized_by_their_flags() {
        let table = "fe800000000000000000000000000001 02 40 20 80     eth0\n\
                     20010db800000000000000000000000a 02 40 00 00     eth0\n\
                     20010db800000000000000000000000b 02 40 00 01     eth0\n\
                     20010db800000000000000000000000c 02 40 00 21     eth0\n\
                     garbage\n";
        let expected = [("2001:db8::b", Passing::Temporary), ("2001:db8::c", Passing::Deprecated)];
        assert_eq!(parse_passing(table), expected.map(|(ip, why)| (ip.parse().unwrap(), why)).into());
    }
}
