//! Lists of people and of their sessions, and what is shown to compare keys or to link a session.

use std::fmt::{Display, Write};

use chrono::TimeZone;

use super::style::{BELOW_ITEM, BELOW_TITLE, Style};
use super::text::{counted, inline, minute, suffix};
use crate::identity::address::ContactAddress;
use crate::identity::invitation::Token;
use crate::proto::notice::{Filter, Labelled, OwnSession, Profile, RequestView, SessionView, UserView, Via};
use crate::ui::qr;

/// Users shown in one list, nearest first. A network may have thousands, and strangers can add to them.
const MAX_USERS: usize = 200;
/// Link-local addresses shown by `\me` where there are no others but those of loopback.
const MAX_PLACES: usize = 4;

pub fn user_list(style: Style, filter: Filter, users: &[UserView]) -> String {
    let which = match filter {
        Filter::All => "",
        Filter::Online => " online",
        Filter::Offline => " offline",
    };
    let title = match users.len() {
        0 => format!("no users{which}"),
        n => format!("{}{which}", counted(n as u64, "user")),
    };
    let mut shown: Vec<&UserView> = users.iter().collect();
    if shown.len() > MAX_USERS {
        shown.sort_by_key(|user| (user.distance.is_none(), !user.online));
        shown.truncate(MAX_USERS);
    }
    let more = match users.len() - shown.len() {
        0 => String::new(),
        n => format!("    and {n} more; \\whois USER shows one of them\n"),
    };
    shown.into_iter().fold(style.event(&title), |mut text, user| {
        let properties = [
            Some(if user.online { "online" } else { "offline" }),
            match user.distance {
                Some(0) => Some("me"),
                Some(1) => Some("linked"),
                Some(_) => Some("two links away"),
                None => None,
            },
            user.nearby.then_some("nearby"),
            user.verified.then_some("verified"),
            user.blocked.then_some("blocked"),
        ];
        let properties: Vec<&str> = properties.into_iter().flatten().collect();
        text.push_str(&style.rows(&format!("    {}  {}", style.name(&user.user), properties.join(", ")), BELOW_ITEM));
        user.sessions.iter().for_each(|session| text.push_str(&style.rows(&session_text(session), BELOW_ITEM)));
        text
    }) + &more
}

fn session_text(session: &SessionView) -> String {
    let how = match (session.online, session.via) {
        (true, Some(Via::Relayed)) => "online through others",
        (true, _) => "online",
        (false, _) => "offline",
    };
    let addresses = session.addrs.iter().fold(String::new(), |text, addr| text + &format!(", {addr}"));
    format!("        {}  {how}, heard {} s ago{addresses}", inline(&session.label), session.heard_s)
}

pub fn requests(style: Style, users: &[RequestView]) -> String {
    let title = match users.len() {
        0 => "nobody waits for an answer".to_owned(),
        n => format!(r"{} without an answer; \requests accept USER, \requests dismiss USER", counted(n as u64, "user")),
    };
    users.iter().fold(style.event(&title), |text, user| {
        let held = match user.lines {
            0 => "nothing held back".to_owned(),
            n => format!("{} held back, {}", counted(n, "line"), counted(user.bytes, "byte")),
        };
        text + &style.rows(&format!("    {}  {held}", style.name(&user.user)), BELOW_ITEM)
    })
}

/// The local user's sessions, with times in a time zone.
pub fn own_sessions(style: Style, sessions: &[OwnSession], zone: &impl TimeZone<Offset: Display>) -> String {
    let title = match sessions.len() {
        1 => "your only session".to_owned(),
        n => format!("your {n} sessions"),
    };
    sessions.iter().fold(style.event(&title), |text, session| {
        let since = session.since.map(|since| minute(since, zone));
        let how = match (session.via, since) {
            (Some(via), Some(since)) => format!("online since {since}{}", suffix(via)),
            (Some(via), None) => format!("online{}", suffix(via)),
            (None, Some(since)) => format!("offline since {since}"),
            (None, None) => "never met".to_owned(),
        };
        let this = if session.is_this { ", this one" } else { "" };
        let line = format!("    {}  {}  {how}{this}", session.session.short(), style.name(&session.label));
        text + &style.rows(&line, BELOW_ITEM)
    })
}

