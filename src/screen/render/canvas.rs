//! A grid of cells to draw on. Nothing is drawn beyond its edges.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;

use crate::screen::cells::{arranged, width};
use crate::screen::model::Size;
use crate::screen::theme::{Role, Theme};

/// The grid.
pub struct Canvas {
    buffer: Buffer,
    theme: Theme,
}

impl Canvas {
    pub fn new(size: Size, theme: Theme) -> Canvas {
        Canvas { buffer: Buffer::empty(Rect::new(0, 0, size.columns, size.rows)), theme }
    }

    pub fn finish(self) -> Buffer {
        self.buffer
    }

    /// Draws a line of text within so many columns, cut at the end. Returns the column behind it.
    pub fn text(&mut self, (x, y): (u16, u16), columns: u16, text: &str, role: Role) -> u16 {
        let cells = arranged(text, self.theme.reorders);
        self.cells((x, y), columns, cells, role)
    }

    /// Draws a text that ends before a column.
    pub fn text_before(&mut self, (end, y): (u16, u16), text: &str, role: Role) {
        let columns = width(text) as u16;
        if columns <= end {
            self.text((end - columns, y), columns, text, role);
        }
    }

    /// Draws cells within so many columns, cut at the end. Returns the column behind them.
    pub fn cells(
        &mut self,
        (x, y): (u16, u16),
        columns: u16,
        cells: impl IntoIterator<Item = (String, usize)>,
        role: Role,
    ) -> u16 {
        let end = x.saturating_add(columns).min(self.buffer.area.width);
        let style = self.theme.style(role);
        let mut at = x;
        for (text, width) in cells {
            let width = width as u16;
            if at.saturating_add(width) > end || y >= self.buffer.area.height {
                break;
            }
            if text.is_ascii() {
                // Also the numbers of escaped characters: several letters.
                for c in text.chars() {
                    self.set(at, y, c.encode_utf8(&mut [0; 4]), style);
                    at += 1;
                }
            } else if self.theme.unicode {
                self.set(at, y, &text, style);
                at += width;
            } else {
                (0..width).for_each(|n| self.set(at + n, y, "?", style));
                at += width;
            }
        }
        at
    }

    fn set(&mut self, x: u16, y: u16, symbol: &str, style: ratatui_core::style::Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    /// Draws a character of ours.
    pub fn ours(&mut self, (x, y): (u16, u16), c: char, role: Role) {
        let style = self.theme.style(role);
        let c = self.theme.ours(c);
        self.set(x, y, c.encode_utf8(&mut [0; 4]), style);
    }

    /// Draws a line from one column to before another.
    pub fn rule(&mut self, y: u16, from: u16, to: u16) {
        (from..to).for_each(|x| self.ours((x, y), '─', Role::Dim));
    }

    /// A text of ours with separators as the terminal can show them.
    pub fn dots(&self, text: &str) -> String {
        text.chars().map(|c| if "·─│├└".contains(c) { self.theme.ours(c) } else { c }).collect()
    }
}
