//! The verdict: what explains the rest, and one thing to do. The first rule that applies counts, so a cause comes before its
//! consequences.

use std::time::Duration;

use super::names::{counted, listed, span};
use super::nat::{self, Nat};
use super::own::{Clock, clock_of, has_little_space, is_cut_off, is_deaf, lets_nobody_in, what_happened};
use super::user::outcome;
use super::{Case, Check, State, names::Names};
use crate::proto::notice::Via;
use crate::proto::notice::examination::{
    ExaminedPlace, ExaminedSession, ExaminedUser, Host, Outcome, Statement, Subject,
};

/// A machine that went off counts as announced for at most this long: the life of its announcements.
const ANNOUNCED_FOR: Duration = Duration::from_secs(120);
/// Who is connected confirms a line much sooner, unless it is held back.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(60);
/// Where there is nothing to do.
const NOTHING: &str = "nothing to do";

/// The verdict, and what to do.
type Verdict = (String, String);

/// What explains the findings of these checks.
pub fn of(case: &Case<'_>, checks: &[Check]) -> Verdict {
    let rules: &[fn(&Case<'_>) -> Option<Verdict>] = match case.examination.subject {
        Subject::Node => &[disk, unlisted, network, multicast, firewall, bootstrap, clock, space],
        Subject::Unknown(_) => &[unlisted, network, multicast, firewall, bootstrap, unknown],
        Subject::User(_) => &[
            disk,
            unlisted,
            blocked,
            here,
            network,
            removed,
            symmetric,
            relayed,
            stalled,
            other_network,
            obstacle,
            goodbye,
            firewall,
            // A port that is closed at one address explains the silence at another.
            no_program,
            closed_port,
            moved,
            no_route,
            bootstrap,
            away,
        ],
    };
    rules.iter().find_map(|rule| rule(case)).unwrap_or_else(|| unexplained(checks))
}

/// What is wrong without a rule that applies matters little, as where another bootstrap node answers.
fn unexplained(checks: &[Check]) -> Verdict {
    match checks.iter().find(|check| check.state == State::Wrong) {
        None => verdict("nothing is wrong here", NOTHING),
        Some(check) => {
            verdict(format!("{}: {}", check.name, check.text), "see to it when there is time: the rest works")
        }
    }
}

fn verdict(verdict: impl Into<String>, action: impl Into<String>) -> Verdict {
    (verdict.into(), action.into())
}

fn disk(case: &Case<'_>) -> Option<Verdict> {
    let disk = &case.examination.host.as_ref()?.disk;
    disk.refuses.as_ref()?;
    if has_little_space(disk) {
        return Some(verdict(
            "the disk is full, so new lines are refused",
            "free space on the disk of the data directory",
        ));
    }
    Some(verdict("the disk refuses writes, so new lines are refused", "check the disk of the data directory"))
}

fn unlisted(case: &Case<'_>) -> Option<Verdict> {
    case.examination.own.unlisted.then(|| {
        verdict(
            "this session is not one of yours any more, so nobody accepts it",
            "start `darknode link` with another --data-dir to make this machine a session of yours again",
        )
    })
}

fn space(case: &Case<'_>) -> Option<Verdict> {
    little_space(case.examination.host.as_ref()?)
}

fn little_space(host: &Host) -> Option<Verdict> {
    has_little_space(&host.disk)
        .then(|| verdict("the disk is nearly full", "free space on the disk of the data directory"))
}

fn network(case: &Case<'_>) -> Option<Verdict> {
    no_network(case.examination.host.as_ref()?, &case.names)
}

fn no_network(host: &Host, names: &Names) -> Option<Verdict> {
    if host.interfaces.is_empty() {
        return Some(verdict("this machine is in no network", "connect it: plug in a cable, or join a Wi-Fi network"));
    }
    let down = || listed(host.interfaces.iter().map(|link| names.interface(&link.name)));
    is_cut_off(host).then(|| {
        verdict(
            format!("no network interface of this machine is up: {} without a carrier, or switched off", down()),
            "plug in the cable, join the Wi-Fi network, or switch the interface on",
        )
    })
}

/// The verdict on a machine where no node runs.
pub fn of_machine(host: &Host, names: &Names) -> Verdict {
    let not_running =
        || verdict("no node is running", "start it with darknode -u NAME, or say where it is with --data-dir");
    little_space(host).or_else(|| no_network(host, names)).unwrap_or_else(not_running)
}

fn multicast(case: &Case<'_>) -> Option<Verdict> {
    is_deaf(case.examination.host.as_ref()?).then(|| {
        verdict(
            "multicast is blocked here, perhaps by an access point or a firewall",
            r"\ping their address, or start with --bootstrap",
        )
    })
}

fn firewall(case: &Case<'_>) -> Option<Verdict> {
    let host = case.examination.host.as_ref().filter(|host| lets_nobody_in(case, host))?;
    let all = counted(case.examination.own.silent, "machine");
    Some(verdict(
        format!("this machine does not let UDP {} in: nothing comes back from {all} on this network", host.port),
        format!("open UDP {} in the firewall of this machine", host.port),
    ))
}

fn clock(case: &Case<'_>) -> Option<Verdict> {
    let by = match clock_of(&case.examination.own.neighbours, case.examination.host.as_ref()?) {
        Clock::Unset => return Some(verdict("the clock of this machine was never set", "set it, or let NTP do so")),
        Clock::Behind(by) => format!("the clock of this machine is {} behind", span(by)),
        Clock::Ahead(by) => format!("the clock of this machine is about {} ahead", span(by)),
        Clock::Right | Clock::Differs(_) | Clock::Unknown => return None,
    };
    Some(verdict(by, "set it, or let NTP do so"))
}

/// A bootstrap node that does not answer matters if it is the way to the others.
fn bootstrap(case: &Case<'_>) -> Option<Verdict> {
    let places = &case.examination.own.bootstrap;
    if places.iter().any(|place| place.outcome == Outcome::Answered) {
        return None;
    }
    let place = places.first()?;
    let name = case.names.place(&place.place);
    Some(match place.outcome {
        Outcome::Stranger => verdict(
            format!("the bootstrap node {name} runs with another network key"),
            "compare the files given with --network-key on both sides",
        ),
        Outcome::Myself => {
            verdict(format!("the bootstrap node {name} is this node itself"), "give the address of another one")
        }
        Outcome::TooLarge | Outcome::Forbidden => obstructed(&format!("the bootstrap node {name}"), place.outcome),
        Outcome::Closed => verdict(
            format!("the machine of the bootstrap node {name} is there, and no node runs at its port"),
            "start it there, or check the port",
        ),
        Outcome::Other => verdict(
            format!("somebody else answers at the bootstrap node {name}"),
            "check the address, and compare the fingerprints",
        ),
        Outcome::NoRoute => verdict(
            format!("there is no route to the bootstrap node {name}"),
            "check the connection of this machine to other networks",
        ),
        Outcome::Refused => verdict(
            format!("the bootstrap node {name} answers, and closes the connection; it may be full"),
            "give another one with --bootstrap",
        ),
        Outcome::Silent | Outcome::Answered => verdict(
            format!("the bootstrap node {name} does not answer"),
            "check its address, that it runs, and that its firewall lets its UDP port in",
        ),
    })
}

fn unknown(case: &Case<'_>) -> Option<Verdict> {
    let Subject::Unknown(typed) = &case.examination.subject else { return None };
    let name = case.names.user(typed);
    let why = match case.examination.own.neighbours.len() {
        0 => format!("nobody called {name} is known, and nobody is connected who could be asked"),
        n => format!("nobody called {name} is known here or to {}", counted(n, "neighbour")),
    };
    Some(verdict(why, format!(r"ask {name} for the address that \me shows there, and type \chat with it")))
}

fn blocked(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    let name = case.names.user(&user.user);
    if user.mine == Statement::Blocked {
        return Some(verdict(format!("you block {name}"), format!(r"\add {name} undoes it")));
    }
    (user.refuses || user.theirs == Statement::Blocked)
        .then(|| verdict(format!("{name} blocks you"), format!("only {name} can undo it")))
}

fn here(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user().filter(|user| case.is_reached(user, Via::Direct))?;
    let name = case.names.user(&user.user);
    Some(match user.lines {
        0 => verdict(format!("{name} is connected"), NOTHING),
        n if user.oldest.is_some_and(|oldest| oldest >= CONFIRMED_WITHIN) => verdict(
            format!("{name} is connected and does not take {}: few are taken before an answer", counted(n, "line")),
            format!(r"ask {name} to answer, or to type \requests"),
        ),
        n => verdict(format!("{name} is connected; {} not confirmed yet", counted(n, "line")), "wait a moment"),
    })
}

fn removed(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user().filter(|user| user.theirs == Statement::Removed)?;
    let name = case.names.user(&user.user);
    Some(verdict(format!("{name} removed the link with you"), format!(r"\add {name} asks for it again")))
}

/// The addresses of the sessions that are not connected, with what came of the dials to them.
fn places(user: &ExaminedUser) -> impl Iterator<Item = (&ExaminedSession, &ExaminedPlace, Outcome)> {
    let missing = user.sessions.iter().filter(|session| session.via != Some(Via::Direct) || session.stalled);
    missing.flat_map(|session| session.places.iter().filter_map(move |place| Some((session, place, outcome(place)?))))
}

/// A place of the user where this happened.
fn place_where<'a>(
    case: &'a Case<'_>,
    is: impl Fn(Outcome) -> bool,
) -> Option<(String, &'a ExaminedSession, &'a ExaminedPlace)> {
    let user = case.user()?;
    let (session, place, _) = places(user).find(|(_, _, outcome)| is(*outcome))?;
    Some((case.names.user(&user.user), session, place))
}

