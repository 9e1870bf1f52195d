//! Serves one client: requests in, answers and events out.
//!
//! A client that does not read is waited for, and not read either once 64 requests were not answered. It has no
//! queue of events ([`feed`](crate::hub::feed)), and its answers are no more than its requests.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::filter::Filter;
use super::output::{Asked, Output, Written};
use super::reader::{self, Taken};
use super::request::{BadRequest, Do, Request, Say};
use crate::handle::{Fetch, Ready, Start, UiMessage};
use crate::hub::cursor::Cursor;
use crate::hub::feed::{Feed, Item, PAGE, Since, Step};
use crate::hub::log::{Entry, Log, What};
use crate::hub::{Answer, Client};
use crate::id::UserId;
use crate::identity::place::Place;
use crate::proto::event::{Command, Request as NodeRequest};
use crate::proto::notice::{self, ErrorCode, Notice};
use crate::ui::Event;
use crate::ui::macros::doubt::Draft;
use crate::ui::macros::{InputError, Typed};
use crate::wire::content::MAX_TEXT;

/// A client that is given nothing, because its filter hides what happens, is told this often how far it is.
const MARK: Duration = Duration::from_secs(30);

/// What is awaited from the node.
struct Pending {
    asked: Asked,
    kind: Kind,
    /// Given back when this is dropped.
    place: Option<OwnedSemaphorePermit>,
}

enum Kind {
    /// The answer is passed on.
    Plain,
    /// A user is looked for, to whom the text goes.
    Say(Say),
    /// The user of the conversation, to whom typed lines go.
    Chat,
    /// The conversations, for a subscription. The users come next.
    Conversations,
    /// The users, which end the state of everybody.
    Users,
}

/// Serves a client until it or the node ends.
pub async fn serve(
    hub: Client,
    read: impl AsyncRead + Send + Unpin + 'static,
    write: impl AsyncWrite + Send + Unpin + 'static,
) {
    let (mut hub, mut out) = (hub, Output::new(write));
    let (ready, start) = started(&mut hub).await;
    let feed = Feed::new(start.boot);
    if out.greet(&ready, hub.with_log(|log| feed.here(log))).await.is_err() {
        return;
    }
    let (taken_to, taken) = mpsc::channel(1);
    let reader = tokio::spawn(reader::read_requests(read, taken_to));
    let service = Service {
        hub,
        out,
        feed,
        conversation: None,
        chatting: false,
        pending: BTreeMap::new(),
        last: 0,
        closing: false,
        stopped_by: None,
    };
    // It ends with an error if the client is gone.
    let _ = service.run(taken).await;
    reader.abort();
}

/// What the node says of itself. It accepts connections soon after its start.
async fn started(hub: &mut Client) -> (Arc<Ready>, Start) {
    loop {
        if let Some(started) = hub.observer().started() {
            return started;
        }
        hub.changed().await;
    }
}

struct Service<W> {
    hub: Client,
    out: Output<W>,
    feed: Feed,
    /// To whom typed lines go.
    conversation: Option<UserId>,
    /// A typed `\chat` is not answered yet. What was typed after it waits.
    chatting: bool,
    pending: BTreeMap<u64, Pending>,
    last: u64,
    /// The client sends no more.
    closing: bool,
    /// The request to stop the node.
    stopped_by: Option<Asked>,
}

