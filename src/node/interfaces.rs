//! The addresses of this machine's interfaces, polled, and reported when they change.

mod order;
mod system;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use if_addrs::Interface;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::connection::Event;
use crate::proto::event::Input;

/// Polling interval. One poll costs 70 µs; a changed address is noticed after half the interval on average.
const INTERVAL: Duration = Duration::from_millis(500);

/// All interfaces, one entry per address, the most useful first (see [`order`]). Empty if the system refuses, which is
/// logged.
pub fn list() -> Vec<Interface> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    let facts = system::facts(&interfaces);
    order::by_use(interfaces, &facts)
}

/// All addresses of these interfaces, with the port, the most useful first: globally usable ones in the given order, but
/// with both versions of IP in the first two places; then link-local ones with their scope; then loopback.
pub fn all(interfaces: &[Interface], port: u16, with_ipv6: bool) -> Vec<SocketAddr> {
    let found = interfaces.iter().map(|interface| (interface.ip(), interface.index.unwrap_or(0)));
    in_order(found, port, with_ipv6)
}

/// The addresses to declare to others: no link-local address, and loopback only if there is nothing else.
pub fn dialable(all: &[SocketAddr]) -> Vec<SocketAddr> {
    let real: Vec<SocketAddr> = all.iter().filter(|addr| rank(&addr.ip()) < Rank::Link).copied().collect();
    if real.is_empty() { all.iter().filter(|addr| addr.ip().is_loopback()).copied().collect() } else { real }
}

/// Publishes every change of the interfaces to `seen`, and sends the loop the [`dialable`] addresses now and whenever
/// they change, until the loop is gone.
pub async fn watch(port: u16, with_ipv6: bool, seen: watch::Sender<Vec<Interface>>, events: mpsc::Sender<Event>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = None;
    loop {
        ticks.tick().await;
        let interfaces = list();
        let addrs = dialable(&all(&interfaces, port, with_ipv6));
        seen.send_if_modified(|before| {
            let changed = *before != interfaces;
            *before = interfaces;
            changed
        });
        if reported.as_ref() == Some(&addrs) {
            continue;
        }
        reported = Some(addrs.clone());
        if events.send(Event::Input(Input::Interfaces { addrs })).await.is_err() {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Routable,
    Link,
    Loopback,
    Useless,
}

fn rank(ip: &IpAddr) -> Rank {
    match ip {
        ip if ip.is_loopback() => Rank::Loopback,
        ip if ip.is_unspecified() || ip.is_multicast() => Rank::Useless,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Rank::Link,
        _ => Rank::Routable,
    }
}

fn in_order(found: impl Iterator<Item = (IpAddr, u32)>, port: u16, with_ipv6: bool) -> Vec<SocketAddr> {
    let mut ranked: Vec<(Rank, SocketAddr)> = found
        .filter(|(ip, _)| with_ipv6 || ip.is_ipv4())
        .map(|(ip, index)| (rank(&ip), with_scope(ip, port, index)))
        .filter(|(rank, _)| *rank != Rank::Useless)
        .collect();
    let mut seen = BTreeSet::new();
    ranked.retain(|(_, addr)| seen.insert(*addr));
    ranked.sort_by_key(|(rank, _)| *rank);
    // Whoever has one version of IP only must find an address of it among the few that are declared.
    let other_version = |(rank, addr): &(Rank, SocketAddr)| {
        *rank == Rank::Routable && addr.is_ipv4() != ranked.first().is_some_and(|(_, first)| first.is_ipv4())
    };
    if let Some(at) = ranked.iter().position(other_version) {
        ranked[1..=at].rotate_right(1);
    }
    ranked.into_iter().map(|(_, addr)| addr).collect()
}

/// A dialable address: link-local ones carry the index of their interface as scope.
pub fn with_scope(ip: IpAddr, port: u16, index: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(ip) if Ipv6Addr::is_unicast_link_local(&ip) => SocketAddrV6::new(ip, port, 0, index).into(),
        ip => SocketAddr::new(ip, port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ips: &[&str]) -> Vec<String> {
        let found = ips.iter().map(|ip| (ip.parse().unwrap(), 3));
        in_order(found, 5, true).iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn routable_addresses_come_first_and_wildcards_are_left_out() {
        assert_eq!(
            order(&["::1", "fe80::1", "127.0.0.1", "10.0.0.1", "2001:db8::1", "0.0.0.0", "169.254.7.7"]),
            ["10.0.0.1:5", "[2001:db8::1]:5", "169.254.7.7:5", "[fe80::1%3]:5", "[::1]:5", "127.0.0.1:5"]
        );
    }

    #[test]
    fn both_versions_of_ip_are_in_the_first_two_places_and_the_rest_keeps_its_order() {
        assert_eq!(
            order(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"])[..3],
            ["10.0.0.1:5", "[2001:db8::1]:5", "10.0.0.2:5"]
        );
        assert_eq!(
            order(&["2001:db8::1", "2001:db8::2", "10.0.0.1"]),
            ["[2001:db8::1]:5", "10.0.0.1:5", "[2001:db8::2]:5"]
        );
        assert_eq!(order(&["10.0.0.1", "fe80::1", "10.0.0.1"]), ["10.0.0.1:5", "[fe80::1%3]:5"]);
    }

    #[test]
    fn neither_link_local_nor_loopback_is_declared_unless_loopback_is_all_there_is() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (real, link, own) = (parse("10.0.0.1:5"), parse("[fe80::1%3]:5"), parse("127.0.0.1:5"));
        assert_eq!(dialable(&[real, link, own]), [real]);
        assert_eq!(dialable(&[link, own]), [own]);
    }
}
