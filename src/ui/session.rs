//! One run of a face on a node: lines in, events out.
//!
//! Lines are numbered from 1, the empty ones too. They are handed to the node without waiting for answers, with two
//! exceptions: what stands behind a `\chat` waits for its answer, because it goes to whoever that is; and a line editor
//! waits until the store has what was typed. A `\chat` that fails leaves no conversation at all: what follows was not
//! meant for the one before.
//!
//! The end of the input is a `\quit`, unless nobody sits here. After it the node has two seconds, counted from when the
//! store has everything that was typed before, or from the signal that asked for the end. A reader of the output who
//! goes away is a quiet `\quit`.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Sleep, sleep};

use super::input::Line;
use super::macros::{self, Typed, Wrong};
use super::{Event, Screen};
use crate::handle::{FaceMessage, Handle, NodeMessage, STOPS_WITHIN};
use crate::id::UserId;
use crate::proto::event::{Command, Request};
use crate::proto::notice::{ErrorCode, Notice};

/// What the node gets to declare itself offline, and to say that it has: more than it takes, and less than the two seconds
/// of the command line's contract.
const GRACE: Duration = STOPS_WITHIN.saturating_add(Duration::from_millis(200));
/// Events shown before the output is flushed and input gets its turn.
const BATCH: usize = 256;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to.
    Stopped,
    /// The node or the output could not go on, for this reason.
    Failed(String),
}

