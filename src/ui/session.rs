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

mod recall;

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
use super::macros::{self, HISTORY, InputError, Typed};
use super::{Event, Screen};
use crate::handle::{Handle, NodeMessage, STOPS_WITHIN, UiMessage};
use crate::id::{MessageId, UserId};
use crate::proto::event::{Command, Request};
use crate::proto::notice::{Delivery, ErrorCode, Notice};
use recall::{Opened, Recall};

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
    FromNode(NodeMessage),
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
    printed_up_to: Option<u64>,
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
            printed_up_to: None,
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
                Step::FromNode(message) => {
                    if let Some(ending) = self.on_messages(message) {
                        return self.finish(ending);
                    }
                }
                Step::Printed(arrival) => self.printed_up_to = self.printed_up_to.max(Some(arrival)),
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
            self.handle.from_node.recv().await
        };
        tokio::select! {
            message = next_notice => {
                Step::FromNode(message.unwrap_or_else(|| NodeMessage::Failed("the node ended unexpectedly".to_owned())))
            }
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
        self.printed_up_to.is_some()
            || self.request.is_some()
            || self.recall.has_command()
            || matches!(self.quit, Quit::Requested(_))
    }

    /// The print position goes first: it is small, and what it covers need not be shown again after a crash. `\quit` goes
    /// last.
    fn next_outgoing(&mut self) -> Option<UiMessage> {
        if let Some(arrival) = self.printed_up_to.take() {
            return Some(UiMessage::Printed { arrival });
        }
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

    /// Handles a message and those already queued after it. `Some` if one of them was the last.
    fn on_messages(&mut self, first: NodeMessage) -> Option<Ending> {
        let mut ending = self.on_message(first);
        for _ in 1..BATCH {
            match self.handle.from_node.try_recv() {
                Some(message) if ending.is_none() => ending = self.on_message(message),
                _ => break,
            }
        }
        self.flush();
        ending
    }

    fn on_message(&mut self, message: NodeMessage) -> Option<Ending> {
        match message {
            NodeMessage::Ready(ready, _) => {
                let written = self.screen.show(None, Event::Ready(&ready, &self.setup));
                self.check_output(written);
                if self.screen.recalls() {
                    self.recall.begin();
                }
            }
            NodeMessage::Notice { line: Some(recall::SELF), notice } => {
                if let Some(opened) = self.recall.answer(notice) {
                    self.go_on(opened);
                }
            }
            NodeMessage::Notice { line: Some(line), notice } if self.abandoned == Some(line) && ends_chat(&notice) => {
                self.abandoned = None;
            }
            NodeMessage::Notice { line, notice } => {
                if let Some(notice) = self.recall.hold(notice) {
                    self.on_notice(line, &notice);
                }
            }
            // Only a node that waits to be linked says it, and no session runs there; only the hub asks for rows.
            NodeMessage::Adopted(_) | NodeMessage::Rows { .. } => {}
            NodeMessage::Stopped => {
                self.show(None, Event::Stopped);
                return Some(Ending::Stopped);
            }
            NodeMessage::Failed(why) => {
                let error = Notice::Error { code: ErrorCode::Internal, message: why.clone() };
                self.show(None, Event::Notice(&error));
                return Some(Ending::Failed(why));
            }
        }
        None
    }

    fn on_notice(&mut self, line: Option<u64>, notice: &Notice) {
        if let Notice::Message(view) = notice {
            self.recall.shown(view, self.current().ok());
            self.wrote_last = if view.own || view.past { self.wrote_last } else { Some(view.from_id) };
        }
        self.show(line, Event::Notice(notice));
        if let Some(line) = line {
            self.on_answer(line, notice);
        }
        self.note_delivery(line, notice);
    }

    /// Follows the messages typed here until a session of their addressee has them.
    fn note_delivery(&mut self, line: Option<u64>, notice: &Notice) {
        match notice {
            Notice::Queued { message, .. } if line.is_some() && self.at_end == AtEnd::Wait => {
                self.undelivered.insert(*message);
            }
            Notice::State { message, state: Delivery::Delivered | Delivery::Settled, .. } => {
                self.undelivered.remove(message);
            }
            _ => {}
        }
        if self.input_ended {
            self.quit_at_end();
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

    /// Goes on with the last conversation.
    fn go_on(&mut self, opened: Opened) {
        self.conversation = opened.conversation;
        for notice in &opened.notices {
            if let Notice::History { messages, .. } = notice {
                self.wrote_last = messages.iter().rev().find(|view| !view.own).map(|view| view.from_id);
            }
            self.on_notice(None, notice);
        }
        self.line_done();
    }

    fn on_answer(&mut self, line: u64, notice: &Notice) {
        if let Notice::Found { text, with, next, .. } = notice {
            let older = |next: &MessageId| Command::Search {
                text: text.clone(),
                with: with.clone(),
                n: HISTORY,
                before: Some(next.token()),
            };
            self.search = next.as_ref().map(older);
        }
        if !matches!(notice, Notice::Chat { .. } | Notice::Queued { .. } | Notice::Error { .. }) {
            return;
        }
        self.unstored.remove(&line);
        if self.waiting == Some(Waiting::Chat(line)) {
            self.conversation = match notice {
                Notice::Chat { with, id, .. } => {
                    self.recall.open(*id);
                    Some((*id, with.clone()))
                }
                _ => None,
            };
        } else if self.waiting != Some(Waiting::Store(line)) {
            return;
        }
        self.waiting = None;
        self.line_done();
    }

    /// Stops looking for a user, or ends the session if it happens twice while something else is waited for.
    fn on_interrupt(&mut self) {
        if let Some(Waiting::Chat(line)) = self.waiting {
            self.stop_looking(line);
        } else if std::mem::replace(&mut self.interrupted, true) {
            self.request_quit(None);
            self.start_grace();
        }
    }

    fn stop_looking(&mut self, line: u64) {
        self.waiting = None;
        self.abandoned = Some(line);
        self.show(Some(line), Event::Notice(&Notice::Done { what: "stopped looking".to_owned() }));
        self.flush();
        self.line_done();
    }

    fn on_line(&mut self, line: Line) {
        if line == Line::End {
            self.input_ended = true;
            return self.quit_at_end();
        }
        self.number += 1;
        let typed = match line {
            Line::Text(text) => macros::parse(&text),
            Line::TooLong => Err(InputError::too_long()),
            Line::NotText => Err(InputError::not_text()),
            Line::End => Ok(None),
        };
        if let Err(error) = typed.and_then(|typed| typed.map_or(Ok(()), |typed| self.execute(typed))) {
            let notice = Notice::Error { code: error.code, message: error.message };
            self.show(Some(self.number), Event::Notice(&notice));
        }
        self.flush();
        match self.waiting {
            None => self.line_done(),
            // Ctrl-C was pressed before the session took the line.
            Some(Waiting::Chat(line)) if self.interrupted => self.stop_looking(line),
            Some(_) => {}
        }
    }

    fn execute(&mut self, typed: Typed) -> Result<(), InputError> {
        let command = match typed {
            Typed::Help => {
                self.show(Some(self.number), Event::Help);
                return Ok(());
            }
            Typed::Command(Command::Quit) => {
                self.request_quit(Some(self.number));
                return Ok(());
            }
            Typed::Ping(place) => {
                self.request = Some(UiMessage::Ping { line: Some(self.number), place });
                return Ok(());
            }
            Typed::Command(command) => command,
            Typed::Reply => Command::Chat { user: self.wrote_last.ok_or_else(InputError::nobody_wrote)?.to_string() },
            Typed::HistoryHere { n, before, after } => {
                Command::History { user: self.current()?.to_string(), n, numbered: None, before, after }
            }
            Typed::SearchOlder => self.search.clone().ok_or_else(InputError::nothing_to_continue)?,
            Typed::Text(text) => Command::Say { to: self.current()?, text },
        };
        match command {
            Command::Link { .. } => {
                let written = self.screen.note("looking for the machine that shows this");
                self.check_output(written);
            }
            Command::Chat { .. } => self.waiting = Some(Waiting::Chat(self.number)),
            Command::Say { .. } => {
                self.unstored.insert(self.number);
                self.waiting = self.screen.waits_for_store().then_some(Waiting::Store(self.number));
            }
            _ => {}
        }
        self.request = Some(UiMessage::Request(Request { line: Some(self.number), command }));
        Ok(())
    }

    fn current(&self) -> Result<UserId, InputError> {
        self.conversation.as_ref().map(|(id, _)| *id).ok_or_else(InputError::no_conversation)
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

/// Whether a notice is the answer to a `\chat`.
fn ends_chat(notice: &Notice) -> bool {
    matches!(notice, Notice::Chat { .. } | Notice::Error { .. })
}

#[cfg(test)]
mod tests;
