//! The links this machine is attached to, and the two sockets of mDNS on all of them: to say something to one link, and to
//! know from which a packet came.
//!
//! The link of a packet follows from its sender alone, on every system: IPv6 link-local addresses bring their scope, and
//! all others must lie in a prefix of an interface, as RFC 6762 §11 asks. Whatever comes from elsewhere is not of the
//! link.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use if_addrs::{IfAddr, IfOperStatus, Interface};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// What RFC 6762 §11 wants.
const TTL: u32 = 255;
/// A fraction of a second of a storm; the kernel may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Subnets of one link that are spoken to.
const MAX_SUBNETS: usize = 4;

/// The index of an interface.
pub type Index = u32;

/// One link, as far as this machine is attached to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub loopback: bool,
    /// Addresses of ours and the length of their prefixes.
    addrs: Vec<(IpAddr, u8)>,
}

impl Link {
    fn holds(&self, ip: IpAddr) -> bool {
        self.addrs.iter().any(|(addr, len)| share_prefix(*addr, ip, *len))
    }

    /// One of our IPv4 addresses for each subnet.
    fn subnets(&self) -> Vec<Ipv4Addr> {
        let mut subnets: Vec<(Ipv4Addr, u8)> = Vec::new();
        for (addr, len) in &self.addrs {
            if let IpAddr::V4(ip) = *addr
                && !subnets.iter().any(|(other, _)| share_prefix((*other).into(), ip.into(), *len))
            {
                subnets.push((ip, *len));
            }
        }
        subnets.into_iter().map(|(ip, _)| ip).take(MAX_SUBNETS).collect()
    }

    fn has_ipv6(&self) -> bool {
        self.addrs.iter().any(|(addr, _)| addr.is_ipv6())
    }
}

/// All links, and the sockets.
pub struct Links {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    port: u16,
    links: BTreeMap<Index, Link>,
    /// Groups that are joined.
    joined: BTreeMap<Index, (bool, bool)>,
}

impl Links {
    /// Opens the sockets, beside other responders that may be running. One of them is enough.
    pub fn open(port: u16) -> io::Result<Links> {
        let v4 = bind(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into());
        let v6 = bind(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into());
        match (v4, v6) {
            (Err(error), Err(_)) => Err(error),
            (v4, v6) => Ok(Links { v4: v4.ok(), v6: v6.ok(), port, links: BTreeMap::new(), joined: BTreeMap::new() }),
        }
    }

