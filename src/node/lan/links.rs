//! The links of this host, and the two mDNS sockets that send to one link and receive from all.
//!
//! The link of a packet is derived from its source address, on every platform. An IPv6 link-local address has a scope. Any
//! other address must be within a prefix of an interface (RFC 6762 §11); otherwise the packet is not from a link of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use if_addrs::{IfAddr, Interface};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::memberships::{Group, Memberships, Outcome};

/// The IPv4 multicast group of mDNS (RFC 6762 §3).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The IPv6 multicast group of mDNS (RFC 6762 §3).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The TTL and hop limit that RFC 6762 §11 requires.
const TTL: u32 = 255;
/// Size of the receive buffer in bytes. Holds a fraction of a second of a storm. The kernel may grant less.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Maximum number of IPv4 subnets of one link to send to.
const MAX_SUBNETS: usize = 4;

/// Memberships of IPv4 groups that Linux allows a socket unless configured otherwise.
const MEMBERSHIPS: usize = 20;

/// The index of an interface.
pub type Index = u32;

/// One link: an interface that is up, and its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whether this is the loopback interface.
    pub loopback: bool,
    /// The addresses of the interface, with the length of their prefixes in bits.
    addrs: Vec<(IpAddr, u8)>,
}

impl Link {
    /// Whether an address is within a prefix of the interface.
    fn contains(&self, ip: IpAddr) -> bool {
        self.addrs.iter().any(|(addr, len)| share_prefix(*addr, ip, *len))
    }

    /// One IPv4 address of this host for each subnet, at most [`MAX_SUBNETS`].
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

/// All links, and the sockets. At least one socket is open.
pub struct Links {
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    port: u16,
    links: BTreeMap<Index, Link>,
    joined_v4: Memberships,
    joined_v6: Memberships,
    /// There are more interfaces than one socket can have memberships of.
    many: bool,
}

/// What has changed with the interfaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The links that are new or have changed addresses.
    pub changed: Vec<Index>,
    /// The names of interfaces on which a group could not be joined because there are too many.
    pub left_out: Vec<String>,
}

impl Links {
    /// Opens the sockets. They share the port with other responders. Succeeds if at least one of the two opens.
    pub fn open(port: u16) -> io::Result<Links> {
        let v4 = bind(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into());
        let v6 = bind(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into());
        let (v4, v6) = match (v4, v6) {
            (Err(error), Err(_)) => return Err(error),
            (v4, v6) => (v4.ok(), v6.ok()),
        };
        let (joined_v4, joined_v6) = (Memberships::new(Group::V4(GROUP_V4)), Memberships::new(Group::V6(GROUP_V6)));
        Ok(Links { v4, v6, port, links: BTreeMap::new(), joined_v4, joined_v6, many: false })
    }

    /// Updates the links and joins the groups on them, in the order of the interfaces.
    pub fn update(&mut self, interfaces: &[Interface]) -> Changes {
        let now = links(interfaces);
        let gone: Vec<Index> = self.links.keys().filter(|index| !now.contains_key(index)).copied().collect();
        gone.into_iter().for_each(|index| self.leave(index));
        let changed = now.iter().filter(|(index, link)| self.links.get(index) != Some(link));
        let changed = changed.map(|(index, _)| *index).collect();
        self.links = now;
        let indexes: BTreeSet<Option<Index>> = interfaces.iter().map(|interface| interface.index).collect();
        self.many = indexes.len() > MEMBERSHIPS;
        let mut left_out: Vec<String> = interfaces
            .iter()
            .filter(|interface| !self.join(interface))
            .map(|interface| interface.name.clone())
            .collect();
        left_out.dedup();
        Changes { changed, left_out }
    }

