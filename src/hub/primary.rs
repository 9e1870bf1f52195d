//! The interface of the process: which messages it is given, and which the store is asked for.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::printer::{self, Printer};
use super::tag::PRIMARY;
use crate::handle::notices::NoticeSender;
use crate::handle::{Fetch, NodeMessage, Row, Start};
use crate::proto::notice::{MessageView, Notice, WarningCode};

/// Time after which messages that could not be read are fetched again.
const RETRY: Duration = Duration::from_secs(5);

/// The hub's end for the interface of the process.
pub struct Primary {
    notices: NoticeSender,
    /// What is to be told with the next [`flush`](Self::flush).
    outgoing: Vec<NodeMessage>,
    printed: watch::Receiver<u64>,
    printer: Printer,
    /// The limit of the fetch that is under way.
    fetching: Option<u32>,
    /// When a fetch that has failed is repeated.
    retry_at: Option<Instant>,
}

impl Primary {
    /// `printed` is the print position, of which the interface holds the only sender.
    pub fn new(notices: NoticeSender, printed: watch::Receiver<u64>) -> Primary {
        let printer = Printer::new(0, 0);
        Primary { notices, outgoing: Vec::new(), printed, printer, fetching: None, retry_at: None }
    }

    /// Waits until it has printed more or a fetch is due again, and returns true; false if it has ended. Cancelling it loses
    /// nothing.
    pub async fn changed(&mut self) -> bool {
        let retry_at = self.retry_at;
        let retry = async {
            match retry_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            printed = self.printed.changed() => {
                self.printer.printed(*self.printed.borrow_and_update());
                printed.is_ok()
            }
            () = retry => {
                self.retry_at = None;
                self.printer.retry();
                true
            }
        }
    }

    /// The node has started.
    pub fn start(&mut self, start: &Start) {
        self.printer = Printer::new(start.printed, start.arrival);
    }

    /// Passes a message on, with the next flush.
    pub fn tell(&mut self, message: NodeMessage) {
        self.outgoing.push(message);
    }

    /// Hands over what was told.
    pub fn flush(&mut self) {
        if !self.outgoing.is_empty() {
            // Fails only when the interface has ended.
            self.notices.send_all(self.outgoing.drain(..)).ok();
        }
    }

    /// Tells what happened. A message waits in the store if others are before it.
    pub fn tell_event(&mut self, notice: Arc<Notice>) {
        let is_due = match &*notice {
            Notice::Message(view) => self.printer.live(view.arrival),
            _ => true,
        };
        if is_due {
            self.tell(NodeMessage::Notice { line: None, notice });
        }
    }

    /// Tells messages from the store.
    pub fn on_rows(&mut self, rows: Vec<Row>) {
        let count = rows.len();
        for Row { message, .. } in rows {
            if let Some(again) = self.printer.fetched(message.arrival) {
                let notice = Notice::Message(Box::new(MessageView { again, ..message }));
                self.tell(NodeMessage::notice(None, notice));
            }
        }
        if let Some(limit) = self.fetching.take() {
            self.printer.fetch_done(count, limit);
        }
    }

    /// The messages cannot be read. They are fetched again later. Returns a warning if it is the first time in a row.
    pub fn on_unreadable(&mut self) -> Option<Notice> {
        self.fetching = None;
        self.retry_at = Some(Instant::now() + RETRY);
        let message = "new messages cannot be read from the store; they are shown as soon as they can";
        let warning = Notice::Warning { code: WarningCode::Disk, message: message.to_owned(), user: None };
        self.printer.fetch_failed().then_some(warning)
    }

    /// The request for what it lacks, if one is due.
    pub fn fetch(&mut self) -> Option<Fetch> {
        let printer::Fetch { after, limit } = self.printer.fetch()?;
        self.fetching = Some(limit);
        Some(Fetch { reader: u64::from(PRIMARY), after, limit, typed: false })
    }

    /// The number of notices that it has not read and that were left out.
    pub fn left_out(&self) -> u64 {
        self.notices.left_out()
    }
}
