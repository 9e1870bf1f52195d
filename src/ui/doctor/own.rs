//! The checks of this node and its machine.

use std::time::Duration;

use super::names::{Names, bytes, clock_time, counted, listed, span};
use super::{Case, Check, State, check, nat};
use crate::identity::place::DEFAULT_PORT;
use crate::proto::notice::examination::{BootstrapPlace, Disk, Host, Link, Multicast, Outcome, OwnNode, SeenBy};

/// An own query that has not come back for so long is lost: several are sent in this time.
const DEAF: Duration = Duration::from_secs(10);
/// Neighbours who are on this network are announced within this time.
const ANNOUNCED: Duration = Duration::from_secs(30);
/// Everybody on the local link asks a question within a few seconds: what is not heard for longer has gone.
const HEARD_LATELY: Duration = Duration::from_secs(15);
/// From so many machines nothing comes back only if the cause is here.
const SEVERAL: usize = 2;
/// With less free space the next hours may fill the disk.
const LITTLE_SPACE: u64 = 64 << 20;
/// Clocks that differ less are not wrong: a handshake and a slow link take seconds.
const CLOCK_TOLERANCE: i64 = 2 * 60 * 1000;
/// A neighbour's newest record is at most this old when it introduces itself: it signs another one every 45 minutes.
const RECORD_AGE: i64 = 2 * 3600 * 1000;

/// All checks of this node.
pub fn checks(case: &Case<'_>) -> Vec<Check> {
    let (own, names) = (&case.examination.own, &case.names);
    let host = case.examination.host.as_ref();
    let mut checks = vec![program(own, host)];
    if let Some(host) = host {
        checks.push(interfaces(host, names));
        checks.extend(multicast(own, host, names));
        checks.push(port(case, host));
    }
    checks.push(nat::examined(own, names));
    if let Some(host) = host {
        checks.push(clock(&own.neighbours, host));
        checks.push(disk(&host.disk, names));
        checks.push(store(own, &host.disk));
    }
    checks.extend(own.bootstrap.iter().map(|place| bootstrap(place, names)));
    checks.push(neighbours(own, names));
    checks
}

/// The checks of a machine on which no node runs.
pub fn of_machine(host: &Host, names: &Names) -> Vec<Check> {
    let mut checks = vec![
        check("program", State::Wrong, format!("darknode {}; no node is running", host.version)),
        interfaces(host, names),
        clock(&[], host),
    ];
    if host.disk.keeps {
        checks.push(disk(&host.disk, names));
        checks.push(check("store", State::Ok, bytes(host.disk.store) + &set_aside(&host.disk)));
    }
    checks
}

fn program(own: &OwnNode, host: Option<&Host>) -> Check {
    let version = host.map_or("", |host| host.version);
    let network = if own.closed { "a closed network" } else { "the open network" };
    check("program", State::Ok, format!("darknode {version} in {network}, up for {}", span(own.up)))
}

fn interfaces(host: &Host, names: &Names) -> Check {
    let link = |link: &Link| {
        let addrs: Vec<String> = link.addrs.iter().map(|ip| names.ip(*ip)).collect();
        let down = if link.is_up { "" } else { " (down: no carrier, or switched off)" };
        format!("{} {}{down}", names.interface(&link.name), addrs.join(", "))
    };
    if host.interfaces.is_empty() {
        return check("interfaces", State::Wrong, "none but loopback has an address");
    }
    let state = match host.interfaces.iter().filter(|link| link.is_up).count() {
        0 => State::Wrong,
        up if up < host.interfaces.len() => State::Note,
        _ => State::Ok,
    };
    check("interfaces", state, host.interfaces.iter().map(link).collect::<Vec<_>>().join("; "))
}

/// Whether this machine has no network: no interface but loopback has an address and a carrier.
pub fn is_cut_off(host: &Host) -> bool {
    host.interfaces.iter().all(|link| !link.is_up)
}

/// Whether this node does not hear its own multicast on any interface, nor that of others.
pub fn is_deaf(host: &Host) -> bool {
    let is_deaf = |heard: Multicast| heard.deaf.is_some_and(|deaf| deaf >= DEAF) && heard.others_heard.is_none();
    let mut joined = host.interfaces.iter().filter_map(|link| link.multicast).peekable();
    joined.peek().is_some() && joined.all(is_deaf)
}

