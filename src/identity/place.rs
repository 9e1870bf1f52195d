//! Places to dial, as people type them after `\ping` and `--bootstrap`: a host name or an IP address, perhaps with the
//! interface that leads to it, perhaps with a port. [`Target`] is a place or a contact address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::address::{BadAddress, ContactAddress, SCHEME};

/// The UDP port of a node unless it was started with another one. It is assumed wherever a port is left out.
pub const DEFAULT_PORT: u16 = 27272;
/// Longest host name, in bytes (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// Longest name of an interface, in bytes. Linux allows 15; the names of other systems are longer.
const MAX_INTERFACE: usize = 64;

/// Where a node may be dialled: `HOST`, `HOST:PORT`, `IP`, `[IP]:PORT`, `fe80::1%INTERFACE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host.
    pub host: Host,
    /// The UDP port, not 0. `None` is [`DEFAULT_PORT`].
    pub port: Option<u16>,
}

/// The host of a [`Place`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A host name of letters, digits, hyphens, underscores and dots.
    Name(String),
    /// An IP address that needs no interface. IPv4-mapped addresses are IPv4.
    Ip(IpAddr),
    /// An IPv6 link-local address, and the name or index of the interface that leads to it, if given.
    LinkLocal(Ipv6Addr, Option<String>),
}

/// What may be dialled by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Whoever answers there.
    Place(Place),
    /// The user whom the address names.
    Contact(ContactAddress),
}

/// The text is not a [`Place`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not an address; write HOST, HOST:PORT, [2001:db8::1]:PORT or fe80::1%INTERFACE")]
pub struct BadPlace;

/// The text is not a [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum BadTarget {
    /// It begins like a contact address.
    Contact(#[from] BadAddress),
    /// It does not.
    Place(#[from] BadPlace),
}

impl Place {
    /// The UDP port to dial.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// As people type it: the port is left out if it is the default one.
    pub fn short(&self) -> String {
        match &self.host {
            _ if self.port() != DEFAULT_PORT => self.to_string(),
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
            Host::LinkLocal(ip, None) => ip.to_string(),
            Host::LinkLocal(ip, Some(interface)) => format!("{ip}%{interface}"),
        }
    }
}

impl From<SocketAddr> for Place {
    fn from(addr: SocketAddr) -> Place {
        let host = match addr.ip() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Host::LinkLocal(ip, None),
            ip => Host::Ip(ip.to_canonical()),
        };
        Place { host, port: Some(addr.port()) }
    }
}

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Place, BadPlace> {
        let (host, port) = split(text).ok_or(BadPlace)?;
        let host = host_of(host).ok_or(BadPlace)?;
        let is_ipv6 = matches!(host, Host::LinkLocal(..) | Host::Ip(IpAddr::V6(_)));
        if text.starts_with('[') && !is_ipv6 {
            return Err(BadPlace);
        }
        let port = port.map(|port| parse_port(port).ok_or(BadPlace)).transpose()?;
        Ok(Place { host, port })
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Target, BadTarget> {
        if text.starts_with(SCHEME) { Ok(Target::Contact(text.parse()?)) } else { Ok(Target::Place(text.parse()?)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}")?,
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            Host::Ip(IpAddr::V6(ip)) | Host::LinkLocal(ip, None) => write!(f, "[{ip}]")?,
            Host::LinkLocal(ip, Some(interface)) => write!(f, "[{ip}%{interface}]")?,
        }
        write!(f, ":{}", self.port())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Place(place) => place.fmt(f),
            Target::Contact(address) => address.fmt(f),
        }
    }
}

/// A port from 1 to 65535.
pub fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// Host and port. A colon separates them, except in an IPv6 address without brackets.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, behind) = bracketed.split_once(']')?;
        return if behind.is_empty() { Some((host, None)) } else { Some((host, Some(behind.strip_prefix(':')?))) };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
        _ => Some((text, None)),
    }
}