fn other_network(case: &Case<'_>) -> Option<Verdict> {
    let (name, ..) = place_where(case, |outcome| outcome == Outcome::Stranger)?;
    Some(verdict(
        format!("{name} runs with another network key"),
        "compare the files given with --network-key on both sides",
    ))
}

/// What keeps all packets of this kind from passing.
fn obstacle(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    Some(obstructed(&case.names.user(&user.user), obstacle_to(user)?))
}

fn obstacle_to(user: &ExaminedUser) -> Option<Outcome> {
    let mut outcomes = places(user).map(|(_, _, outcome)| outcome);
    outcomes.find(|outcome| matches!(outcome, Outcome::TooLarge | Outcome::Forbidden))
}

fn obstructed(whom: &str, obstacle: Outcome) -> Verdict {
    verdict(format!("{whom} is not reached: {}", what_happened(obstacle)), removal_of(obstacle))
}

/// How to do away with an obstacle.
fn removal_of(obstacle: Outcome) -> &'static str {
    match obstacle {
        Outcome::TooLarge => {
            "use a path with an MTU of at least 1,280: another network, or another setting of the tunnel"
        }
        _ => "allow outgoing UDP in the firewall of this machine or network",
    }
}

/// The neighbours through which the user is reached.
fn relays(user: &ExaminedUser, names: &Names) -> Vec<String> {
    user.asked.iter().filter(|asked| asked.reaches).map(|asked| names.user(&asked.name)).collect()
}

