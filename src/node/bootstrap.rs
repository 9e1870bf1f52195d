//! The nodes named by `--bootstrap`: names are looked up again and again, because the network that answers may come
//! later, and the address behind a name may move.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, timeout};

use super::connection::Event;
use super::endpoint::{DEFAULT_PORT, canonical};
use crate::identity::address::{ContactAddress, SCHEME};
use crate::proto::event::Input;

const INTERVAL: Duration = Duration::from_secs(60);
/// Resolvers may hang for minutes where there is no uplink.
const LOOKUP: Duration = Duration::from_secs(10);
/// Addresses taken of one name.
const MAX_ADDRS: usize = 8;

/// What `--bootstrap` takes: `host[:port]`, or an address with who must answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Host { host: String, port: u16 },
    ContactAddress(ContactAddress),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--bootstrap {0:?} is not understood: give HOST or HOST:PORT, an IPv6 address in [brackets] before a port, or what \\me shows"
)]
pub struct BadPlace(String);

impl Place {
    /// Reads `host`, `host:port`, `[ipv6]:port` or a bare IPv6 address.
    pub fn parse(text: &str) -> Result<Place, BadPlace> {
        let bad = || BadPlace(text.to_owned());
        if text.starts_with(SCHEME) {
            return text.parse().map(Place::ContactAddress).map_err(|_| bad());
        }
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Place::Host { host: ip.to_string(), port: DEFAULT_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?),
            None => (text, DEFAULT_PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = !host.contains(|c: char| c.is_whitespace() || c.is_control() || "[]/".contains(c));
        let whole = host.parse::<IpAddr>().is_ok() || !host.contains(':');
        (!host.is_empty() && plain && whole).then(|| Place::Host { host: host.to_owned(), port }).ok_or_else(bad)
    }
}

/// Tells the loop where they are, at once and every minute, until the loop is gone.
pub async fn resolve(places: Vec<Place>, events: mpsc::Sender<Event>) {
    if places.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unknown = BTreeSet::new();
    loop {
        ticks.tick().await;
        for place in &places {
            let (addrs, whom) = match place {
                Place::Host { host, port } => (look_up(host, *port, &mut unknown).await, None),
                Place::ContactAddress(address) => (address.places.clone(), Some(address.user)),
            };
            if !addrs.is_empty() && events.send(Event::Input(Input::Bootstrap { addrs, whom })).await.is_err() {
                return;
            }
        }
    }
}

/// Warns of a name that is not found, once until it is: it may be mistyped, and nobody else would say so.
async fn look_up(host: &str, port: u16, unknown: &mut BTreeSet<String>) -> Vec<SocketAddr> {
    let why = match timeout(LOOKUP, lookup_host((host, port))).await {
        Ok(Ok(addrs)) => {
            unknown.remove(host);
            return addrs.take(MAX_ADDRS).map(canonical).collect::<BTreeSet<_>>().into_iter().collect();
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    };
    if unknown.insert(host.to_owned()) {
        tracing::warn!(host, why, "a --bootstrap name is not found; it is looked up again every minute");
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_with_or_without_a_port() {
        let place = |host: &str, port| Ok(Place::Host { host: host.into(), port });
        assert_eq!(Place::parse("example.org"), place("example.org", DEFAULT_PORT));
        assert_eq!(Place::parse("example.org:5"), place("example.org", 5));
        assert_eq!(Place::parse("10.0.0.1:5"), place("10.0.0.1", 5));
        assert_eq!(Place::parse("[::1]:5"), place("::1", 5));
        assert_eq!(Place::parse("::1"), place("::1", DEFAULT_PORT));
        for bad in ["", ":5", "host:0", "host:65536", "host:", "a b", "a:b:5", "\u{1b}[2J", "darkchat:bob@10.0.0.1:5"] {
            assert!(Place::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn an_address_is_its_own_answer() {
        assert_eq!(look_up("127.0.0.1", 5, &mut BTreeSet::new()).await, ["127.0.0.1:5".parse().unwrap()]);
    }
}
