//! The answers to requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::assets::{ASSETS, Asset};
use super::guard::guard;
use super::logins::{Logins, Refused};
use super::stream::{Lines, request};
use crate::api::local;
use crate::api::request::MAX_REQUEST;
use crate::hub::Clients;

/// How long the body of a request may take: 128 KiB over a forwarded port.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The type of an answer of the local API.
const NDJSON: &str = "application/x-ndjson";

/// What the answers need.
#[derive(Clone)]
pub struct Shared {
    pub clients: Clients,
    pub logins: Arc<Mutex<Logins>>,
    /// Whether the page is switched off.
    pub off: watch::Receiver<bool>,
}

impl Shared {
    /// The codes and tokens. Locked for moments, never across a wait.
    pub fn logins(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is refused: the status and one line for people.
type Refusal = (StatusCode, &'static str);

const NO_PLACE: Refusal = (StatusCode::SERVICE_UNAVAILABLE, "too many programs are connected to this node; end one\n");
const NO_ACCESS: Refusal = (StatusCode::UNAUTHORIZED, "this browser is not logged in; `darknode web` prints a link\n");
const BAD_REQUEST: Refusal = (StatusCode::BAD_REQUEST, "this is not a request; see docs/web.md\n");

/// All endpoints.
pub fn router(shared: Shared) -> Router {
    let pages = ASSETS.iter().fold(Router::new(), |pages, page| pages.route(page.path, get(async || file(page))));
    pages
        .route("/login", post(login))
        .route("/api", post(ask))
        .route("/api/events", get(events))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here\n"))
        .layer(from_fn(guard))
        .with_state(shared)
}

fn file(page: &'static Asset) -> Response {
    ([(CONTENT_TYPE, page.kind)], page.text).into_response()
}

/// The body of a request to log in.
#[derive(Deserialize)]
struct Login {
    code: String,
}

async fn login(State(shared): State<Shared>, asked: Request) -> Result<Response, Refusal> {
    let body = body(asked).await?;
    let Login { code } = serde_json::from_slice(&body).map_err(|_| BAD_REQUEST)?;
    let entered = shared.logins().log_in(&code, Instant::now());
    let token = entered.map_err(|refused| match refused {
        Refused::Wrong => {
            (StatusCode::FORBIDDEN, "this link was used or is older than two minutes; `darknode web` prints another\n")
        }
        Refused::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many wrong codes; try again in a minute\n"),
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], json!({ "token": token }).to_string()).into_response())
}

/// A request of the local API, which is answered as there.
async fn ask(State(shared): State<Shared>, asked: Request) -> Result<Response, Refusal> {
    admit(&shared, asked.headers())?;
    let body = body(asked).await?;
    let line = body.trim_ascii();
    if line.contains(&b'\n') {
        return Err(BAD_REQUEST);
    }
    let answered = async {
        let mut connection = connect(&shared)?;
        // The local API says who it is first, and answers what was asked after the last request has come.
        connection.read_until(b'\n', &mut Vec::new()).await.ok()?;
        request(&mut connection, line).await.ok()?;
        connection.get_mut().shutdown().await.ok()?;
        Some(lines(Lines::last(connection)))
    };
    answered.await.ok_or(NO_PLACE)
}

/// The events after a cursor, as they happen.
async fn events(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    admit(&shared, &headers)?;
    let since = since(uri.query().unwrap_or_default()).ok_or(BAD_REQUEST)?;
    let subscribe = json!({ "line": 1, "do": "subscribe", "since": since }).to_string();
    let subscribed = async {
        let mut connection = connect(&shared)?;
        request(&mut connection, subscribe.as_bytes()).await.ok()?;
        Some(lines(Lines::endless(connection, shared.off.clone())))
    };
    subscribed.await.ok_or(NO_PLACE)
}

/// The cursor in a query; `now` if there is none. Whether it is one is left to the local API.
fn since(query: &str) -> Option<&str> {
    let since = match query {
        "" => "now",
        query => query.strip_prefix("since=")?,
    };
    since.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.').then_some(since)
}

fn connect(shared: &Shared) -> Option<BufReader<DuplexStream>> {
    local::connect(&shared.clients).map(BufReader::new)
}

fn lines(lines: Lines) -> Response {
    ([(CONTENT_TYPE, NDJSON)], Body::new(lines)).into_response()
}

/// Refuses whoever has no token.
fn admit(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match given.is_some_and(|token| shared.logins().admits(token)) {
        true => Ok(()),
        false => Err(NO_ACCESS),
    }
}

/// The body, which is as long as a request of the local API at most.
async fn body(asked: Request) -> Result<Bytes, Refusal> {
    let whole = timeout(BODY_TIME, to_bytes(asked.into_body(), MAX_REQUEST)).await;
    let whole = whole.map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n"))?;
    whole.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "a request has at most 131072 bytes\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_taken_from_the_query_and_nothing_else() {
        assert_eq!(since(""), Some("now"));
        assert_eq!(since("since=4a1f.41.18422"), Some("4a1f.41.18422"));
        assert_eq!([since("since=a&events=x"), since("after=1"), since("since=%22")], [None; 3]);
    }
}
