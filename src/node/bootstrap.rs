//! The nodes named by `--bootstrap`. Host names are resolved again every minute, because the network may come up
//! later and the address of a name may change.

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

/// Interval between resolutions.
const INTERVAL: Duration = Duration::from_secs(60);
/// Time limit of one look-up: resolvers may hang for minutes where there is no uplink.
const LOOKUP: Duration = Duration::from_secs(10);
/// Addresses used per name.
const MAX_ADDRS: usize = 8;

/// A `--bootstrap` argument: `host[:port]`, or an address that also names the user who must answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bootstrap {
    Host { host: String, port: u16 },
    Contact(ContactAddress),
}

/// A `--bootstrap` argument that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--bootstrap {0:?} is not understood: give HOST or HOST:PORT, an IPv6 address in [brackets] before a port, or what \\me shows"
)]
pub struct BadBootstrap(String);

impl Bootstrap {
    /// Parses `host`, `host:port`, `[ipv6]:port`, a bare IPv6 address, or a `darkchat:` address.
    pub fn parse(text: &str) -> Result<Bootstrap, BadBootstrap> {
        let bad = || BadBootstrap(text.to_owned());
        if text.starts_with(SCHEME) {
            return text.parse().map(Bootstrap::Contact).map_err(|_| bad());
        }
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Bootstrap::Host { host: ip.to_string(), port: DEFAULT_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?),
            None => (text, DEFAULT_PORT),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = !host.contains(|c: char| c.is_whitespace() || c.is_control() || "[]/".contains(c));
        let whole = host.parse::<IpAddr>().is_ok() || !host.contains(':');
        (!host.is_empty() && plain && whole).then(|| Bootstrap::Host { host: host.to_owned(), port }).ok_or_else(bad)
    }
}

/// Reports the addresses to the loop, at once and every [`INTERVAL`], until the loop is gone.
pub async fn resolve(bootstrap: Vec<Bootstrap>, events: mpsc::Sender<Event>) {
    if bootstrap.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unknown = BTreeSet::new();
    loop {
        ticks.tick().await;
        for target in &bootstrap {
            let (addrs, whom) = match target {
                Bootstrap::Host { host, port } => (look_up(host, *port, &mut unknown).await, None),
                Bootstrap::Contact(address) => (address.addrs.clone(), Some(address.user)),
            };
            if !addrs.is_empty() && events.send(Event::Input(Input::Bootstrap { addrs, whom })).await.is_err() {
                return;
            }
        }
    }
}

/// Resolves a host name. A failure is logged once until the next success: the name may be mistyped, and nothing else
/// would report it.
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
        tracing::warn!(host, why, "a --bootstrap name cannot be resolved; retrying every minute");
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_argument_is_a_host_with_an_optional_port() {
        let target = |host: &str, port| Ok(Bootstrap::Host { host: host.into(), port });
        assert_eq!(Bootstrap::parse("example.org"), target("example.org", DEFAULT_PORT));
        assert_eq!(Bootstrap::parse("example.org:5"), target("example.org", 5));
        assert_eq!(Bootstrap::parse("10.0.0.1:5"), target("10.0.0.1", 5));
        assert_eq!(Bootstrap::parse("[::1]:5"), target("::1", 5));
        assert_eq!(Bootstrap::parse("::1"), target("::1", DEFAULT_PORT));
        for bad in ["", ":5", "host:0", "host:65536", "host:", "a b", "a:b:5", "\u{1b}[2J", "darkchat:bob@10.0.0.1:5"] {
            assert!(Bootstrap::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn an_ip_address_resolves_to_itself() {
        assert_eq!(look_up("127.0.0.1", 5, &mut BTreeSet::new()).await, ["127.0.0.1:5".parse().unwrap()]);
    }
}
