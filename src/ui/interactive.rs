//! The line editor on a terminal, with completion, a history of typed lines, and events printed above the prompt. The
//! history is kept in memory only: the store already has the messages.
//!
//! It uses two threads. One edits: it sends a line to the session and continues when the session tells it the next prompt.
//! The other prints, because passing text to the editor may block until the editor is ready. If the session waited for
//! that, it could deadlock with the editor, which waits for the session.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, ExternalPrinter, Helper};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::input::Line;
use super::limiter::Limiter;
use super::macros::MACROS;
use super::plain::{self, Style};
use super::{Event, Screen, greeting};
use crate::proto::notice::Notice;

/// Names kept for completion.
const MAX_NAMES: usize = 1000;

type Names = Arc<Mutex<BTreeSet<String>>>;

fn lock(names: &Names) -> MutexGuard<'_, BTreeSet<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long to wait at the end for the printing thread. Messages that it does not print are shown at the next start.
const LAST_PRINTS: Duration = Duration::from_millis(100);

/// Texts that may wait for the printing thread before the session takes no more notices from the node. A terminal that is
/// paused (Ctrl-S, the copy mode of a multiplexer) blocks that thread.
const MAX_UNPRINTED: usize = 64;

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

/// The screen above the prompt of a line editor.
pub struct Terminal {
    style: Style,
    limiter: Limiter,
    /// `None` once the session has ended.
    texts: Option<std_mpsc::Sender<(String, Option<u64>)>>,
    /// Texts that are not printed yet.
    unprinted: Arc<Unprinted>,
    /// Closed when everything is printed.
    all_printed: std_mpsc::Receiver<Infallible>,
    prompts: std_mpsc::Sender<String>,
    names: Names,
    /// Printed after the terminal has been restored, because the editor may no longer print it.
    final_text: Option<String>,
}

/// Takes over the terminal. Fails if it does not support line editing.
pub fn open(printed: mpsc::UnboundedSender<u64>) -> rustyline::Result<(Terminal, mpsc::Receiver<Line>)> {
    let config = rustyline::Config::builder().build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<Completion, MemHistory>::with_history(config, history)?;
    let names = Names::default();
    editor.set_helper(Some(Completion { names: names.clone(), empty: Cell::new(true) }));
    let printer = editor.create_external_printer()?;
    terminal::remember();
    let (texts, to_print) = std_mpsc::channel();
    let unprinted = Arc::new(Unprinted::default());
    let (printing, all_printed) = std_mpsc::channel();
    let count = unprinted.clone();
    std::thread::spawn(move || {
        print(printer, to_print, printed, &count);
        drop(printing);
    });
    let (lines, receiver) = mpsc::channel(1);
    let (prompts, to_prompt) = std_mpsc::channel();
    std::thread::spawn(move || edit(editor, lines, to_prompt));
    Ok((
        Terminal {
            style: Style::of_stdout(),
            limiter: Limiter::new(Instant::now()),
            texts: Some(texts),
            unprinted,
            all_printed,
            prompts,
            names,
            final_text: None,
        },
        receiver,
    ))
}

/// Restores the terminal's mode from before [`open`].
pub fn restore_terminal() {
    terminal::restore();
}

/// Prints texts above the prompt and reports the arrival numbers of the messages among them.
fn print(
    mut printer: impl ExternalPrinter,
    texts: std_mpsc::Receiver<(String, Option<u64>)>,
    printed: mpsc::UnboundedSender<u64>,
    unprinted: &Unprinted,
) {
    while let Ok((text, arrival)) = texts.recv() {
        let done = printer.print(text).is_ok() && arrival.is_none_or(|arrival| printed.send(arrival).is_ok());
        unprinted.remove();
        if !done {
            break;
        }
    }
}

/// Reads lines until the terminal or the session ends.
fn edit(mut editor: Editor<Completion, MemHistory>, lines: mpsc::Sender<Line>, prompts: std_mpsc::Receiver<String>) {
    let mut prompt = prompt_of(None);
    loop {
        if let Some(helper) = editor.helper() {
            helper.empty.set(true);
        }
        match editor.readline(&prompt) {
            Ok(line) => {
                // The line counts even if the history does not take it.
                let _ = editor.add_history_entry(line.as_str());
                if lines.blocking_send(Line::Text(line)).is_err() {
                    return;
                }
                match prompts.recv() {
                    Ok(next) => prompt = next,
                    Err(_) => return,
                }
            }
            Err(ReadlineError::Interrupted) if editor.helper().is_some_and(|helper| !helper.empty.get()) => {}
            Err(_) => {
                // Fails if the session has ended already.
                let _ = lines.blocking_send(Line::End);
                return;
            }
        }
    }
}

fn prompt_of(conversation: Option<&str>) -> String {
    format!("{}> ", plain::inline(conversation.unwrap_or_default()))
}

