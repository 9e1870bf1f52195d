//! Events as sentences, one line each, with details indented below. The first column shows what kind of line it is:
//!
//! | line | meaning |
//! |---|---|
//! | `< bob: hello` | a message from bob; `< bob (again): hello` may have been shown before a crash |
//! | `> to bob: hello` | a message of mine; `> you (pi) to bob: hello` was written on my session pi |
//! | `* bob is online` | an event or an answer |
//! | `! unknown user bob` | an error or a warning |
//!
//! No text reaches that column: the further lines of a message are indented, and so are the rows of a line that is longer than
//! the terminal is wide. Names contain no `:`, no quotes and no parentheses, and in sentences those of several words stand in quotes. So no message looks like another event or another user's.
//! Everything is escaped before it is printed. On a terminal names are bold, events dim and errors red, unless `NO_COLOR` is
//! set.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::io::{self, IsTerminal};

use chrono::{DateTime, Local, TimeZone};
use terminal_size::{Width, terminal_size_of};

use super::doctor::{self, Report};
use super::json::rfc3339;
use super::macros::{MACROS, Macro};
use super::wrap::wrapped;
use super::{Event, greeting, qr};
use crate::id::MessageId;
use crate::identity::address::ContactAddress;
use crate::identity::name::escape;
use crate::proto::notice::Filter;
use crate::proto::notice::{
    Absence, By, ConversationView, Delivery, HeldBy, Labelled, MessageView, Notice, OwnSession, Profile, Progress,
    RequestView, SessionChange, SessionView, StatusView, UserView, Via, Which,
};
use crate::time::Wall;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether lines contain ANSI colour sequences.
    pub colours: bool,
    /// The width of the terminal, at which lines are broken; `None` if the output is no terminal.
    pub columns: Option<usize>,
}

/// Indentation of the rows of a line that belong to the first one.
const BELOW: usize = 4;
/// Indentation of the rows of a line in a list, which is itself indented by [`BELOW`].
const BELOW_ITEM: usize = 8;
/// Indentation of the rows of a line in the table of macros: below what a macro does.
const BELOW_MACRO: usize = 21;
/// Indentation of the rows of a check: below its text.
const BELOW_CHECK: usize = 23;
/// Indentation of the rows of a line in a profile, which begins with what it shows.
const BELOW_TITLE: usize = 13;

impl Style {
    /// Uses colours if standard output is a terminal that supports them and `NO_COLOR` is not set.
    pub fn of_stdout() -> Style {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        Style { colours: io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb, columns: columns() }
    }

    /// The same style at the present width of the terminal.
    pub fn resized(self) -> Style {
        Style { columns: self.columns.and_then(|_| columns()), ..self }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn name(self, name: &str) -> String {
        self.paint("1", &inline(name))
    }

    /// A line with its line ending. What does not fit into its first row is indented.
    fn rows(self, line: &str, indent: usize) -> String {
        let rows = match self.columns {
            Some(columns) => wrapped(line, columns, indent),
            None => line.replace('\n', &format!("\n{:indent$}", "")),
        };
        rows + "\n"
    }

    /// An indented line, or one that is none of the kinds above, with its line ending. The text is not escaped.
    pub fn text(self, line: &str) -> String {
        self.rows(line, BELOW_ITEM)
    }

    /// A line about an event, such as an arrival, with its line ending. The text is escaped.
    pub fn event(self, text: &str) -> String {
        self.rows(&self.paint("2", &format!("* {}", inline(text))), BELOW)
    }

    /// A line about an error or a question, with its line ending. The text is escaped.
    pub fn problem(self, text: &str) -> String {
        self.rows(&self.paint("31", &format!("! {}", inline(text))), BELOW)
    }

    /// A message, with the time before it (empty for none), and a remark on when it was sent.
    pub fn message(self, time: &str, view: &MessageView, sent: Option<&str>) -> String {
        let again = (view.again && !view.own).then_some("again");
        let remarks: Vec<&str> = again.into_iter().chain(sent).collect();
        let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) };
        let author = match view.own {
            true => format!("> {} to {}", you(self, view), self.name(&view.with)),
            false => format!("< {}", self.name(&view.from)),
        };
        self.rows(&format!("{}{author}{remarks}: {}", self.time(time), escape(&view.text)), BELOW)
    }

    /// A message of mine, with the time before it (empty for none).
    pub fn sent(self, time: &str, to: &str, text: &str) -> String {
        self.rows(&format!("{}> to {}: {}", self.time(time), self.name(to), escape(text)), BELOW)
    }

    fn time(self, time: &str) -> String {
        if time.is_empty() { String::new() } else { self.paint("2", time) + " " }
    }
}

