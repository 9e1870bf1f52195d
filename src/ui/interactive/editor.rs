//! The thread that edits: it sends a line to the session and continues when the session tells it the next prompt.

use std::io::{Write, stdout};
use std::sync::mpsc as std_mpsc;

use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use tokio::sync::mpsc;
use unicode_width::UnicodeWidthChar;

use super::helper::LineHelper;
use super::keyboard;
use crate::ui::input::Line;
use crate::ui::plain::{Style, inline};

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// Tabs move to a multiple of this column.
const TAB: usize = 8;

/// The prompt in a conversation with this user.
pub fn prompt_of(conversation: Option<&str>) -> String {
    conversation.map_or_else(|| "> ".to_owned(), |with| format!("to {}> ", inline(with)))
}

/// Reads lines until the terminal or the session ends. Ctrl-C drops the line; on an empty one it ends the session when it is
/// pressed again.
pub fn edit(
    mut editor: Editor<LineHelper, MemHistory>,
    lines: mpsc::Sender<Line>,
    prompts: std_mpsc::Receiver<String>,
) {
    let mut leaves = false;
    // The session knows whether a conversation goes on.
    let Ok(mut prompt) = prompts.recv() else { return };
    loop {
        keyboard::set_editing(true);
        let read = editor.readline(&prompt);
        keyboard::set_editing(false);
        let edited = editor.helper().map(LineHelper::end_line).unwrap_or_default();
        match read {
            Ok(line) => {
                leaves = false;
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
            Err(ReadlineError::Interrupted) if !(leaves && edited.is_empty()) => {
                leaves = edited.is_empty();
                show_interrupt(&(prompt.clone() + &edited), leaves);
            }
            Err(_) => {
                // Fails if the session has ended already.
                let _ = lines.blocking_send(Line::End);
                return;
            }
        }
    }
}

/// Marks what Ctrl-C dropped, so that it does not look like a line that was sent. The cursor is in the row below.
fn show_interrupt(dropped: &str, leaves: bool) {
    let style = Style::of_stdout();
    let right = match end_column(dropped, style.columns.unwrap_or(COLUMNS)) {
        0 => String::new(),
        column => format!("\x1b[{column}C"),
    };
    let hint = if leaves { style.event("Ctrl-C again ends the program") } else { String::new() };
    // The terminal may be gone.
    let _ = stdout().write_all(format!("\x1b[A{right}^C\n{hint}").as_bytes()).and_then(|()| stdout().flush());
}

/// The column of the cursor behind a text, as the editor lays it out.
fn end_column(text: &str, columns: usize) -> usize {
    let end = text.chars().fold(0, |column, c| match c {
        '\n' => 0,
        '\t' => (column / TAB + 1) * TAB,
        _ => match column + c.width().unwrap_or(0) {
            next if next > columns => next - column,
            next => next,
        },
    });
    end % columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_names_whom_a_line_goes_to() {
        assert_eq!(prompt_of(None), "> ");
        assert_eq!(prompt_of(Some("bob")), "to bob> ");
    }

    #[test]
    fn the_mark_of_a_dropped_line_stands_behind_it() {
        assert_eq!(end_column("to bob> half", 80), 12);
        assert_eq!(end_column(&"x".repeat(85), 80), 5);
        assert_eq!(end_column(&"x".repeat(80), 80), 0);
        assert_eq!(end_column("first\nab\tc", 80), 9);
        assert_eq!(end_column(&format!("{}漢", "x".repeat(79)), 80), 2);
    }
}
