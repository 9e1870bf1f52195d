//! Events as sentences, one line each; what belongs together is indented below it.
//!
//! | line | means |
//! |---|---|
//! | `bob: hello` | bob wrote it to me; `bob (again): hello` may have been shown before a crash |
//! | `you to bob: hello` | I wrote it, here or on another session of mine |
//! | `* bob is online` | something happened, or was answered |
//! | `! there is no user bob` | something is wrong |
//!
//! No line but a continued one begins with a space, and the further lines of a text are indented, so that nobody's text can
//! look like another event. Everything is made harmless before it is printed. On a terminal names are bold, what happened
//! is dim and what is wrong is red, unless `NO_COLOR` is set.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, SocketAddr};

use super::json::rfc3339;
use super::macros::MACROS;
use super::{Event, qr};
use crate::handle::Ready;
use crate::identity::name::harmless;
use crate::identity::words;
use crate::proto::notice::Filter;
use crate::proto::notice::{
    Absence, By, Delivery, HeldBy, MessageView, Notice, Profile, SessionView, StatusView, UserView, Via,
};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub colours: bool,
}

impl Style {
    /// Colours if standard output is a terminal that knows them and nobody asked for none.
    pub fn of_stdout() -> Style {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        Style { colours: io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn name(self, name: &str) -> String {
        self.paint("1", &inline(name))
    }

    pub fn happened(self, text: &str) -> String {
        self.paint("2", &format!("* {}", inline(text))) + "\n"
    }

    fn wrong(self, text: &str) -> String {
        self.paint("31", &format!("! {}", inline(text))) + "\n"
    }
}

/// People listed for a person; a network may have thousands, and anybody may add to them. The nearest are the first.
const MAX_PEOPLE: usize = 200;

/// A stranger's text for the middle of a line.
pub fn inline(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

/// What to print for an event, with a line end behind every line.
pub fn render(style: Style, event: Event<'_>) -> String {
    match event {
        Event::Ready(ready) => style.happened(&arrival(ready)),
        Event::Notice(notice) => told(style, notice),
        Event::Help => MACROS.iter().fold(String::new(), |text, m| text + &format!("{:<20} {}\n", m.usage, m.text)),
        Event::Stopped => style.happened("stopped"),
    }
}

/// What somebody should be told who has an identity for the first time; without a line end.
pub fn greeting(ready: &Ready) -> String {
    format!(
        "You are new here. Your fingerprint, for others to check:\n    {}\nYour identity exists only in the data directory; \
         the words that bring it back: darknode identity words -u {}",
        words::fingerprint(&ready.id),
        inline(&ready.user)
    )
}

fn arrival(ready: &Ready) -> String {
    // What nobody else could dial would only make a newcomer's first line hard to read.
    let elsewhere = |addr: &&SocketAddr| match addr.ip() {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    let addresses: Vec<String> = ready.listen.iter().filter(elsewhere).map(ToString::to_string).collect();
    let at = if addresses.is_empty() { String::new() } else { format!(", at {}", addresses.join(", ")) };
    let network = if ready.network.is_some() { "a closed network" } else { "the open network" };
    format!(r"you are {}, in {network}{at}; \help lists the macros", ready.user)
}

fn told(style: Style, notice: &Notice) -> String {
    match notice {
        Notice::Chat { with, online: true, .. } => style.happened(&format!("what you type goes to {with}")),
        Notice::Chat { with, .. } => {
            style.happened(&format!("what you type goes to {with}, who is not in reach now: it waits, or is carried"))
        }
        Notice::Queued { to, text, .. } => said(style, "you", Some(to), text),
        Notice::State { to, state, holder, .. } => style.happened(&match state {
            Delivery::Queued => format!("waiting for {to}"),
            Delivery::Carried => format!("carried for {to} by {holder}"),
            Delivery::Delivered => format!("delivered to {to}"),
        }),
        Notice::Message(view) => message(style, view),
        Notice::Users { filter, users } => people(style, *filter, users),
        Notice::Me(profile) | Notice::Whois(profile) => person(style, profile),
        Notice::Status { messages } => statuses(style, messages),
        Notice::History { with, messages } => history(style, with, messages),
        Notice::Warning { message, .. } => style.wrong(&format!("warning: {message}")),
        Notice::Error { message, .. } => style.wrong(message),
        other => style.happened(&happening(other)),
    }
}

/// The sentence for what takes one; empty for what is shown in another way.
fn happening(notice: &Notice) -> String {
    match notice {
        Notice::Nearby { user, .. } => format!(r"{user} is nearby; \chat {user} to talk"),
        Notice::Away { user, .. } => format!("{user} is not nearby any more"),
        Notice::Linked { user, by: By::Me, .. } => format!("you are linked with {user}"),
        Notice::Linked { user, by: By::Them, auto: false, .. } => format!("{user} linked with you"),
        Notice::Linked { user, auto: true, .. } => {
            format!(r"{user} linked with you; \add {user} to let your friends see each other, \block {user} to refuse")
        }
        Notice::Unlinked { user, by: By::Me, .. } => format!("you are not linked with {user} any more"),
        Notice::Unlinked { user, by: By::Them, .. } => format!("{user} undid the link with you"),
        Notice::Asked { user, .. } => format!(r"{user} asks for a link; \add {user} accepts, \block {user} refuses"),
        Notice::Online { user, via, .. } => format!("{user} is online{}", way(*via)),
        Notice::Path { user, via: Via::Direct, .. } => format!("{user} is reached directly now"),
        Notice::Path { user, via: Via::Relayed, .. } => format!("{user} is reached through others now"),
        Notice::Offline { user, reason: Absence::Declared, .. } => format!("{user} is offline"),
        Notice::Offline { user, reason: Absence::Lost, .. } => format!("{user} is lost; looking for them"),
        Notice::Pong { addr, user, id, rtt_ms, .. } => {
            format!("{addr} is {user} ({}), {rtt_ms:.1} ms away", id.short())
        }
        Notice::Exploded { users, sessions, messages, elapsed_ms } => format!(
            "reached {} on {} with {} in {elapsed_ms} ms",
            counted(*users as u64, "user"),
            counted(*sessions as u64, "session"),
            counted(*messages, "message")
        ),
        Notice::Done { what } => format!("done: {what}"),
        Notice::Chat { .. }
        | Notice::Queued { .. }
        | Notice::State { .. }
        | Notice::Message(_)
        | Notice::Users { .. }
        | Notice::Me(_)
        | Notice::Whois(_)
        | Notice::Status { .. }
        | Notice::History { .. }
        | Notice::Warning { .. }
        | Notice::Error { .. } => String::new(),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn way(via: Via) -> &'static str {
    match via {
        Via::Direct => "",
        Via::Relayed => ", through others",
    }
}

fn said(style: Style, from: &str, to: Option<&str>, text: &str) -> String {
    let to = to.map(|to| format!(" to {}", style.name(to))).unwrap_or_default();
    format!("{}{to}: {}\n", style.name(from), harmless(text).replace('\n', "\n    "))
}

fn message(style: Style, view: &MessageView) -> String {
    if view.own {
        return said(style, "you", Some(&view.with), &view.text);
    }
    let from = if view.again { format!("{} (again)", view.from) } else { view.from.clone() };
    said(style, &from, None, &view.text)
}

fn people(style: Style, filter: Filter, users: &[UserView]) -> String {
    let which = match filter {
        Filter::All => "",
        Filter::Online => " online",
        Filter::Offline => " offline",
    };
    let title = match users.len() {
        0 => format!("nobody{which}"),
        1 => format!("one user{which}"),
        n => format!("{n} users{which}"),
    };
    let mut shown: Vec<&UserView> = users.iter().collect();
    if shown.len() > MAX_PEOPLE {
        shown.sort_by_key(|user| (user.distance.is_none(), !user.online));
        shown.truncate(MAX_PEOPLE);
    }
    let more = match users.len() - shown.len() {
        0 => String::new(),
        n => format!("    and {n} more; \\whois USER shows one\n"),
    };
    shown.into_iter().fold(style.happened(&title), |mut text, user| {
        let marks = [
            Some(if user.online { "online" } else { "offline" }),
            match user.distance {
                Some(0) => Some("me"),
                Some(1) => Some("linked"),
                Some(_) => Some("two links away"),
                None => None,
            },
            user.nearby.then_some("nearby"),
            user.verified.then_some("checked"),
        ];
        let marks: Vec<&str> = marks.into_iter().flatten().collect();
        text.push_str(&format!("    {}  {}\n", style.name(&user.user), marks.join(", ")));
        user.sessions.iter().for_each(|session| text.push_str(&whereabouts(session)));
        text
    }) + &more
}

fn whereabouts(session: &SessionView) -> String {
    let how = match (session.online, session.via) {
        (true, Some(Via::Relayed)) => "online through others",
        (true, _) => "online",
        (false, _) => "offline",
    };
    let addresses = session.addrs.iter().fold(String::new(), |text, addr| text + &format!(", {addr}"));
    format!("        {}  {how}, heard {} s ago{addresses}\n", session.session.short(), session.heard_s)
}

fn person(style: Style, profile: &Profile) -> String {
    let checked = if profile.verified { ", checked" } else { "" };
    let mut text = format!("{}{}\n", style.paint("2", "* "), style.name(&profile.user) + checked);
    for (what, value) in
        [("id", profile.id.to_string()), ("words", profile.words.clone()), ("address", profile.address.clone())]
    {
        writeln!(text, "    {what:<8} {}", inline(&value)).expect("a string takes all");
    }
    let sessions: Vec<String> = profile.sessions.iter().map(|session| session.short()).collect();
    writeln!(text, "    {:<8} {}", "sessions", sessions.join(", ")).expect("a string takes all");
    for (reason, count) in &profile.drops {
        writeln!(text, "    {:<8} {count} × {}", "dropped", reason.replace('_', " ")).expect("a string takes all");
    }
    text + &qr::render(&profile.address).unwrap_or_default()
}

fn statuses(style: Style, messages: &[StatusView]) -> String {
    let title =
        if messages.is_empty() { "nothing waits" } else { r"messages; \cancel MESSAGE withdraws one that waits" };
    messages.iter().fold(style.happened(title), |text, view| {
        let states: Vec<String> =
            view.sessions.iter().map(|held| state(style, held, view.sessions.len() > 1)).collect();
        let states = if states.is_empty() { "waiting".to_owned() } else { states.join(", ") };
        let begin = super::macros::shortened(&view.text);
        text + &format!(
            "    {}  to {}: {}\n        {states}\n",
            view.message.token(),
            style.name(&view.to),
            inline(&begin)
        )
    })
}

/// A session is named where there are several.
fn state(style: Style, held: &HeldBy, named: bool) -> String {
    let session = |word: &str| if named { format!(" {word} {}", held.session.short()) } else { String::new() };
    match held.state {
        Delivery::Queued => format!("waiting{}", session("for")),
        Delivery::Carried => {
            let carriers: Vec<String> = held.by.iter().map(|by| style.name(&by.name)).collect();
            format!("carried{} by {}", session("for"), carriers.join(" and "))
        }
        Delivery::Delivered => format!("delivered{}", session("to")),
    }
}

fn history(style: Style, with: &str, messages: &[MessageView]) -> String {
    let title = if messages.is_empty() { "nothing was said with" } else { "what was said with" };
    messages.iter().fold(style.happened(&format!("{title} {with}")), |text, view| {
        let who = if view.own { "you" } else { &view.from };
        // To the minute: `2026-11-22T16:22:05.123Z`.
        let sent = rfc3339(view.sent);
        let words = harmless(&view.text).replace('\n', "\n        ");
        text + &format!("    {} {}  {}: {words}\n", &sent[..10], &sent[11..16], style.name(who))
    })
}

#[cfg(test)]
mod tests;
