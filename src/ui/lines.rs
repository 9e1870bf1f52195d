//! Events as lines on standard output (or anything that can be written to).

use std::io::{self, BufWriter, Write};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::crowd::Crowd;
use super::{Event, Screen, json, plain};
use crate::proto::notice::Notice;

/// What the lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    Json,
    Plain(plain::Style),
}

/// A screen that never waits for anybody but its reader.
pub struct Lines<W: Write> {
    out: BufWriter<W>,
    render: Render,
    crowd: Crowd,
    printed: mpsc::UnboundedSender<u64>,
    /// The last message in the buffer.
    arrival: Option<u64>,
}

impl<W: Write> Lines<W> {
    /// Arrivals of messages that were written and flushed go to `printed`.
    pub fn new(out: W, render: Render, printed: mpsc::UnboundedSender<u64>) -> Lines<W> {
        let crowd = Crowd::new(Instant::now());
        Lines { out: BufWriter::with_capacity(64 * 1024, out), render, crowd, printed, arrival: None }
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
                let text = self.crowd.render(style, event, Instant::now());
                self.out.write_all(text.as_bytes())?;
            }
        }
        match event {
            Event::Notice(Notice::Message(message)) => self.arrival = Some(message.arrival),
            Event::Ready(ready) if ready.fresh && self.render != Render::Json => {
                eprintln!("{}", plain::greeting(ready))
            }
            _ => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some(arrival) = self.arrival.take() {
            // Nobody listens any more only when the session has ended.
            let _ = self.printed.send(arrival);
        }
        Ok(())
    }

    fn go_on(&mut self, conversation: Option<&str>) {
        self.crowd.turn_to(conversation);
    }

    fn waits_for_store(&self) -> bool {
        false
    }
}