fn symmetric(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    let name = case.names.user(&user.user);
    let relays = relays(user, &case.names);
    if nat::of_node(&case.examination.own) != Nat::Symmetric || relays.is_empty() {
        return None;
    }
    let by = relays.join(" and ");
    let action = format!("{NOTHING}; for a direct path, forward a UDP port to darknode in one of the two routers");
    Some(match nat::of_user(user) {
        Nat::Symmetric => {
            verdict(format!("two such NATs, yours and that of {name}, cannot meet; lines go by {by}"), action)
        }
        _ => verdict(format!("your NAT is symmetric, so {name} cannot reach you directly; lines go by {by}"), action),
    })
}

fn relayed(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user().filter(|user| case.is_reached(user, Via::Relayed))?;
    let name = case.names.user(&user.user);
    let by = match relays(user, &case.names) {
        relays if relays.is_empty() => "others".to_owned(),
        relays => relays.join(" and "),
    };
    Some(match obstacle_to(user) {
        None => verdict(format!("{name} is reached through {by}; there is no direct path"), NOTHING),
        Some(obstacle) => verdict(
            format!("{name} is reached through {by}; there is no direct path: {}", what_happened(obstacle)),
            format!("{NOTHING}; for a direct path, {}", removal_of(obstacle)),
        ),
    })
}

