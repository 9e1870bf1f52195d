//! Connects an interface with a node: lines in, events out.
//!
//! Lines are numbered from 1, including empty ones. They are passed to the node without waiting for answers, with two
//! exceptions. A line after a `\chat` waits for the answer to the `\chat`, which decides where it goes. A line editor waits
//! until the store has committed the last line. A `\chat` that fails leaves no conversation selected, because the lines
//! after it were not meant for the previous one.
//!
//! The end of the input acts as `\quit`, unless the node is headless. After a `\quit` the node has two seconds, counted
//! from the moment the store has answered for every line typed before it, or from the signal that stopped it. When the
//! reader closes the output, the session quits without an error.

mod from_node;
mod opening;
mod recall;
mod typed;

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Sleep, sleep, sleep_until};

use super::greeting::Setup;
use super::input::Line;
use super::{Event, Screen};
use crate::handle::{Handle, NodeMessage, STOPS_WITHIN, UiMessage};
use crate::id::{MessageId, UserId};
use crate::proto::event::{Command, Request};
use recall::Recall;

/// How long the node may take to declare itself offline and to report that it has. Longer than it needs, and shorter than
/// the two seconds that `docs/json.md` promises.
const GRACE: Duration = STOPS_WITHIN.saturating_add(Duration::from_millis(200));

/// Events shown before the output is flushed and input gets its turn.
const BATCH: usize = 256;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// On request.
    Stopped,
    /// The node or the output failed, for this reason.
    Failed(String),
}

/// What happens at the end of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// The node quits.
    Quit,
    /// The node quits when every line that was typed is on the disk of a session of its addressee.
    Wait,
    /// The node stays.
    Stay,
}