/// The width of the terminal that is standard output. One that reports none is no terminal.
fn columns() -> Option<usize> {
    let (Width(columns), _) = terminal_size_of(io::stdout())?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// Users shown in one list, nearest first. A network may have thousands, and strangers can add to them.
const MAX_USERS: usize = 200;

/// Link-local addresses shown by `\me` where there are no others but those of loopback.
const MAX_PLACES: usize = 4;

/// Escapes a text for use within a line.
pub fn inline(text: &str) -> String {
    escape(text).replace(['\n', '\t'], " ")
}

/// The text for an event, with a line ending after every line.
pub fn render(style: Style, event: Event<'_>) -> String {
    match event {
        Event::Ready(ready, setup) => {
            let (first, below) = greeting::ready(ready, setup);
            style.event(&first) + &below
        }
        Event::Waiting(ready) => style.event(&greeting::waiting(ready)),
        Event::Notice(notice) => notice_text(style, notice),
        Event::Help => {
            let line = |m: &Macro| style.rows(&format!("{:<20} {}", m.usage, m.text), BELOW_MACRO);
            MACROS.iter().map(line).collect()
        }
        Event::Stopped => style.event("stopped"),
    }
}

fn notice_text(style: Style, notice: &Notice) -> String {
    match notice {
        Notice::Chat { with, online: true, .. } => style.event(&format!("now talking to {}", quoted(with))),
        Notice::Chat { with, .. } => {
            let with = quoted(with);
            style.event(&format!("now talking to {with}, who cannot be reached: messages will wait or be carried"))
        }
        Notice::Queued { to, text, .. } => style.sent("", to, text),
        Notice::State { to, state, progress, .. } => style.event(&progressed(to, *state, progress)),
        // It belongs to the history.
        Notice::Message(view) if view.past => String::new(),
        Notice::Message(view) => style.message("", view, None),
        Notice::Users { filter, users } => user_list(style, *filter, users),
        Notice::Me(profile) | Notice::Whois(profile) => profile_text(style, profile),
        Notice::Status { messages } => statuses(style, messages),
        Notice::Sessions { sessions } => own_sessions(style, sessions, &Local),
        Notice::History { with, messages, next } => history(style, with, messages, *next),
        Notice::Found { text, messages, next, .. } => found(style, text, messages, next.is_some()),
        Notice::Conversations { conversations } => conversation_list(style, conversations),
        // It concerns interfaces that show what is unread.
        Notice::Read { .. } => String::new(),
        Notice::Requests { users, is_answer: true } => requests(style, users),
        // It was unlinked, which is said as such.
        Notice::Offline { which: Which { own: true, label: None }, .. } => String::new(),
        Notice::Examination(examination) => report(style, &doctor::report(examination)),
        Notice::Code { code, token, expires_s } => code_text(style, code, token, *expires_s),
        Notice::Warning { message, .. } => style.problem(&format!("warning: {message}")),
        Notice::Error { message, .. } => style.problem(message),
        other => style.event(&sentence(other)),
    }
}

/// A name within a sentence: in quotes if it consists of several words, so that no name reads like a part of the sentence. It
/// can be typed back like this.
pub fn quoted(name: &str) -> Cow<'_, str> {
    if name.contains(' ') { format!("\"{name}\"").into() } else { name.into() }
}

/// The user a sentence is about; empty if it is about none.
fn subject(notice: &Notice) -> Cow<'_, str> {
    match notice {
        Notice::Nearby { user, .. }
        | Notice::Away { user, .. }
        | Notice::Linked { user, .. }
        | Notice::Unlinked { user, .. }
        | Notice::Asked { user, .. }
        | Notice::Online { user, .. }
        | Notice::Path { user, .. }
        | Notice::Offline { user, .. }
        | Notice::Pong { user, .. }
        | Notice::Bootstrap { user, .. } => quoted(user),
        _ => "".into(),
    }
}

