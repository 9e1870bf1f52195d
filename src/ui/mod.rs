//! The faces: what a person types becomes requests to the node, what the node tells becomes lines or JSON.
//!
//! One session drives them all ([`session`]): it numbers the lines that come in, hands them to the node and shows what
//! comes back. A face is where lines come from ([`input`], or the line editor of [`interactive`]) and a [`Screen`] that
//! shows events: JSON ([`json`]) or sentences ([`plain`], fewer of them in a [`crowd`]) on standard output ([`lines`]), or
//! sentences above the prompt.
//! Nothing here decides anything about the network; the node is only known through its [`Handle`].

pub mod crowd;
pub mod exit;
pub mod identity;
pub mod input;
pub mod interactive;
pub mod json;
pub mod lines;
pub mod log;
pub mod macros;
pub mod plain;
pub mod qr;
pub mod session;
pub mod signals;
pub mod sim;

use std::io::{self, Write};

use tokio::sync::mpsc;

use crate::config::{Config, Face};
use crate::handle::{Handle, Ready};
use crate::proto::notice::Notice;
use exit::Exit;
use lines::{Lines, Render};
use session::{Ending, Session};

/// Something to show.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    Ready(&'a Ready),
    Notice(&'a Notice),
    /// The table of macros.
    Help,
    Stopped,
}

/// What shows events. Whoever makes one gives it a sender for the arrivals of messages that were written out.
pub trait Screen {
    /// Shows an event; it may stay in a buffer until `flush`. `line` is the one it answers.
    fn show(&mut self, line: Option<u64>, event: Event<'_>) -> io::Result<()>;

    /// Everything shown so far leaves this process.
    fn flush(&mut self) -> io::Result<()>;

    /// The last line that was typed is done with; the next goes to this conversation.
    fn go_on(&mut self, conversation: Option<&str>);

    /// Whether the next line is typed only after the store has the last one.
    fn waits_for_store(&self) -> bool;
}

/// Runs the face of `config` on a node until one of them ends. Exit codes: 0 for a graceful end, 1 for a failure.
pub async fn run(config: &Config, handle: Handle) -> Exit {
    let stop = signals::watch();
    let (printed_to, printed) = mpsc::unbounded_channel();
    if config.face == Face::Interactive
        && let Ok((screen, lines)) = interactive::open(printed_to.clone())
    {
        let ending = Session::new(handle, screen, lines, printed, stop).run().await;
        interactive::restore_terminal();
        return exit(ending);
    }
    let render = if config.face == Face::Json { Render::Json } else { Render::Plain(plain::Style::of_stdout()) };
    let screen = Lines::new(io::stdout(), render, printed_to);
    let session = Session::new(handle, screen, input::stdin(), printed, stop);
    exit(session.headless(config.headless).run().await)
}

/// Prints an answer on standard output. A reader who has gone needs none.
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
