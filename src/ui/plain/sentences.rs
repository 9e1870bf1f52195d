//! Notices that are one sentence each.

use std::borrow::Cow;

use super::text::{counted, quoted, suffix};
use crate::proto::notice::{Absence, By, Delivery, Notice, Progress, SessionChange, Via, Which};

/// The sentence for a notice that is shown as one; empty for the others.
pub fn sentence(notice: &Notice) -> String {
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
        Notice::Offline { reason: Absence::Unlinked, .. } => format!("{user} has unlinked a session"),
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
            format!(r"{0} is a session of yours; \unlink {0} if it should not be", quoted(label))
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
        | Notice::Cancelled { .. }
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
        | Notice::Map(_)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SessionId, UserId};
    use crate::ui::plain::tests::{printed, session};

    #[test]
    fn every_event_has_a_sentence() {
        let (user, id, session) = (|| "bob".to_owned(), UserId([3; 32]), SessionId([4; 32]));
        let addr = "192.0.2.1:5".parse().expect("an address");
        for notice in [
            Notice::Nearby { user: user(), id, session },
            Notice::Away { user: user(), id, session },
            Notice::Linked { user: user(), id, by: By::Me, auto: false },
            Notice::Linked { user: user(), id, by: By::Them, auto: false },
            Notice::Linked { user: user(), id, by: By::Them, auto: true },
            Notice::Unlinked { user: user(), id, by: By::Me },
            Notice::Unlinked { user: user(), id, by: By::Them },
            Notice::Asked { user: user(), id },
            Notice::Online { user: user(), id, session, which: Which::default(), via: Via::Relayed },
            Notice::Path { user: user(), id, session, which: Which::default(), via: Via::Direct },
            Notice::Path { user: user(), id, session, which: Which::default(), via: Via::Relayed },
            Notice::Offline { user: user(), id, session, which: Which::default(), reason: Absence::Lost },
            Notice::Chat { with: user(), id, online: true },
            Notice::Chat { with: user(), id, online: false },
            Notice::Pong { addr, user: user(), id, session, rtt_ms: 1.5 },
            Notice::Session { label: user(), session, state: SessionChange::Linked },
            Notice::Session { label: user(), session, state: SessionChange::Unlinked },
        ] {
            let text = printed(notice.clone());
            assert!(text.starts_with("* ") && text.contains("bob") && text.ends_with('\n'), "{notice:?}: {text:?}");
            assert_eq!(text.lines().count(), 1);
        }
    }

    #[test]
    fn of_a_user_with_several_sessions_the_one_that_comes_and_goes_is_named_and_those_of_mine_are_called_mine() {
        let (id, session) = (UserId([3; 32]), session());
        let online = |which| printed(Notice::Online { user: "bob".into(), id, session, which, via: Via::Direct });
        let lost = |which| printed(Notice::Offline { user: "bob".into(), id, session, which, reason: Absence::Lost });
        let phone = |own| Which { label: Some("phone".into()), own };
        assert_eq!(online(Which::default()), "* bob is online\n");
        assert_eq!(online(phone(false)), "* bob (phone) is online\n");
        assert_eq!(online(phone(true)), "* your session phone is online\n");
        assert_eq!(lost(phone(false)), "* bob (phone) is unreachable; looking for them\n");
        let (which, reason) = (Which::default(), Absence::Unlinked);
        let unlinked = printed(Notice::Offline { user: "bob".into(), id, session, which, reason });
        assert_eq!(unlinked, "* bob has unlinked a session\n");
        assert_eq!(lost(phone(true)), "* your session phone is unreachable\n");
        assert_eq!(lost(Which { label: None, own: true }), "", "that it was unlinked is said elsewhere");
    }

    #[test]
    fn the_result_of_explode_is_one_sentence() {
        let notice = Notice::Exploded { users: 1, sessions: 2, messages: 9, elapsed_ms: 40 };
        assert_eq!(printed(notice), "* reached 1 user on 2 sessions with 9 messages in 40 ms\n");
    }

    #[test]
    fn a_name_of_several_words_does_not_read_like_a_sentence() {
        let (id, session) = (UserId([3; 32]), SessionId([4; 32]));
        let nearby = |user: &str| printed(Notice::Nearby { user: user.into(), id, session });
        assert_eq!(nearby("bob"), "* bob is nearby; \\chat bob to talk\n");
        assert_eq!(nearby("bob is online"), "* \"bob is online\" is nearby; \\chat \"bob is online\" to talk\n");
        let chat = Notice::Chat { with: "bob and carol".into(), id, online: true };
        assert_eq!(printed(chat), "* now talking to \"bob and carol\"\n");
    }
}