/// A connection over which nothing arrives is lost or works again within seconds; until then nothing explains it.
fn stalled(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user().filter(|user| user.sessions.iter().any(|session| session.via.is_some()))?;
    let name = case.names.user(&user.user);
    Some(verdict(
        format!("the connection with {name} has stalled: nothing arrives at present"),
        "ask again in ten seconds, when it works again or counts as lost",
    ))
}

fn goodbye(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    let is_gone = !user.sessions.is_empty() && user.sessions.iter().all(|session| session.said_goodbye);
    let any_runs = || user.sessions.iter().any(|session| session.announced);
    if !is_gone || any_runs() { None } else { away(case) }
}

/// The machine of the user announces itself on this network, and nothing comes back.
fn closed_port(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    let is_blocked = |session: &ExaminedSession, place: &ExaminedPlace, outcome| {
        session.announced && outcome == Outcome::Silent && place.is_near
    };
    let (session, place, _) = places(user).find(|(session, place, outcome)| is_blocked(session, place, *outcome))?;
    let (name, port) = (case.names.user(&user.user), place.addr.port());
    // Where nobody else on this network is connected, either firewall may be the cause.
    let (machine, firewall) = match case.has_neighbours_on_link() {
        true => (format!("the machine of {name}"), "the firewall there"),
        false => (format!("the machine of {name} or this one"), "the firewalls there and here"),
    };
    if session.heard.is_some_and(|heard| heard < ANNOUNCED_FOR) {
        return Some(verdict(
            format!("the machine of {name} went off just now, or does not let UDP {port} in"),
            format!("if it is on, open UDP {port} in {firewall}"),
        ));
    }
    Some(verdict(format!("{machine} does not let UDP {port} in"), format!("open UDP {port} in {firewall}")))
}

fn no_program(case: &Case<'_>) -> Option<Verdict> {
    let (name, _, place) = place_where(case, |outcome| outcome == Outcome::Closed)?;
    let port = place.addr.port();
    Some(verdict(format!("the machine of {name} is there, and no node runs at UDP {port}"), "start darknode there"))
}

fn moved(case: &Case<'_>) -> Option<Verdict> {
    let (name, _, place) = place_where(case, |outcome| outcome == Outcome::Other)?;
    Some(verdict(
        format!("another node answers at {}, so {name} has moved", case.names.addr(place.addr)),
        format!(r"ask {name} for the address that \me shows there, and type \chat with it"),
    ))
}

fn no_route(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    let all = places(user).count();
    let without_route = places(user).filter(|(_, _, outcome)| *outcome == Outcome::NoRoute).count();
    let name = case.names.user(&user.user);
    (all > 0 && all == without_route).then(|| {
        verdict(
            format!("this machine has no route to any address of {name}"),
            "check its connection to other networks, for example a tunnel that is down",
        )
    })
}

/// Nothing else explains it: the user is away.
fn away(case: &Case<'_>) -> Option<Verdict> {
    let user = case.user()?;
    let name = case.names.user(&user.user);
    let carriers: Vec<String> = user.carriers.iter().map(|carrier| case.names.user(&carrier.name)).collect();
    let heard = user.sessions.iter().filter_map(|session| session.heard).min();
    let away = heard
        .map_or_else(|| format!("{name} was never met"), |heard| format!("{name} has been away for {}", span(heard)));
    Some(if user.lines == 0 {
        verdict(away, format!("{NOTHING}: what you write waits until {name} is back"))
    } else if !carriers.is_empty() {
        verdict(format!("{away}; {} will hand the lines over", carriers.join(" and ")), NOTHING)
    } else {
        let action = "leave this node running, or link a relay that carries them (--relay, --server)";
        verdict(format!("{away}; the lines wait on this machine only"), action)
    })
}