    /// Joins the groups on the link of an interface. Returns `false` if there are too many memberships.
    fn join(&mut self, interface: &Interface) -> bool {
        let Some((index, link)) = interface.index.and_then(|index| Some((index, self.links.get(&index)?))) else {
            return true;
        };
        let by_v4 = self.v4.as_ref().filter(|_| !link.subnets().is_empty());
        let by_v6 = self.v6.as_ref().filter(|_| link.has_ipv6());
        let v4 = by_v4.map(|socket| self.joined_v4.join(socket, index));
        let v6 = by_v6.map(|socket| self.joined_v6.join(socket, index));
        ![v4, v6].contains(&Some(Outcome::Full))
    }

    /// Leaves the groups on an interface.
    fn leave(&mut self, index: Index) {
        self.v4.iter().for_each(|socket| self.joined_v4.leave(socket, index));
        self.v6.iter().for_each(|socket| self.joined_v6.leave(socket, index));
    }

    /// Whether there are more interfaces than the responder can have memberships of: it joins by a single socket, in an order
    /// of its own, and does not answer where it has failed.
    pub fn exceed_responder(&self) -> bool {
        self.many
    }

    /// The link of an interface.
    pub fn get(&self, index: Index) -> Option<&Link> {
        self.links.get(&index)
    }

    /// All links, by interface.
    pub fn iter(&self) -> impl Iterator<Item = (Index, &Link)> {
        self.links.iter().map(|(index, link)| (*index, link))
    }

    /// The links that a packet with this source address may come from. More than one if links share a prefix.
    pub fn of_sender(&self, sender: &SocketAddr) -> Vec<Index> {
        let matches = |index: Index, link: &Link| match sender {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => v6.scope_id() == index,
            addr => link.contains(addr.ip()),
        };
        self.iter().filter(|(index, link)| matches(*index, link)).map(|(index, _)| index).collect()
    }

    /// Whether an address belongs to this host.
    pub fn is_own_address(&self, ip: IpAddr) -> bool {
        self.links.values().any(|link| link.addrs.iter().any(|(addr, _)| *addr == ip))
    }

    /// Multicasts a packet on a link by IPv4 and IPv6. A packet that the system does not accept is lost.
    pub fn send(&self, index: Index, bytes: &[u8]) {
        self.send_by_ipv4(index, bytes);
        self.send_by_ipv6(index, bytes);
    }

    /// Multicasts a packet on a link by one version of IP. If the link lacks the preferred version, the other one is used.
    pub fn send_by_one_version(&self, index: Index, by_ipv6: bool, bytes: &[u8]) {
        let available = if by_ipv6 { self.send_by_ipv6(index, bytes) } else { self.send_by_ipv4(index, bytes) };
        if !available {
            self.send(index, bytes);
        }
    }

    /// Returns `false` if the link has no IPv4.
    fn send_by_ipv4(&self, index: Index, bytes: &[u8]) -> bool {
        let subnets = self.links.get(&index).map(Link::subnets).unwrap_or_default();
        let Some(socket) = self.v4.as_ref().filter(|_| !subnets.is_empty()).map(SockRef::from) else { return false };
        let to = SocketAddr::from((GROUP_V4, self.port)).into();
        for ip in subnets {
            log_failure(socket.set_multicast_if_v4(&ip).and_then(|()| socket.send_to(bytes, &to)));
        }
        true
    }

    /// Returns `false` if the link has no IPv6.
    fn send_by_ipv6(&self, index: Index, bytes: &[u8]) -> bool {
        let available = self.links.get(&index).is_some_and(Link::has_ipv6);
        let Some(socket) = self.v6.as_ref().filter(|_| available).map(SockRef::from) else { return false };
        let to = SocketAddrV6::new(GROUP_V6, self.port, 0, index).into();
        log_failure(socket.send_to(bytes, &to));
        true
    }

    /// Sends a packet to one address.
    pub fn send_to(&self, to: SocketAddr, bytes: &[u8]) {
        if let Some(socket) = if to.is_ipv4() { &self.v4 } else { &self.v6 } {
            log_failure(SockRef::from(socket).send_to(bytes, &to.into()));
        }
    }

    /// Waits until a socket is readable.
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

