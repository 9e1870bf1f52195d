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

pub(super) mod counts;
mod map;
mod messages;
mod people;
mod sentences;
mod style;
mod text;

use chrono::Local;

use super::doctor::{self, Report};
use super::macros::{MACROS, Macro};
use super::{Event, greeting};
use crate::proto::notice::{Notice, Which};
pub use sentences::progressed;
pub use style::Style;
use style::{BELOW_CHECK, BELOW_MACRO};
pub use text::{counted, inline, minute, quoted};

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
        Event::Counts(observed) => counts::counts(style, observed),
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
        Notice::Users { filter, users } => people::user_list(style, *filter, users),
        Notice::Me(profile) | Notice::Whois(profile) => people::profile_text(style, profile),
        Notice::Status { messages } => messages::statuses(style, messages),
        Notice::Sessions { sessions } => people::own_sessions(style, sessions, &Local),
        Notice::History { with, messages, next } => messages::history(style, with, messages, *next),
        Notice::Found { text, messages, next, .. } => messages::found(style, text, messages, next.is_some()),
        Notice::Conversations { conversations } => messages::conversation_list(style, conversations),
        // It concerns interfaces that show what is unread, or what waits.
        Notice::Read { .. } | Notice::Cancelled { .. } => String::new(),
        Notice::Requests { users, is_answer: true } => people::requests(style, users),
        // It was unlinked, which is said as such.
        Notice::Offline { which: Which { own: true, label: None }, .. } => String::new(),
        Notice::Map(map) => map::network(style, map),
        Notice::Examination(examination) => report(style, &doctor::report(examination)),
        Notice::Code { code, token, expires_s } => people::code_text(style, code, token, *expires_s),
        Notice::Warning { message, .. } => style.problem(&format!("warning: {message}")),
        Notice::Error { message, .. } => style.problem(message),
        other => style.event(&sentences::sentence(other)),
    }
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

#[cfg(test)]
mod tests;
