//! The thread that edits: it sends a line to the session and continues when the session tells it the next prompt. A line that was
//! stored is then shown as the message that it has become, in place of what was typed.

use std::io::{Write, stdout};
use std::sync::mpsc as std_mpsc;

use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use terminal_size::{Height, Width, terminal_size_of};
use tokio::sync::mpsc;

use super::helper::LineHelper;
use super::hold::Hold;
use super::{keyboard, layout};
use crate::ui::input::Line;
use crate::ui::plain::{Style, inline};

/// The size of a terminal that does not say it, as the editor assumes it: columns and rows.
const SIZE: (usize, usize) = (80, 24);

/// What the session answers to a line.
#[derive(Debug)]
pub struct Answer {
    /// Its number, which is also that of the line that is edited next.
    pub number: u64,
    pub prompt: String,
    /// The message that the line has become, if it was stored.
    pub message: Option<Sent>,
}

/// A message of mine, as it is shown.
#[derive(Debug)]
pub struct Sent {
    /// A line that names the day, if it has just begun. May be empty.
    pub day: String,
    pub line: String,
}

/// The prompt in a conversation with this user.
pub fn prompt_of(conversation: Option<&str>) -> String {
    conversation.map_or_else(|| "> ".to_owned(), |with| format!("to {}> ", inline(with)))
}

/// Reads lines until the terminal or the session ends. Ctrl-C drops the line; on an empty one it ends the session when it is
/// pressed again.
pub fn edit(
    mut editor: Editor<LineHelper, MemHistory>,
    lines: mpsc::Sender<Line>,
    answers: std_mpsc::Receiver<Answer>,
    hold: &Hold,
) {
    let mut leaves = false;
    // The session knows whether a conversation goes on.
    let Ok(Answer { mut number, mut prompt, .. }) = answers.recv() else { return };
    loop {
        keyboard::edit_line(number);
        let read = editor.readline(&prompt);
        keyboard::set_editing(false);
        let ended = editor.helper().map(LineHelper::end_line).unwrap_or_default();
        match read {
            Ok(line) => {
                leaves = false;
                // The line counts even if the history does not take it.
                let _ = editor.add_history_entry(line.as_str());
                if lines.blocking_send(Line::Text(line)).is_err() {
                    return;
                }
                let Ok(answer) = answers.recv() else { return };
                if let Some(message) = answer.message {
                    show_sent(&(prompt + &ended.text), ended.stands_alone, message);
                }
                hold.release();
                (number, prompt) = (answer.number, answer.prompt);
            }
            Err(ReadlineError::Interrupted) if !(leaves && ended.text.is_empty()) => {
                leaves = ended.text.is_empty();
                show_interrupt(&(prompt.clone() + &ended.text), leaves);
            }
            Err(_) => {
                // Fails if the session has ended already.
                let _ = lines.blocking_send(Line::End);
                return;
            }
        }
    }
}

/// Shows a message in place of the line that it was typed as. The cursor is in the row below that line, if nothing was printed since.
fn show_sent(typed: &str, stands_alone: bool, message: Sent) {
    let (columns, height) = size();
    // What has left the screen cannot be replaced.
    let rows = layout::rows(typed, columns).filter(|rows| stands_alone && *rows < height);
    write(&match rows {
        Some(rows) => format!("\x1b[{rows}A\x1b[J{}{}", message.day, message.line),
        None => message.day,
    });
}

/// Marks what Ctrl-C dropped, so that it does not look like a line that was sent. The cursor is in the row below.
fn show_interrupt(dropped: &str, leaves: bool) {
    let right = match layout::end(dropped, size().0) {
        (_, 0) => String::new(),
        (_, column) => format!("\x1b[{column}C"),
    };
    let hint = if leaves { Style::of_stdout().event("Ctrl-C again ends the program") } else { String::new() };
    write(&format!("\x1b[A{right}^C\n{hint}"));
}

fn write(text: &str) {
    // The terminal may be gone.
    let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
}

/// How many columns and rows the terminal has.
fn size() -> (usize, usize) {
    let known = |size: u16, assumed| if size == 0 { assumed } else { usize::from(size) };
    let (Width(columns), Height(rows)) = terminal_size_of(stdout()).unwrap_or((Width(0), Height(0)));
    (known(columns, SIZE.0), known(rows, SIZE.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_names_whom_a_line_goes_to() {
        assert_eq!(prompt_of(None), "> ");
        assert_eq!(prompt_of(Some("bob")), "to bob> ");
    }
}