    /// Follows the interfaces. Which links are new or have other addresses than before.
    pub fn update(&mut self, interfaces: &[Interface]) -> Vec<Index> {
        let now = links(interfaces);
        let gone: Vec<Index> = self.joined.keys().filter(|index| !now.contains_key(index)).copied().collect();
        gone.into_iter().for_each(|index| self.leave(index));
        let changed = now.iter().filter(|(index, link)| self.links.get(index) != Some(link));
        let changed = changed.map(|(index, _)| *index).collect();
        self.links = now;
        for (index, link) in &self.links {
            let joined = self.joined.entry(*index).or_default();
            let wanted = (!link.subnets().is_empty(), link.has_ipv6());
            if let Some(socket) = self.v4.as_ref().filter(|_| wanted.0 && !joined.0) {
                joined.0 = is_joined(
                    SockRef::from(socket).join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(*index)),
                );
            }
            if let Some(socket) = self.v6.as_ref().filter(|_| wanted.1 && !joined.1) {
                joined.1 = is_joined(socket.join_multicast_v6(&GROUP_V6, *index));
            }
        }
        changed
    }

    /// The system may have left already, with the interface.
    fn leave(&mut self, index: Index) {
        let Some((v4, v6)) = self.joined.remove(&index) else { return };
        if let Some(socket) = self.v4.as_ref().filter(|_| v4) {
            SockRef::from(socket).leave_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index)).ok();
        }
        if let Some(socket) = self.v6.as_ref().filter(|_| v6) {
            socket.leave_multicast_v6(&GROUP_V6, index).ok();
        }
    }

    pub fn get(&self, index: Index) -> Option<&Link> {
        self.links.get(&index)
    }

    pub fn all(&self) -> impl Iterator<Item = (Index, &Link)> {
        self.links.iter().map(|(index, link)| (*index, link))
    }

    /// The links that a packet can have come from; several only where links share a prefix of IPv4.
    pub fn of(&self, sender: &SocketAddr) -> Vec<Index> {
        let is_of = |index: Index, link: &Link| match sender {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => v6.scope_id() == index,
            addr => link.holds(addr.ip()),
        };
        self.all().filter(|(index, link)| is_of(*index, link)).map(|(index, _)| index).collect()
    }

    /// Whether an address is one of ours.
    pub fn is_mine(&self, ip: IpAddr) -> bool {
        self.links.values().any(|link| link.addrs.iter().any(|(addr, _)| *addr == ip))
    }

    /// Says something to everybody on a link. What the system does not take is lost, like on the wire.
    pub fn say(&self, index: Index, bytes: &[u8]) {
        self.say_by_ipv4(index, bytes);
        self.say_by_ipv6(index, bytes);
    }

    /// Says something to everybody on a link by one version of IP: by IPv6 if so wished, and by whichever there is.
    pub fn say_by_one(&self, index: Index, by_ipv6: bool, bytes: &[u8]) {
        let said = if by_ipv6 { self.say_by_ipv6(index, bytes) } else { self.say_by_ipv4(index, bytes) };
        if !said {
            self.say(index, bytes);
        }
    }

    /// False if there is no IPv4 on the link.
    fn say_by_ipv4(&self, index: Index, bytes: &[u8]) -> bool {
        let subnets = self.links.get(&index).map(Link::subnets).unwrap_or_default();
        let Some(socket) = self.v4.as_ref().filter(|_| !subnets.is_empty()).map(SockRef::from) else { return false };
        let to = SocketAddr::from((GROUP_V4, self.port)).into();
        for ip in subnets {
            note(socket.set_multicast_if_v4(&ip).and_then(|()| socket.send_to(bytes, &to)));
        }
        true
    }

    /// False if there is no IPv6 on the link.
    fn say_by_ipv6(&self, index: Index, bytes: &[u8]) -> bool {
        let there = self.links.get(&index).is_some_and(Link::has_ipv6);
        let Some(socket) = self.v6.as_ref().filter(|_| there).map(SockRef::from) else { return false };
        let to = SocketAddrV6::new(GROUP_V6, self.port, 0, index).into();
        note(socket.send_to(bytes, &to));
        true
    }

    /// Says something to one.
    pub fn say_to(&self, to: SocketAddr, bytes: &[u8]) {
        if let Some(socket) = if to.is_ipv4() { &self.v4 } else { &self.v6 } {
            note(SockRef::from(socket).send_to(bytes, &to.into()));
        }
    }

    /// Until there is something to read.
    pub async fn readable(&self) {
        let ready = async |socket: &Option<UdpSocket>| match socket {
            Some(socket) => socket.readable().await.ok(),
            None => std::future::pending().await,
        };
        tokio::select! {
            _ = ready(&self.v4) => {}
            _ = ready(&self.v6) => {}
        }
    }

    /// Reads packets, up to so many of each socket, and does not wait for any.
    pub fn read(&self, most: usize, packet: &mut [u8], mut take: impl FnMut(SocketAddr, &[u8])) {
        for socket in self.v4.iter().chain(&self.v6) {
            for _ in 0..most {
                match socket.try_recv_from(packet) {
                    Ok((len, from)) => take(from, &packet[..len]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::debug!(%error, "mDNS cannot be read");
                        break;
                    }
                }
            }
        }
    }
}

fn note(sent: io::Result<usize>) {
    if let Err(error) = sent {
        tracing::trace!(%error, "mDNS cannot be said");
    }
}

fn is_joined(joined: io::Result<()>) -> bool {
    match joined {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            tracing::debug!(%error, "a link does not take multicast");
            false
        }
        _ => true,
    }
}

fn bind(domain: Domain, addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER).ok();
    if addr.is_ipv4() {
        socket.set_multicast_ttl_v4(TTL)?;
        socket.set_ttl_v4(TTL)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_multicast_hops_v6(TTL)?;
        socket.set_unicast_hops_v6(TTL)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}