fn multicast(own: &OwnNode, host: &Host, names: &Names) -> Vec<Check> {
    if !host.lan {
        return vec![check("multicast", State::Note, "switched off by --no-lan: nobody is found on the local link")];
    }
    let unheard = own.neighbours.iter().find(|by| by.is_near && !by.announced && !by.addr.ip().is_loopback());
    let unheard = unheard.filter(|_| own.up >= ANNOUNCED && own.announced == 0);
    let of_link = |(link, heard): (&Link, Multicast)| {
        let name = names.interface(&link.name);
        match (heard.deaf.filter(|deaf| *deaf >= DEAF), heard.others_heard) {
            (Some(deaf), None) => {
                let text = format!("{name}: own announcement not heard for {}; nobody else's either", span(deaf));
                check("multicast", State::Wrong, text)
            }
            (Some(deaf), Some(heard)) => {
                let text =
                    format!("{name}: own announcement not heard for {}, others' {} ago", span(deaf), span(heard));
                check("multicast", State::Note, text)
            }
            (None, Some(heard)) => {
                check("multicast", State::Ok, format!("{name}: own and others' heard, last {} ago", span(heard)))
            }
            (None, None) => match unheard {
                Some(by) => {
                    let user = names.user(&by.name);
                    let text = format!("{name}: own heard, and nobody else's, although {user} is on this network");
                    check("multicast", State::Note, text)
                }
                None => check("multicast", State::Note, format!("{name}: own heard, nobody else's yet")),
            },
        }
    };
    let joined: Vec<Check> =
        host.interfaces.iter().filter_map(|link| Some((link, link.multicast?))).map(of_link).collect();
    match joined.is_empty() {
        true if is_cut_off(host) => vec![check("multicast", State::Unknown, "no interface is up")],
        true => vec![check("multicast", State::Note, "not used on any of these interfaces, as on tunnels")],
        false => joined,
    }
}

/// Whether a firewall here must be what keeps everybody on this network away: several machines announce themselves, and
/// nothing comes back from any of them.
pub fn lets_nobody_in(case: &Case<'_>, host: &Host) -> bool {
    let own = &case.examination.own;
    let is_heard = |heard: Multicast| heard.others_heard.is_some_and(|ago| ago < HEARD_LATELY);
    let are_heard = host.interfaces.iter().filter_map(|link| link.multicast).any(is_heard);
    own.silent >= SEVERAL && are_heard && !case.has_neighbours_on_link()
}

fn port(case: &Case<'_>, host: &Host) -> Check {
    let own = &case.examination.own;
    let unusual = if host.port == DEFAULT_PORT { "" } else { ", not the default one: others must be told" };
    if lets_nobody_in(case, host) {
        let text = format!(
            "UDP {}{unusual}; nothing comes back from {} announced on this network",
            host.port,
            counted(own.silent, "machine")
        );
        return check("port", State::Wrong, text);
    }
    match own.reached {
        Some(ago) => {
            let text = format!("UDP {}{unusual}; others open connections to it, the last {} ago", host.port, span(ago));
            check("port", State::Ok, text)
        }
        None => {
            let text = format!(
                "UDP {}{unusual}; nobody else has dialled it in the {} since the start",
                host.port,
                span(own.up)
            );
            check("port", State::Unknown, text)
        }
    }
}

/// What the clocks of neighbours say about the local one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// It agrees with a neighbour's.
    Right,
    /// It shows a time before this program existed.
    Unset,
    /// All neighbours, at least two, are ahead by about so much.
    Behind(Duration),
    /// All neighbours, at least two, are behind by about so much.
    Ahead(Duration),
    /// It differs from that of the only neighbour by about so much.
    Differs(Duration),
    /// Nobody is there to compare with.
    Unknown,
}

/// Judges the local clock.
pub fn clock_of(neighbours: &[SeenBy], host: &Host) -> Clock {
    let mut ahead: Vec<i64> = neighbours.iter().map(|by| by.ahead_ms).collect();
    ahead.sort_unstable();
    let about = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    match (ahead.first(), ahead.last()) {
        _ if host.unset_clock => Clock::Unset,
        (Some(least), Some(_)) if *least > CLOCK_TOLERANCE && ahead.len() > 1 => Clock::Behind(about(*least)),
        (Some(_), Some(most)) if *most < -RECORD_AGE && ahead.len() > 1 => Clock::Ahead(about(*most)),
        (Some(only), Some(_)) if ahead.len() == 1 && !(-RECORD_AGE..=CLOCK_TOLERANCE).contains(only) => {
            Clock::Differs(about(*only))
        }
        (Some(_), Some(_)) => Clock::Right,
        _ => Clock::Unknown,
    }
}

