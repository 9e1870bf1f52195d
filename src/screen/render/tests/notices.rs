//! What needs attention.

use super::{PLAIN, Setup, expect};
use crate::screen::action::Action;
use crate::screen::model::editor::Source;

/// A pasted macro, which is obeyed only after a question.
fn pasted(columns: u16, rows: u16) -> Setup {
    let mut setup = Setup::chat(columns, rows);
    setup.0.act(Action::Insert { text: r"\quit".into(), source: Source::Paste });
    setup.0.act(Action::Enter);
    setup
}

#[test]
fn advice_that_is_wider_than_the_pane_is_shown_whole() {
    expect("notice-80x24", &pasted(80, 24).frame(PLAIN));
    expect("notice-40x10", &pasted(40, 10).frame(PLAIN));
    expect("notice-100x30", &pasted(100, 30).frame(PLAIN));
}

#[test]
fn a_notice_has_three_rows_at_most() {
    let mut setup = Setup::chat(60, 24);
    setup.0.alert("word ".repeat(100), true);
    let frame = setup.frame(PLAIN);
    let rows: Vec<&str> = frame.lines().filter(|row| row.contains("word word")).collect();
    assert!(rows.len() == 3 && rows[2].ends_with(".."), "{frame}");
}
