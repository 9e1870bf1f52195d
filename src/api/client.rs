//! Serves one client: requests in, answers and events out.
//!
//! A client that does not read is waited for, and not read either once [`UNDER_WAY`] requests were not answered. It has no
//! queue of events ([`feed`](crate::hub::feed)), and its answers are no more than its requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::filter::Filter;
use super::request::{self, BadRequest, Do, MAX_REQUEST, Request};
use crate::handle::{Fetch, Ready, Row, Start, UiMessage};
use crate::hub::cursor::Cursor;
use crate::hub::feed::{Feed, Item, PAGE, Since, Step};
use crate::hub::log::{Entry, Log, What};
use crate::hub::{Answer, Client};
use crate::id::UserId;
use crate::identity::place::Place;
use crate::proto::event::{Command, Request as NodeRequest};
use crate::proto::notice::{self, ErrorCode, MessageView, Notice};
use crate::ui::Event;
use crate::ui::greeting::Setup;
use crate::ui::json;
use crate::ui::macros::{InputError, Typed};
use crate::wire::content::MAX_TEXT;

/// Requests of one client that may be unanswered.
const UNDER_WAY: usize = 64;
/// The version of the API. It changes when something is removed or means something else.
const API: u32 = 1;
/// A client that is given nothing, because its filter hides what happens, is told this often how far it is.
const MARK: Duration = Duration::from_secs(30);

/// A request, and a place among those under way until it is answered.
type Taken = (Result<Request, BadRequest>, OwnedSemaphorePermit);

/// What is awaited from the node.
struct Pending {
    /// The client's number of the request.
    line: Option<u64>,
    kind: Kind,
    /// Given back when this is dropped.
    place: Option<OwnedSemaphorePermit>,
}

enum Kind {
    /// The answer is passed on.
    Plain,
    /// A user is looked for, to whom the text goes.
    Say { text: String },
    /// The user of the conversation, to whom typed lines go.
    Chat,
    /// The state of everybody, for a subscription.
    Overview,
}

/// The client ended, or cannot be written to.
struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Ended {
        Ended
    }
}

/// Serves a client until it or the node ends.
pub async fn serve(
    hub: Client,
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
) {
    let (mut hub, mut out) = (hub, BufWriter::new(write));
    let (ready, start) = started(&mut hub).await;
    let feed = Feed::new(start.boot);
    if out.write_all(greeting(&ready, hub.with_log(|log| feed.here(log))).as_bytes()).await.is_err() {
        return;
    }
    let (taken_to, taken) = mpsc::channel(1);
    let reader = tokio::spawn(read_requests(read, taken_to));
    let service = Service {
        hub,
        out,
        feed,
        filter: Filter::default(),
        conversation: None,
        chatting: false,
        pending: BTreeMap::new(),
        last: 0,
        closing: false,
        stopped_by: None,
        told: None,
    };
    // It ends with an error if the client is gone.
    let _ = service.run(taken).await;
    reader.abort();
}

/// What the node says of itself. It accepts connections soon after its start.
async fn started(hub: &mut Client) -> (Arc<Ready>, Start) {
    loop {
        if let Some(started) = hub.started() {
            return started;
        }
        hub.next().await;
    }
}

/// The first line: `ready`, with the version of the API and a cursor to begin from.
fn greeting(ready: &Ready, at: Cursor) -> String {
    let mut text = json::render(None, Event::Ready(ready, &Setup::default()));
    text.pop();
    format!("{text},\"api\":{API},\"at\":\"{at}\"}}\n")
}

