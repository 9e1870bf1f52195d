//! The checks of a user: the link, their sessions, where those may be, who was asked, and what waits for them.

use super::names::{Names, counted, span};
use super::own::{times, what_happened};
use super::{Case, Check, State, check, nat};
use crate::proto::notice::Via;
use crate::proto::notice::examination::{
    Asked, ExaminedPlace, ExaminedSession, ExaminedUser, Outcome, Statement, Subject, Whence,
};

/// All checks of the user who was asked about.
pub fn checks(case: &Case<'_>) -> Vec<Check> {
    let names = &case.names;
    let user = match &case.examination.subject {
        Subject::Node => return Vec::new(),
        Subject::Unknown(typed) => {
            return vec![check("user", State::Wrong, format!("nobody called {} is known or near", names.user(typed)))];
        }
        Subject::User(user) => user,
    };
    let is_here = case.is_reached(user, Via::Direct);
    let is_reached = is_here || case.is_reached(user, Via::Relayed);
    let mut checks = vec![presence(user, case), link(user, names)];
    for session in &user.sessions {
        checks.push(session_of(session, case));
        if session.via != Some(Via::Direct) {
            checks.extend(session.places.iter().map(|place| address(session, place, is_reached, names)));
        }
    }
    if !is_here {
        checks.extend(user.asked.iter().map(|asked| question(user, asked, names)));
    }
    checks.extend(mail(user, names));
    checks
}

/// What is known of an address: what came of the dial just now, or of the last one.
pub fn outcome(place: &ExaminedPlace) -> Option<Outcome> {
    place.probed.or(place.tried.map(|tried| tried.outcome))
}

fn presence(user: &ExaminedUser, case: &Case<'_>) -> Check {
    let name = case.names.user(&user.user);
    if let Some(clash) = &user.clash {
        let text = format!("{name} has the name of {} or a similar one, and another key", case.names.user(clash));
        return check("user", State::Note, text);
    }
    let heard = user.sessions.iter().filter_map(|session| session.heard).min();
    let sought = user.sought.map_or(String::new(), |sought| format!(", sought for {}", span(sought)));
    match heard {
        _ if case.is_reached(user, Via::Direct) => check("user", State::Ok, format!("{name} is connected")),
        _ if case.is_reached(user, Via::Relayed) => {
            check("user", State::Ok, format!("{name} is reached through others{sought}"))
        }
        Some(heard) => check("user", State::Note, format!("{name} was last heard {} ago{sought}", span(heard))),
        None => check("user", State::Note, format!("{name} was never met{sought}")),
    }
}

fn link(user: &ExaminedUser, names: &Names) -> Check {
    let name = names.user(&user.user);
    match (user.mine, user.theirs) {
        (Statement::Blocked, _) => check("link", State::Wrong, format!("you block {name}")),
        _ if user.refuses => {
            check("link", State::Wrong, format!("{name} closed the last connection: you are blocked there"))
        }
        (_, Statement::Blocked) => check("link", State::Wrong, format!("{name} blocks you")),
        (Statement::Linked, Statement::Linked) => check("link", State::Ok, "both list each other"),
        (_, Statement::Removed) => check("link", State::Wrong, format!("{name} removed it")),
        (Statement::Linked, Statement::None) => {
            check("link", State::Note, format!("{name} has not answered your request"))
        }
        (_, Statement::Linked) => check("link", State::Note, format!("{name} asks for it")),
        (_, Statement::None) => check("link", State::Note, "there is none"),
    }
}

fn session_of(session: &ExaminedSession, case: &Case<'_>) -> Check {
    let label = case.names.session(&session.label);
    let heard = session.heard.map_or("never heard".to_owned(), |heard| format!("last heard {} ago", span(heard)));
    let place = if session.announced { ", announced on this network" } else { "" };
    match session.via {
        Some(_) if !case.reaches(session) => {
            check("session", State::Wrong, format!("{label}: connected, but nothing arrives at present"))
        }
        Some(Via::Direct) => check("session", State::Ok, format!("{label}: connected")),
        Some(Via::Relayed) => check("session", State::Ok, format!("{label}: connected with others")),
        None if session.said_goodbye => check("session", State::Note, format!("{label}: said goodbye, {heard}")),
        None => check("session", State::Note, format!("{label}: {heard}{place}")),
    }
}

/// An address that leads nowhere is not wrong where the user is reached in another way.
fn address(session: &ExaminedSession, place: &ExaminedPlace, is_reached: bool, names: &Names) -> Check {
    let whence = match place.whence {
        Whence::Answered => "answered before",
        Whence::Observed => "connected from there before",
        Whence::Announced => "announced on this network",
        Whence::Declared => "declared",
        Whence::Hinted => "others say",
    };
    let begin = format!("{} {whence}", names.addr(place.addr));
    let tried = place.tried.map(|tried| {
        format!(", {}, last {} ago: {}", times(tried.times), span(tried.ago), what_happened(tried.outcome))
    });
    let probed = place.probed.map(|outcome| format!("; dialled now: {}", what_happened(outcome)));
    let text = begin + &tried.unwrap_or_default() + &probed.unwrap_or_default();
    let state = match outcome(place) {
        None => State::Unknown,
        Some(Outcome::Answered) => State::Ok,
        Some(_) if is_reached => State::Note,
        Some(Outcome::Silent | Outcome::NoRoute) if session.said_goodbye || !place.is_near => State::Note,
        Some(_) => State::Wrong,
    };
    check("address", state, text)
}

fn question(user: &ExaminedUser, asked: &Asked, names: &Names) -> Check {
    let (who, name) = (names.user(&asked.name), names.user(&user.user));
    let ago = asked.ago.map_or(String::new(), |ago| format!(", asked {} ago", span(ago)));
    if !asked.reaches {
        return check("asked", State::Note, format!("{who}{ago}: does not say that {name} is there"));
    }
    let symmetric = if nat::of_user(user) == nat::Nat::Symmetric { ", behind a symmetric NAT" } else { "" };
    check("asked", State::Ok, format!("{who}{ago}: {name} is there{symmetric}"))
}

fn mail(user: &ExaminedUser, names: &Names) -> Option<Check> {
    if user.lines == 0 {
        return None;
    }
    let oldest = user.oldest.map_or(String::new(), |oldest| format!(", the oldest for {}", span(oldest)));
    let begin = format!("{} waiting{oldest}", counted(user.lines, "line"));
    if user.carriers.is_empty() && !user.sessions.iter().any(|session| session.has_key) {
        return Some(check("mail", State::Note, format!("{begin}: no key is known to seal them to")));
    }
    if user.carriers.is_empty() {
        return Some(check(
            "mail",
            State::Note,
            format!("{begin}; nobody carries mail for {}", names.user(&user.user)),
        ));
    }
    let carriers: Vec<String> =
        user.carriers.iter().map(|carrier| format!("{} has {}", names.user(&carrier.name), carrier.lines)).collect();
    Some(check("mail", State::Ok, format!("{begin}: {}", carriers.join(", "))))
}
