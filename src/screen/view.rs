//! What stands where.

use super::cells::{self, Cell, arrange, wrap};
use super::clock::Clock;
use super::model::pane::Pane;
use super::model::timeline::Page;
use super::model::{Alert, Model, Prompt, Size};
use super::rows::Look;

/// From here on the list stands beside the messages.
const TWO_PANES: u16 = 60;
/// From here on there is room for rules and long words.
const WIDE: u16 = 100;
/// Rows of the input at most.
const MAX_INPUT: usize = 6;
/// Rows of a notice at most: what is wrong and what to do fits into them on a usual screen.
const MAX_NOTICE: usize = 3;
/// Below so many rows there is no row of hints.
const HINTS: u16 = 16;
/// When fewer messages than this are above those that are seen, older ones are asked for.
const AHEAD: usize = 100;

/// Whether the list and the messages do not fit beside each other.
pub fn is_narrow(size: Size) -> bool {
    size.columns < TWO_PANES
}

/// Whether there is room for everything.
pub fn is_wide(size: Size) -> bool {
    size.columns >= WIDE
}

/// Rows and columns of the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    /// Columns of the list, without the line beside it; 0 if there is none.
    pub list: u16,
    /// The first column of the pane, and how many it has.
    pub pane: (u16, u16),
    /// The first row of the messages, and how many there are.
    pub body: (u16, u16),
    /// The first row of the notice, if there is one, and whether a line stands above it.
    pub notice: Option<(u16, bool)>,
    /// The row of the line above the input.
    pub rule: u16,
    /// The first row of the input, and how many it has.
    pub input: (u16, u16),
    /// The row of the hints.
    pub hint: Option<u16>,
}

/// Columns of the list; 0 if there is none.
fn list_columns(size: Size) -> u16 {
    match size.columns {
        WIDE.. => 24,
        TWO_PANES.. => 18,
        _ => 0,
    }
}

/// What needs attention, in as many rows as it may have. What exceeds them ends in dots.
pub fn alert_rows(alert: &Alert, size: Size) -> Vec<String> {
    let left = if is_narrow(size) { 0 } else { list_columns(size) + 1 };
    let room = usize::from(size.columns.saturating_sub(left + 2));
    let text = if alert.stays { format!("{} (Esc)", alert.text) } else { alert.text.clone() };
    let cells = cells::cells(&text);
    let mut starts: Vec<usize> =
        wrap(&cells, room).iter().map(|row| cells.get(row.start).map_or(0, |cell| cell.at)).collect();
    starts.truncate(MAX_NOTICE.min(usize::from(size.rows) / 3).max(1));
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| cells::fit(text[*start..end].trim_end(), room)).collect()
}

/// Where the parts stand.
pub fn areas(model: &Model, input_rows: usize) -> Areas {
    let Size { columns, rows } = model.size;
    let list = list_columns(model.size);
    let hint = (rows >= HINTS).then(|| rows - 1);
    let input_end = hint.unwrap_or(rows);
    let input_rows = (input_rows as u16).min(MAX_INPUT as u16).min(rows / 3).max(1);
    let rule = input_end.saturating_sub(input_rows + 1);
    let (left, top) = if is_narrow(model.size) { (0, 2) } else { (list + 1, 4) };
    let notice_rows = match (model.notice(), &model.news) {
        (Some(alert), _) => alert_rows(alert, model.size).len() as u16,
        (None, news) => u16::from(news.is_some()),
    };
    let has_line = is_wide(model.size) && rows >= HINTS;
    let notice = (notice_rows > 0).then(|| (rule.saturating_sub(notice_rows), has_line));
    let below = if notice_rows > 0 { notice_rows + u16::from(has_line) } else { 0 };
    Areas {
        list,
        pane: (left, columns.saturating_sub(left)),
        body: (top, rule.saturating_sub(top + below)),
        notice,
        rule,
        input: (rule + 1, input_rows),
        hint,
    }
}

/// The text in the input as rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputView {
    /// What stands before the first row.
    pub label: String,
    /// What is seen of the rows, with the width of each cell.
    pub rows: Vec<Vec<(String, usize)>>,
    /// Column and row of the cursor, from the begin of the text.
    pub cursor: (usize, usize),
}

