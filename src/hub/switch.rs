//! The task of the hub: passes requests on to the node, and what the node says to whom it concerns.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::log::What;
use super::primary::Primary;
use super::tag::{self, MAX_CLIENT, PRIMARY};
use super::{Answer, MAX_CLIENTS, Shared};
use crate::handle::notices::NoticeReceiver;
use crate::handle::{NodeMessage, Row, UiMessage};
use crate::proto::event::{Command, Request};
use crate::proto::notice::Notice;

/// Messages of the node that are handed out before clients are woken and the interface of the process gets its turn.
const BATCH: usize = 256;

/// The clients that are attached.
#[derive(Debug, Default)]
pub struct Attached {
    clients: BTreeMap<u32, mpsc::UnboundedSender<(u64, Answer)>>,
    last: u32,
}

impl Attached {
    /// Attaches a client. Returns its number; `None` if there are [`MAX_CLIENTS`].
    pub fn attach(&mut self, answers: mpsc::UnboundedSender<(u64, Answer)>) -> Option<u32> {
        if self.clients.len() >= MAX_CLIENTS {
            return None;
        }
        // A number in use is skipped: numbers start again after the last.
        while self.last == PRIMARY || self.clients.contains_key(&self.last) {
            self.last = (self.last + 1) % (MAX_CLIENT + 1);
        }
        let id = self.last;
        self.last = (self.last + 1) % (MAX_CLIENT + 1);
        self.clients.insert(id, answers);
        Some(id)
    }

    /// Detaches a client.
    pub fn detach(&mut self, id: u32) {
        self.clients.remove(&id);
    }

    /// The number of clients.
    pub fn count(&self) -> usize {
        self.clients.len()
    }

    /// Answers a client, if it is still attached, before the event of this number.
    fn answer(&self, id: u32, before: u64, answer: Answer) {
        if let Some(answers) = self.clients.get(&id) {
            answers.send((before, answer)).ok();
        }
    }
}

/// The state of the hub.
pub struct Switch {
    from_node: NoticeReceiver,
    /// The interface of the process, unless that is a client.
    primary: Option<Primary>,
    /// What is to be sent to the node.
    outgoing: Option<UiMessage>,
    shared: Arc<Shared>,
}

impl Switch {
    pub fn new(from_node: NoticeReceiver, primary: Option<Primary>, shared: Arc<Shared>) -> Switch {
        Switch { from_node, primary, outgoing: None, shared }
    }

