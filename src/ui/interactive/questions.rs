//! What a person is asked before a typed line is sent. A message cannot be taken back, so whatever makes it likely that a line
//! was meant otherwise is asked about, once. Enter again sends it.

use std::time::Duration;

use tokio::time::Instant;

use crate::ui::macros::doubt::{Draft, slashed};
use crate::ui::plain::quoted;

/// How long after somebody else's line a typed line may be meant for them.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// What the questions depend on.
#[derive(Debug, Default)]
pub struct Questions {
    /// Whom a typed line goes to.
    conversation: Option<String>,
    /// Who wrote last, and when.
    wrote: Option<(String, Instant)>,
    /// The question that was not answered yet.
    asked: Option<String>,
}

impl Questions {
    /// Lines go to this user from now on.
    pub fn set_conversation(&mut self, with: Option<&str>) {
        self.conversation = with.map(str::to_owned);
    }

    /// A line of this user was shown. One that was written long before it came, and so may be copied from another session, is
    /// not what a typed line answers.
    pub fn shown(&mut self, from: &str, is_late: bool, now: Instant) {
        if !is_late {
            self.wrote = Some((from.to_owned(), now));
        }
    }

    /// The edited line has ended. A question about it needs no answer any more.
    pub fn close(&mut self) {
        self.asked = None;
    }

    /// What to ask before this line is taken; `None` if it may be taken.
    pub fn ask(&mut self, line: &str, now: Instant) -> Option<String> {
        let question = self.question(line, now);
        if question.is_some() && question != self.asked {
            self.asked.clone_from(&question);
            return question;
        }
        if self.asked.take().is_some() {
            self.wrote = None;
        }
        None
    }

    fn question(&self, line: &str, now: Instant) -> Option<String> {
        let Some(with) = self.conversation.as_deref() else {
            return slashed(line).map(|name| format!(r"take this as text? The macro is \{name}. Enter again takes it"));
        };
        let other = self.wrote.as_ref().filter(|(from, at)| from != with && now.duration_since(*at) < ANSWERED_WITHIN);
        let other = other.map(|(from, _)| quoted(from));
        // The editor has several lines only if they were pasted.
        let draft = Draft { text: line, to: with, other: other.as_deref(), pasted: true, macros: true };
        draft.question().map(|question| format!("{question} Enter again sends it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bob() -> Questions {
        let mut questions = Questions::default();
        questions.set_conversation(Some("bob"));
        questions
    }

    #[test]
    fn an_answer_to_somebody_else_is_asked_about_once() {
        let (mut questions, now) = (with_bob(), Instant::now());
        questions.shown("carol", false, now);
        assert_eq!(
            questions.ask("yes, six", now).as_deref(),
            Some("send this to bob, not carol? Enter again sends it")
        );
        assert_eq!(questions.ask("yes, six", now), None, "Enter again");
        assert_eq!(questions.ask("is fine", now), None, "it was decided");
    }

    #[test]
    fn nothing_is_asked_after_a_line_of_the_same_person_or_half_a_minute() {
        let (mut questions, now) = (with_bob(), Instant::now());
        assert_eq!(questions.ask("hello", now), None);
        questions.shown("carol", false, now);
        assert_eq!(questions.ask("late", now + ANSWERED_WITHIN), None);
        questions.shown("bob", false, now);
        assert_eq!(questions.ask("hello", now), None);
        questions.shown("carol", false, now);
        assert_eq!(questions.ask(r"\chat carol", now), None, "a macro goes to nobody");
        assert_eq!(questions.ask("  ", now), None, "nor does a blank line");
    }

    #[test]
    fn nothing_is_asked_after_a_line_that_was_written_long_before_it_came() {
        let (mut questions, now) = (with_bob(), Instant::now());
        questions.shown("carol", true, now);
        assert_eq!(questions.ask("hello", now), None);
        questions.shown("carol", false, now);
        questions.shown("bob", true, now);
        assert!(questions.ask("yes", now).is_some(), "carol was the last to write");
    }

    #[test]
    fn a_line_of_a_third_person_after_the_question_is_another_question() {
        let (mut questions, now) = (with_bob(), Instant::now());
        questions.shown("carol", false, now);
        questions.ask("yes", now).expect("it is asked about");
        questions.shown("dora", false, now);
        assert_eq!(questions.ask("yes", now).as_deref(), Some("send this to bob, not dora? Enter again sends it"));
        questions.close();
        assert!(questions.ask("other words", now).is_some(), "the line was dropped, not sent");
    }

    #[test]
    fn a_macro_with_a_slash_is_asked_about() {
        let (mut questions, now) = (with_bob(), Instant::now());
        let question = r"send this as text to bob? The macro is \help. Enter again sends it";
        assert_eq!(questions.ask("/help", now).as_deref(), Some(question));
        assert_eq!(questions.ask("/help", now), None);
        assert_eq!(questions.ask("/etc/passwd is a file", now), None);
        assert_eq!(questions.ask("/", now), None);
        questions.set_conversation(None);
        assert_eq!(
            questions.ask("/help", now).as_deref(),
            Some(r"take this as text? The macro is \help. Enter again takes it")
        );
    }

    #[test]
    fn more_than_three_lines_and_lines_that_look_like_macros_are_asked_about() {
        let (mut questions, now) = (with_bob(), Instant::now());
        assert_eq!(questions.ask("1\n2\n3\n", now), None);
        assert_eq!(questions.ask("1\n2\n3\n4", now).as_deref(), Some("send 4 lines to bob? Enter again sends it"));
        assert_eq!(questions.ask("1\n2\n3\n4\n5", now).as_deref(), Some("send 5 lines to bob? Enter again sends it"));
        assert_eq!(questions.ask("1\n2\n3\n4\n5", now), None);
        let pasted = "\\chat carol\nhello";
        let question = r"send this to bob? \chat in it is sent as text, not obeyed. Enter again sends it";
        assert_eq!(questions.ask(pasted, now).as_deref(), Some(question));
        questions.shown("carol", false, now);
        let question = r"send 4 lines to bob, not carol? \quit in it is sent as text, not obeyed. Enter again sends it";
        assert_eq!(questions.ask("1\n2\n\\quit now\n4", now).as_deref(), Some(question));
    }
}