/// Lays out what is being written.
pub fn input(model: &Model, reorders: bool) -> InputView {
    let (label, editor) = match &model.prompt {
        Some((Prompt::GoTo, editor)) => (" go to > ".to_owned(), editor),
        Some((Prompt::Find, editor)) => (" find > ".to_owned(), editor),
        None => {
            let columns = usize::from(model.size.columns);
            let to = match (model.looks_for(), &model.current) {
                (Some(name), _) => cells::fit(&format!("looking for {name} "), columns / 2),
                (None, Some(id)) => cells::fit(&format!("to {} ", model.name_of(id)), columns / 3),
                (None, None) => String::new(),
            };
            (format!(" {to}> "), &model.editor)
        }
    };
    let columns = usize::from(model.size.columns).saturating_sub(cells::width(&label) + 1).max(2);
    let (mut rows, mut cursor, mut begin) = (Vec::new(), (0, 0), 0);
    for line in editor.text().split('\n') {
        let cells = cells::typed_cells(line);
        let ranges = wrap(&cells, columns);
        let last = ranges.len() - 1;
        for (n, (range, row)) in ranges.iter().zip(arrange(line, &cells, &ranges, reorders)).enumerate() {
            let ends_at = if n == last { line.len() + 1 } else { cells[range.end].at };
            let starts_at = cells.get(range.start).map_or(0, |cell| cell.at);
            let at = editor.cursor().wrapping_sub(begin);
            if (starts_at..ends_at).contains(&at) {
                cursor = (column_of(&cells, &row.order, at).min(columns), rows.len());
            }
            rows.push(row.shown(&cells));
        }
        begin += line.len() + 1;
    }
    let first = (cursor.1 + 1).saturating_sub(MAX_INPUT.min(usize::from(model.size.rows) / 3).max(1));
    rows.drain(..first);
    InputView { label, rows, cursor: (cursor.0, cursor.1 - first) }
}

/// The column of the cell at a position in the text; behind the last if it is at the end.
fn column_of(cells: &[Cell], order: &[usize], at: usize) -> usize {
    let before = order.iter().take_while(|cell| cells[**cell].at != at);
    before.map(|cell| cells[*cell].width).sum()
}

/// How the messages of the open conversation are laid out.
pub fn look(model: &Model, clock: Clock, reorders: bool) -> Option<Look<'_>> {
    let name = model.name_of(model.current.as_deref()?);
    let columns = usize::from(areas(model, 1).pane.1);
    Some(Look { columns, name, clock, reorders })
}

impl Model {
    /// Scrolls by pages.
    pub fn page(&mut self, by: isize) {
        let height = usize::from(areas(self, input(self, false).rows.len()).body.1);
        let rows = height.saturating_sub(2).max(1).cast_signed();
        if self.pane == Pane::Chat {
            self.scroll(by * rows, height);
        } else {
            self.scroll_pane(by * rows);
        }
    }

    /// Scrolls what is in the place of the messages.
    pub fn scroll_pane(&mut self, by: isize) {
        if let Pane::Map { selected } = &mut self.pane {
            return *selected = self.map.moved(selected.as_deref(), by);
        }
        let Areas { pane, body, .. } = areas(self, 1);
        self.pane.scroll(by, (usize::from(pane.1).saturating_sub(2), usize::from(body.1)));
        if let Pane::Found { text, found, selected, next: Some(next), is_asked, .. } = &mut self.pane
            && *selected + 10 > found.len()
            && !std::mem::replace(is_asked, true)
        {
            let (text, next) = (text.clone(), next.clone());
            let request = serde_json::json!({ "do": "search", "text": text, "n": 50, "before": next });
            self.ask(super::model::Asked::Found { text, more: true }, request);
        }
    }

    /// Scrolls the messages by rows, and asks for those that will be needed next.
    fn scroll(&mut self, by: isize, height: usize) {
        let Some(id) = self.current.clone() else { return };
        // The zone changes only what a day separator says.
        let (Some(look), Some(timeline)) = (look(self, Clock::local(), false), self.timelines.get(&id)) else { return };
        let anchor = look.moved(timeline, by, height);
        let at = anchor.as_ref().and_then(|anchor| timeline.position(&anchor.id)).unwrap_or(timeline.lines().len());
        let (above, below) = (at, timeline.lines().len() - at);
        if let Some(timeline) = self.timelines.get_mut(&id) {
            // At the end of a part, what comes next is not the bottom.
            let last = timeline.lines().back().map(|line| line.id.clone()).filter(|_| timeline.has_newer);
            timeline.anchor = anchor.or(last.map(|id| super::model::timeline::Anchor { id, hidden: 0 }));
        }
        if by < 0 && above < AHEAD {
            self.ask_more(&id, Page::Older);
        } else if by > 0 && below < AHEAD {
            self.ask_more(&id, Page::Newer);
        }
    }
}
