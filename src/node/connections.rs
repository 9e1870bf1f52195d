//! The loop's table of open connections and the queues to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::connection::ConnHandle;
use crate::id::ConnId;
use crate::proto::event::{CloseReason, Flow};
use crate::time::Moment;
use crate::wire::chat::Chat;
use crate::wire::control::Control;

/// Never waits: a connection whose queue is full is closed.
#[derive(Debug, Default)]
pub struct Connections {
    handles: BTreeMap<ConnId, ConnHandle>,
}

impl Connections {
    /// Adds a connection.
    pub fn open(&mut self, conn: ConnId, handle: ConnHandle) {
        self.handles.insert(conn, handle);
    }

    /// The connections whose other end sends from another address than at the last call.
    pub fn moved(&mut self) -> Vec<(ConnId, SocketAddr)> {
        self.handles.iter_mut().filter_map(|(conn, handle)| Some((*conn, handle.moved_to()?))).collect()
    }

    /// What the transport reports of the connections since the last call, a second ago.
    pub fn flows(&mut self, now: Moment) -> Vec<(ConnId, Flow)> {
        self.handles.iter_mut().filter_map(|(conn, handle)| Some((*conn, handle.flow(now)?))).collect()
    }

    /// Queues a control message. Messages to connections that are gone are dropped.
    pub fn control(&mut self, conn: ConnId, message: Control) {
        let sent = self.handles.get(&conn).map(|handle| send(&handle.control, message));
        self.close_if_full(conn, sent);
    }

    /// Queues an item for the chat stream. Items to connections that are gone are dropped.
    pub fn chat(&mut self, conn: ConnId, item: Chat) {
        let sent = self.handles.get_mut(&conn).map(|handle| send(handle.chat(), item));
        self.close_if_full(conn, sent);
    }

    /// Closes a connection after what is queued has been sent.
    pub fn close(&mut self, conn: ConnId, reason: CloseReason) {
        if let Some(handle) = self.handles.remove(&conn) {
            handle.close.send(reason).ok();
        }
    }

    /// Forgets a connection that has ended.
    pub fn gone(&mut self, conn: ConnId) {
        self.handles.remove(&conn);
    }

    /// Closes all connections, like [`close`](Self::close).
    pub fn close_all(&mut self, reason: CloseReason) {
        for (_, handle) in std::mem::take(&mut self.handles) {
            handle.close.send(reason).ok();
        }
    }

    fn close_if_full(&mut self, conn: ConnId, sent: Option<Result<(), Full>>) {
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
