//! The server: `/metrics`, `/healthz` and `/readyz`.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::BindError;
use super::listener::Bounded;
use super::process::Process;
use super::text::{self, Snapshot};
use crate::handle::counts::Observed;
use crate::hub::Observer;

/// A node whose loop does not turn within this time is not well.
const PATIENCE: Duration = Duration::from_secs(5);
const PLAIN: &str = "text/plain; charset=utf-8";

/// An address that is listened on.
#[derive(Debug)]
pub struct Bound(TcpListener);

/// A server, until it is dropped.
#[derive(Debug)]
pub struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens on an address.
///
/// # Errors
/// The system refuses it.
pub fn bind(addr: SocketAddr) -> Result<Bound, BindError> {
    let bound = TcpListener::bind(addr).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map(Bound).map_err(|why| BindError::Refused { addr, why })
}

impl Bound {
    /// Answers for a node, as a task of the current tokio runtime.
    pub fn serve(self, observer: Observer) -> Serving {
        Serving(tokio::spawn(async move {
            if let Err(error) = answer(self.0, observer).await {
                tracing::warn!(%error, "metrics are not served");
            }
        }))
    }
}

async fn answer(listener: TcpListener, observer: Observer) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tracing::info!("metrics at http://{}/metrics", listener.local_addr()?);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .fallback(|| async { say(StatusCode::NOT_FOUND, "there are /metrics, /healthz and /readyz") })
        .with_state(observer);
    axum::serve(Bounded::new(listener), router).await
}

/// The counts; `None` if the node's loop does not turn.
async fn counts(of: &Observer) -> Option<Observed> {
    timeout(PATIENCE, of.counts()).await.ok().flatten()
}

async fn metrics(State(observer): State<Observer>) -> Reply {
    let Some(counts) = counts(&observer).await else { return unwell() };
    let roles = observer.started().map(|(ready, _)| ready.roles.join(","));
    let snapshot = Snapshot { roles: roles.filter(|roles| !roles.is_empty()), counts, process: Process::read() };
    reply(StatusCode::OK, text::TYPE, text::render(snapshot))
}

async fn health(State(observer): State<Observer>) -> Reply {
    match counts(&observer).await {
        Some(_) => say(StatusCode::OK, "the node runs"),
        None => unwell(),
    }
}

async fn readiness(State(observer): State<Observer>) -> Reply {
    match counts(&observer).await {
        Some(counts) if counts.node.store.refuses => say(StatusCode::SERVICE_UNAVAILABLE, "the disk refuses writes"),
        Some(_) => say(StatusCode::OK, "the node accepts connections and its disk takes what it stores"),
        None => unwell(),
    }
}

/// The status, the headers and the body of an answer.
type Reply = (StatusCode, [(HeaderName, &'static str); 2], String);

fn unwell() -> Reply {
    say(StatusCode::SERVICE_UNAVAILABLE, "the node does not answer")
}

fn say(status: StatusCode, what: &str) -> Reply {
    reply(status, PLAIN, format!("{what}\n"))
}

/// Connections are closed after one answer, so that the next monitor finds a place.
fn reply(status: StatusCode, content: &'static str, body: String) -> Reply {
    (status, [(CONTENT_TYPE, content), (CONNECTION, "close")], body)
}