pub fn profile_text(style: Style, profile: &Profile) -> String {
    let checked = if profile.verified { ", verified" } else { "" };
    let mut text = format!("{}{}\n", style.paint("2", "* "), style.name(&profile.user) + checked);
    writeln!(text, "    {:<8} {}", "id", profile.id).expect("writing to a string cannot fail");
    text.push_str(&style.rows(&format!("    {:<8} {}", "words", inline(&profile.words)), BELOW_TITLE));
    // It is not broken into rows, so that it can be copied.
    writeln!(text, "    {:<8} {}", "address", inline(&profile.address)).expect("writing to a string cannot fail");
    if !leads_to_other_machines(&profile.address) {
        for place in profile.link_local.iter().take(MAX_PLACES) {
            let how = "on this link; others put the name of their own interface behind the %";
            writeln!(text, "    {:<8} {} ({how})", "place", inline(&place.short()))
                .expect("writing to a string cannot fail");
        }
    }
    let sessions: Vec<String> = profile.sessions.iter().map(labelled).collect();
    text.push_str(&style.rows(&format!("    {:<8} {}", "sessions", sessions.join(", ")), BELOW_TITLE));
    for (reason, count) in &profile.drops {
        writeln!(text, "    {:<8} {count} × {}", "dropped", reason.replace('_', " "))
            .expect("writing to a string cannot fail");
    }
    text + &qr::render(&profile.address).unwrap_or_default()
}

/// A session by its label, with the start of its id.
fn labelled(known: &Labelled) -> String {
    let short = known.session.short();
    if known.label == short { short } else { format!("{} ({short})", inline(&known.label)) }
}

/// Whether a contact address has a network address that is not of the machine itself.
fn leads_to_other_machines(address: &str) -> bool {
    address.parse().is_ok_and(|address: ContactAddress| address.addrs.iter().any(|addr| !addr.ip().is_loopback()))
}

/// What has to be typed on the other machine. The words come last: nothing else has to be on a small screen.
pub fn code_text(style: Style, code: &str, token: &str, expires_s: u64) -> String {
    // They are not broken into rows, so that they can be copied.
    let row = |invitation: &str| format!("    \\link {}\n", inline(invitation));
    let image = scannable(style, token);
    let or = if image.is_some() { "scan" } else { "paste" };
    let too_small = || style.event("this terminal is too small for a QR code of it");
    let words = format!("type this on your other machine within {expires_s} seconds, or {or} what is above:");
    row(token) + &image.unwrap_or_else(too_small) + &style.event(&words) + &row(code)
}

