//! The line editor on a terminal, with completion, a history of typed lines, and events printed above the prompt. The
//! history is kept in memory only: the store already has the messages.
//!
//! It uses three threads. [`editor`] edits, with a [`helper`] that completes and asks [`questions`]. It sends a line to the session
//! and continues when the session tells it the next prompt. Another thread prints, because passing text to the editor may block
//! until the editor is ready. If the session waited for that, it could deadlock with the editor, which waits for the session. The
//! third passes on what is typed ([`keyboard`]) and marks [`pastes`]. What a person is told of [`deliveries`] and [`times`] is
//! decided by the screen. A typed line becomes a message with its time when it is stored; until then a [`hold`] keeps the rows
//! below it free.

mod deliveries;
mod editor;
mod helper;
mod hold;
mod keyboard;
mod layout;
#[cfg(unix)]
mod pastes;
mod questions;
mod times;

use std::convert::Infallible;
use std::io::{self, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use chrono::Local;
use rustyline::history::MemHistory;
use rustyline::{Editor, ExternalPrinter};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::input::Line;
use super::limiter::Limiter;
use super::plain::{Style, counted, quoted};
use super::{Event, Screen, greeting};
use crate::proto::notice::{ConversationView, MessageView, Notice};
use deliveries::Deliveries;
use editor::{Answer, Sent, prompt_of};
use helper::{LineHelper, Shared};
use hold::Hold;
use keyboard::Keys;
pub use keyboard::QUIET;
use times::Times;

/// People named at the start of whose messages some are unread.
const MAX_NAMED: usize = 5;

/// How long to wait at the end for the printing thread. Messages that it does not print are shown at the next start.
const LAST_PRINTS: Duration = Duration::from_millis(100);

/// Texts that may wait for the printing thread before the session takes no more notices from the node. A terminal that is
/// paused (Ctrl-S, the copy mode of a multiplexer) blocks that thread.
const MAX_UNPRINTED: usize = 64;

/// Where texts for the printing thread go.
#[derive(Debug)]
struct Output {
    texts: std_mpsc::Sender<(String, Option<u64>)>,
    unprinted: Arc<Unprinted>,
}

impl Output {
    /// Hands over a text, with the arrival number of the message in it. Returns whether it will be printed.
    fn print(&self, text: String, arrival: Option<u64>) -> bool {
        self.unprinted.add();
        self.texts.send((text, arrival)).is_ok()
    }
}

/// Counts the texts that wait for the printing thread.
#[derive(Debug, Default)]
struct Unprinted {
    count: AtomicUsize,
    fewer: Notify,
}

impl Unprinted {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.fewer.notify_one();
    }

    /// Waits until fewer than [`MAX_UNPRINTED`] texts wait.
    async fn few(&self) {
        while self.count.load(Ordering::Relaxed) >= MAX_UNPRINTED {
            self.fewer.notified().await;
        }
    }
}

/// A line that leaves the screen as it is: one row up and down again. The editor draws the prompt below it.
const NOTHING: &str = "\x1b[A\n";

/// The screen above the prompt of a line editor.
pub struct Terminal {
    style: Style,
    limiter: Limiter,
    deliveries: Deliveries,
    times: Times,
    /// `None` once the session has ended.
    output: Option<Arc<Output>>,
    /// Texts that are not printed yet.
    unprinted: Arc<Unprinted>,
    /// Closed when everything is printed.
    all_printed: std_mpsc::Receiver<Infallible>,
    answers: std_mpsc::Sender<Answer>,
    /// How many.
    answers_given: u64,
    /// To whom the last line went.
    conversation: Option<String>,
    /// The message that the last line has become.
    sent: Option<Sent>,
    hold: Hold,
    known: Shared,
    keys: Keys,
    /// Printed after the terminal has been restored, because the editor may no longer print it.
    final_text: Option<String>,
}