fn host_of(text: &str) -> Option<Host> {
    if let Some((ip, interface)) = text.split_once('%') {
        let ip: Ipv6Addr = ip.parse().ok()?;
        let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"[]%".contains(c);
        let named = !interface.is_empty() && interface.len() <= MAX_INTERFACE && interface.chars().all(fits);
        return (ip.is_unicast_link_local() && named).then(|| Host::LinkLocal(ip, Some(interface.to_owned())));
    }
    match text.parse().map(|ip: IpAddr| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) if ip.is_unicast_link_local() => Some(Host::LinkLocal(ip, None)),
        Ok(ip) => Some(Host::Ip(ip)),
        Err(_) => is_name(text).then(|| Host::Name(text.to_owned())),
    }
}

/// Whether a text can be a host name. One whose last label is a number would be a mistyped IPv4 address, which resolvers
/// read in surprising ways.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let is_number = last.chars().all(|c| c.is_ascii_digit());
    text.len() <= MAX_NAME && !text.starts_with('-') && text.chars().all(fits) && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, BadPlace> {
        text.parse().map(|place: Place| place.to_string())
    }

    #[test]
    fn a_place_is_a_host_with_an_optional_port() {
        for (text, place) in [
            ("example.org", "example.org:27272"),
            ("pi", "pi:27272"),
            ("example.org:5", "example.org:5"),
            ("192.0.2.1", "192.0.2.1:27272"),
            ("192.0.2.1:9", "192.0.2.1:9"),
            ("2001:db8::1", "[2001:db8::1]:27272"),
            ("::1", "[::1]:27272"),
            ("[::1]", "[::1]:27272"),
            ("[::1]:7", "[::1]:7"),
            ("::ffff:192.0.2.1", "192.0.2.1:27272"),
        ] {
            assert_eq!(shown(text), Ok(place.to_owned()), "{text}");
            assert_eq!(shown(place), Ok(place.to_owned()), "{place}");
        }
    }

    #[test]
    fn the_default_port_is_left_out_of_what_people_type() {
        for (text, short) in [
            ("pi:27272", "pi"),
            ("[::1]:27272", "::1"),
            ("[::1]:7", "[::1]:7"),
            ("[fe80::1%eth0]:27272", "fe80::1%eth0"),
            ("fe80::1", "fe80::1"),
        ] {
            assert_eq!(text.parse().map(|place: Place| place.short()), Ok(short.to_owned()));
        }
    }

    #[test]
    fn a_link_local_address_may_name_its_interface() {
        for (text, place) in [
            ("fe80::1", "[fe80::1]:27272"),
            ("fe80::1%eth0", "[fe80::1%eth0]:27272"),
            ("fe80::1%2", "[fe80::1%2]:27272"),
            ("[fe80::1%br-lan]", "[fe80::1%br-lan]:27272"),
            ("[fe80::1%eth0]:9", "[fe80::1%eth0]:9"),
        ] {
            assert_eq!(shown(text), Ok(place.to_owned()), "{text}");
        }
        for text in ["fe80::1%", "2001:db8::1%eth0", "192.0.2.1%eth0", "host%eth0", "fe80::1%a%b", "[fe80::1%a b]"] {
            assert_eq!(shown(text), Err(BadPlace), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_places() {
        for text in [
            "",
            ":5",
            "host:",
            "host:0",
            "host:65536",
            "a b",
            "a:b:5",
            "[::1",
            "[::1]7",
            "[::1]:0",
            "[host]:5",
            "-x",
            "10.0.0.300",
            "10.0.0",
            "7",
            "\u{1b}[2J",
            "a/b",
        ] {
            assert_eq!(shown(text), Err(BadPlace), "{text:?}");
        }
        assert_eq!(shown(&"x".repeat(254)), Err(BadPlace));
    }

    #[test]
    fn a_target_is_a_place_or_a_contact_address() {
        assert!(matches!("pi:5".parse(), Ok(Target::Place(_))));
        let address = format!("darkchat:{}@192.0.2.1:9", crate::id::UserId([7; 32]));
        assert_eq!(address.parse::<Target>().map(|target| target.to_string()), Ok(address));
        assert_eq!("darkchat:bob".parse::<Target>(), Err(BadTarget::Contact(BadAddress)));
    }
}
