//! Accepts connections, few at a time, and gives each of them one answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Connections at a time: a few browsers, each with a stream of events and some requests. Others wait in the system's queue.
const MAX_CONNECTIONS: usize = 16;
/// Bytes of the headers of a request.
const HEADERS: usize = 8 * 1024;
/// How long the headers of a request may take.
const HEADERS_TIME: Duration = Duration::from_secs(10);
/// Pause after an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves connections until it is told to stop, and those that are open to their end. All end when it is dropped.
pub async fn accept(listener: TcpListener, router: Router, stop: Arc<Notify>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut served = JoinSet::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("nobody closes it");
            (place, listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = next => match accepted {
                Ok((stream, _)) => drop(served.spawn(serve(stream, router.clone(), place))),
                Err(error) => {
                    tracing::warn!(%error, "the page does not accept connections");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = served.join_next() => {}
            () = stop.notified() => break,
        }
    }
    drop(listener);
    // Each of them ends with the node, or with the page.
    while served.join_next().await.is_some() {}
}

/// Answers one request. A connection that stays open afterwards would hold a place.
async fn serve(stream: TcpStream, router: Router, _place: OwnedSemaphorePermit) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_TIME).max_buf_size(HEADERS).keep_alive(false);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the page ended");
    }
}