/// Takes over the terminal. Fails if it does not support line editing.
pub fn open(printed: mpsc::UnboundedSender<u64>) -> rustyline::Result<(Terminal, mpsc::Receiver<Line>)> {
    let config = rustyline::Config::builder().build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<LineHelper, MemHistory>::with_history(config, history)?;
    let (known, keys, hold) = (Shared::default(), Keys::default(), Hold::default());
    let (texts, to_print) = std_mpsc::channel();
    let unprinted = Arc::new(Unprinted::default());
    let output = Arc::new(Output { texts, unprinted: unprinted.clone() });
    editor.set_helper(Some(LineHelper::new(known.clone(), Arc::downgrade(&output), hold.clone())));
    let printer = editor.create_external_printer()?;
    let redraws = Arc::downgrade(&output);
    keyboard::read_through(keys.clone(), move || {
        if let Some(output) = redraws.upgrade() {
            output.print(NOTHING.to_owned(), None);
        }
    });
    let (printing, all_printed) = std_mpsc::channel();
    let (count, printing_hold, editing_hold) = (unprinted.clone(), hold.clone(), hold.clone());
    std::thread::spawn(move || {
        print(printer, to_print, printed, &count, &printing_hold);
        drop(printing);
    });
    let (lines, receiver) = mpsc::channel(1);
    let (answers, to_editor) = std_mpsc::channel();
    std::thread::spawn(move || editor::edit(editor, lines, to_editor, &editing_hold));
    let terminal = Terminal {
        style: Style::of_stdout(),
        limiter: Limiter::new(Instant::now()),
        deliveries: Deliveries::default(),
        times: Times::new(&Local::now()),
        output: Some(output),
        unprinted,
        all_printed,
        answers,
        answers_given: 0,
        conversation: None,
        sent: None,
        hold,
        known,
        keys,
        final_text: None,
    };
    Ok((terminal, receiver))
}

/// Restores the terminal's mode from before [`open`].
pub fn restore_terminal() {
    keyboard::restore();
}

/// Prints texts above the prompt and reports the arrival numbers of the messages among them.
fn print(
    mut printer: impl ExternalPrinter,
    texts: std_mpsc::Receiver<(String, Option<u64>)>,
    printed: mpsc::UnboundedSender<u64>,
    unprinted: &Unprinted,
    hold: &Hold,
) {
    while let Ok((text, arrival)) = texts.recv() {
        let written = text.is_empty() || hold.print(|| printer.print(text)).is_ok();
        let done = written && arrival.is_none_or(|arrival| printed.send(arrival).is_ok());
        unprinted.remove();
        if !done {
            break;
        }
    }
}

impl Terminal {
    /// The text for an event. A typed line is on the screen already; the editor replaces it.
    fn render(&mut self, line: Option<u64>, event: Event<'_>) -> String {
        let now = Instant::now();
        match event {
            Event::Notice(Notice::Queued { message, to, text, .. }) => {
                self.deliveries.queued(*message, to, text, now);
                let (day, sent) = self.stamped(|style, time| style.sent(time, to, text));
                if line.is_none() {
                    return day + &sent;
                }
                self.sent = Some(Sent { day, line: sent });
                String::new()
            }
            Event::Notice(Notice::State { message, to, state, progress, .. }) => {
                self.deliveries.progress(*message, to, *state, progress, now);
                String::new()
            }
            Event::Notice(Notice::Message(message)) if !message.past => self.message(message, now),
            // Those with something unread, at the start.
            Event::Notice(Notice::Conversations { conversations }) if line.is_none() => {
                self.style.event(&unread(conversations))
            }
            Event::Ready(ready, setup) if ready.fresh => {
                let first = self.limiter.render(self.style, event, now);
                let identity = greeting::new_identity(ready, setup);
                // The last line is a command to be copied.
                let (above, command) = identity.rsplit_once('\n').unwrap_or(("", &identity));
                above.lines().fold(first, |text, line| text + &self.style.text(line)) + command + "\n"
            }
            event => self.limiter.render(self.style, event, now),
        }
    }

    fn message(&mut self, message: &MessageView, now: Instant) -> String {
        let late = times::late(message.sent, &Local::now());
        if message.own {
            self.deliveries.shown(message.message, &message.with, &message.text, now);
        } else {
            self.known.lock().questions.shown(&message.from, late.is_some(), now);
        }
        let (day, line) = self.stamped(|style, time| style.message(time, message, late.as_deref()));
        day + &line
    }

