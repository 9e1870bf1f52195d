//! What is written to a terminal, for a slow line.

use proptest::prelude::*;
use ratatui_core::buffer::Buffer;
use serde_json::json;

use super::{PLAIN, Setup, message, now};
use crate::screen::action::Action;
use crate::screen::clock::Clock;
use crate::screen::model::editor::Source;
use crate::screen::render::{Frame, render};
use crate::screen::terminal::update::update;

/// Bytes that a line of 9,600 baud carries in a second: each has eight bits, one before them and one behind.
const SECOND: usize = 9_600 / 10;

/// A terminal, and what it is believed to show.
struct Screen {
    emulator: vt100::Parser,
    shown: Option<Buffer>,
}

impl Screen {
    fn of(setup: &Setup) -> Screen {
        let mut screen =
            Screen { emulator: vt100::Parser::new(setup.0.size.rows, setup.0.size.columns, 0), shown: None };
        screen.draw(setup);
        screen
    }

    /// Draws a frame. The terminal must show it. Returns how many bytes that took.
    fn draw(&mut self, setup: &Setup) -> usize {
        let frame = render(&setup.0, PLAIN, Clock::utc(now()));
        let bytes = update(self.shown.take(), &frame).expect("it is written to memory");
        self.emulator.process(&bytes);
        assert_eq!(self.rows(), rows_of(&frame));
        self.shown = Some(frame.buffer);
        bytes.len()
    }

    fn rows(&self) -> Vec<String> {
        let screen = self.emulator.screen();
        screen.rows(0, screen.size().1).map(|row| row.trim_end().to_owned()).collect()
    }
}

fn rows_of(frame: &Frame) -> Vec<String> {
    let area = frame.buffer.area;
    let row = |y| (0..area.width).map(|x| frame.buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..area.height).map(row).collect()
}

/// A conversation that fills the screen.
fn full(columns: u16, rows: u16) -> Setup {
    let text = |n: u64| format!("{n}: who brings the cable, and when does the generator go off?");
    let messages: Vec<_> = (1..=80).map(|n| message(&format!("m{n}"), "carol", "28T10:00", n, &text(n))).collect();
    Setup::new(columns, rows).with_history(json!(messages))
}

#[test]
fn a_letter_takes_a_tenth_of_a_second_on_a_line_of_9600_baud() {
    for (columns, rows) in [(80, 24), (200, 60)] {
        let mut setup = full(columns, rows);
        let mut screen = Screen::of(&setup);
        setup.0.act(Action::Insert { text: "a".into(), source: Source::Hand });
        let bytes = screen.draw(&setup);
        assert!(bytes <= SECOND / 10, "{bytes} bytes at {columns}x{rows}");
    }
}

#[test]
fn a_new_message_takes_half_a_second_on_a_line_of_9600_baud() {
    for (columns, rows) in [(80, 24), (100, 30), (200, 60)] {
        let mut setup = full(columns, rows);
        let mut screen = Screen::of(&setup);
        let text = "bring the long cable for the other generator";
        setup.tell(message("n1", "carol", "28T14:04", 100, text));
        let bytes = screen.draw(&setup);
        assert!(bytes <= SECOND / 2, "{bytes} bytes at {columns}x{rows}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// `draw` compares.
    #[test]
    fn the_terminal_shows_the_frame_whatever_was_scrolled(
        texts in proptest::collection::vec("[a-e ]{1,200}(\n[a-c ]{0,30}){0,14}", 1..8),
        scrolls in any::<u8>(),
        columns in 40u16..120,
    ) {
        let mut setup = full(columns, 24);
        let mut screen = Screen::of(&setup);
        for (n, text) in texts.iter().enumerate() {
            setup.tell(message(&format!("n{n}"), "carol", "28T14:04", 100 + n as u64, text));
            screen.draw(&setup);
            if scrolls >> n & 1 == 1 {
                setup.0.act(Action::Page(-1));
                screen.draw(&setup);
                setup.0.act(Action::Page(1));
                screen.draw(&setup);
            }
        }
    }
}