fn clock(neighbours: &[SeenBy], host: &Host) -> Check {
    let now = clock_time(host.wall);
    match clock_of(neighbours, host) {
        Clock::Right => check("clock", State::Ok, format!("{now}, as the neighbours'")),
        Clock::Unset => check("clock", State::Wrong, format!("{now}: it was never set")),
        Clock::Behind(by) => check("clock", State::Wrong, format!("{now}: {} behind that of all neighbours", span(by))),
        Clock::Ahead(by) => {
            check("clock", State::Wrong, format!("{now}: about {} ahead of that of all neighbours", span(by)))
        }
        Clock::Differs(by) => {
            let text = format!("{now}: it or that of the only neighbour is wrong by about {}", span(by));
            check("clock", State::Note, text)
        }
        Clock::Unknown => check("clock", State::Unknown, format!("{now}; nobody is connected to compare with")),
    }
}

/// Whether hardly anything can be written any more.
pub fn has_little_space(disk: &Disk) -> bool {
    disk.free.is_some_and(|free| free < LITTLE_SPACE)
}

fn disk(disk: &Disk, names: &Names) -> Check {
    let free = disk.free.map(|free| format!("{} free", bytes(free)));
    let committed = disk
        .committed
        .map_or("nothing written since the start".to_owned(), |ago| format!("last written {} ago", span(ago)));
    match (&disk.refuses, free) {
        (Some(_), free) if names.are_left_out() => {
            check("disk", State::Wrong, format!("refuses writes; {}", free.unwrap_or(committed)))
        }
        (Some(why), free) => check("disk", State::Wrong, format!("{why}; {}", free.unwrap_or(committed))),
        (None, _) if !disk.keeps => check("disk", State::Note, "this session keeps nothing"),
        (None, Some(free)) => {
            let state = if has_little_space(disk) { State::Wrong } else { State::Ok };
            check("disk", state, format!("{free}, {committed}"))
        }
        (None, None) => check("disk", State::Unknown, format!("the system does not say what is free; {committed}")),
    }
}

fn store(own: &OwnNode, disk: &Disk) -> Check {
    let carried = match own.held {
        held if own.carries => format!(", {} for others", counted(held, "envelope")),
        0 => String::new(),
        held => format!(", {} for your other sessions", counted(held, "envelope")),
    };
    let text = format!("{}, {} waiting{carried}", bytes(disk.store), counted(own.waiting, "line"));
    let state = if disk.set_aside == 0 { State::Ok } else { State::Note };
    check("store", state, text + &set_aside(disk))
}

/// Damaged stores beside the one in use.
fn set_aside(disk: &Disk) -> String {
    match disk.set_aside {
        0 => String::new(),
        n => format!("; {} set aside beside it", counted(n, "damaged store")),
    }
}

fn bootstrap(place: &BootstrapPlace, names: &Names) -> Check {
    let name = names.place(&place.place);
    let tries = if place.tries == 0 { String::new() } else { format!(", {}", times(place.tries)) };
    match place.outcome {
        Outcome::Answered => check("bootstrap", State::Ok, format!("{name} is connected")),
        Outcome::Myself => check("bootstrap", State::Wrong, format!("{name} is this node itself")),
        outcome => check("bootstrap", State::Wrong, format!("{name} {}{tries}", what_happened(outcome))),
    }
}

fn neighbours(own: &OwnNode, names: &Names) -> Check {
    let carriers = own.neighbours.iter().filter(|by| by.carries).map(|by| names.user(&by.name));
    match (own.neighbours.len(), listed(carriers)) {
        (0, _) => check("neighbours", State::Note, "nobody is connected"),
        (n, carriers) if carriers.is_empty() => {
            let text = format!("{} connected, none of which carries mail", counted(n, "session"));
            check("neighbours", State::Ok, text)
        }
        (n, carriers) => {
            let text = format!("{} connected; mail is carried by {carriers}", counted(n, "session"));
            check("neighbours", State::Ok, text)
        }
    }
}

/// What came of a dial.
pub fn what_happened(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "answers",
        Outcome::Silent => "no answer",
        Outcome::TooLarge => "packets of 1,228 bytes do not pass",
        Outcome::Forbidden => "a firewall does not let UDP pass",
        Outcome::NoRoute => "there is no route",
        Outcome::Closed => "the machine is there, the port is closed",
        Outcome::Other => "another node answers",
        Outcome::Stranger => "answers, but not in this network",
        Outcome::Myself => "is this node itself",
        Outcome::Refused => "answers, and closes the connection",
    }
}

/// How often something was tried.
pub fn times(count: u32) -> String {
    if count == 1 { "1 try".to_owned() } else { format!("{count} tries") }
}