/// What the next line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The answer to a `\chat` on this line.
    Chat(u64),
    /// The store, for the text on this line.
    Store(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quit {
    No,
    /// To be sent, as the answer to this line if somebody typed it.
    Wanted(Option<u64>),
    Sent,
}

/// What a session wakes up for.
enum Step<'a> {
    Told(NodeMessage),
    Printed(u64),
    /// The node takes one more message, or none ever again.
    Free(Option<mpsc::Permit<'a, FaceMessage>>),
    Typed(Line),
    Stop,
    Over,
}

/// A face at work.
pub struct Session<S> {
    handle: Handle,
    screen: S,
    lines: mpsc::Receiver<Line>,
    printed: mpsc::UnboundedReceiver<u64>,
    stop: Arc<Notify>,
    headless: bool,
    /// Lines read so far.
    number: u64,
    conversation: Option<(UserId, String)>,
    waiting: Option<Waiting>,
    /// Lines of text that the store has not yet answered for.
    unstored: BTreeSet<u64>,
    request: Option<Request>,
    mark: Option<u64>,
    quit: Quit,
    input_ended: bool,
    node_deaf: bool,
    grace: Option<Pin<Box<Sleep>>>,
    /// Why the output cannot be written to any more.
    broken: Option<io::Error>,
}

impl<S: Screen> Session<S> {
    /// `printed` brings the arrivals of messages that `screen` has written out; `stop` asks for the end.
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
            headless: false,
            number: 0,
            conversation: None,
            waiting: None,
            unstored: BTreeSet::new(),
            request: None,
            mark: None,
            quit: Quit::No,
            input_ended: false,
            node_deaf: false,
            grace: None,
            broken: None,
        }
    }

    /// Whether the end of the input is ignored.
    pub fn headless(mut self, headless: bool) -> Session<S> {
        self.headless = headless;
        self
    }

    /// Until the node has stopped, or its time is over.
    pub async fn run(mut self) -> Ending {
        let to_node = self.handle.to_node.clone();
        loop {
            match self.next(&to_node).await {
                Step::Told(message) => {
                    if let Some(ending) = self.told(message) {
                        return self.ended(ending);
                    }
                }
                Step::Printed(arrival) => self.mark = self.mark.max(Some(arrival)),
                Step::Free(permit) => match (permit, self.next_outgoing()) {
                    (Some(permit), Some(message)) => permit.send(message),
                    _ => {
                        self.node_deaf = true;
                        self.start_grace();
                    }
                },
                Step::Typed(line) => self.typed(line),
                Step::Stop => {
                    self.want_quit(None);
                    self.start_grace();
                }
                Step::Over => {
                    // Late or not, this is the end, and readers wait for its word.
                    self.show(None, Event::Stopped);
                    self.flush();
                    return self.ended(Ending::Stopped);
                }
            }
            if self.quit == Quit::Sent && self.unstored.is_empty() {
                self.start_grace();
            }
        }
    }

    async fn next<'a>(&mut self, to_node: &'a mpsc::Sender<FaceMessage>) -> Step<'a> {
        let reads = !self.input_ended && self.quit == Quit::No && self.waiting.is_none() && self.request.is_none();
        let sends = !self.node_deaf && self.has_outgoing();
        let grace = async {
            match self.grace.as_mut() {
                Some(grace) => grace.await,
                None => pending().await,
            }
        };
        tokio::select! {
            message = self.handle.from_node.recv() => {
                Step::Told(message.unwrap_or_else(|| NodeMessage::Failed("the node ended without a word".to_owned())))
            }
            Some(arrival) = self.printed.recv() => Step::Printed(arrival),
            permit = to_node.reserve(), if sends => Step::Free(permit.ok()),
            line = self.lines.recv(), if reads => Step::Typed(line.unwrap_or(Line::End)),
            () = self.stop.notified() => Step::Stop,
            () = grace => Step::Over,
        }
    }

    fn has_outgoing(&self) -> bool {
        self.mark.is_some() || self.request.is_some() || matches!(self.quit, Quit::Wanted(_))
    }

    /// Marks go first: they are few, and what they stand for need not be shown again. The end goes last.
    fn next_outgoing(&mut self) -> Option<FaceMessage> {
        if let Some(arrival) = self.mark.take() {
            return Some(FaceMessage::Printed { arrival });
        }
        if let Some(request) = self.request.take() {
            return Some(FaceMessage::Request(request));
        }
        let Quit::Wanted(line) = self.quit else { return None };
        self.quit = Quit::Sent;
        Some(FaceMessage::Request(Request { line, command: Command::Quit }))
    }

    fn want_quit(&mut self, line: Option<u64>) {
        if self.quit == Quit::No {
            self.quit = Quit::Wanted(line);
        }
    }

    fn start_grace(&mut self) {
        self.grace.get_or_insert_with(|| Box::pin(sleep(GRACE)));
    }

    /// An output that failed for another reason than a reader who left is a failure of the whole run.
    fn ended(self, ending: Ending) -> Ending {
        match self.broken {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Ending::Failed(format!("the output cannot be written: {error}"))
            }
            _ => ending,
        }
    }

    /// What the node says, and whatever else it has said meanwhile; `Some` if that was the last.
    fn told(&mut self, first: NodeMessage) -> Option<Ending> {
        let mut ending = self.one(first);
        for _ in 1..BATCH {
            match self.handle.from_node.try_recv() {
                Ok(message) if ending.is_none() => ending = self.one(message),
                _ => break,
            }
        }
        self.flush();
        ending
    }

    fn one(&mut self, message: NodeMessage) -> Option<Ending> {
        match message {
            NodeMessage::Ready(ready) => self.show(None, Event::Ready(&ready)),
            NodeMessage::Notice { line, notice } => {
                self.show(line, Event::Notice(&notice));
                if let Some(line) = line {
                    self.answered(line, &notice);
                }
            }
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

    fn answered(&mut self, line: u64, notice: &Notice) {
        if !matches!(notice, Notice::Chat { .. } | Notice::Queued { .. } | Notice::Error { .. }) {
            return;
        }
        self.unstored.remove(&line);
        if self.waiting == Some(Waiting::Chat(line)) {
            self.conversation = match notice {
                Notice::Chat { with, id, .. } => Some((*id, with.clone())),
                _ => None,
            };
        } else if self.waiting != Some(Waiting::Store(line)) {
            return;
        }
        self.waiting = None;
        self.go_on();
    }

    fn typed(&mut self, line: Line) {
        if line == Line::End {
            self.input_ended = true;
            if !self.headless {
                self.want_quit(None);
            }
            return;
        }
        self.number += 1;
        let typed = match line {
            Line::Text(text) => macros::parse(&text),
            Line::TooLong => Err(Wrong::too_long()),
            Line::NotText => Err(Wrong::not_text()),
            Line::End => Ok(None),
        };
        if let Err(wrong) = typed.and_then(|typed| typed.map_or(Ok(()), |typed| self.obey(typed))) {
            let notice = Notice::Error { code: wrong.code, message: wrong.message };
            self.show(Some(self.number), Event::Notice(&notice));
        }
        self.flush();
        if self.waiting.is_none() {
            self.go_on();
        }
    }

    fn obey(&mut self, typed: Typed) -> Result<(), Wrong> {
        let command = match typed {
            Typed::Help => {
                self.show(Some(self.number), Event::Help);
                return Ok(());
            }
            Typed::Command(Command::Quit) => {
                self.want_quit(Some(self.number));
                return Ok(());
            }
            Typed::Command(command) => command,
            Typed::HistoryHere { n } => Command::History { user: self.current()?.to_string(), n },
            Typed::Text(text) => Command::Say { to: self.current()?, text },
        };
        match command {
            Command::Chat { .. } => self.waiting = Some(Waiting::Chat(self.number)),
            Command::Say { .. } => {
                self.unstored.insert(self.number);
                self.waiting = self.screen.waits_for_store().then_some(Waiting::Store(self.number));
            }
            _ => {}
        }
        self.request = Some(Request { line: Some(self.number), command });
        Ok(())
    }

    fn current(&self) -> Result<UserId, Wrong> {
        self.conversation.as_ref().map(|(id, _)| *id).ok_or_else(Wrong::no_conversation)
    }

    fn go_on(&mut self) {
        self.screen.go_on(self.conversation.as_ref().map(|(_, name)| name.as_str()));
    }

    fn show(&mut self, line: Option<u64>, event: Event<'_>) {
        if self.broken.is_none() {
            let written = self.screen.show(line, event);
            self.note(written);
        }
    }

    fn flush(&mut self) {
        if self.broken.is_none() {
            let written = self.screen.flush();
            self.note(written);
        }
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.broken = Some(error);
            self.want_quit(None);
        }
    }
}

#[cfg(test)]
mod tests;
