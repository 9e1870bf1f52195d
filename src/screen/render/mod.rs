//! Draws the model: a pure function of it, the size and the time.
//!
//! Everything that others wrote was made harmless when it came in, and is drawn cell by cell within its part of the screen.

mod canvas;
mod chat;
mod frame;
mod panes;

use std::ops::Range;

use ratatui_core::buffer::Buffer;

use super::clock::Clock;
use super::model::Model;
use super::theme::{Role, Theme};
use super::view;
use crate::config::MIN_SCREEN;
use canvas::Canvas;

/// A frame.
#[derive(Debug)]
pub struct Frame {
    /// The cells.
    pub buffer: Buffer,
    /// The rows in which messages move up.
    pub body: Range<u16>,
    /// Column and row of the cursor; `None` if it is not shown.
    pub cursor: Option<(u16, u16)>,
}

/// Draws a frame.
pub fn render(model: &Model, theme: Theme, clock: Clock) -> Frame {
    let mut canvas = Canvas::new(model.size, theme);
    let (columns, rows) = MIN_SCREEN;
    if model.size.columns < columns || model.size.rows < rows {
        let text = format!("the terminal is smaller than {columns}x{rows}");
        canvas.text((0, 0), model.size.columns, &text, Role::Plain);
        return Frame { buffer: canvas.finish(), body: 0..0, cursor: None };
    }
    let input = view::input(model, theme.reorders);
    let areas = view::areas(model, input.rows.len());
    frame::draw(&mut canvas, model, &areas, clock);
    panes::draw(&mut canvas, model, &areas, clock, theme.reorders);
    let cursor = frame::input(&mut canvas, &areas, &input);
    let (top, height) = areas.body;
    Frame { buffer: canvas.finish(), body: top..top + height, cursor: Some(cursor) }
}

#[cfg(test)]
mod tests;