async fn read_requests(read: impl AsyncRead + Unpin, taken: mpsc::Sender<Taken>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY));
    let mut read = BufReader::new(read);
    while let Ok(place) = places.clone().acquire_owned().await {
        match next_line(&mut read).await {
            Ok(Some(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(Some(line)) => {
                if taken.send((request::parse(&line), place)).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                let message = format!("a request has at most {MAX_REQUEST} bytes");
                if taken.send((Err(BadRequest { line: None, message }), place)).await.is_err() {
                    return;
                }
            }
            Err(Ended) => return,
        }
    }
}

/// The next line; `None` for one that is too long, which is skipped.
async fn next_line(read: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<Vec<u8>>, Ended> {
    let mut line = Vec::new();
    (&mut *read).take(MAX_REQUEST as u64 + 1).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Err(Ended),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() < MAX_REQUEST => Err(Ended),
        Some(_) => loop {
            let found = read.fill_buf().await?;
            if found.is_empty() {
                return Err(Ended);
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(found.len(), |end| end + 1);
            read.consume(used);
            if end.is_some() {
                return Ok(None);
            }
        },
    }
}

struct Service<W> {
    hub: Client,
    out: BufWriter<W>,
    feed: Feed,
    filter: Filter,
    /// To whom typed lines go.
    conversation: Option<UserId>,
    /// A typed `\chat` is not answered yet. What was typed after it waits.
    chatting: bool,
    pending: BTreeMap<u64, Pending>,
    last: u64,
    /// The client sends no more.
    closing: bool,
    /// The request to stop the node.
    stopped_by: Option<u64>,
    /// The last cursor that was written.
    told: Option<Cursor>,
}

impl<W: AsyncWrite + Unpin> Service<W> {
    async fn run(mut self, mut taken: mpsc::Receiver<Taken>) -> Result<(), Ended> {
        let mut marks = interval(MARK);
        marks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.give().await?;
            if self.hub.with_log(Log::has_ended) {
                return self.end().await;
            }
            self.out.flush().await?;
            if self.closing && self.pending.is_empty() {
                return Ok(());
            }
            let reads = !self.chatting && !self.closing;
            tokio::select! {
                next = self.hub.next() => {
                    if let Some(answer) = next {
                        self.on_answer(answer).await?;
                    }
                }
                request = taken.recv(), if reads => match request {
                    Some((request, place)) => self.on_request(request, place).await?,
                    None => self.closing = true,
                },
                _ = marks.tick() => self.mark().await?,
            }
        }
    }

    /// Gives what the client has subscribed to, as far as it goes.
    async fn give(&mut self) -> Result<(), Ended> {
        loop {
            match self.hub.with_log(|log| self.feed.poll(log)) {
                Step::Wait => return Ok(()),
                Step::Fetch(after) => {
                    // The hub fills in the reader.
                    let fetch = Fetch { reader: 0, after, limit: PAGE, typed: true };
                    self.pass(UiMessage::Fetch(fetch)).await?;
                }
                Step::Give(items) => self.write_items(items).await?,
            }
        }
    }

    async fn write_items(&mut self, items: Vec<(Item, Cursor)>) -> Result<(), Ended> {
        for (item, at) in items {
            match item {
                Item::Event(Entry { typed_at, what, .. }) => {
                    if let What::Notice(notice) = &*what
                        && typed_at != Some(self.hub.id())
                    {
                        self.write_event(notice, at).await?;
                    }
                }
                Item::Row(row) => self.write_row(*row, at).await?,
                Item::Gap => self.write_mark("gap", at).await?,
                Item::Live => self.write_mark("live", at).await?,
                Item::Overview => {
                    self.request(None, Kind::Overview, Command::Users { filter: notice::Filter::All }, None).await?;
                }
            }
        }
        Ok(())
    }

    async fn on_request(
        &mut self,
        request: Result<Request, BadRequest>,
        place: OwnedSemaphorePermit,
    ) -> Result<(), Ended> {
        let Request { line, what } = match request {
            Ok(request) => request,
            Err(bad) => return self.write(&error_line(bad.line, ErrorCode::BadRequest, &bad.message)).await,
        };
        match what {
            Do::Say { to, text } if text.len() <= MAX_TEXT => {
                self.request(line, Kind::Say { text }, Command::Chat { user: to }, Some(place)).await
            }
            Do::Say { .. } => self.refuse(line, InputError::too_long()).await,
            Do::Typed(Ok(None)) => Ok(()),
            Do::Typed(Ok(Some(typed))) => self.on_typed(line, typed, place).await,
            Do::Typed(Err(error)) => self.refuse(line, error).await,
            Do::Subscribe(since, filter) => self.subscribe(line, since, filter).await,
            Do::Command(command) => self.on_command(line, command, place).await,
            Do::Ping(to) => self.ping(line, to, place).await,
            Do::Help => self.write(&rendered(line, Event::Help)).await,
            Do::Stop => self.stop(line).await,
        }
    }

    /// What a person has typed.
    async fn on_typed(&mut self, line: Option<u64>, typed: Typed, place: OwnedSemaphorePermit) -> Result<(), Ended> {
        let command = match (typed, self.conversation) {
            (Typed::Text(text), Some(to)) => Command::Say { to, text },
            (Typed::HistoryHere { n }, Some(with)) => Command::History { user: with.to_string(), n, numbered: None },
            (Typed::Text(_) | Typed::HistoryHere { .. }, None) => {
                return self.refuse(line, InputError::no_conversation()).await;
            }
            (Typed::Reply, _) => match self.hub.with_log(|log| log.wrote_last()) {
                Some(user) => Command::Chat { user: user.to_string() },
                None => return self.refuse(line, InputError::nobody_wrote()).await,
            },
            (Typed::Command(Command::Quit), _) => return self.stop(line).await,
            (Typed::Command(command), _) => command,
            (Typed::Ping(to), _) => return self.ping(line, to, place).await,
            (Typed::Help, _) => return self.write(&rendered(line, Event::Help)).await,
        };
        self.on_command(line, command, place).await
    }

    async fn on_command(
        &mut self,
        line: Option<u64>,
        command: Command,
        place: OwnedSemaphorePermit,
    ) -> Result<(), Ended> {
        let kind = match command {
            Command::Chat { .. } => {
                self.chatting = true;
                Kind::Chat
            }
            _ => Kind::Plain,
        };
        self.request(line, kind, command, Some(place)).await
    }

    async fn ping(&mut self, line: Option<u64>, to: Place, place: OwnedSemaphorePermit) -> Result<(), Ended> {
        let number = self.expect(line, Kind::Plain, Some(place));
        self.pass(UiMessage::Ping { line: Some(number), place: to }).await
    }

    async fn stop(&mut self, line: Option<u64>) -> Result<(), Ended> {
        self.stopped_by = line;
        self.pass(UiMessage::Request(NodeRequest { line: None, command: Command::Quit })).await
    }

    async fn subscribe(&mut self, line: Option<u64>, since: Since, filter: Filter) -> Result<(), Ended> {
        self.filter = filter;
        let complete = self.hub.with_log(|log| self.feed.subscribe(log, since));
        let at = Some(self.feed.at().to_string());
        self.write(&json_line(&Mark { event: "subscribed", line, complete: Some(complete), at })).await
    }

    /// Requests something of the node, whose answer is for this line of the client.
    async fn request(
        &mut self,
        line: Option<u64>,
        kind: Kind,
        command: Command,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Ended> {
        let number = self.expect(line, kind, place);
        self.pass(UiMessage::Request(NodeRequest { line: Some(number), command })).await
    }

    /// The number under which an answer will come.
    fn expect(&mut self, line: Option<u64>, kind: Kind, place: Option<OwnedSemaphorePermit>) -> u64 {
        self.last += 1;
        self.pending.insert(self.last, Pending { line, kind, place });
        self.last
    }

    async fn pass(&self, message: UiMessage) -> Result<(), Ended> {
        if self.hub.send(message).await { Ok(()) } else { Err(Ended) }
    }

    async fn on_answer(&mut self, answer: Answer) -> Result<(), Ended> {
        let (number, notice) = match answer {
            Answer::Rows(rows) => {
                let items = self.feed.on_rows(rows);
                return self.write_items(items).await;
            }
            Answer::Notice { line, notice } => (line, notice),
        };
        let Some(Pending { line, kind, place }) = self.pending.remove(&number) else {
            return self.write(&rendered(None, Event::Notice(&notice))).await;
        };
        match (kind, &*notice) {
            (Kind::Say { text }, Notice::Chat { id, .. }) => {
                return self.request(line, Kind::Plain, Command::Say { to: *id, text }, place).await;
            }
            (Kind::Chat, answer) => {
                self.chatting = false;
                self.conversation = match answer {
                    Notice::Chat { id, .. } => Some(*id),
                    _ => None,
                };
            }
            (Kind::Overview, _) => self.feed.on_overview(),
            (Kind::Say { .. } | Kind::Plain, _) => {}
        }
        self.write(&rendered(line, Event::Notice(&notice))).await
    }

    async fn refuse(&mut self, line: Option<u64>, error: InputError) -> Result<(), Ended> {
        self.write(&error_line(line, error.code, &error.message)).await
    }

    /// Tells a client how far it is that was given nothing lately.
    async fn mark(&mut self) -> Result<(), Ended> {
        let at = self.feed.at();
        if !self.feed.is_on() || self.told == Some(at) {
            return Ok(());
        }
        self.write_mark("at", at).await
    }

    async fn write_event(&mut self, notice: &Notice, at: Cursor) -> Result<(), Ended> {
        let text = json::render(None, Event::Notice(notice));
        if self.filter.wants(event_name(&text), notice) {
            self.write_with(text, at, "").await?;
        }
        Ok(())
    }

    /// A message from the store. One that was typed on this node says how far it has come.
    async fn write_row(&mut self, row: Row, at: Cursor) -> Result<(), Ended> {
        let Row { message, typed } = row;
        let (notice, state) = match typed {
            Some(state) => {
                let MessageView { message, with: to, text, .. } = message;
                (Notice::Queued { message, to, text }, format!(",\"state\":\"{}\"", json::delivery(state)))
            }
            None => (Notice::Message(Box::new(message)), String::new()),
        };
        let text = json::render(None, Event::Notice(&notice));
        if self.filter.wants(event_name(&text), &notice) {
            self.write_with(text, at, &state).await?;
        }
        Ok(())
    }

    /// Writes an event with more keys.
    async fn write_with(&mut self, mut text: String, at: Cursor, more: &str) -> Result<(), Ended> {
        self.told = Some(at);
        text.pop();
        self.write(&format!("{text}{more},\"at\":\"{at}\"}}\n")).await
    }

    async fn write_mark(&mut self, event: &'static str, at: Cursor) -> Result<(), Ended> {
        self.told = Some(at);
        let at = Some(at.to_string());
        self.write(&json_line(&Mark { event, line: None, complete: None, at })).await
    }

    async fn write(&mut self, line: &str) -> Result<(), Ended> {
        Ok(self.out.write_all(line.as_bytes()).await?)
    }

    async fn end(mut self) -> Result<(), Ended> {
        self.write(&rendered(self.stopped_by, Event::Stopped)).await?;
        Ok(self.out.flush().await?)
    }
}

/// What the API says of itself.
#[derive(Serialize)]
struct Mark {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

fn json_line(mark: &Mark) -> String {
    let mut text = serde_json::to_string(mark).expect("strings and numbers have a JSON form");
    text.push('\n');
    text
}

fn rendered(line: Option<u64>, event: Event<'_>) -> String {
    let mut text = json::render(line, event);
    text.push('\n');
    text
}

/// An `error` event.
pub fn error_line(line: Option<u64>, code: ErrorCode, message: &str) -> String {
    rendered(line, Event::Notice(&Notice::Error { code, message: message.to_owned() }))
}

/// The name of a rendered event, which stands first.
fn event_name(rendered: &str) -> &str {
    rendered.split('"').nth(3).unwrap_or_default()
}
