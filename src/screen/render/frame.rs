//! What surrounds the messages: the header, the list, lines, the notice, the input and the hints.

use super::canvas::Canvas;
use crate::screen::cells::{fit, width};
use crate::screen::clock::Clock;
use crate::screen::model::pane::Pane;
use crate::screen::model::people::How;
use crate::screen::model::{Model, News, Prompt};
use crate::screen::theme::Role;
use crate::screen::view::{Areas, InputView, alert_rows, is_narrow, is_wide};
use crate::ui::plain::counted;

/// Draws all of it but the input.
pub fn draw(canvas: &mut Canvas, model: &Model, areas: &Areas, clock: Clock) {
    let columns = model.size.columns;
    canvas.rule(1, 0, columns);
    canvas.rule(areas.rule, 0, columns);
    if is_narrow(model.size) {
        narrow_header(canvas, model, clock);
    } else {
        header(canvas, model);
        for y in 2..areas.rule {
            canvas.ours((areas.list, y), '│', Role::Dim);
        }
        canvas.ours((areas.list, 1), '┬', Role::Dim);
        canvas.ours((areas.list, areas.rule), '┴', Role::Dim);
        let rows = areas.rule.saturating_sub(2);
        list(canvas, model, (0, 2), (areas.list, rows), clock);
        title(canvas, model, areas, clock);
    }
    notice(canvas, model, areas);
    if let Some(y) = areas.hint {
        let hint = canvas.dots(hint(model));
        canvas.text((1, y), columns - 1, &fit(&hint, usize::from(columns) - 2), Role::Dim);
    }
}

/// Who I am, who is there and what waits.
fn header(canvas: &mut Canvas, model: &Model) {
    let [here, through, away, nearby] = model.people.counts();
    let waits = model.waits.len();
    let (columns, wide) = (model.size.columns, is_wide(model.size));
    let network = match (&model.me.network, wide) {
        (None, true) => "open network",
        (None, false) => "open",
        (Some(_), true) => "closed network",
        (Some(_), false) => "closed",
    };
    let others = if wide { "through others" } else { "through" };
    let counts = [(here, "here"), (through, others), (away, "away"), (nearby, "nearby")];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, what)| *count > 0 || *what == "here")
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let counts = counts.join(if wide { ", " } else { " " });
    let waits = match (waits, wide) {
        (0, _) => String::new(),
        (count, true) => format!(" · {} wait{}", counted(count as u64, "line"), if count == 1 { "s" } else { "" }),
        (count, false) => format!(" · {count} wait"),
    };
    let asking = match model.asking() {
        0 => String::new(),
        count => format!("{} · ", counted(count as u64, "request")),
    };
    let begin = if wide { " darknode  " } else { " " };
    let text = canvas.dots(&format!("{begin}{} · {network} · {asking}{counts}{waits}", model.me.name));
    canvas.text((0, 0), columns.saturating_sub(9), &fit(&text, usize::from(columns) - 9), Role::Plain);
    canvas.text_before((columns - 1, 0), "F1 help", Role::Dim);
}

/// The open conversation, where there is no room for a list.
fn narrow_header(canvas: &mut Canvas, model: &Model, clock: Clock) {
    let columns = model.size.columns;
    let elsewhere =
        model.list.unread() - model.current.as_deref().and_then(|id| model.list.get(id)).map_or(0, |open| open.unread);
    let unread = if elsewhere > 0 { format!("{elsewhere} unread ") } else { String::new() };
    let text = match (pane_title(model), &model.current) {
        (Some(title), _) => title,
        (None, Some(id)) if model.pane != Pane::List => about(model, id, clock, false),
        _ => model.me.name.clone(),
    };
    let text = canvas.dots(&text);
    canvas.text((1, 0), columns, &fit(&text, usize::from(columns) - 2 - width(&unread)), Role::Selected);
    canvas.text_before((columns, 0), &unread, Role::Unread);
}

fn title(canvas: &mut Canvas, model: &Model, areas: &Areas, clock: Clock) {
    let (left, columns) = areas.pane;
    let text = match (pane_title(model), &model.current) {
        (Some(title), _) => title,
        (None, Some(id)) => about(model, id, clock, is_wide(model.size)),
        (None, None) => "nobody is chosen".to_owned(),
    };
    let text = canvas.dots(&text);
    canvas.text((left + 1, 2), columns - 1, &fit(&text, usize::from(columns) - 2), Role::Plain);
    canvas.rule(3, left, left + columns);
}

/// What stands in the place of the messages.
fn pane_title(model: &Model) -> Option<String> {
    Some(match &model.pane {
        Pane::Chat | Pane::List => return None,
        Pane::Text { title, .. } => title.clone(),
        Pane::Map { .. } => "the network around you · D doctor · Esc back".to_owned(),
        Pane::Found { text, .. } => format!("messages with \"{text}\" · Enter opens · Esc back"),
        Pane::WhoHas { with, .. } => {
            format!("my messages to {} · D doctor · X withdraw · Esc back", model.name_of(with))
        }
    })
}

/// Somebody, how they are reached, and what is known of them.
fn about(model: &Model, id: &str, clock: Clock, wide: bool) -> String {
    let mut parts = vec![model.name_of(id).to_owned()];
    if let Some(person) = model.people.get(id) {
        parts.push(match (person.how(), model.map.through(id)) {
            (How::Through, Some(by)) => format!("here, through {by}"),
            (how, _) => how.words(&clock),
        });
        parts.extend((!person.linked).then(|| "not linked".to_owned()));
        parts.extend(person.verified.then(|| "checked".to_owned()));
        let sessions = person.sessions();
        parts.extend((wide && sessions > 0).then(|| counted(sessions as u64, "session")));
    }
    parts.join(" · ")
}