/// The user in a sentence about one of their sessions, which is named if there are several.
fn session_of<'a>(user: &'a str, which: &Which) -> Cow<'a, str> {
    match (&which.label, which.own) {
        (Some(label), true) => format!("your session {}", quoted(label)).into(),
        (None, true) => "a session of yours".into(),
        (Some(label), false) => format!("{user} ({label})").into(),
        (None, false) => user.into(),
    }
}

/// The sentence for a notice that is shown as one; empty for the others.
fn sentence(notice: &Notice) -> String {
    let user = subject(notice);
    match notice {
        Notice::Nearby { .. } => format!(r"{user} is nearby; \chat {user} to talk"),
        Notice::Away { .. } => format!("{user} is no longer nearby"),
        Notice::Linked { by: By::Me, .. } => format!("you are linked with {user}"),
        Notice::Linked { by: By::Them, auto: false, .. } => format!("{user} linked with you"),
        Notice::Linked { auto: true, .. } => {
            format!(r"{user} linked with you; \add {user} to let your friends see each other, \block {user} to refuse")
        }
        Notice::Unlinked { by: By::Me, .. } => format!("you are no longer linked with {user}"),
        Notice::Unlinked { by: By::Them, .. } => format!("{user} removed the link with you"),
        Notice::Asked { .. } => format!(r"{user} requests a link; \add {user} accepts, \block {user} refuses"),
        Notice::Online { via, which, .. } => format!("{} is online{}", session_of(&user, which), suffix(*via)),
        Notice::Path { via: Via::Direct, which, .. } => {
            format!("{} is now reached directly", session_of(&user, which))
        }
        Notice::Path { via: Via::Relayed, which, .. } => {
            format!("{} is now reached through others", session_of(&user, which))
        }
        Notice::Offline { reason: Absence::Declared, which, .. } => format!("{} is offline", session_of(&user, which)),
        Notice::Offline { reason: Absence::Lost, which: which @ Which { own: true, .. }, .. } => {
            format!("{} is unreachable", session_of(&user, which))
        }
        Notice::Offline { reason: Absence::Lost, which, .. } => {
            format!("{} is unreachable; looking for them", session_of(&user, which))
        }
        Notice::Requests { users, .. } => {
            let people = match users.len() {
                1 => "somebody".to_owned(),
                n => format!("{n} people"),
            };
            format!(r"{people} you do not know wrote; \requests lists them")
        }
        Notice::Pong { addr, id, rtt_ms, .. } => {
            format!("{addr} is {user} ({}), round trip {rtt_ms:.1} ms", id.short())
        }
        Notice::Bootstrap { place, .. } => format!("the bootstrap node {place} answered: it is {user}"),
        Notice::Mirrored { label, lines, complete: false, .. } => {
            format!("the history is coming over from {}: {} so far", quoted(label), counted(*lines, "message"))
        }
        Notice::Mirrored { label, lines, complete: true, .. } => {
            format!(
                r"{} came over from {}; \history USER shows them",
                counted(*lines, "earlier message"),
                quoted(label)
            )
        }
        Notice::Exploded { users, sessions, messages, elapsed_ms } => format!(
            "reached {} on {} with {} in {elapsed_ms} ms",
            counted(*users as u64, "user"),
            counted(*sessions as u64, "session"),
            counted(*messages, "message")
        ),
        Notice::Session { label, state: SessionChange::Linked, .. } => {
            format!(r"{0} is now a session of yours; \unlink {0} if it should not be", quoted(label))
        }
        Notice::Session { label, state: SessionChange::Unlinked, .. } => {
            format!("{} is no longer a session of yours", quoted(label))
        }
        Notice::Exported { messages, .. } => counted(messages.len() as u64, "message"),
        Notice::Done { what } => format!("done: {what}"),
        Notice::Joined { user, words, .. } => {
            format!("this is a session of {} now, whose fingerprint is: {words}", quoted(user))
        }
        Notice::Chat { .. }
        | Notice::Queued { .. }
        | Notice::State { .. }
        | Notice::Message(_)
        | Notice::Code { .. }
        | Notice::Users { .. }
        | Notice::Me(_)
        | Notice::Whois(_)
        | Notice::Status { .. }
        | Notice::Sessions { .. }
        | Notice::History { .. }
        | Notice::Found { .. }
        | Notice::Conversations { .. }
        | Notice::Read { .. }
        | Notice::Examination(_)
        | Notice::Warning { .. }
        | Notice::Error { .. } => String::new(),
    }
}

