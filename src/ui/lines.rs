//! Events as lines on standard output (or anything that can be written to).

use std::io::{self, BufWriter, Write};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::limiter::Limiter;
use super::{Event, Screen, greeting, json, plain};
use crate::proto::notice::Notice;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    /// One JSON object per event (`docs/json.md`).
    Json,
    /// Sentences, with or without colours.
    Plain(plain::Style),
}

/// A screen that writes lines.
pub struct Lines<W: Write> {
    out: BufWriter<W>,
    render: Render,
    limiter: Limiter,
    printed: mpsc::UnboundedSender<u64>,
    /// The arrival number of the last message in the buffer.
    arrival: Option<u64>,
}

impl<W: Write> Lines<W> {
    /// `printed` gets the arrival numbers of messages that were written and flushed.
    pub fn new(out: W, render: Render, printed: mpsc::UnboundedSender<u64>) -> Lines<W> {
        let limiter = Limiter::new(Instant::now());
        Lines { out: BufWriter::with_capacity(64 * 1024, out), render, limiter, printed, arrival: None }
    }
}

impl<W: Write> Screen for Lines<W> {
    fn show(&mut self, line: Option<u64>, event: Event<'_>) -> io::Result<()> {
        match self.render {
            Render::Json => {
                self.out.write_all(json::render(line, event).as_bytes())?;
                self.out.write_all(b"\n")?;
            }
            Render::Plain(style) => {
                let text = self.limiter.render(style.resized(), event, Instant::now());
                self.out.write_all(text.as_bytes())?;
            }
        }
        match event {
            Event::Notice(Notice::Message(message)) => self.arrival = Some(message.arrival),
            Event::Ready(ready, setup) if ready.fresh && self.render != Render::Json => {
                eprintln!("{}", greeting::new_identity(ready, setup))
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        match self.render {
            Render::Json => Ok(()),
            Render::Plain(style) => self.out.write_all(style.resized().event(text).as_bytes()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some(arrival) = self.arrival.take() {
            // Fails only when the session has ended.
            let _ = self.printed.send(arrival);
        }
        Ok(())
    }

    fn line_done(&mut self, conversation: Option<&str>) {
        self.limiter.set_conversation(conversation);
    }

    fn waits_for_store(&self) -> bool {
        false
    }
}