    /// The day if it is a new one, and a line with its time before it.
    fn stamped(&mut self, line: impl Fn(Style, &str) -> String) -> (String, String) {
        let now = Local::now();
        let day = self.times.new_day(&now).map(|day| self.style.event(&day)).unwrap_or_default();
        (day, line(self.style, &times::stamp(&now)))
    }

    /// Hands a text to the printing thread, with the arrival number of the message in it.
    fn print(&mut self, text: String, arrival: Option<u64>) -> io::Result<()> {
        if text.is_empty() && arrival.is_none() {
            return Ok(());
        }
        let printed = self.output.as_ref().is_some_and(|output| output.print(text, arrival));
        if printed { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

/// Of whom how much is unread.
fn unread(conversations: &[ConversationView]) -> String {
    let named = |view: &ConversationView| format!("{} from {}", view.unread, quoted(&view.with));
    let mut counts: Vec<String> = conversations.iter().take(MAX_NAMED).map(named).collect();
    if let Some(first) = counts.first_mut() {
        *first = first.replacen(" from", " unread from", 1);
    }
    if let Some(more) = conversations.len().checked_sub(MAX_NAMED + 1) {
        counts.push(format!("more from {}", counted(more as u64 + 1, "other")));
    }
    let first = conversations.first().map(|view| quoted(&view.with)).unwrap_or_default();
    format!(r"{}; \chat {first}", counts.join(", "))
}

impl Screen for Terminal {
    fn show(&mut self, line: Option<u64>, event: Event<'_>) -> io::Result<()> {
        self.style = self.style.resized();
        let text = self.render(line, event);
        let arrival = match event {
            Event::Stopped => {
                self.final_text = Some(text);
                return Ok(());
            }
            Event::Notice(notice) => {
                self.known.lock().remember(notice);
                if let Notice::Message(message) = notice { Some(message.arrival) } else { None }
            }
            _ => None,
        };
        self.print(text, arrival)
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        let text = self.style.resized().event(text);
        self.print(text, None)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deliveries.deadline()
    }

    fn on_deadline(&mut self) -> io::Result<()> {
        let style = self.style.resized();
        let text =
            self.deliveries.due(Instant::now()).iter().fold(String::new(), |text, line| text + &style.event(line));
        self.print(text, None)
    }

    /// Ctrl-C for a line that was answered meanwhile is not for the next.
    fn interrupted(&self) -> impl Future<Output = ()> + Send {
        let (keys, given) = (&self.keys, self.answers_given);
        async move { while keys.interrupted().await != given {} }
    }

    fn has_room(&self) -> impl Future<Output = ()> + Send {
        self.unprinted.few()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn line_done(&mut self, conversation: Option<&str>) {
        let before = std::mem::replace(&mut self.conversation, conversation.map(str::to_owned));
        if let (Some(before), None) = (before, conversation) {
            // Fails only when the session has ended.
            let _ =
                self.note(&format!(r"no conversation is selected any more; \chat {0} returns to {0}", quoted(&before)));
        }
        self.limiter.set_conversation(conversation);
        self.known.lock().questions.set_conversation(conversation);
        // Fails only after the input has ended.
        self.answers_given += 1;
        let (prompt, message) = (prompt_of(conversation), self.sent.take());
        let _ = self.answers.send(Answer { number: self.answers_given, prompt, message });
    }

    fn recalls(&self) -> bool {
        true
    }

    fn waits_for_store(&self) -> bool {
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.output = None;
        self.hold.release();
        // Returns when the printing thread has ended, or after the time-out.
        let _ = self.all_printed.recv_timeout(LAST_PRINTS);
        keyboard::restore();
        if let Some(text) = self.final_text.take() {
            // The terminal may be gone.
            let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;

    #[test]
    fn what_is_unread_is_counted_by_person() {
        let view = |with: &str, unread| ConversationView {
            with: with.into(),
            id: UserId([2; 32]),
            unread,
            last: None,
            order: 1,
            typed_last: false,
        };
        let text = unread(&[view("bob", 2), view("John Smith", 1)]);
        assert_eq!(text, r#"2 unread from bob, 1 from "John Smith"; \chat bob"#);
        let many: Vec<_> = (0..7).map(|n| view(&format!("user{n}"), 1)).collect();
        assert!(unread(&many).contains("1 from user4, more from 2 others; "), "{}", unread(&many));
    }
}