/// The sentence for the progress of a message. Which session of the addressee it is about matters if there are several.
pub fn progressed(to: &str, state: Delivery, progress: &Progress) -> String {
    let Progress { label, reached, of, .. } = progress;
    let (to, holder) = (quoted(to), quoted(&progress.holder));
    match state {
        Delivery::Queued | Delivery::Settled => format!("waiting for {to}"),
        Delivery::Carried if *of > 1 => format!("carried for {to} ({label}) by {holder}"),
        Delivery::Carried => format!("carried for {to} by {holder}"),
        Delivery::Delivered if *of > 1 => format!("delivered {reached} of {of} to {to} ({label})"),
        Delivery::Delivered => format!("delivered to {to}"),
    }
}

/// A number of things: `1 line`, `2 lines`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn suffix(via: Via) -> &'static str {
    match via {
        Via::Direct => "",
        Via::Relayed => ", through others",
    }
}

/// The author of a message of mine, with the session if it is another one.
fn you(style: Style, view: &MessageView) -> String {
    let by = view.by.as_ref().map(|label| format!(" ({})", inline(label))).unwrap_or_default();
    style.name("you") + &by
}

fn user_list(style: Style, filter: Filter, users: &[UserView]) -> String {
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

fn conversation_list(style: Style, conversations: &[ConversationView]) -> String {
    let title = match conversations.len() {
        0 => "no conversations".to_owned(),
        n => counted(n as u64, "conversation"),
    };
    conversations.iter().fold(style.event(&title), |text, conversation| {
        let unread = match conversation.unread {
            0 => "nothing unread".to_owned(),
            n => format!("{n} unread"),
        };
        text + &style.rows(&format!("    {}  {unread}", style.name(&conversation.with)), BELOW_ITEM)
    })
}

fn requests(style: Style, users: &[RequestView]) -> String {
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

fn session_text(session: &SessionView) -> String {
    let how = match (session.online, session.via) {
        (true, Some(Via::Relayed)) => "online through others",
        (true, _) => "online",
        (false, _) => "offline",
    };
    let addresses = session.addrs.iter().fold(String::new(), |text, addr| text + &format!(", {addr}"));
    format!("        {}  {how}, heard {} s ago{addresses}", inline(&session.label), session.heard_s)
}

/// The local user's sessions, with times in a time zone.
fn own_sessions(style: Style, sessions: &[OwnSession], zone: &impl TimeZone<Offset: Display>) -> String {
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

/// A session by its label, with the start of its id.
fn labelled(known: &Labelled) -> String {
    let short = known.session.short();
    if known.label == short { short } else { format!("{} ({short})", inline(&known.label)) }
}

fn profile_text(style: Style, profile: &Profile) -> String {
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

/// Whether a contact address has a network address that is not of the machine itself.
fn leads_to_other_machines(address: &str) -> bool {
    address.parse().is_ok_and(|address: ContactAddress| address.addrs.iter().any(|addr| !addr.ip().is_loopback()))
}

/// What has to be typed on the other machine.
fn code_text(style: Style, code: &str, token: &str, expires_s: u64) -> String {
    // They are not broken into rows, so that they can be copied.
    let row = |invitation: &str| format!("    \\link {}\n", inline(invitation));
    let or = "    or this, which also works across networks, or scan it; only the last code shown is valid:";
    style.event(&format!("type this on your other machine within {expires_s} seconds:"))
        + &row(code)
        + &style.rows(or, BELOW_ITEM)
        + &row(token)
        + &qr::render(token).unwrap_or_default()
}

fn statuses(style: Style, messages: &[StatusView]) -> String {
    let title = if messages.is_empty() {
        "no messages to show"
    } else {
        r"your messages; \cancel MESSAGE withdraws an undelivered one"
    };
    messages.iter().fold(style.event(title), |text, view| {
        let states: Vec<String> =
            view.sessions.iter().map(|held| state(style, held, view.sessions.len() > 1)).collect();
        let reached = view.sessions.iter().filter(|held| held.state == Delivery::Delivered).count();
        let states = match states.len() {
            0 => "waiting".to_owned(),
            1 => states.concat(),
            of => format!("delivered {reached} of {of}: {}", states.join(", ")),
        };
        let begin = super::macros::truncated(&view.text);
        let title = format!("    {}  to {}: {}", view.message.token(), style.name(&view.to), inline(&begin));
        text + &style.rows(&title, BELOW_ITEM) + &style.rows(&format!("        {states}"), BELOW_ITEM)
    })
}

/// The session is named if there are several.
fn state(style: Style, held: &HeldBy, named: bool) -> String {
    let session =
        |preposition: &str| if named { format!(" {preposition} {}", inline(&held.label)) } else { String::new() };
    match held.state {
        Delivery::Queued => format!("waiting{}", session("for")),
        Delivery::Carried => {
            let carriers: Vec<String> = held.by.iter().map(|by| style.name(&by.name)).collect();
            format!("carried{} by {}", session("for"), carriers.join(" and "))
        }
        Delivery::Delivered => format!("delivered{}", session("to")),
        Delivery::Settled => format!("left to another session{}", session("to pass on to")),
    }
}

/// A time in a time zone, to the minute. A time that no calendar holds is shown as UTC.
pub fn minute(at: Wall, zone: &impl TimeZone<Offset: Display>) -> String {
    let local = DateTime::from_timestamp_millis(at.0).map(|utc| utc.with_timezone(zone));
    local.map_or_else(|| rfc3339(at), |local| local.format("%Y-%m-%d %H:%M").to_string())
}

/// What an examination has found: the checks, then the verdict and what to do.
pub fn report(style: Style, report: &Report) -> String {
    let title = match &report.user {
        Some(user) => format!("examined this node and {}", quoted(user)),
        None => "examined this node".to_owned(),
    };
    let row = |name: &str, state: &str, text: &str| {
        style.rows(&format!("    {name:<10} {state:<7} {}", inline(text)), BELOW_CHECK)
    };
    let checks: String = report.checks.iter().map(|check| row(check.name, check.state.as_str(), &check.text)).collect();
    style.event(&title) + &checks + &row("verdict", "", &report.verdict) + &row("to do", "", &report.action)
}

/// `next` is the first message if there are older ones, or the last if there are newer ones.
fn history(style: Style, with: &str, messages: &[MessageView], next: Option<MessageId>) -> String {
    let title = if messages.is_empty() { "no messages with" } else { "messages with" };
    let shown = messages.iter().fold(style.event(&format!("{title} {with}")), |text, view| {
        let mark = if view.own { ">" } else { "<" };
        let who = if view.own { you(style, view) } else { style.name(&view.from) };
        text + &style.rows(&format!("    {}  {mark} {}: {}", sent_at(view), who, escape(&view.text)), BELOW_ITEM)
    });
    let Some(next) = next else { return shown };
    let is_last = messages.last().is_some_and(|last| last.message == next);
    let (what, direction) = match is_last && messages.len() > 1 {
        true => ("newer", "after"),
        false => ("older", "before"),
    };
    let with = quoted(with);
    shown + &style.event(&format!(r"there are {what} ones: \history {with} {direction} {}", next.token()))
}

/// Messages that were searched for.
fn found(style: Style, what: &str, messages: &[MessageView], has_more: bool) -> String {
    let title = match messages.len() {
        0 => format!("no messages with the text {what}"),
        n => format!("{} with the text {what}, the newest first", counted(n as u64, "message")),
    };
    let shown = messages.iter().fold(style.event(&title), |text, view| {
        let with = style.name(&view.with);
        let who = if view.own { format!("> to {with}") } else { format!("< {with}") };
        text + &style.rows(&format!("    {}  {who}: {}", sent_at(view), escape(&view.text)), BELOW_ITEM)
    });
    if has_more { shown + &style.event(r"\search goes on with older ones") } else { shown }
}

fn sent_at(view: &MessageView) -> String {
    minute(view.sent, &Local)
}

#[cfg(test)]
mod tests;
