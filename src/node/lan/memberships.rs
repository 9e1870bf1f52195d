//! Memberships of a multicast group on many interfaces.
//!
//! Linux allows a socket twenty memberships of IPv4 groups (`net.ipv4.igmp_max_memberships`), and memory for a limited number
//! of IPv6 groups. Further memberships are held by sockets that do nothing else: Linux delivers the packets of a group to
//! every socket that is bound to the port, whichever socket has joined (`IP_MULTICAST_ALL`).

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::Index;

/// Sockets that only hold memberships, at most. With twenty each, that is 320 interfaces. On other systems one socket can
/// join hundreds of groups, and receives only what it has joined itself.
const MAX_HOLDERS: usize = if cfg!(target_os = "linux") { 15 } else { 0 };

/// A multicast group.
#[derive(Debug, Clone, Copy)]
pub enum Group {
    /// An IPv4 group.
    V4(Ipv4Addr),
    /// An IPv6 group.
    V6(Ipv6Addr),
}

/// The interfaces on which a group is joined.
#[derive(Debug)]
pub struct Memberships {
    group: Group,
    holders: Vec<Socket>,
    /// Which socket has joined on an interface: 0 is the one that receives, `n` the holder `n - 1`.
    joined: BTreeMap<Index, usize>,
}

/// Whether the group is joined after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Joined,
    /// The interface does not support it.
    Unsupported,
    /// No socket has room for another membership.
    Full,
}

impl Memberships {
    /// None yet.
    pub fn new(group: Group) -> Memberships {
        Memberships { group, holders: Vec::new(), joined: BTreeMap::new() }
    }

    /// Joins the group on an interface unless it is joined. `receiver` is the socket that reads the packets.
    pub fn join(&mut self, receiver: &UdpSocket, index: Index) -> Outcome {
        if self.joined.contains_key(&index) {
            return Outcome::Joined;
        }
        let mut outcome = Outcome::Full;
        for at in 0..=MAX_HOLDERS {
            if at > self.holders.len() {
                match holder(self.group) {
                    Ok(socket) => self.holders.push(socket),
                    Err(_) => break,
                }
            }
            outcome = match self.join_by(receiver, at, index) {
                Ok(()) => {
                    self.joined.insert(index, at);
                    return Outcome::Joined;
                }
                Err(error) if is_full(&error) => Outcome::Full,
                Err(error) => {
                    tracing::debug!(%error, index, "cannot join the mDNS group on an interface");
                    return Outcome::Unsupported;
                }
            };
        }
        outcome
    }

    /// Leaves the group on an interface. Fails silently if the interface is gone, because the system has left it then.
    pub fn leave(&mut self, receiver: &UdpSocket, index: Index) {
        let Some(at) = self.joined.remove(&index) else { return };
        let socket = self.socket(receiver, at);
        match self.group {
            Group::V4(group) => socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)).ok(),
            Group::V6(group) => socket.leave_multicast_v6(&group, index).ok(),
        };
    }

    fn socket<'a>(&'a self, receiver: &'a UdpSocket, at: usize) -> SockRef<'a> {
        match at.checked_sub(1).and_then(|at| self.holders.get(at)) {
            Some(holder) => SockRef::from(holder),
            None => SockRef::from(receiver),
        }
    }

    /// `AddrInUse` means that the socket has joined already.
    fn join_by(&self, receiver: &UdpSocket, at: usize, index: Index) -> io::Result<()> {
        let socket = self.socket(receiver, at);
        let joined = match self.group {
            Group::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
            Group::V6(group) => socket.join_multicast_v6(&group, index),
        };
        joined.or_else(|error| if error.kind() == io::ErrorKind::AddrInUse { Ok(()) } else { Err(error) })
    }
}

/// A socket that holds memberships. It has no port, so it receives nothing.
fn holder(group: Group) -> io::Result<Socket> {
    let domain = if matches!(group, Group::V4(_)) { Domain::IPV4 } else { Domain::IPV6 };
    Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))
}

/// Whether the socket has no room for another membership: `ENOBUFS` for IPv4, `ENOMEM` for IPv6.
fn is_full(error: &io::Error) -> bool {
    #[cfg(unix)]
    let no_buffers = error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32);
    #[cfg(not(unix))]
    let no_buffers = false;
    no_buffers || error.kind() == io::ErrorKind::OutOfMemory
}
