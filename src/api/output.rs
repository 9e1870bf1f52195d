//! Writes answers and events to a client, one JSON object a line.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use super::filter::Filter;
use crate::handle::{Ready, Row};
use crate::hub::cursor::Cursor;
use crate::hub::page::PageLink;
use crate::proto::notice::{ErrorCode, MessageView, Notice};
use crate::ui::greeting::Setup;
use crate::ui::plain::Style;
use crate::ui::{Event, json, plain};

/// The version of the API. It changes when something is removed or means something else.
const API: u32 = 1;

/// Whether the client could be written to.
pub type Written = io::Result<()>;

/// How an answer is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// The client's number of the request.
    pub line: Option<u64>,
    /// With the text that `--plain` shows.
    pub shown: bool,
}

/// The way to a client.
pub struct Output<W> {
    out: BufWriter<W>,
    /// Which events it wants.
    pub filter: Filter,
    /// Events are also wanted as the text that `--plain` shows.
    pub shown: bool,
    /// The last cursor that was written.
    pub told: Option<Cursor>,
}

impl<W: AsyncWrite + Unpin> Output<W> {
    pub fn new(write: W) -> Output<W> {
        Output { out: BufWriter::new(write), filter: Filter::default(), shown: false, told: None }
    }

    /// The first line: `ready`, with the version of the API and a cursor to begin from.
    pub async fn greet(&mut self, ready: &Ready, at: Cursor) -> Written {
        let mut text = json::render(None, Event::Ready(ready, &Setup::default()));
        text.pop();
        self.line(format!("{text},\"api\":{API},\"at\":\"{at}\"}}")).await
    }

    /// The answer to a request.
    pub async fn answer(&mut self, asked: Asked, event: Event<'_>) -> Written {
        let mut text = json::render(asked.line, event);
        if asked.shown {
            add_shown(&mut text, event);
        }
        self.line(text).await
    }

    /// A request is refused.
    pub async fn refuse(&mut self, line: Option<u64>, code: ErrorCode, message: &str) -> Written {
        self.line(error_line(line, code, message)).await
    }

    /// The answer to a request for the web page: a link, if it is served.
    pub async fn page(&mut self, asked: Asked, link: Option<PageLink>) -> Written {
        let shown = match &link {
            Some(PageLink { link, .. }) => format!("{link}\n"),
            None => "the page is not served any more\n".to_owned(),
        };
        let (link, expires_s) = link.map(|PageLink { link, lasts }| (link, lasts.as_secs())).unzip();
        let page = Page { event: "web", line: asked.line, link, expires_s, shown: asked.shown.then_some(shown) };
        self.line(serde_json::to_string(&page).expect("strings and numbers have a JSON form")).await
    }

    /// The answer to a text that is probably not meant to be sent as it is.
    pub async fn question(&mut self, asked: Asked, question: &str) -> Written {
        let shown = asked.shown.then(|| format!("{question}\n"));
        let question = Question { event: "question", line: asked.line, question, shown };
        self.line(serde_json::to_string(&question).expect("strings and numbers have a JSON form")).await
    }

    /// The answer to a subscription.
    pub async fn subscribed(&mut self, line: Option<u64>, complete: bool, at: Cursor) -> Written {
        self.mark_with("subscribed", line, Some(complete), at).await
    }

    /// Something about the subscription itself.
    pub async fn mark(&mut self, event: &'static str, at: Cursor) -> Written {
        self.mark_with(event, None, None, at).await
    }

    async fn mark_with(
        &mut self,
        event: &'static str,
        line: Option<u64>,
        complete: Option<bool>,
        at: Cursor,
    ) -> Written {
        self.told = Some(at);
        let mark = Mark { event, line, complete, at: at.to_string() };
        self.line(serde_json::to_string(&mark).expect("strings and numbers have a JSON form")).await
    }

    /// An event, if the client wants it.
    pub async fn event(&mut self, notice: &Notice, at: Cursor) -> Written {
        self.event_with(notice, at, "").await
    }

    /// A message from the store. One that was typed on this node says how far it has come.
    pub async fn row(&mut self, row: Row, at: Cursor) -> Written {
        let Row { message, typed } = row;
        match typed {
            Some(state) => {
                let MessageView { message, with: to, text, sent, order, .. } = message;
                let state = format!(",\"state\":\"{}\"", json::delivery(state));
                self.event_with(&Notice::Queued { message, to, text, sent, order }, at, &state).await
            }
            None => self.event(&Notice::Message(Box::new(message)), at).await,
        }
    }

    async fn event_with(&mut self, notice: &Notice, at: Cursor, more: &str) -> Written {
        let event = Event::Notice(notice);
        let mut text = json::render(None, event);
        if !self.filter.wants(name(&text), notice) {
            return Ok(());
        }
        self.told = Some(at);
        if self.shown {
            add_shown(&mut text, event);
        }
        text.pop();
        self.line(format!("{text}{more},\"at\":\"{at}\"}}")).await
    }

    async fn line(&mut self, mut text: String) -> Written {
        text.push('\n');
        self.out.write_all(text.as_bytes()).await
    }

    /// Sends what was written.
    pub async fn flush(&mut self) -> Written {
        self.out.flush().await
    }

    /// Sends what was written, and ends. Returns when the client can read it even if this process ends.
    pub async fn close(&mut self) -> Written {
        self.out.shutdown().await
    }
}

/// What the API says of a subscription.
#[derive(Serialize)]
struct Mark {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<bool>,
    at: String,
}

/// What the API says of the web page.
#[derive(Serialize)]
struct Page {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
}

/// What the API asks about a text.
#[derive(Serialize)]
struct Question<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    question: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
}

/// Adds what `--plain` shows of an event.
fn add_shown(text: &mut String, event: Event<'_>) {
    let shown = serde_json::to_string(&plain::render(Style::default(), event)).expect("a string has a JSON form");
    text.pop();
    text.push_str(&format!(",\"shown\":{shown}}}"));
}

/// An `error` event, without its line ending.
pub fn error_line(line: Option<u64>, code: ErrorCode, message: &str) -> String {
    json::render(line, Event::Notice(&Notice::Error { code, message: message.to_owned() }))
}

/// The name of a rendered event, which stands first.
fn name(rendered: &str) -> &str {
    rendered.split('"').nth(3).unwrap_or_default()
}
