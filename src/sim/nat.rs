//! NATs that keep ports: a packet passes to a node behind one only from an address to which that node has sent
//! something lately. Dials count as sent, and so do open connections, on which keep-alives are sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::time::Moment;

/// How long a NAT remembers a packet: the default of Linux for UDP without an answer.
const REMEMBERED: Duration = Duration::from_secs(30);

/// The NAT of one node: when it last sent to an address.
#[derive(Debug, Default)]
pub struct Nat {
    sent: BTreeMap<SocketAddr, Moment>,
}

impl Nat {
    /// Records that the node sends to an address, repeatedly until `until`.
    pub fn send(&mut self, to: SocketAddr, until: Moment) {
        self.sent.insert(to, until);
    }

    /// Whether a packet from an address passes.
    pub fn passes(&self, from: &SocketAddr, now: Moment) -> bool {
        self.sent.get(from).is_some_and(|until| now < *until + REMEMBERED)
    }
}