/// Links that are up. None of two ends alone, which are tunnels and dials; and loopback with IPv4 only, for it knows no
/// other multicast.
fn links(interfaces: &[Interface]) -> BTreeMap<Index, Link> {
    let mut links = BTreeMap::<Index, Link>::new();
    for interface in interfaces {
        let down = [IfOperStatus::Down, IfOperStatus::LowerLayerDown, IfOperStatus::NotPresent];
        let Some(index) = interface.index.filter(|_| !interface.is_p2p && !down.contains(&interface.oper_status))
        else {
            continue;
        };
        let (loopback, addr) = (interface.is_loopback(), &interface.addr);
        let addr = match addr {
            IfAddr::V4(addr) => (IpAddr::V4(addr.ip), u32::from(addr.netmask).count_ones() as u8),
            IfAddr::V6(_) if loopback => continue,
            IfAddr::V6(addr) => (IpAddr::V6(addr.ip), u128::from(addr.netmask).count_ones() as u8),
        };
        let link = links.entry(index).or_insert(Link { loopback, addrs: Vec::new() });
        link.addrs.push(addr);
    }
    links.values_mut().for_each(|link| link.addrs.sort_unstable());
    links
}

fn share_prefix(one: IpAddr, other: IpAddr, len: u8) -> bool {
    let same = |one: u128, other: u128, bits: u32| {
        let rest = bits.saturating_sub(len.into());
        (one ^ other).checked_shr(rest).unwrap_or(0) == 0
    };
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, ip: &str, len: u8) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => {
                let netmask = Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0));
                IfAddr::V4(if_addrs::Ifv4Addr { ip, netmask, prefixlen: len, broadcast: None })
            }
            IpAddr::V6(ip) => {
                let netmask = Ipv6Addr::from(u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0));
                IfAddr::V6(if_addrs::Ifv6Addr { ip, netmask, prefixlen: len, broadcast: None })
            }
        };
        let (name, oper_status) = (format!("eth{index}"), IfOperStatus::Up);
        Interface { name, addr, index: Some(index), oper_status, is_p2p: false }
    }

    async fn attached(interfaces: &[Interface]) -> Links {
        let mut links = Links::open(0).unwrap();
        links.update(interfaces);
        links
    }

    #[tokio::test]
    async fn the_link_of_a_packet_is_where_its_sender_belongs() {
        let links = attached(&[
            interface(2, "10.0.0.1", 24),
            interface(2, "fe80::1", 64),
            interface(3, "10.0.1.1", 24),
            interface(3, "fe80::2", 64),
            interface(3, "2001:db8::1", 64),
        ])
        .await;
        let of = |sender: &str| links.of(&sender.parse().unwrap());
        assert_eq!(of("10.0.0.7:5353"), [2]);
        assert_eq!(of("10.0.1.7:5353"), [3]);
        assert_eq!(of("[fe80::7%3]:5353"), [3]);
        assert_eq!(of("[2001:db8::7]:5353"), [3]);
        for stranger in ["10.0.2.7:5353", "192.0.2.1:5353", "[2001:db9::7]:5353", "[fe80::7%9]:5353"] {
            assert_eq!(of(stranger), [0; 0], "{stranger}");
        }
    }

    #[tokio::test]
    async fn a_link_whose_addresses_change_is_told_and_one_that_is_down_is_none() {
        let mut links = attached(&[interface(2, "10.0.0.1", 24)]).await;
        assert_eq!(links.update(&[interface(2, "10.0.0.1", 24)]), [0; 0]);
        assert_eq!(links.update(&[interface(2, "10.0.7.1", 24), interface(3, "10.0.1.1", 24)]), [2, 3]);
        let down = Interface { oper_status: IfOperStatus::Down, ..interface(2, "10.0.7.1", 24) };
        links.update(&[down]);
        assert_eq!(links.all().count(), 0);
        assert_eq!(links.update(&[interface(2, "10.0.7.1", 24)]), [2], "it comes back");
    }

    #[test]
    fn each_subnet_of_a_link_is_spoken_to_once() {
        let all = [interface(2, "10.0.0.1", 24), interface(2, "10.0.0.2", 24), interface(2, "169.254.1.1", 16)];
        let subnets = links(&all)[&2].subnets();
        assert_eq!(subnets, [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(169, 254, 1, 1)]);
    }

    #[test]
    fn a_prefix_of_nothing_holds_everything_of_its_kind() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(share_prefix(ip("10.0.0.1"), ip("192.0.2.1"), 0));
        assert!(share_prefix(ip("fe80::1"), ip("fe80::2"), 64) && !share_prefix(ip("fe80::1"), ip("10.0.0.1"), 0));
        assert!(!share_prefix(ip("10.0.0.1"), ip("10.0.0.2"), 32));
    }
}
