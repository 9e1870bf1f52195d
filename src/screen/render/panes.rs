//! What is in the large part: messages, or what takes their place.

use super::canvas::Canvas;
use super::{chat, frame};
use crate::screen::cells::{APART, fit, width};
use crate::screen::clock::Clock;
use crate::screen::model::Model;
use crate::screen::model::pane::{Found, HeldBy, Item, Pane, rows};
use crate::screen::theme::Role;
use crate::screen::view::{self, Areas, is_narrow};

/// The widest column of labels.
const MAX_LABEL: usize = 16;

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
        Pane::Map { selected } => map(canvas, model, areas, clock, selected.as_deref()),
        Pane::Found { found, selected, .. } => {
            let row = |message: &Found| {
                let who = if message.own { format!("to {}", message.with) } else { message.with.clone() };
                vec![format!("{}  {who}:{APART} {}", clock.date(message.sent), message.text)]
            };
            entries(canvas, areas, found.iter().map(row), *selected);
        }
        Pane::WhoHas { items, selected, .. } => {
            let room = usize::from(columns) - 2;
            entries(canvas, areas, items.iter().map(|item| who_has(item, room, clock)), *selected);
        }
    }
}

/// Draws the network around me, so that the selected row is seen.
fn map(canvas: &mut Canvas, model: &Model, areas: &Areas, clock: Clock, selected: Option<&str>) {
    let (left, columns) = areas.pane;
    let (top, height) = areas.body;
    let rows = model.map.rows(&model.people, &clock);
    let at = rows.iter().position(|row| row.id.as_deref() == selected).unwrap_or(0);
    let first = (at + 1).saturating_sub(usize::from(height));
    for (y, (n, row)) in (top..top + height).zip(rows.iter().enumerate().skip(first)) {
        let role = if n == at { Role::Selected } else { Role::Plain };
        if n == at {
            canvas.ours((left, y), '▌', Role::Selected);
        }
        let branch = canvas.dots(&row.branch);
        let begin = canvas.text((left + 1, y), columns - 1, &branch, Role::Dim);
        let room = (left + columns).saturating_sub(begin + 1);
        canvas.text((begin, y), room, &fit(&row.text, usize::from(room)), role);
    }
}

/// The rows of a message of mine: the text, and who has it for each session of the addressee.
fn who_has(item: &Item, room: usize, clock: Clock) -> Vec<String> {
    let sent = clock.date(item.sent);
    let text = fit(&item.text, room.saturating_sub(sent.len() + 4));
    let label = item.sessions.iter().map(|held| width(&held.label)).max().unwrap_or(0).min(MAX_LABEL);
    let session = |held: &HeldBy| {
        let name = fit(&held.label, label);
        let pad = " ".repeat(label - width(&name));
        let since = held.since.map_or_else(String::new, |since| format!(" since {}", clock.minute(since)));
        format!("  {}  {name}{pad}  {}{since}", held.session, held.state)
    };
    let mut rows = vec![format!("\"{text}\", {sent}")];
    rows.extend(item.sessions.iter().map(session));
    if item.sessions.is_empty() {
        rows.push("  waits: none of their sessions is known yet".to_owned());
    }
    rows
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
