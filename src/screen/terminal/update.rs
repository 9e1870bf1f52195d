//! The bytes that turn one frame into the next. On a line of 9,600 baud a thousand of them take a second, so what has only moved up
//! is not written again: the terminal scrolls it.

use std::io;
use std::ops::Range;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui_core::backend::Backend;
use ratatui_core::buffer::{Buffer, Cell};
use ratatui_core::layout::Rect;
use ratatui_crossterm::CrosstermBackend;

use crate::screen::render::Frame;

/// Rows that messages move up at once, at most: more than a message of a few lines has.
const MAX_SCROLLED: u16 = 12;
/// Cells that scrolling must save. Below, it would cost about as much as it saves.
const WORTH_SCROLLING: usize = 80;

/// The update of a terminal that shows `shown`, or of one that is to be cleared. One that knows synchronized output shows it at
/// once.
///
/// # Errors
/// None: it writes to memory.
pub fn update(shown: Option<Buffer>, frame: &Frame) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(bytes, BeginSynchronizedUpdate, Hide)?;
    let Frame { buffer, cursor, body } = frame;
    let shown = match shown.filter(|shown| shown.area == buffer.area) {
        Some(mut shown) => {
            if let Some(by) = scrolled(&shown, buffer, body) {
                scroll(&mut bytes, body, by)?;
                move_up(&mut shown, body, by);
            }
            shown
        }
        None => {
            queue!(bytes, Clear(ClearType::All))?;
            Buffer::empty(Rect { ..buffer.area })
        }
    };
    CrosstermBackend::new(&mut bytes).draw(shown.diff(buffer).into_iter())?;
    if let Some((x, y)) = *cursor {
        queue!(bytes, MoveTo(x, y), Show)?;
    }
    queue!(bytes, EndSynchronizedUpdate)?;
    Ok(bytes)
}

/// By how much to scroll the rows `body` first, so that fewer cells differ.
fn scrolled(shown: &Buffer, next: &Buffer, body: &Range<u16>) -> Option<u16> {
    let differing = |by: u16| -> usize { body.clone().map(|y| differing_in_row(shown, next, body, (y, by))).sum() };
    let unscrolled = differing(0);
    if unscrolled <= WORTH_SCROLLING {
        return None;
    }
    let most = MAX_SCROLLED.min((body.end - body.start).saturating_sub(1));
    let (least, by) = (1..=most).map(|by| (differing(by), by)).min()?;
    (least + WORTH_SCROLLING < unscrolled).then_some(by)
}

/// How many cells of a row differ if it shows what was `by` rows below it.
fn differing_in_row(shown: &Buffer, next: &Buffer, body: &Range<u16>, (y, by): (u16, u16)) -> usize {
    let (blank, is_kept) = (Cell::EMPTY, y + by < body.end);
    let before = |x: u16| if is_kept { &shown[(x, y + by)] } else { &blank };
    (0..next.area.width).filter(|x| *before(*x) != next[(*x, y)]).count()
}

/// Scrolls by line feeds in the last of the rows, as every terminal does.
fn scroll(bytes: &mut Vec<u8>, body: &Range<u16>, by: u16) -> io::Result<()> {
    bytes.extend_from_slice(format!("\x1b[{};{}r", body.start + 1, body.end).as_bytes());
    queue!(bytes, MoveTo(0, body.end - 1))?;
    bytes.extend(std::iter::repeat_n(b'\n', usize::from(by)));
    bytes.extend_from_slice(b"\x1b[r");
    Ok(())
}

fn move_up(shown: &mut Buffer, body: &Range<u16>, by: u16) {
    for y in body.clone() {
        for x in 0..shown.area.width {
            shown[(x, y)] = if y + by < body.end { shown[(x, y + by)].clone() } else { Cell::EMPTY };
        }
    }
}