impl<W: AsyncWrite + Unpin> Service<W> {
    async fn run(mut self, mut taken: mpsc::Receiver<Taken>) -> Written {
        let mut marks = interval(MARK);
        marks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_ended = self.hub.with_log(Log::has_ended);
            self.give().await?;
            if let Some(answer) = self.hub.answer() {
                self.on_answer(answer).await?;
                continue;
            }
            if has_ended {
                let asked = self.stopped_by.unwrap_or_default();
                self.out.answer(asked, Event::Stopped).await?;
                return self.out.close().await;
            }
            self.out.flush().await?;
            if self.closing && self.pending.is_empty() && self.stopped_by.is_none() {
                return Ok(());
            }
            let reads = !self.chatting && !self.closing;
            tokio::select! {
                () = self.hub.changed() => {}
                request = taken.recv(), if reads => match request {
                    Some((request, place)) => self.on_request(request, place).await?,
                    None => self.closing = true,
                },
                _ = marks.tick() => self.mark().await?,
            }
        }
    }

    /// Gives what the client has subscribed to, up to the next answer.
    async fn give(&mut self) -> Written {
        let end = self.hub.end();
        loop {
            match self.hub.with_log(|log| self.feed.poll(log, end)) {
                Step::Wait => return Ok(()),
                Step::Fetch(after) => {
                    // The hub fills in the reader.
                    let fetch = Fetch { reader: 0, after, limit: PAGE, typed: true };
                    self.hub.send(UiMessage::Fetch(fetch)).await;
                }
                Step::Give(items) => self.write_items(items).await?,
            }
        }
    }

    /// Requests a part of the state of everybody.
    async fn overview(&mut self, kind: Kind, command: Command) -> Written {
        let asked = Asked { line: None, shown: self.out.shown };
        self.request(asked, kind, command, None).await
    }

    async fn write_items(&mut self, items: Vec<(Item, Cursor)>) -> Written {
        for (item, at) in items {
            match item {
                Item::Event(Entry { typed_at, what, .. }) => {
                    if let What::Notice(notice) = &what
                        && typed_at != Some(self.hub.id())
                    {
                        self.out.event(notice, at).await?;
                    }
                }
                Item::Row(row) => self.out.row(*row, at).await?,
                Item::Gap => {
                    self.hub.count_gap();
                    self.out.mark("gap", at).await?;
                }
                Item::Live => self.out.mark("live", at).await?,
                Item::Overview => self.overview(Kind::Conversations, Command::Conversations).await?,
            }
        }
        Ok(())
    }

    async fn on_request(&mut self, request: Result<Request, BadRequest>, place: OwnedSemaphorePermit) -> Written {
        let Request { line, shown, what } = match request {
            Ok(request) => request,
            Err(bad) => return self.out.refuse(bad.line, ErrorCode::BadRequest, &bad.message).await,
        };
        let asked = Asked { line, shown };
        match what {
            Do::Say(say) if say.text.len() <= MAX_TEXT => {
                let command = Command::Chat { user: say.to.clone() };
                self.request(asked, Kind::Say(say), command, Some(place)).await
            }
            Do::Say(_) => self.refuse(line, InputError::too_long()).await,
            Do::Typed(Ok(None)) => Ok(()),
            Do::Typed(Ok(Some(typed))) => self.on_typed(asked, typed, place).await,
            Do::Typed(Err(error)) => self.refuse(line, error).await,
            Do::Subscribe(since, filter) => self.subscribe(asked, since, filter).await,
            Do::Command(command) => self.on_command(asked, command, place).await,
            Do::Ping(to) => self.ping(asked, to, place).await,
            Do::Help => self.out.answer(asked, Event::Help).await,
            Do::Counts => self.counts(asked).await,
            Do::Page(on) => self.page(asked, on).await,
            Do::Printed(arrival) => self.printed(asked, arrival).await,
            Do::Stop => self.stop(asked).await,
        }
    }

    /// What a person has typed.
    async fn on_typed(&mut self, asked: Asked, typed: Typed, place: OwnedSemaphorePermit) -> Written {
        let command = match (typed, self.conversation) {
            (Typed::Text(text), Some(to)) => Command::Say { to, text },
            (Typed::HistoryHere { n, before, after }, Some(with)) => {
                Command::History { user: with.to_string(), n, numbered: None, before, after }
            }
            // Clients are told where a search goes on.
            (Typed::SearchOlder, _) => return self.refuse(asked.line, InputError::nothing_to_continue()).await,
            (Typed::Text(_) | Typed::HistoryHere { .. }, None) => {
                return self.refuse(asked.line, InputError::no_conversation()).await;
            }
            (Typed::Reply, _) => match self.hub.with_log(|log| log.wrote_last()) {
                Some(user) => Command::Chat { user: user.to_string() },
                None => return self.refuse(asked.line, InputError::nobody_wrote()).await,
            },
            (Typed::Command(Command::Quit), _) => return self.stop(asked).await,
            (Typed::Command(command), _) => command,
            (Typed::Ping(to), _) => return self.ping(asked, to, place).await,
            (Typed::Help, _) => return self.out.answer(asked, Event::Help).await,
        };
        self.on_command(asked, command, place).await
    }

    async fn on_command(&mut self, asked: Asked, command: Command, place: OwnedSemaphorePermit) -> Written {
        let kind = match command {
            Command::Chat { .. } => {
                self.chatting = true;
                Kind::Chat
            }
            _ => Kind::Plain,
        };
        self.request(asked, kind, command, Some(place)).await
    }

    async fn ping(&mut self, asked: Asked, to: Place, place: OwnedSemaphorePermit) -> Written {
        let number = self.expect(asked, Kind::Plain, Some(place));
        self.hub.send(UiMessage::Ping { line: Some(number), place: to }).await;
        Ok(())
    }

    /// A node that stops says so next.
    async fn counts(&mut self, asked: Asked) -> Written {
        match self.hub.observer().counts().await {
            Some(counts) => self.out.answer(asked, Event::Counts(&counts)).await,
            None => Ok(()),
        }
    }

    async fn page(&mut self, asked: Asked, on: bool) -> Written {
        match self.hub.page(on).await {
            Ok(link) => self.out.page(asked, link).await,
            Err(why) => self.out.refuse(asked.line, ErrorCode::BadArgument, &why).await,
        }
    }

    /// Only the interface of the process marks messages as printed: what it has shown is not shown again at the next start.
    async fn printed(&mut self, asked: Asked, arrival: u64) -> Written {
        if !self.hub.printed(arrival) {
            let message = "only the interface that the node was started with marks messages as printed; see \"read\"";
            return self.out.refuse(asked.line, ErrorCode::BadRequest, message).await;
        }
        self.out.answer(asked, Event::Notice(&Notice::Done { what: "printed".to_owned() })).await
    }

    async fn stop(&mut self, asked: Asked) -> Written {
        self.stopped_by = Some(asked);
        self.hub.send(UiMessage::Request(NodeRequest { line: None, command: Command::Quit })).await;
        Ok(())
    }

    async fn subscribe(&mut self, asked: Asked, since: Since, filter: Filter) -> Written {
        (self.out.filter, self.out.shown) = (filter, asked.shown);
        let complete = self.hub.with_log(|log| self.feed.subscribe(log, since));
        self.out.subscribed(asked.line, complete, self.feed.at()).await
    }

    /// Requests something of the node, whose answer is for this line of the client.
    async fn request(
        &mut self,
        asked: Asked,
        kind: Kind,
        command: Command,
        place: Option<OwnedSemaphorePermit>,
    ) -> Written {
        let number = self.expect(asked, kind, place);
        self.hub.send(UiMessage::Request(NodeRequest { line: Some(number), command })).await;
        Ok(())
    }

    /// The number under which an answer will come.
    fn expect(&mut self, asked: Asked, kind: Kind, place: Option<OwnedSemaphorePermit>) -> u64 {
        self.last += 1;
        self.pending.insert(self.last, Pending { asked, kind, place });
        self.last
    }

    /// Messages that cannot be read are not passed over: the client can connect again with its cursor.
    async fn give_up(&mut self) -> Written {
        let message = "the messages in the store cannot be read; connect again later with the last cursor";
        self.out.refuse(None, ErrorCode::Disk, message).await?;
        self.out.flush().await?;
        Err(io::ErrorKind::Other.into())
    }

    async fn on_answer(&mut self, answer: Answer) -> Written {
        let (number, notice) = match answer {
            Answer::Rows(None) => return self.give_up().await,
            Answer::Rows(Some(rows)) => {
                let items = self.feed.on_rows(rows);
                return self.write_items(items).await;
            }
            Answer::Notice { line, notice } => (line, notice),
        };
        let Some(Pending { asked, kind, place }) = self.pending.remove(&number) else {
            return self.out.answer(Asked::default(), Event::Notice(&notice)).await;
        };
        match (kind, &*notice) {
            (Kind::Say(Say { text, ask, pasted, .. }), Notice::Chat { id, with, .. }) => {
                let draft = Draft { text: &text, to: with, other: None, pasted, macros: false };
                if let Some(question) = draft.question().filter(|_| ask) {
                    return self.out.question(asked, &question).await;
                }
                return self.request(asked, Kind::Plain, Command::Say { to: *id, text }, place).await;
            }
            (Kind::Chat, answer) => {
                self.chatting = false;
                self.conversation = match answer {
                    Notice::Chat { id, .. } => Some(*id),
                    _ => None,
                };
            }
            (Kind::Conversations, _) => {
                let users = Command::Users { filter: notice::Filter::All };
                self.overview(Kind::Users, users).await?;
            }
            (Kind::Users, _) => self.feed.on_overview(),
            (Kind::Say(_) | Kind::Plain, _) => {}
        }
        self.out.answer(asked, Event::Notice(&notice)).await
    }

    async fn refuse(&mut self, line: Option<u64>, error: InputError) -> Written {
        self.out.refuse(line, error.code, &error.message).await
    }

    /// Tells a client how far it is that was given nothing lately.
    async fn mark(&mut self) -> Written {
        let at = self.feed.at();
        if self.feed.is_on() && self.out.told != Some(at) { self.out.mark("at", at).await } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
