//! How people, addresses and times are written. Where the result is to be shown to strangers, everybody and every address gets a
//! number instead, the same each time, so that it still tells which is which.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chrono::DateTime;

use crate::time::Wall;

/// What a check lists of many.
const MAX_LISTED: usize = 4;

/// Writes names and addresses.
#[derive(Debug, Default)]
pub struct Names {
    redact: bool,
    /// What was replaced so far, by kind.
    replaced: RefCell<Vec<(&'static str, String)>>,
}

impl Names {
    /// With `redact`, numbers stand for names, addresses and ids.
    pub fn new(redact: bool) -> Names {
        Names { redact, replaced: RefCell::default() }
    }

    /// Whether numbers stand for names.
    pub fn are_left_out(&self) -> bool {
        self.redact
    }

    /// A user.
    pub fn user(&self, name: &str) -> String {
        self.or_number("user", name)
    }

    /// A session, by its label.
    pub fn session(&self, label: &str) -> String {
        self.or_number("session", label)
    }

    /// A place given by `--bootstrap`.
    pub fn place(&self, place: &str) -> String {
        self.or_number("place", place)
    }

    /// A network interface.
    pub fn interface(&self, name: &str) -> String {
        self.or_number("interface", name)
    }

    /// An IP address. Its kind stays.
    pub fn ip(&self, ip: IpAddr) -> String {
        self.or_number(kind(ip), &ip.to_string())
    }

    /// An address with its port, which alone says nothing about anybody.
    pub fn addr(&self, addr: SocketAddr) -> String {
        if self.redact { format!("{} port {}", self.ip(addr.ip()), addr.port()) } else { addr.to_string() }
    }

    fn or_number(&self, kind: &'static str, value: &str) -> String {
        if self.redact { self.number(kind, value) } else { value.to_owned() }
    }

    /// The number that stands for a value.
    fn number(&self, kind: &'static str, value: &str) -> String {
        let mut replaced = self.replaced.borrow_mut();
        if !replaced.iter().any(|(of, known)| *of == kind && known == value) {
            replaced.push((kind, value.to_owned()));
        }
        let of_kind = || replaced.iter().filter(|(of, _)| *of == kind);
        let number = of_kind().position(|(_, known)| known == value).map_or(0, |at| at + 1);
        format!("{kind} {number}")
    }
}

/// What kind of address it is.
fn kind(ip: IpAddr) -> &'static str {
    match ip {
        ip if ip.is_loopback() => "loopback address",
        IpAddr::V4(ip) if ip.is_link_local() => "link-local IPv4 address",
        IpAddr::V4(ip) if ip.is_private() => "private IPv4 address",
        IpAddr::V4(_) => "IPv4 address",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "link-local IPv6 address",
        IpAddr::V6(ip) if ip.is_unique_local() => "private IPv6 address",
        IpAddr::V6(_) => "IPv6 address",
    }
}

/// A span of time in its largest unit.
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A time of the local clock, in UTC.
pub fn clock_time(wall: Wall) -> String {
    let utc = DateTime::from_timestamp_millis(wall.0);
    utc.map_or_else(|| "no date of a calendar".to_owned(), |utc| utc.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A number of bytes in its largest unit.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// The first of many, and how many more there are: a server has thousands of neighbours.
pub fn listed(all: impl IntoIterator<Item = String>) -> String {
    let mut all = all.into_iter();
    let mut text = all.by_ref().take(MAX_LISTED).collect::<Vec<_>>().join(", ");
    match all.count() {
        0 => {}
        more => text.push_str(&format!(" and {more} more")),
    }
    text
}

/// A number of things.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
