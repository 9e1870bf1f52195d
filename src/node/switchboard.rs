//! Which connections there are, and the way to each: the loop's side of them.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::connection::Line;
use crate::id::ConnId;
use crate::proto::event::CloseReason;
use crate::wire::chat::Chat;
use crate::wire::control::Control;

/// Never waits: what a connection's queue cannot take is the end of that connection.
#[derive(Debug, Default)]
pub struct Switchboard {
    lines: BTreeMap<ConnId, Line>,
}

impl Switchboard {
    /// A new connection.
    pub fn open(&mut self, conn: ConnId, line: Line) {
        self.lines.insert(conn, line);
    }

    /// Queues a control message. Connections that are gone take nothing.
    pub fn control(&mut self, conn: ConnId, message: Control) {
        let sent = self.lines.get(&conn).map(|line| send(&line.control, message));
        self.unless_full(conn, sent);
    }

    /// Queues an item of the chat stream.
    pub fn chat(&mut self, conn: ConnId, item: Chat) {
        let sent = self.lines.get_mut(&conn).map(|line| send(line.chat(), item));
        self.unless_full(conn, sent);
    }

    /// Says what is queued, then closes.
    pub fn close(&mut self, conn: ConnId, reason: CloseReason) {
        if let Some(line) = self.lines.remove(&conn) {
            line.close.send(reason).ok();
        }
    }

    /// The connection has ended by itself.
    pub fn gone(&mut self, conn: ConnId) {
        self.lines.remove(&conn);
    }

    /// Closes all of them.
    pub fn close_all(&mut self, reason: CloseReason) {
        for (_, line) in std::mem::take(&mut self.lines) {
            line.close.send(reason).ok();
        }
    }

    fn unless_full(&mut self, conn: ConnId, sent: Option<Result<(), Full>>) {
        if sent.is_some_and(|sent| sent.is_err()) {
            self.close(conn, CloseReason::Limits);
        }
    }
}

struct Full;

fn send<T>(queue: &mpsc::Sender<Box<T>>, item: T) -> Result<(), Full> {
    match queue.try_send(Box::new(item)) {
        Err(TrySendError::Full(_)) => Err(Full),
        Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
    }
}