/// What must happen before the next line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The answer to a `\chat` on this line.
    Chat(u64),
    /// What is unread in the conversation that was opened.
    Unread,
    /// The store's answer for the text on this line.
    Store(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quit {
    No,
    /// To be sent, for this line if it was typed.
    Requested(Option<u64>),
    Sent,
}

/// What a session waits for.
enum Step<'a> {
    /// So many messages of the node are in the buffer; 0 if it has ended.
    FromNode(usize),
    Printed(u64),
    /// The node can take one more message; `None` if it takes no more.
    CanSend(Option<mpsc::Permit<'a, UiMessage>>),
    Line(Line),
    /// The screen has something to show that had to wait.
    ScreenDue,
    /// Ctrl-C, while no line is edited.
    Interrupted,
    Stop,
    GraceOver,
}

/// The state of a session.
pub struct Session<S> {
    handle: Handle,
    /// Messages of the node that are shown before the output is flushed.
    messages: Vec<NodeMessage>,
    screen: S,
    lines: mpsc::Receiver<Line>,
    printed: mpsc::UnboundedReceiver<u64>,
    stop: Arc<Notify>,
    at_end: AtEnd,
    setup: Setup,
    /// Lines read so far.
    number: u64,
    conversation: Option<(UserId, String)>,
    waiting: Option<Waiting>,
    /// The line of a `\chat` whose answer is of no interest any more.
    abandoned: Option<u64>,
    /// Ctrl-C was pressed once while no line was edited.
    interrupted: bool,
    /// Who has written last.
    wrote_last: Option<UserId>,
    recall: Recall,
    /// What continues the last search.
    search: Option<Command>,
    /// Lines of text that the store has not answered for.
    unstored: BTreeSet<u64>,
    /// Messages typed here that no session of their addressee has.
    undelivered: BTreeSet<MessageId>,
    request: Option<UiMessage>,
    quit: Quit,
    input_ended: bool,
    node_gone: bool,
    grace: Option<Pin<Box<Sleep>>>,
    /// Why the output can no longer be written.
    output_error: Option<io::Error>,
}

impl<S: Screen> Session<S> {
    /// `printed` receives the arrival numbers of messages that `screen` has written; `stop` asks the session to end.
    pub fn new(
        handle: Handle,
        screen: S,
        lines: mpsc::Receiver<Line>,
        printed: mpsc::UnboundedReceiver<u64>,
        stop: Arc<Notify>,
    ) -> Session<S> {
        Session {
            handle,
            messages: Vec::new(),
            screen,
            lines,
            printed,
            stop,
            at_end: AtEnd::Quit,
            setup: Setup::default(),
            number: 0,
            conversation: None,
            waiting: None,
            abandoned: None,
            interrupted: false,
            wrote_last: None,
            recall: Recall::default(),
            search: None,
            unstored: BTreeSet::new(),
            undelivered: BTreeSet::new(),
            request: None,
            quit: Quit::No,
            input_ended: false,
            node_gone: false,
            grace: None,
            output_error: None,
        }
    }

    /// How the node was started, for the greeting.
    pub fn setup(mut self, setup: Setup) -> Session<S> {
        self.setup = setup;
        self
    }

    /// What happens at the end of the input.
    pub fn at_end(mut self, at_end: AtEnd) -> Session<S> {
        self.at_end = at_end;
        self
    }

    /// Runs until the node has stopped or its time is over.
    pub async fn run(mut self) -> Ending {
        let to_node = self.handle.to_node.clone();
        loop {
            match self.next(&to_node).await {
                Step::FromNode(count) => {
                    if let Some(ending) = self.on_messages(count) {
                        return self.finish(ending);
                    }
                }
                Step::Printed(arrival) => drop(self.handle.printed.send_replace(arrival)),
                Step::CanSend(permit) => match (permit, self.next_outgoing()) {
                    (Some(permit), Some(message)) => permit.send(message),
                    _ => {
                        self.node_gone = true;
                        self.start_grace();
                    }
                },
                Step::Line(line) => self.on_line(line),
                Step::ScreenDue => {
                    let written = self.screen.on_deadline();
                    self.check_output(written);
                }
                Step::Interrupted => self.on_interrupt(),
                Step::Stop => {
                    self.request_quit(None);
                    self.start_grace();
                }
                Step::GraceOver => {
                    // Readers wait for `stopped`, even if the node did not stop in time.
                    self.show(None, Event::Stopped);
                    self.flush();
                    return self.finish(Ending::Stopped);
                }
            }
            if self.quit == Quit::Sent && self.unstored.is_empty() {
                self.start_grace();
            }
        }
    }

    async fn next<'a>(&mut self, to_node: &'a mpsc::Sender<UiMessage>) -> Step<'a> {
        let reads = !self.input_ended && self.quit == Quit::No && self.waiting.is_none() && self.request.is_none();
        let sends = !self.node_gone && self.has_outgoing();
        let grace = async {
            match self.grace.as_mut() {
                Some(grace) => grace.await,
                None => pending().await,
            }
        };
        let deadline = self.screen.deadline().filter(|_| self.output_error.is_none());
        let screen_due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        // The editor waits for the answer to its line even while the screen is paused.
        let next_notice = async {
            if self.waiting.is_none() {
                self.screen.has_room().await;
            }
            self.handle.from_node.recv_many(&mut self.messages, BATCH).await
        };
        tokio::select! {
            count = next_notice => Step::FromNode(count),
            Some(arrival) = self.printed.recv() => Step::Printed(arrival),
            permit = to_node.reserve(), if sends => Step::CanSend(permit.ok()),
            line = self.lines.recv(), if reads => Step::Line(line.unwrap_or(Line::End)),
            () = screen_due => Step::ScreenDue,
            () = self.screen.interrupted() => Step::Interrupted,
            () = self.stop.notified() => Step::Stop,
            () = grace => Step::GraceOver,
        }
    }

    fn has_outgoing(&self) -> bool {
        self.request.is_some() || self.recall.has_command() || matches!(self.quit, Quit::Requested(_))
    }

    /// `\quit` goes last.
    fn next_outgoing(&mut self) -> Option<UiMessage> {
        if let Some(request) = self.request.take() {
            return Some(request);
        }
        if let Some(command) = self.recall.next_command() {
            return Some(UiMessage::Request(Request { line: Some(recall::SELF), command }));
        }
        let Quit::Requested(line) = self.quit else { return None };
        self.quit = Quit::Sent;
        Some(UiMessage::Request(Request { line, command: Command::Quit }))
    }

    fn request_quit(&mut self, line: Option<u64>) {
        if self.quit == Quit::No {
            self.quit = Quit::Requested(line);
        }
    }

    /// Quits at the end of the input, once nothing is waited for any more.
    fn quit_at_end(&mut self) {
        let is_done = match self.at_end {
            AtEnd::Quit => true,
            AtEnd::Wait => self.unstored.is_empty() && self.undelivered.is_empty() && self.waiting.is_none(),
            AtEnd::Stay => false,
        };
        if is_done {
            self.request_quit(None);
        }
    }

    fn start_grace(&mut self) {
        self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
    }

    /// A failed output is a failure of the run, unless the reader closed it.
    fn finish(self, ending: Ending) -> Ending {
        match self.output_error {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Ending::Failed(format!("cannot write the output: {error}"))
            }
            _ => ending,
        }
    }

    fn line_done(&mut self) {
        self.interrupted = false;
        self.screen.line_done(self.conversation.as_ref().map(|(_, name)| name.as_str()));
    }

    fn show(&mut self, line: Option<u64>, event: Event<'_>) {
        if self.output_error.is_none() {
            let written = self.screen.show(line, event);
            self.check_output(written);
        }
    }

    fn flush(&mut self) {
        if self.output_error.is_none() {
            let written = self.screen.flush();
            self.check_output(written);
        }
    }

    fn check_output(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.output_error = Some(error);
            self.request_quit(None);
        }
    }
}

#[cfg(test)]
mod tests;
