//! User interfaces: input lines become requests to the node, and notices from the node become text or JSON.
//!
//! A [`session`] runs each of them. It numbers the input lines, passes them to the node and shows what comes back. An
//! interface consists of a source of lines ([`input`], or the line editor of [`interactive`]) and a [`Screen`] that shows
//! events: JSON ([`json`]) or sentences ([`plain`], broken into rows by [`wrap`] and limited by [`limiter`]) on standard output ([`lines`]), or sentences
//! above the prompt. The form of the JSON is documented in `docs/json.md`. What `\doctor` is answered with is judged by [`doctor`].
//!
//! Nothing here makes decisions about the network. The node is only known through its [`Handle`].

pub mod complete;
pub mod doctor;
pub mod exit;
pub mod files;
pub mod greeting;
pub mod identity;
pub mod input;
pub mod interactive;
pub mod json;
pub mod limiter;
pub mod lines;
pub mod link;
pub mod log;
pub mod macros;
pub mod page;
pub mod plain;
pub mod qr;
pub mod session;
pub mod signals;
pub mod sim;
pub mod wrap;

use std::io::{self, Stdout, Write};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::config::{Config, Interface};
use crate::handle::counts::Observed;
use crate::handle::{Handle, Ready};
use crate::proto::notice::Notice;
use exit::Exit;
use greeting::Setup;
use input::Line;
use interactive::Terminal;
use lines::{Lines, Render};
use session::{AtEnd, Ending, Session};

/// Something to show.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The node accepts connections.
    Ready(&'a Ready, &'a Setup),
    /// The node accepts connections, and waits to be linked.
    Waiting(&'a Ready),
    /// A notice of the node or of this interface.
    Notice(&'a Notice),
    /// The table of macros.
    Help,
    /// What node and hub count.
    Counts(&'a Observed),
    /// The node has stopped. This is the last event.
    Stopped,
}

/// Shows events. An implementation has a sender for the arrival numbers of messages that it has written.
pub trait Screen {
    /// Shows an event, which may stay in a buffer until `flush`. `line` is the input line it answers.
    fn show(&mut self, line: Option<u64>, event: Event<'_>) -> io::Result<()>;

    /// Waits until more may be shown: at once, unless events are queued for an output that is paused.
    fn has_room(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// When [`on_deadline`](Self::on_deadline) is to be called.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Shows what had to wait until now.
    fn on_deadline(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Waits until Ctrl-C is pressed while no line is edited.
    fn interrupted(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Writes everything shown so far to the output.
    fn flush(&mut self) -> io::Result<()>;

    /// The last input line has been dealt with. The next belongs to this conversation.
    fn line_done(&mut self, conversation: Option<&str>);

    /// Whether the last conversation is shown at the start, and goes on, and what is shown of a conversation counts as read. The
    /// first line is then read after [`line_done`](Self::line_done) was called once; each call but the first answers one line.
    fn recalls(&self) -> bool {
        false
    }

    /// Tells a person what is being done. A program is not told.
    fn note(&mut self, _text: &str) -> io::Result<()> {
        Ok(())
    }

    /// Whether the next line is read only after the store has committed the last one.
    fn waits_for_store(&self) -> bool;
}

/// Where events are shown and lines are read. A session that waits to be linked hands it on to the node that it becomes.
pub struct Console {
    kind: Kind,
    /// Arrival numbers of messages that were shown.
    printed: mpsc::UnboundedReceiver<u64>,
    /// The node that runs now was linked at this console.
    linked: bool,
}

enum Kind {
    /// A line editor on a terminal.
    Editor(Terminal, mpsc::Receiver<Line>),
    /// Lines on standard output. Those of standard input are read by the node of a user only.
    Lines(Lines<Stdout>),
}

impl Console {
    /// Opens the console that `config` selects: lines on standard output if the terminal does not support editing.
    pub fn open(config: &Config) -> Console {
        let (printed_to, printed) = mpsc::unbounded_channel();
        let editor = (config.interface == Interface::Line).then(|| interactive::open(printed_to.clone()));
        let kind = match editor {
            Some(Ok((screen, lines))) => Kind::Editor(screen, lines),
            _ => Kind::Lines(Lines::new(io::stdout(), render(config), printed_to)),
        };
        Console { kind, printed, linked: false }
    }
}

/// Connects a console with a node until one of them ends. `stop` asks for the end ([`signals::watch`]).
pub async fn run(config: &Config, handle: Handle, console: Console, stop: Arc<Notify>) -> Exit {
    let Console { kind, printed, linked } = console;
    let setup = Setup { linked, ..Setup::of(config) };
    match kind {
        Kind::Editor(screen, lines) => {
            let ending = Session::new(handle, screen, lines, printed, stop).setup(setup).run().await;
            interactive::restore_terminal();
            exit(ending)
        }
        Kind::Lines(screen) => {
            let session = Session::new(handle, screen, input::stdin(), printed, stop);
            exit(session.setup(setup).at_end(at_end(config)).run().await)
        }
    }
}

/// The form of lines on standard output.
fn render(config: &Config) -> Render {
    if config.interface == Interface::Json { Render::Json } else { Render::Plain(plain::Style::of_stdout()) }
}

/// Prints on standard output. Errors are ignored: the reader may have closed it.
pub fn print(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn exit(ending: Ending) -> Exit {
    match ending {
        Ending::Stopped => Exit::Success,
        Ending::Failed(why) => {
            eprintln!("darknode: {}", plain::inline(&why));
            Exit::Failure
        }
    }
}

fn at_end(config: &Config) -> AtEnd {
    match (config.headless, config.wait) {
        (true, _) => AtEnd::Stay,
        (false, true) => AtEnd::Wait,
        (false, false) => AtEnd::Quit,
    }
}
