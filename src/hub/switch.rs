//! The task of the hub: passes requests on to the node, and what the node says to whom it concerns.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::log::What;
use super::printer::{self, Printer};
use super::tag::{self, MAX_CLIENT, PRIMARY};
use super::{Answer, FromClient, MAX_CLIENTS, Shared};
use crate::handle::notices::NoticeSender;
use crate::handle::{Fetch, Handle, NodeMessage, Row, UiMessage};
use crate::proto::event::{Command, Request};
use crate::proto::notice::{MessageView, Notice, WarningCode};

/// Time after which messages that could not be read are fetched again.
const RETRY: Duration = Duration::from_secs(5);

/// The clients that are attached.
#[derive(Debug, Default)]
pub struct Seats {
    taken: BTreeMap<u32, mpsc::UnboundedSender<Answer>>,
    last: u32,
}

impl Seats {
    /// Attaches a client. Returns its number; `None` if there are [`MAX_CLIENTS`].
    pub fn take(&mut self, answers: mpsc::UnboundedSender<Answer>) -> Option<u32> {
        if self.taken.len() >= MAX_CLIENTS {
            return None;
        }
        // A number in use is skipped: numbers start again after the last.
        while self.last == PRIMARY || self.taken.contains_key(&self.last) {
            self.last = (self.last + 1) % (MAX_CLIENT + 1);
        }
        let id = self.last;
        self.last = (self.last + 1) % (MAX_CLIENT + 1);
        self.taken.insert(id, answers);
        Some(id)
    }

    /// Detaches a client.
    pub fn leave(&mut self, id: u32) {
        self.taken.remove(&id);
    }

    /// The number of clients.
    pub fn count(&self) -> usize {
        self.taken.len()
    }

    /// Answers a client, if it is still attached.
    fn answer(&self, id: u32, answer: Answer) {
        if let Some(answers) = self.taken.get(&id) {
            answers.send(answer).ok();
        }
    }
}

/// The state of the hub.
pub struct Switch {
    node: Handle,
    /// The interface of the process, unless that is a client.
    primary: Option<NoticeSender>,
    printer: Printer,
    /// The limit of the fetch for the interface of the process that is under way.
    fetching: Option<u32>,
    /// When a fetch that has failed is repeated.
    retry_at: Option<Instant>,
    /// What is to be sent to the node before anything else.
    outgoing: Option<UiMessage>,
    shared: Arc<Shared>,
}

enum Step {
    /// A fetch that has failed is due again.
    Retry,
    FromNode(Option<NodeMessage>),
    /// The interface of the process has printed up to this arrival.
    Printed(u64),
    Passed,
    PrimaryGone,
}

impl Switch {
    pub fn new(node: Handle, primary: Option<NoticeSender>, shared: Arc<Shared>) -> Switch {
        Switch { node, primary, printer: Printer::new(0, 0), fetching: None, retry_at: None, outgoing: None, shared }
    }

