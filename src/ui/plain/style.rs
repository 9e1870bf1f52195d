//! How lines look: colours, the width of the terminal, and where the rows of a long line begin.

use std::io::{self, IsTerminal};

use terminal_size::{Height, Width, terminal_size_of};

use super::text::inline;
use crate::identity::name::escape;
use crate::proto::notice::MessageView;
use crate::ui::wrap::wrapped;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether lines contain ANSI colour sequences.
    pub colours: bool,
    /// The width of the terminal, at which lines are broken; `None` if the output is no terminal.
    pub columns: Option<usize>,
    /// Its height.
    pub rows: Option<usize>,
}

/// Indentation of the rows of a line that belong to the first one.
const BELOW: usize = 4;
/// Indentation of the rows of a line in a list, which is itself indented by [`BELOW`].
pub const BELOW_ITEM: usize = 8;
/// Indentation of the rows of a line in the table of macros: below what a macro does.
pub const BELOW_MACRO: usize = 21;
/// Indentation of the rows of a check: below its text.
pub const BELOW_CHECK: usize = 23;
/// Indentation of the rows of a line in a profile, which begins with what it shows.
pub const BELOW_TITLE: usize = 13;

impl Style {
    /// Uses colours if standard output is a terminal that supports them and `NO_COLOR` is not set.
    pub fn of_stdout() -> Style {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let (columns, rows) = size().unzip();
        Style { colours: io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb, columns, rows }
    }

    /// The same style at the present size of the terminal.
    pub fn resized(self) -> Style {
        let (columns, rows) = self.columns.and_then(|_| size()).unzip();
        Style { columns, rows, ..self }
    }

    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn name(self, name: &str) -> String {
        self.paint("1", &inline(name))
    }

    /// A line with its line ending. What does not fit into its first row is indented.
    pub(super) fn rows(self, line: &str, indent: usize) -> String {
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
            true => format!("> {} to {}", self.author(view), self.name(&view.with)),
            false => format!("< {}", self.name(&view.from)),
        };
        self.rows(&format!("{}{author}{remarks}: {}", self.time(time), escape(&view.text)), BELOW)
    }

    /// A message of mine, with the time before it (empty for none).
    pub fn sent(self, time: &str, to: &str, text: &str) -> String {
        self.rows(&format!("{}> to {}: {}", self.time(time), self.name(to), escape(text)), BELOW)
    }

    /// The author of a message of mine, with the session if it is another one.
    pub(super) fn author(self, view: &MessageView) -> String {
        let by = view.by.as_ref().map(|label| format!(" ({})", inline(label))).unwrap_or_default();
        self.name("you") + &by
    }

    fn time(self, time: &str) -> String {
        if time.is_empty() { String::new() } else { self.paint("2", time) + " " }
    }
}

/// The columns and rows of the terminal that is standard output. One that reports none is no terminal.
fn size() -> Option<(usize, usize)> {
    let (Width(columns), Height(rows)) = terminal_size_of(io::stdout())?;
    Some((usize::from(columns), usize::from(rows))).filter(|(columns, _)| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::notice::{Notice, WarningCode};
    use crate::ui::Event;
    use crate::ui::plain::render;
    use crate::ui::plain::tests::{PLAIN, view};

    #[test]
    fn a_message_may_have_the_time_before_it_and_say_when_it_was_sent() {
        let (style, late) = (Style::default(), Some("sent 11:30"));
        assert_eq!(style.message("14:02", &view("x"), None), "14:02 < bob: x\n");
        assert_eq!(style.message("14:02", &view("x"), late), "14:02 < bob (sent 11:30): x\n");
        let again = MessageView { again: true, ..view("x") };
        assert_eq!(style.message("14:02", &again, late), "14:02 < bob (again, sent 11:30): x\n");
        let own = MessageView { own: true, by: Some("phone".into()), ..view("x") };
        assert_eq!(style.message("14:02", &own, late), "14:02 > you (phone) to bob (sent 11:30): x\n");
        assert_eq!(style.sent("14:02", "bob", "x"), "14:02 > to bob: x\n");
    }

    #[test]
    fn colours_do_not_change_the_text() {
        let coloured =
            render(Style { colours: true, ..PLAIN }, Event::Notice(&Notice::Message(Box::new(view("hello")))));
        assert_eq!(coloured, "< \u{1b}[1mbob\u{1b}[0m: hello\n");
    }

    #[test]
    fn on_a_terminal_no_row_of_a_strangers_text_begins_at_the_left_edge() {
        let text =
            format!("hi{}bob: send the key\n* bob is online{}! warning: run x.sh", " ".repeat(73), " ".repeat(66));
        let style = Style { colours: false, columns: Some(80), rows: Some(24) };
        for (notice, indent) in [
            (Notice::Message(Box::new(view(&text))), 4),
            (Notice::Warning { code: WarningCode::NameClash, message: text.clone(), user: None }, 4),
            (Notice::History { with: "bob".into(), messages: vec![view(&text), view(&text)], next: None }, 4),
        ] {
            let shown = render(style, Event::Notice(&notice));
            assert!(shown.lines().count() > 2, "{shown}");
            assert!(shown.lines().skip(1).all(|row| row.starts_with(&" ".repeat(indent))), "{shown}");
            assert!(shown.lines().all(|row| row.len() < 80), "{shown}");
        }
        let notice = Notice::History {
            with: "bob".into(),
            messages: vec![view("2023-11-14 22:13  > you: no\n2023-11-14")],
            next: None,
        };
        let entries = render(style, Event::Notice(&notice));
        let own = entries.lines().filter(|row| row.starts_with("    2"));
        assert_eq!(own.count(), 1, "a text does not look like another entry: {entries}");
    }
}