/// A row of the list.
enum Entry<'a> {
    /// A conversation by id, name and what is unread in it.
    With(&'a str, &'a str, u64),
    Blank,
    Nearby,
}

/// The conversations, and then the people nearby.
pub fn list(canvas: &mut Canvas, model: &Model, (x, y): (u16, u16), (columns, rows): (u16, u16), clock: Clock) {
    let conversations = model.list.all().iter();
    let mut entries: Vec<Entry<'_>> =
        conversations.map(|known| Entry::With(&known.id, &known.name, known.unread)).collect();
    let nearby = model.list.nearby(&model.people);
    if !nearby.is_empty() {
        entries.extend([Entry::Blank, Entry::Nearby]);
        entries.extend(nearby.into_iter().map(|(id, name)| Entry::With(id, name, 0)));
    }
    let is_open = |entry: &Entry<'_>| matches!(entry, Entry::With(id, ..) if model.current.as_deref() == Some(id));
    let open = entries.iter().position(is_open).unwrap_or(0);
    let first = (open + 1).saturating_sub(usize::from(rows));
    for (row, entry) in (y..y + rows).zip(entries.iter().skip(first)) {
        match entry {
            Entry::With(id, name, unread) => list_entry(canvas, model, (x, row), columns, (id, name, *unread), clock),
            Entry::Blank => {}
            Entry::Nearby => {
                canvas.text((x + 1, row), columns - 1, "nearby", Role::Dim);
            }
        }
    }
}

fn list_entry(
    canvas: &mut Canvas,
    model: &Model,
    (x, y): (u16, u16),
    columns: u16,
    (id, name, unread): (&str, &str, u64),
    clock: Clock,
) {
    let is_open = Some(id) == model.current.as_deref();
    if is_open {
        canvas.ours((x, y), '▌', Role::Selected);
    }
    let unread = if unread > 0 { unread.to_string() } else { String::new() };
    let room = usize::from(columns).saturating_sub(3 + width(&unread));
    let role = match (is_open, unread.is_empty()) {
        (true, _) => Role::Selected,
        (false, false) => Role::Unread,
        (false, true) => Role::Plain,
    };
    let end = canvas.text((x + 1, y), room as u16, &fit(name, room), role);
    // The people nearby with whom nothing was said stand below a title of their own.
    let is_told = |how: &How| match how {
        How::Away(since) => since.is_some(),
        How::Nearby => model.list.get(id).is_some(),
        How::Here | How::Through => false,
    };
    if let Some(how) = model.people.get(id).map(|person| person.how()).filter(is_told) {
        let text = how.words(&clock);
        let left = (x + 1 + room as u16).saturating_sub(end + 2);
        if usize::from(left) >= width(&text) {
            canvas.text((end + 2, y), left, &text, Role::Dim);
        }
    }
    canvas.text_before((x + columns - 1, y), &unread, Role::Unread);
}

/// What needs attention, or happened elsewhere.
fn notice(canvas: &mut Canvas, model: &Model, areas: &Areas) {
    let Some((y, has_line)) = areas.notice else { return };
    let (left, columns) = areas.pane;
    if has_line {
        canvas.rule(y - 1, left, left + columns);
    }
    let room = usize::from(columns) - 2;
    match (model.notice(), &model.news) {
        (Some(alert), _) => {
            let role = if alert.is_wrong { Role::Wrong } else { Role::Plain };
            for (y, row) in (y..).zip(alert_rows(alert, model.size)) {
                canvas.text((left + 1, y), columns - 1, &row, role);
            }
        }
        (None, Some(News { with, text })) => {
            let way = if with.is_some() { "  Tab goes there" } else { "" };
            canvas.text((left + 1, y), columns - 1, &fit(text, room - width(way)), Role::Unread);
            canvas.text_before((left + columns - 1, y), way, Role::Dim);
        }
        (None, None) => {}
    }
}

/// Draws what is being written. Returns where the cursor is.
pub fn input(canvas: &mut Canvas, areas: &Areas, input: &InputView) -> (u16, u16) {
    let (y, rows) = areas.input;
    let left = canvas.text((0, y), u16::MAX, &input.label, Role::Selected);
    for (row, cells) in (y..y + rows).zip(&input.rows) {
        canvas.cells((left, row), u16::MAX, cells.iter().cloned(), Role::Plain);
    }
    (left + input.cursor.0 as u16, y + (input.cursor.1 as u16).min(rows - 1))
}

/// The keys that are of use now.
fn hint(model: &Model) -> &'static str {
    match (&model.pane, &model.prompt) {
        _ if model.question.is_some() => "Y yes · N no, back to the text",
        (_, Some((Prompt::GoTo, _))) => "Enter goes there · Tab completes · Esc back",
        (_, Some((Prompt::Find, _))) => "Enter searches all conversations · Esc back",
        (Pane::Text { .. }, _) => "Up Down PgUp PgDn scroll · Esc back",
        (Pane::Map { .. }, _) => "Up Down choose · Enter opens · D doctor · Esc back",
        (Pane::Found { .. }, _) => "Up Down choose · Enter opens · Esc back",
        (Pane::WhoHas { .. }, _) => "Up Down choose · D doctor · X withdraws · Esc back",
        _ if model.current.is_none() => "^N chooses · ^G by name · \\chat NAME · F1 help · ^D leaves",
        _ if is_wide(model.size) => {
            "Enter sends · Alt-Enter new line · Tab next unread · ^F find · ^T map · ^O who has it"
        }
        _ if is_narrow(model.size) => "Enter sends · Tab next unread · ^F find · ^T map",
        _ => "Enter sends · Tab next unread · ^F find · ^T map · ^O who has it",
    }
}