    /// Runs until the node has ended. If the interface of the process ends without a word, the node is asked to quit.
    pub async fn run(
        mut self,
        mut primary: Option<mpsc::Receiver<UiMessage>>,
        mut clients: mpsc::Receiver<FromClient>,
    ) {
        let to_node = self.node.to_node.clone();
        loop {
            let pass = pass(&to_node, &mut self.outgoing, primary.as_mut(), &mut clients);
            let retry_at = self.retry_at;
            let retry = async {
                match retry_at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            let step = tokio::select! {
                message = self.node.from_node.recv() => Step::FromNode(message),
                step = pass => step,
                () = retry => Step::Retry,
            };
            match step {
                Step::FromNode(Some(message)) => {
                    if self.on_node(message) {
                        return;
                    }
                }
                Step::FromNode(None) => return,
                Step::Printed(arrival) => self.printer.printed(arrival),
                Step::Passed => {}
                Step::Retry => {
                    self.retry_at = None;
                    self.printer.retry();
                }
                Step::PrimaryGone => {
                    primary = None;
                    self.outgoing = Some(UiMessage::Request(Request { line: None, command: Command::Quit }));
                }
            }
            self.fetch_for_primary();
        }
    }

    /// Hands out what the node says. Returns whether it was the last.
    fn on_node(&mut self, message: NodeMessage) -> bool {
        match message {
            NodeMessage::Ready(ready, start) => {
                self.printer = Printer::new(start.printed, start.arrival);
                self.shared.log().start(Arc::new(ready.as_ref().clone()), start.clone());
                self.shared.head.send_replace(0);
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

    fn on_answer(&mut self, line: u64, notice: Notice) {
        let (client, line) = tag::parts(line);
        let notice = self.with_left_out(notice);
        let queued = matches!(notice, Notice::Queued { .. }).then(|| notice.clone());
        if client == PRIMARY {
            self.tell_primary(NodeMessage::Notice { line: Some(line), notice });
        } else {
            self.shared.seats().answer(client, Answer::Notice { line, notice: Box::new(notice) });
        }
        if let Some(queued) = queued {
            self.record(Some(client), What::Notice(queued.clone()));
            if client != PRIMARY {
                self.tell_primary(NodeMessage::Notice { line: None, notice: queued });
            }
        }
    }

    fn on_event(&mut self, notice: Notice) {
        self.record(None, What::Notice(notice.clone()));
        let is_due = match &notice {
            Notice::Message(view) => self.printer.live(view.arrival),
            _ => true,
        };
        if is_due {
            self.tell_primary(NodeMessage::Notice { line: None, notice });
        }
    }

    fn on_rows(&mut self, reader: u64, rows: Option<Vec<Row>>) {
        if let Some(last) = rows.as_deref().and_then(<[Row]>::last) {
            self.shared.log().on_page(last.message.arrival);
        }
        if reader != u64::from(PRIMARY) {
            return self.shared.seats().answer(reader as u32, Answer::Rows(rows));
        }
        let Some(rows) = rows else { return self.on_unreadable() };
        let count = rows.len();
        for Row { message, .. } in rows {
            if let Some(again) = self.printer.fetched(message.arrival) {
                let notice = Notice::Message(Box::new(MessageView { again, ..message }));
                self.tell_primary(NodeMessage::Notice { line: None, notice });
            }
        }
        if let Some(limit) = self.fetching.take() {
            self.printer.fetch_done(count, limit);
        }
    }

    /// The messages for the interface of the process cannot be read. They are fetched again later.
    fn on_unreadable(&mut self) {
        self.fetching = None;
        self.retry_at = Some(Instant::now() + RETRY);
        if self.printer.fetch_failed() {
            let message = "new messages cannot be read from the store; they are shown as soon as they can".to_owned();
            let notice = Notice::Warning { code: WarningCode::Disk, message, user: None };
            self.on_event(notice);
        }
    }

    /// Asks the store for what the interface of the process lacks.
    fn fetch_for_primary(&mut self) {
        if self.primary.is_some()
            && self.outgoing.is_none()
            && let Some(printer::Fetch { after, limit }) = self.printer.fetch()
        {
            self.fetching = Some(limit);
            let reader = u64::from(PRIMARY);
            self.outgoing = Some(UiMessage::Fetch(Fetch { reader, after, limit, typed: false }));
        }
    }

    /// What nobody has read at the interface of the process is part of what was dropped.
    fn with_left_out(&self, notice: Notice) -> Notice {
        let count = self.primary.as_ref().map_or(0, NoticeSender::left_out);
        match notice {
            Notice::Me(mut profile) if count > 0 => {
                profile.drops.insert("notice nobody read", count);
                Notice::Me(profile)
            }
            notice => notice,
        }
    }

    fn record(&self, typed_at: Option<u32>, what: What) {
        let number = self.shared.log().push(typed_at, what);
        self.shared.head.send_replace(number);
    }

    fn tell_primary(&self, message: NodeMessage) {
        if let Some(primary) = &self.primary {
            // Fails only when that interface has ended.
            primary.send(message).ok();
        }
    }
}

/// Passes one message on to the node. Nothing is taken from anybody before the node has a place for it.
async fn pass(
    to_node: &mpsc::Sender<UiMessage>,
    first: &mut Option<UiMessage>,
    primary: Option<&mut mpsc::Receiver<UiMessage>>,
    clients: &mut mpsc::Receiver<FromClient>,
) -> Step {
    let Ok(permit) = to_node.reserve().await else { return pending().await };
    if let Some(message) = first.take() {
        permit.send(message);
        return Step::Passed;
    }
    let from_primary = async {
        match primary {
            Some(primary) => primary.recv().await,
            None => pending().await,
        }
    };
    let message = tokio::select! {
        message = from_primary => message,
        Some(from) = clients.recv() => Some(tagged(from)),
    };
    let Some(message) = message else { return Step::PrimaryGone };
    let step = match message {
        UiMessage::Printed { arrival } => Step::Printed(arrival),
        _ => Step::Passed,
    };
    permit.send(message);
    step
}

/// The message of a client, with its number in what the node repeats.
fn tagged(FromClient { client, message }: FromClient) -> UiMessage {
    let tag = |line: Option<u64>| line.map(|line| tag::of(client, line));
    match message {
        UiMessage::Request(Request { line, command }) => UiMessage::Request(Request { line: tag(line), command }),
        UiMessage::Ping { line, place } => UiMessage::Ping { line: tag(line), place },
        UiMessage::Fetch(fetch) => UiMessage::Fetch(Fetch { reader: client.into(), ..fetch }),
        // Only the interface of the process has a print position.
        UiMessage::Printed { arrival } => UiMessage::Printed { arrival },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::{Ready, Runs, Start, counts, notices};
    use crate::hub;
    use crate::id::{BootId, SessionId, UserId};

    #[tokio::test(start_paused = true)]
    async fn messages_that_cannot_be_read_are_fetched_again_for_the_interface_of_the_process() {
        let (to_node, mut requests) = mpsc::channel(8);
        let (node, from_node) = notices::channel();
        let (counts, _asked) = counts::channel();
        let (mut primary, _clients) = hub::start(Handle { to_node, from_node, counts });
        let ready = Ready {
            user: "alice".into(),
            id: UserId([1; 32]),
            session: SessionId([2; 32]),
            listen: Vec::new(),
            link_local: Vec::new(),
            network: None,
            roles: Vec::new(),
            fresh: false,
        };
        let start = Start { boot: BootId(1), printed: 0, arrival: 5, earlier: Runs::default() };
        node.send(NodeMessage::Ready(Box::new(ready), start)).expect("the hub runs");
        for _ in 0..3 {
            let Some(UiMessage::Fetch(Fetch { reader, after: 0, .. })) = requests.recv().await else {
                panic!("it is fetched from the first message on");
            };
            node.send(NodeMessage::Rows { reader, rows: None }).expect("the hub runs");
        }
        node.send(NodeMessage::Stopped).expect("the hub runs");
        let mut warnings = 0;
        loop {
            match primary.from_node.recv().await.expect("the hub says that the node has stopped") {
                NodeMessage::Notice { notice: Notice::Warning { code: WarningCode::Disk, .. }, .. } => warnings += 1,
                NodeMessage::Stopped => break,
                _ => {}
            }
        }
        assert_eq!(warnings, 1, "it is said once");
    }
}