    /// Runs until the node has ended. If the interface of the process ends without a word, the node is asked to quit.
    pub async fn run(mut self, to_node: mpsc::Sender<UiMessage>) {
        let mut messages = Vec::new();
        loop {
            let primary_changed = async {
                match &mut self.primary {
                    Some(primary) => primary.changed().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                count = self.from_node.recv_many(&mut messages, BATCH) => {
                    let is_over = messages.drain(..).any(|message| self.on_node(message)) || count == 0;
                    self.shared.announce();
                    self.primary.iter_mut().for_each(Primary::flush);
                    if is_over {
                        return;
                    }
                }
                is_there = primary_changed => if !is_there {
                    self.primary = None;
                    self.outgoing = Some(UiMessage::Request(Request { line: None, command: Command::Quit }));
                },
                Ok(permit) = to_node.reserve(), if self.outgoing.is_some() => if let Some(message) = self.outgoing.take() {
                    permit.send(message);
                },
            }
            self.fetch_for_primary();
        }
    }

    /// Hands out what the node says. Returns whether it was the last.
    fn on_node(&mut self, message: NodeMessage) -> bool {
        match message {
            NodeMessage::Ready(ready, start) => {
                self.shared.log().start(Arc::new(ready.as_ref().clone()), start.clone());
                if let Some(primary) = &mut self.primary {
                    primary.start(&start);
                }
                self.tell_primary(NodeMessage::Ready(ready, start));
            }
            NodeMessage::Notice { line: Some(line), notice } => self.on_answer(line, notice),
            NodeMessage::Notice { line: None, notice } => self.on_event(notice),
            NodeMessage::Rows { reader, rows } => self.on_rows(reader, rows),
            NodeMessage::Adopted(adopted) => self.tell_primary(NodeMessage::Adopted(adopted)),
            last @ (NodeMessage::Stopped | NodeMessage::Failed(_)) => {
                if let NodeMessage::Failed(why) = &last {
                    // Only the first counts, and it is the last message.
                    let _ = self.shared.failure.set(why.clone());
                }
                self.record(None, What::Stopped);
                self.tell_primary(last);
                return true;
            }
        }
        false
    }

    fn on_answer(&mut self, line: u64, notice: Arc<Notice>) {
        let (client, line) = tag::parts(line);
        let notice = self.with_left_out(notice);
        if client == PRIMARY {
            self.tell_primary(NodeMessage::Notice { line: Some(line), notice: notice.clone() });
        } else {
            self.answer(client, Answer::Notice { line, notice: notice.clone() });
        }
        if matches!(*notice, Notice::Queued { .. }) {
            self.record(Some(client), What::Notice(notice.clone()));
            if client != PRIMARY {
                self.tell_primary(NodeMessage::Notice { line: None, notice });
            }
        }
    }

    fn on_event(&mut self, notice: Arc<Notice>) {
        self.record(None, What::Notice(notice.clone()));
        if let Some(primary) = &mut self.primary {
            primary.tell_event(notice);
        }
    }

    fn on_rows(&mut self, reader: u64, rows: Option<Vec<Row>>) {
        if let Some(last) = rows.as_deref().and_then(<[Row]>::last) {
            self.shared.log().on_page(last.message.arrival);
        }
        if reader != u64::from(PRIMARY) {
            return self.answer(reader as u32, Answer::Rows(rows));
        }
        let Some(primary) = &mut self.primary else { return };
        match rows {
            Some(rows) => primary.on_rows(rows),
            None => primary.on_unreadable().into_iter().for_each(|warning| self.on_event(Arc::new(warning))),
        }
    }

    /// Asks the store for what the interface of the process lacks.
    fn fetch_for_primary(&mut self) {
        if self.outgoing.is_none() {
            self.outgoing = self.primary.as_mut().and_then(Primary::fetch).map(UiMessage::Fetch);
        }
    }

    /// What nobody has read at the interface of the process is part of what was dropped.
    fn with_left_out(&self, notice: Arc<Notice>) -> Arc<Notice> {
        let Notice::Me(profile) = &*notice else { return notice };
        let count = self.primary.as_ref().map_or(0, Primary::left_out);
        if count == 0 {
            return notice;
        }
        let mut profile = profile.clone();
        profile.drops.insert("notice nobody read", count);
        Arc::new(Notice::Me(profile))
    }

    fn answer(&self, client: u32, answer: Answer) {
        let before = self.shared.log().next();
        self.shared.attached().answer(client, before, answer);
    }

    fn record(&self, typed_at: Option<u32>, what: What) {
        self.shared.log().push(typed_at, what);
    }

    fn tell_primary(&mut self, message: NodeMessage) {
        if let Some(primary) = &mut self.primary {
            primary.tell(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::{self, Fetch, Ready, Runs, Start};
    use crate::hub;
    use crate::id::BootId;
    use crate::proto::notice::WarningCode;

    #[tokio::test]
    async fn a_node_whose_interface_ends_without_a_word_is_asked_to_quit() {
        let (handle, mut node) = handle::channels();
        let (primary, _clients) = hub::start(handle);
        drop(primary);
        let asked = node.from_ui.recv().await;
        let quit = |message| matches!(message, UiMessage::Request(Request { line: None, command: Command::Quit }));
        assert!(asked.is_some_and(quit));
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_cannot_be_read_are_fetched_again_for_the_interface_of_the_process() {
        let (handle, mut node) = handle::channels();
        let (mut primary, _clients) = hub::start(handle);
        let start = Start { boot: BootId(1), printed: 0, arrival: 5, earlier: Runs::default() };
        node.to_ui.send(NodeMessage::Ready(Box::new(Ready::example()), start)).expect("the hub runs");
        for _ in 0..3 {
            let Some(UiMessage::Fetch(Fetch { reader, after: 0, .. })) = node.from_ui.recv().await else {
                panic!("it is fetched from the first message on");
            };
            node.to_ui.send(NodeMessage::Rows { reader, rows: None }).expect("the hub runs");
        }
        node.to_ui.send(NodeMessage::Stopped).expect("the hub runs");
        let mut warnings = 0;
        loop {
            match primary.from_node.recv().await.expect("the hub says that the node has stopped") {
                NodeMessage::Notice { notice, .. } => {
                    warnings += i32::from(matches!(*notice, Notice::Warning { code: WarningCode::Disk, .. }));
                }
                NodeMessage::Stopped => break,
                _ => {}
            }
        }
        assert_eq!(warnings, 1, "it is said once");
    }
}
