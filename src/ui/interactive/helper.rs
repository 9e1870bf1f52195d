//! What the editor asks while a line is edited: completions, and whether Enter may end the line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use tokio::time::Instant;

use super::hold::Hold;
use super::questions::Questions;
use super::{Output, keyboard};
use crate::proto::notice::Notice;
use crate::ui::complete::completions;
use crate::ui::macros::{self, Typed};
use crate::ui::plain::{Style, inline};

/// Names kept for completion.
const MAX_NAMES: usize = 1000;

/// What the screen tells the editor.
#[derive(Debug, Default)]
pub struct Known {
    names: BTreeSet<String>,
    pub questions: Questions,
}

/// [`Known`], shared by the screen and the editor.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Known>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Remembers the names in a notice.
    pub fn remember(&mut self, notice: &Notice) {
        match notice {
            Notice::Nearby { user, .. }
            | Notice::Linked { user, .. }
            | Notice::Asked { user, .. }
            | Notice::Online { user, .. }
            | Notice::Pong { user, .. }
            | Notice::Bootstrap { user, .. } => self.remember_name(user),
            Notice::Chat { with, .. } => self.remember_name(with),
            Notice::Message(message) => self.remember_name(&message.from),
            Notice::Users { users, .. } => users.iter().for_each(|user| self.remember_name(&user.user)),
            _ => {}
        }
    }

    fn remember_name(&mut self, name: &str) {
        if self.names.len() < MAX_NAMES && inline(name) == *name {
            self.names.insert(name.to_owned());
        }
    }
}

/// Completes macros, and user names after those that take one. Asks before a line is taken that may have been meant otherwise.
pub struct LineHelper {
    known: Shared,
    /// For questions. Gone once the session has ended.
    output: Weak<Output>,
    hold: Hold,
    /// The line as it is edited.
    line: RefCell<Ended>,
}

/// An edited line that has ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// What was typed.
    pub text: String,
    /// It ends with Enter, and nothing is printed below it until [`Hold::release`].
    pub stands_alone: bool,
}

impl LineHelper {
    pub fn new(known: Shared, output: Weak<Output>, hold: Hold) -> LineHelper {
        LineHelper { known, output, hold, line: RefCell::default() }
    }

    /// The edited line has ended.
    pub fn end_line(&self) -> Ended {
        self.known.lock().questions.close();
        self.line.take()
    }
}

impl Completer for LineHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(completions(&line[..pos], self.known.lock().names.iter().map(String::as_str)))
    }
}

impl Hinter for LineHelper {
    type Hint = String;

    /// Gives no hints. It is called after every change, which is how the line is known after Ctrl-C.
    fn hint(&self, line: &str, _pos: usize, _: &Context<'_>) -> Option<String> {
        line.clone_into(&mut self.line.borrow_mut().text);
        None
    }
}

impl Validator for LineHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let line = context.input();
        let question = self.known.lock().questions.ask(line, Instant::now());
        keyboard::set_editing(question.is_some());
        let Some(question) = question else {
            // What a macro answers is printed while the session waits.
            let stands_alone = matches!(macros::parse(line), Ok(Some(Typed::Text(_)))) && self.hold.begin();
            *self.line.borrow_mut() = Ended { text: line.to_owned(), stands_alone };
            return Ok(ValidationResult::Valid(None));
        };
        if let Some(output) = self.output.upgrade() {
            output.print(Style::of_stdout().problem(&question), None);
        }
        // Printed above the line. Below it, where the editor shows messages, other texts that are printed would displace it. Without
        // an empty message the editor would insert a line feed.
        Ok(ValidationResult::Invalid(Some(String::new())))
    }
}

impl Highlighter for LineHelper {}
impl Helper for LineHelper {}
