//! Lists of messages: history, what was searched for, where my messages are, and conversations.

use chrono::Local;

use super::style::{BELOW_ITEM, Style};
use super::text::{counted, inline, minute, quoted};
use crate::id::MessageId;
use crate::identity::name::escape;
use crate::proto::notice::{ConversationView, Delivery, HeldBy, MessageView, StatusView};
use crate::ui::macros::truncated;

/// `next` is the first message if there are older ones, or the last if there are newer ones.
pub fn history(style: Style, with: &str, messages: &[MessageView], next: Option<MessageId>) -> String {
    let title = if messages.is_empty() { "no messages with" } else { "messages with" };
    let shown = messages.iter().fold(style.event(&format!("{title} {with}")), |text, view| {
        let mark = if view.own { ">" } else { "<" };
        let who = if view.own { style.author(view) } else { style.name(&view.from) };
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
pub fn found(style: Style, what: &str, messages: &[MessageView], has_more: bool) -> String {
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

pub fn statuses(style: Style, messages: &[StatusView]) -> String {
    let title = if messages.is_empty() {
        "no messages to show"
    } else {
        r"your messages; \cancel MESSAGE withdraws an undelivered one"
    };
    messages.iter().fold(style.event(title), |text, view| {
        let states = progress(style, &view.sessions);
        let begin = truncated(&view.text);
        let title = format!("    {}  to {}: {}", view.message.token(), style.name(&view.to), inline(&begin));
        text + &style.rows(&title, BELOW_ITEM) + &style.rows(&format!("        {states}"), BELOW_ITEM)
    })
}

/// How far a message has come. Sessions to which others give it are not counted.
fn progress(style: Style, sessions: &[HeldBy]) -> String {
    let count = |state| sessions.iter().filter(|held| held.state == state).count();
    let (reached, left) = (count(Delivery::Delivered), count(Delivery::Settled));
    let of = sessions.len() - left;
    match (sessions, of) {
        ([], _) => "waiting".to_owned(),
        ([one, ..], 0) => state(style, one, false),
        _ => {
            let states: Vec<String> = sessions.iter().map(|held| state(style, held, sessions.len() > 1)).collect();
            let count = if reached < of && of > 1 { format!("delivered {reached} of {of}: ") } else { String::new() };
            count + &states.join(", ")
        }
    }
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
        Delivery::Settled if named => format!("{} gets it from another session", inline(&held.label)),
        Delivery::Settled => "left to another session".to_owned(),
    }
}

pub fn conversation_list(style: Style, conversations: &[ConversationView]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::proto::notice::{Holder, Notice, Progress};
    use crate::time::Wall;
    use crate::ui::plain::tests::{printed, session, view};

    #[test]
    fn history_shows_when_it_was_sent_and_by_whom() {
        let mine = MessageView { own: true, ..view("and\nso on") };
        let text = printed(Notice::History { with: "bob".into(), messages: vec![view("hello"), mine], next: None });
        let sent = minute(view("").sent, &Local);
        let expected =
            format!("* messages with bob\n    {sent}  < bob: hello\n    {sent}  > you: and\n        so on\n");
        assert_eq!(text, expected);
        let from_pi = MessageView { own: true, by: Some("pi".into()), ..view("hi") };
        let text = printed(Notice::History { with: "bob".into(), messages: vec![from_pi], next: None });
        assert!(text.ends_with("  > you (pi): hi\n"), "{text}");
    }

    #[test]
    fn carriers_of_a_message_are_named() {
        let (bobs, relay) = (SessionId([4; 32]), SessionId([5; 32]));
        let message = view("hi").message;
        let state = |state, by| progress_of("phone", 1, 1, state, by);
        assert_eq!(printed(state(Delivery::Carried, relay)), "* carried for bob by pi\n");
        assert_eq!(printed(state(Delivery::Delivered, bobs)), "* delivered to bob\n");

        let by = |name: &str| Holder { session: relay, name: name.into() };
        let held = |state, by: &[Holder]| HeldBy { session: bobs, label: "phone".into(), state, by: by.to_vec() };
        let said = |sessions| {
            let view = StatusView { message, to: "bob".into(), text: "hi".into(), sent: Wall(0), sessions };
            printed(Notice::Status { messages: vec![view] })
        };
        let carried = held(Delivery::Carried, &[by("pi"), by("va\u{1b}n")]);
        let alone = said(vec![carried.clone()]);
        assert!(alone.contains("carried by pi and va\\u{1b}n\n"), "{alone:?}");
        let all = said(vec![held(Delivery::Queued, &[]), carried, held(Delivery::Delivered, &[by("bob")])]);
        let line = "delivered 1 of 3: waiting for phone, carried for phone by pi and va\\u{1b}n, delivered to phone";
        assert!(all.contains(line), "{all:?}");
    }

    #[test]
    fn of_an_addressee_with_several_sessions_it_is_said_how_many_have_a_message_and_which() {
        let relay = SessionId([5; 32]);
        let first = progress_of("phone", 1, 2, Delivery::Delivered, session());
        assert_eq!(printed(first), "* delivered 1 of 2 to bob (phone)\n");
        let carried = progress_of("laptop", 1, 2, Delivery::Carried, relay);
        assert_eq!(printed(carried), "* carried for bob (laptop) by pi\n");
        let held = |label: &str, state| HeldBy { session: session(), label: label.into(), state, by: vec![] };
        let said = |sessions| {
            let (message, to, text) = (view("hi").message, "bob".into(), "hi".into());
            let text =
                printed(Notice::Status { messages: vec![StatusView { message, to, text, sent: Wall(0), sessions }] });
            text.lines().last().unwrap_or_default().trim().to_owned()
        };
        let (has, lacks) = (held("phone", Delivery::Delivered), held("laptop", Delivery::Queued));
        assert_eq!(said(vec![has.clone(), lacks]), "delivered 1 of 2: delivered to phone, waiting for laptop");
        let left = [held("laptop", Delivery::Settled), held("pi", Delivery::Settled)];
        let expected = "delivered to phone, laptop gets it from another session, pi gets it from another session";
        assert_eq!(said([vec![has.clone()], left.to_vec()].concat()), expected);
        assert_eq!(said(vec![has, held("laptop", Delivery::Delivered)]), "delivered to phone, delivered to laptop");
        assert_eq!(said(left.to_vec()), "left to another session", "nobody is known to have it");
    }

    fn progress_of(label: &str, reached: usize, of: usize, state: Delivery, by: SessionId) -> Notice {
        let progress = Box::new(Progress { label: label.into(), reached, of, holder: "pi".into() });
        Notice::State { message: view("hi").message, to: "bob".into(), session: session(), state, by, progress }
    }
}
