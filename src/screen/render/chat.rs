//! The messages of the open conversation.

use super::canvas::Canvas;
use crate::screen::cells::{fit, width};
use crate::screen::model::{Asked, Model};
use crate::screen::rows::{Look, Row, TextRow};
use crate::screen::theme::Role;
use crate::screen::view::{Areas, is_wide};

/// Draws them, the last at the bottom; from the top if there are few.
pub fn draw(canvas: &mut Canvas, model: &Model, areas: &Areas, look: &Look<'_>) {
    let (left, columns) = areas.pane;
    let (top, height) = areas.body;
    let Some(timeline) = model.timeline() else { return };
    if timeline.is_loaded && timeline.lines().is_empty() {
        let text = format!("nothing was said yet; Enter sends what you write to {}", look.name);
        canvas.text((left + 1, top), columns - 1, &fit(&text, usize::from(columns) - 2), Role::Dim);
    }
    let (mut rows, _) = look.seen(timeline, usize::from(height));
    if timeline.is_at_bottom() {
        rows.extend(unsaid(model, look));
    }
    let first = rows.len().saturating_sub(usize::from(height));
    for (y, row) in (top..).zip(&rows[first..]) {
        match row {
            Row::Day(day) => {
                let dashes = if is_wide(model.size) { "───" } else { "─" };
                centred(canvas, (left, y), columns, &format!("{dashes} {day} {dashes}"), Role::Dim);
            }
            Row::New => {
                canvas.rule(y, left + 1, left + columns - 1);
                centred(canvas, (left, y), columns, " new ", Role::Unread);
            }
            Row::Text(row) => text(canvas, (left, y), columns, row, look),
        }
    }
    if timeline.anchor.is_some() && height > 0 {
        let text = " End: to the last message ";
        canvas.text_before((left + columns - 1, top + height - 1), text, Role::Unread);
    }
}

/// What the store does not have yet.
fn unsaid(model: &Model, look: &Look<'_>) -> Vec<Row> {
    let texts = model.asked.values().filter_map(|asked| match asked {
        Asked::Say { with, text } if Some(with) == model.current.as_ref() => Some(text),
        _ => None,
    });
    texts.flat_map(|text| look.unsaid(text)).collect()
}

fn centred(canvas: &mut Canvas, (left, y): (u16, u16), columns: u16, text: &str, role: Role) {
    let text = canvas.dots(text);
    let at = usize::from(columns).saturating_sub(width(&text)) / 2;
    canvas.text((left + at as u16, y), columns - at as u16, &text, role);
}

fn text(canvas: &mut Canvas, (left, y): (u16, u16), columns: u16, row: &TextRow, look: &Look<'_>) {
    let at = left + look.text_at() as u16;
    if let Some((time, author)) = &row.head {
        canvas.text((left + 1, y), 5, time, Role::Dim);
        let role = if row.own { Role::Mine } else { Role::Theirs };
        canvas.text_before((at - 2, y), &fit(author, look.author()), role);
    }
    let room = look.text_columns() as u16;
    canvas.cells(
        (at + row.indent as u16, y),
        room.saturating_sub(row.indent as u16),
        row.cells.iter().cloned(),
        Role::Plain,
    );
    let role = if row.stands_out { Role::Waits } else { Role::Dim };
    canvas.text_before((left + columns - 1, y), &fit(&row.remark, usize::from(room)), role);
}