/// The QR code of a token, if it fits on the terminal together with what follows. It has as many of the addresses as fit, the
/// most likely first, and upper case, which needs fewer modules.
fn scannable(style: Style, token: &str) -> Option<String> {
    /// The words, the sentence before them, and the prompt.
    const BELOW: usize = 3;
    let fits = |image: &str| {
        let columns = image.lines().next().map_or(0, |row| row.chars().count());
        style.columns.is_none_or(|most| columns <= most)
            && style.rows.is_none_or(|most| image.lines().count() + BELOW <= most)
    };
    let mut token: Token = token.parse().ok()?;
    loop {
        let image = qr::render(&token.to_string().to_uppercase());
        if let Some(image) = image.filter(|image| fits(image)) {
            return Some(image);
        }
        token.addrs.pop()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::proto::notice::Notice;
    use crate::time::Wall;
    use crate::ui::Event;
    use crate::ui::plain::render;
    use crate::ui::plain::tests::{PLAIN, printed, session};

    #[test]
    fn a_code_and_its_token_can_be_copied_from_a_terminal_of_eighty_columns() {
        let text = code_shown(80, 24, "192.0.2.1:27272");
        assert!(text.lines().any(|row| row == r"    \link one two three"), "{text}");
        assert!(text.lines().any(|row| row == format!(r"    \link {}", token("192.0.2.1:27272"))), "{text}");
    }

    fn token(addrs: &str) -> String {
        format!("darklink:{}.{}@{addrs}", "a".repeat(52), "b".repeat(25) + "a")
    }

    fn code_shown(columns: usize, rows: usize, addrs: &str) -> String {
        let notice = Notice::Code { code: "one two three".into(), token: token(addrs), expires_s: 120 };
        render(Style { columns: Some(columns), rows: Some(rows), ..PLAIN }, Event::Notice(&notice))
    }

    #[test]
    fn what_is_scanned_or_typed_is_on_a_terminal_of_twenty_four_rows_at_once() {
        let text = code_shown(80, 24, "192.168.178.123:27272");
        let seen: Vec<&str> = text.lines().skip_while(|row| !row.contains('█')).collect();
        assert!(seen.len() < 24, "the prompt has a row too: {text}");
        let words = "* type this on your other machine within 120 seconds, or scan what is above:";
        assert_eq!(seen[seen.len() - 2], words);
        let many = "192.0.2.123:27272,[2001:db8:1234:5678:9abc:def0:1234:5678]:27272,198.51.100.123:27272";
        let image = |text: &str| text.lines().filter(|row| row.contains('█')).count();
        let cut = image(&code_shown(80, 24, many));
        assert!((15..=21).contains(&cut), "{cut}");
        assert!(image(&code_shown(80, 50, many)) > cut, "all addresses are in it");
    }

    #[test]
    fn a_small_terminal_shows_no_image_of_a_code() {
        for (columns, rows) in [(80, 20), (30, 50)] {
            let text = code_shown(columns, rows, "192.0.2.1:27272");
            assert!(!text.contains('█') && text.contains("too small"), "{text}");
            assert!(text.ends_with("\n    \\link one two three\n"), "{text}");
        }
    }

    fn labelled(label: &str) -> Labelled {
        Labelled { session: session(), label: label.into() }
    }

    #[test]
    fn own_sessions_are_listed_with_since_when_they_are_on_or_off_within_eighty_columns() {
        let own = |label: &str, is_this, via, since| OwnSession {
            session: session(),
            label: label.into(),
            is_this,
            via,
            since: Some(Wall(1_700_000_000_000)).filter(|_| since),
        };
        let sessions = vec![
            own("laptop", true, Some(Via::Direct), true),
            own(&format!("{}#abc123", "x".repeat(32)), false, Some(Via::Relayed), true),
            own("pi", false, None, true),
            own("phone", false, None, false),
        ];
        let text = own_sessions(Style { columns: Some(80), ..PLAIN }, &sessions, &chrono::Utc);
        let short = session().short();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows[0], "* your 4 sessions");
        assert_eq!(rows[1], format!("    {short}  laptop  online since 2023-11-14 22:13, this one"));
        assert!(text.contains("online since 2023-11-14\n        22:13, through others"), "{text}");
        assert!(text.contains(&format!("    {short}  pi  offline since 2023-11-14 22:13\n")), "{text}");
        assert!(text.ends_with("phone  never met\n"), "{text}");
        assert!(rows.iter().all(|row| row.len() < 80), "{text}");
    }

    #[test]
    fn a_friend_of_a_friend_is_two_links_away_and_online_through_others() {
        let session = SessionView {
            session: session(),
            label: "pho\u{1b}ne".into(),
            online: true,
            via: Some(Via::Relayed),
            heard_s: 3,
            addrs: vec![],
        };
        let carol = UserView {
            user: "carol".into(),
            id: UserId([3; 32]),
            online: true,
            distance: Some(2),
            nearby: false,
            verified: false,
            blocked: false,
            sessions: vec![session],
        };
        let text = printed(Notice::Users { filter: Filter::All, users: vec![carol] });
        assert!(text.contains("    carol  online, two links away\n"), "{text}");
        assert!(text.contains("pho\\u{1b}ne  online through others, heard 3 s ago"), "{text}");
    }

    #[test]
    fn a_profile_has_the_fingerprint_and_a_qr_code() {
        let profile = Profile {
            user: "bob".into(),
            id: UserId([3; 32]),
            words: "one two three".into(),
            address: "darkchat:abc".into(),
            link_local: Vec::new(),
            session: None,
            sessions: vec![labelled("phone"), Labelled { label: session().short(), ..labelled("") }],
            verified: true,
            drops: Default::default(),
        };
        let text = printed(Notice::Whois(Box::new(profile)));
        assert!(
            text.starts_with("* bob, verified\n") && text.contains("one two three") && text.contains("darkchat:abc")
        );
        assert!(text.contains(&format!("phone ({0}), {0}\n", session().short())), "{text}");
        assert!(text.contains('█'));
    }

    #[test]
    fn where_no_other_address_leads_to_other_machines_a_profile_shows_the_link_local_ones() {
        let shown = |addrs: &[&str]| {
            let addrs = addrs.iter().map(|addr| addr.parse().expect("a socket address")).collect();
            let profile = Profile {
                user: "bob".into(),
                id: UserId([3; 32]),
                words: "one two three".into(),
                address: ContactAddress { user: UserId([3; 32]), addrs }.to_string(),
                link_local: vec!["fe80::1%eth0".parse().expect("a place")],
                session: None,
                sessions: vec![],
                verified: false,
                drops: Default::default(),
            };
            printed(Notice::Me(Box::new(profile))).contains("    place    fe80::1%eth0 (on this link; ")
        };
        assert!(shown(&[]) && shown(&["127.0.0.1:27272", "[::1]:27272"]));
        assert!(!shown(&["192.0.2.1:27272"]) && !shown(&["127.0.0.1:27272", "[2001:db8::1]:27272"]));
    }

    #[test]
    fn of_thousands_of_users_the_nearest_are_listed_and_the_others_counted() {
        let user = |n: usize| UserView {
            user: format!("user{n}"),
            id: UserId([3; 32]),
            online: false,
            distance: (n == 2_999).then_some(1),
            nearby: false,
            verified: false,
            blocked: false,
            sessions: vec![],
        };
        let text = printed(Notice::Users { filter: Filter::All, users: (0..3_000).map(user).collect() });
        assert!(text.starts_with("* 3000 users\n") && text.contains("    user2999  offline, linked\n"), "{text}");
        assert!(text.ends_with("    and 2800 more; \\whois USER shows one of them\n"), "{text}");
    }
}
