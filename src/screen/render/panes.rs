//! What is in the large part: messages, or what takes their place.

use super::canvas::Canvas;
use super::{chat, frame};
use crate::screen::cells::fit;
use crate::screen::clock::Clock;
use crate::screen::model::Model;
use crate::screen::pane::{Found, Item, Pane, rows};
use crate::screen::theme::Role;
use crate::screen::view::{self, Areas, is_narrow};

/// Draws it.
pub fn draw(canvas: &mut Canvas, model: &Model, areas: &Areas, clock: Clock, reorders: bool) {
    let (left, columns) = areas.pane;
    let (top, height) = areas.body;
    match &model.pane {
        Pane::Chat if model.current.is_some() => {
            if let Some(look) = view::look(model, clock, reorders) {
                chat::draw(canvas, model, areas, &look);
            }
        }
        Pane::Chat | Pane::List if is_narrow(model.size) => {
            frame::list(canvas, model, (left, top), (columns, height), clock);
        }
        Pane::Chat | Pane::List => welcome(canvas, areas),
        Pane::Text { lines, top: first, .. } => {
            let rows = rows(lines, usize::from(columns) - 2);
            for (y, row) in (top..top + height).zip(rows.iter().skip(*first)) {
                canvas.text((left + 1, y), columns - 1, row, Role::Plain);
            }
        }
        Pane::Map { top: first } => {
            let rows = model.map.rows(&model.people, &clock);
            let first = (*first).min(rows.len().saturating_sub(usize::from(height)));
            for (y, row) in (top..top + height).zip(&rows[first..]) {
                let branch = canvas.dots(&row.branch);
                let at = canvas.text((left + 1, y), columns - 1, &branch, Role::Dim);
                let room = (left + columns).saturating_sub(at + 1);
                canvas.text((at, y), room, &fit(&row.text, usize::from(room)), Role::Plain);
            }
        }
        Pane::Found { found, selected, .. } => {
            let row = |message: &Found| {
                let who = if message.own { format!("to {}", message.with) } else { message.with.clone() };
                vec![format!("{}  {who}: {}", clock.date(message.sent), message.text)]
            };
            entries(canvas, areas, found.iter().map(row), *selected);
        }
        Pane::WhoHas { items, selected, .. } => {
            let of_item = |item: &Item| {
                let sessions = item.sessions.iter().map(|(label, state)| format!("  {label}  {state}"));
                [format!("\"{}\"", item.text)].into_iter().chain(sessions).collect()
            };
            entries(canvas, areas, items.iter().map(of_item), *selected);
        }
    }
}

/// Draws entries of one or more rows, so that the selected one is seen.
fn entries(canvas: &mut Canvas, areas: &Areas, entries: impl Iterator<Item = Vec<String>>, selected: usize) {
    let (left, columns) = areas.pane;
    let (top, height) = areas.body;
    let rows: Vec<(usize, String)> =
        entries.enumerate().flat_map(|(at, rows)| rows.into_iter().map(move |row| (at, row))).collect();
    if rows.is_empty() {
        canvas.text((left + 1, top), columns - 1, "nothing", Role::Dim);
    }
    let last = rows.iter().rposition(|(at, _)| *at == selected).unwrap_or(0);
    let first = (last + 1).saturating_sub(usize::from(height));
    for (y, (at, row)) in (top..top + height).zip(&rows[first..]) {
        let is_selected = *at == selected;
        if is_selected {
            canvas.ours((left, y), '▌', Role::Selected);
        }
        let role = if is_selected { Role::Selected } else { Role::Plain };
        canvas.text((left + 1, y), columns - 1, &fit(row, usize::from(columns) - 2), role);
    }
}

/// What somebody does first.
fn welcome(canvas: &mut Canvas, areas: &Areas) {
    let (left, columns) = areas.pane;
    let (top, height) = areas.body;
    let rows = [
        "Choose a conversation with ^N, or somebody nearby.",
        r"\chat NAME  looks for somebody and begins a conversation.",
        r"\ping HOST  connects with somebody whose address you know.",
        r"\me  shows your address and fingerprint, for others.",
        "F1  lists keys and macros.",
    ];
    for (y, row) in (top..top + height).zip(rows) {
        canvas.text((left + 1, y), columns - 1, &fit(row, usize::from(columns) - 2), Role::Plain);
    }
}