impl Screen for Terminal {
    fn show(&mut self, _line: Option<u64>, event: Event<'_>) -> io::Result<()> {
        let mut arrival = None;
        self.style = self.style.resized();
        let mut text = self.limiter.render(self.style, event, Instant::now());
        match event {
            // The typed line is on the screen already.
            Event::Notice(Notice::Queued { .. }) => return Ok(()),
            Event::Notice(notice) => {
                remember_names(&mut lock(&self.names), notice);
                if let Notice::Message(message) = notice {
                    arrival = Some(message.arrival);
                }
            }
            Event::Ready(ready, setup) if ready.fresh => {
                text = format!("{text}{}\n", greeting::new_identity(ready, setup));
            }
            Event::Stopped => {
                self.final_text = Some(text);
                return Ok(());
            }
            Event::Ready(..) | Event::Waiting(_) | Event::Help => {}
        }
        if text.is_empty() {
            return Ok(());
        }
        self.unprinted.add();
        let sent = self.texts.as_ref().is_some_and(|texts| texts.send((text, arrival)).is_ok());
        if sent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn has_room(&self) -> impl Future<Output = ()> + Send {
        self.unprinted.few()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn line_done(&mut self, conversation: Option<&str>) {
        self.limiter.set_conversation(conversation);
        // Fails only after the input has ended.
        let _ = self.prompts.send(prompt_of(conversation));
    }

    fn waits_for_store(&self) -> bool {
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.texts = None;
        // Returns when the printing thread has ended, or after the time-out.
        let _ = self.all_printed.recv_timeout(LAST_PRINTS);
        terminal::restore();
        if let Some(text) = self.final_text.take() {
            // The terminal may be gone.
            let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
        }
    }
}

fn remember_names(names: &mut BTreeSet<String>, notice: &Notice) {
    let mut remember = |name: &String| {
        if names.len() < MAX_NAMES && plain::inline(name) == *name {
            names.insert(name.clone());
        }
    };
    match notice {
        Notice::Nearby { user, .. }
        | Notice::Linked { user, .. }
        | Notice::Asked { user, .. }
        | Notice::Online { user, .. }
        | Notice::Pong { user, .. }
        | Notice::Bootstrap { user, .. } => remember(user),
        Notice::Chat { with, .. } => remember(with),
        Notice::Message(message) => remember(&message.from),
        Notice::Users { users, .. } => users.iter().for_each(|user| remember(&user.user)),
        _ => {}
    }
}

/// Completes macros, and user names after those that take one.
struct Completion {
    names: Names,
    /// Whether the edited line is empty: Ctrl-C quits on an empty line and clears any other.
    empty: Cell<bool>,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(&line[..pos], &lock(&self.names)))
    }
}

impl Hinter for Completion {
    type Hint = String;

    /// Gives no hints. It is called after every change, which is how `empty` is kept up to date.
    fn hint(&self, line: &str, _pos: usize, _: &Context<'_>) -> Option<String> {
        self.empty.set(line.is_empty());
        None
    }
}

impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}

/// Where the completed word begins, and its completions.
fn candidates(typed: &str, names: &BTreeSet<String>) -> (usize, Vec<String>) {
    let Some(name) = typed.strip_prefix('\\') else {
        return (0, Vec::new());
    };
    let Some((name, user)) = name.split_once(' ') else {
        let fits = MACROS.iter().filter(|m| m.name.starts_with(name));
        return (0, fits.map(|m| format!("\\{}{}", m.name, if m.usage.contains(' ') { " " } else { "" })).collect());
    };
    let takes_user = MACROS.iter().any(|m| m.name == name && m.usage.contains("USER"));
    let fits = names.iter().filter(|known| takes_user && known.starts_with(user));
    (typed.len() - user.len(), fits.cloned().collect())
}

/// Saves and restores the terminal's mode: an editor that is interrupted while reading leaves its own mode behind.
#[cfg(unix)]
mod terminal {
    use std::io::{Write, stdin, stdout};
    use std::sync::{Mutex, PoisonError};

    use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub fn remember() {
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(stdin()).ok();
    }

    pub fn restore() {
        if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let edited = tcgetattr(stdin()).is_ok_and(|now| now.local_flags != before.local_flags);
            // The terminal may be gone.
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, &before);
            if edited {
                // Leaves the edited line, and turns off bracketed paste.
                let _ = stdout().write_all(b"\x1b[?2004l\n").and_then(|()| stdout().flush());
            }
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    pub fn remember() {}
    pub fn restore() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(typed: &str) -> (usize, Vec<String>) {
        candidates(typed, &["bob", "bob#k7q2mz", "carol"].map(String::from).into())
    }

    #[test]
    fn macros_are_completed_with_the_space_they_need() {
        assert_eq!(complete(r"\his"), (0, vec![r"\history ".into()]));
        assert_eq!(complete(r"\us"), (0, vec![r"\users".into()]));
    }

    #[test]
    fn names_are_completed_only_after_macros_that_take_a_user() {
        assert_eq!(complete(r"\chat b"), (6, vec!["bob".into(), "bob#k7q2mz".into()]));
        assert_eq!(complete(r"\ping b").1, Vec::<String>::new());
        assert_eq!(complete("b").1, Vec::<String>::new());
    }

    #[test]
    fn the_prompt_names_the_conversation() {
        assert_eq!(prompt_of(None), "> ");
        assert_eq!(prompt_of(Some("bob")), "bob> ");
    }
}
