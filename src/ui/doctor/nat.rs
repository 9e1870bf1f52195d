//! Whether address translation stands between this node or another one and the rest: judged by the addresses at which others
//! see it. A NAT that gives every destination another port is called symmetric; two nodes behind such NATs cannot meet.

use std::net::SocketAddr;

use super::names::{Names, listed};
use super::{Check, State, check};
use crate::proto::notice::examination::{ExaminedUser, OwnNode, SeenBy};

/// What the NAT in front of a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// There is none: others see an address of its own.
    None,
    /// All see the same address and port.
    Kept,
    /// Others see different ports.
    Symmetric,
    /// Too few see it.
    Unknown,
}

/// The NAT in front of this node.
pub fn of_node(own: &OwnNode) -> Nat {
    let outside = seen_from_outside(own);
    let is_own = |addr: &SocketAddr| own.addrs.iter().any(|known| known.ip() == addr.ip());
    let translated: Vec<SocketAddr> = outside.iter().map(|(_, addr)| *addr).filter(|addr| !is_own(addr)).collect();
    match translated.len() {
        0 if outside.is_empty() => Nat::Unknown,
        0 => Nat::None,
        _ => compare(&translated),
    }
}

/// The NAT in front of a session of a user, as far as neighbours of both see it.
pub fn of_user(user: &ExaminedUser) -> Nat {
    let nats: Vec<Nat> = user.sessions.iter().map(|session| compare(&session.seen)).collect();
    let symmetric = nats.iter().find(|nat| **nat == Nat::Symmetric);
    symmetric.or(nats.first()).copied().unwrap_or(Nat::Unknown)
}

/// The check of this node.
pub fn examined(own: &OwnNode, names: &Names) -> Check {
    let outside = seen_from_outside(own);
    let seen = listed(outside.iter().map(|(by, addr)| format!("{} sees {}", names.user(&by.name), names.addr(*addr))));
    match of_node(own) {
        Nat::None => check("nat", State::Ok, format!("{seen}: an address of this machine")),
        Nat::Kept => check("nat", State::Ok, format!("{seen}: one port for all")),
        Nat::Symmetric => check("nat", State::Note, format!("{seen}: symmetric, another port for each")),
        Nat::Unknown if seen.is_empty() => {
            check("nat", State::Unknown, "nobody outside this network is connected, who could say")
        }
        Nat::Unknown => check("nat", State::Unknown, format!("{seen}; it takes two outside to compare")),
    }
}

/// The addresses at which neighbours outside this machine's networks see this node, each address of theirs once.
fn seen_from_outside(own: &OwnNode) -> Vec<(&SeenBy, SocketAddr)> {
    let mut outside: Vec<(&SeenBy, SocketAddr)> = Vec::new();
    for by in own.neighbours.iter().filter(|by| !by.is_near) {
        let is_new = !outside.iter().any(|(known, _)| known.addr == by.addr);
        outside.extend(by.observed.filter(|_| is_new).map(|addr| (by, addr)));
    }
    outside
}

/// Compares the ports of addresses with the same IP address. With addresses of several networks or providers, those of each
/// count.
fn compare(seen: &[SocketAddr]) -> Nat {
    let pairs = || seen.iter().enumerate().flat_map(|(at, one)| seen[at + 1..].iter().map(move |other| (one, other)));
    let comparable = || pairs().filter(|(one, other)| one.ip() == other.ip());
    match comparable().count() {
        0 => Nat::Unknown,
        _ if comparable().all(|(one, other)| one.port() == other.port()) => Nat::Kept,
        _ => Nat::Symmetric,
    }
}