    /// Reads at most `limit` packets from each socket, without waiting, and passes source address and content to `on_packet`.
    /// `packet` is the buffer; longer packets are truncated.
    pub fn read(&self, limit: usize, packet: &mut [u8], mut on_packet: impl FnMut(SocketAddr, &[u8])) {
        for socket in self.v4.iter().chain(&self.v6) {
            for _ in 0..limit {
                match socket.try_recv_from(packet) {
                    Ok((len, from)) => on_packet(from, &packet[..len]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::debug!(%error, "cannot receive mDNS packets");
                        break;
                    }
                }
            }
        }
    }
}

fn log_failure(sent: io::Result<usize>) {
    if let Err(error) = sent {
        tracing::trace!(%error, "cannot send an mDNS packet");
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

/// The links that are up. An interface without a carrier has the status `Unknown` on Unix, so only `Up` counts.
/// Point-to-point interfaces (tunnels, dial-up) are excluded. Loopback has IPv4 only, because IPv6 multicast does not work
/// on it.
fn links(interfaces: &[Interface]) -> BTreeMap<Index, Link> {
    let mut links = BTreeMap::<Index, Link>::new();
    for interface in interfaces {
        let Some(index) = interface.index.filter(|_| !interface.is_p2p && interface.is_oper_up()) else {
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

/// Whether two addresses of the same IP version agree in the first `len` bits.
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
    use if_addrs::IfOperStatus;

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
    async fn the_link_of_a_packet_is_derived_from_its_source_address() {
        let links = attached(&[
            interface(2, "10.0.0.1", 24),
            interface(2, "fe80::1", 64),
            interface(3, "10.0.1.1", 24),
            interface(3, "fe80::2", 64),
            interface(3, "2001:db8::1", 64),
        ])
        .await;
        let of = |sender: &str| links.of_sender(&sender.parse().unwrap());
        assert_eq!(of("10.0.0.7:5353"), [2]);
        assert_eq!(of("10.0.1.7:5353"), [3]);
        assert_eq!(of("[fe80::7%3]:5353"), [3]);
        assert_eq!(of("[2001:db8::7]:5353"), [3]);
        for foreign in ["10.0.2.7:5353", "192.0.2.1:5353", "[2001:db9::7]:5353", "[fe80::7%9]:5353"] {
            assert_eq!(of(foreign), [0; 0], "{foreign}");
        }
    }

    #[tokio::test]
    async fn a_link_with_changed_addresses_is_reported_and_an_interface_that_is_down_is_ignored() {
        let mut links = attached(&[interface(2, "10.0.0.1", 24)]).await;
        assert_eq!(links.update(&[interface(2, "10.0.0.1", 24)]).changed, [0; 0]);
        assert_eq!(links.update(&[interface(2, "10.0.7.1", 24), interface(3, "10.0.1.1", 24)]).changed, [2, 3]);
        for oper_status in [IfOperStatus::Down, IfOperStatus::Unknown] {
            links.update(&[Interface { oper_status, ..interface(2, "10.0.7.1", 24) }]);
            assert_eq!(links.iter().count(), 0);
            assert_eq!(links.update(&[interface(2, "10.0.7.1", 24)]).changed, [2], "it is new again");
        }
    }

    #[test]
    fn each_subnet_of_a_link_has_one_sending_address() {
        let all = [interface(2, "10.0.0.1", 24), interface(2, "10.0.0.2", 24), interface(2, "169.254.1.1", 16)];
        let subnets = links(&all)[&2].subnets();
        assert_eq!(subnets, [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(169, 254, 1, 1)]);
    }

    #[test]
    fn an_empty_prefix_contains_every_address_of_its_ip_version() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(share_prefix(ip("10.0.0.1"), ip("192.0.2.1"), 0));
        assert!(share_prefix(ip("fe80::1"), ip("fe80::2"), 64) && !share_prefix(ip("fe80::1"), ip("10.0.0.1"), 0));
        assert!(!share_prefix(ip("10.0.0.1"), ip("10.0.0.2"), 32));
    }
}
