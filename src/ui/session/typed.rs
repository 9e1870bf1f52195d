//! The lines typed here, and Ctrl-C.

use super::{Session, Waiting};
use crate::handle::UiMessage;
use crate::id::UserId;
use crate::proto::event::{Command, Request};
use crate::proto::notice::Notice;
use crate::ui::input::Line;
use crate::ui::macros::{self, InputError, Typed};
use crate::ui::{Event, Screen};

impl<S: Screen> Session<S> {
    pub(super) fn on_line(&mut self, line: Line) {
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

    pub(super) fn current(&self) -> Result<UserId, InputError> {
        self.conversation.as_ref().map(|(id, _)| *id).ok_or_else(InputError::no_conversation)
    }

    /// Stops looking for a user, or ends the session if it happens twice while something else is waited for.
    pub(super) fn on_interrupt(&mut self) {
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
}
