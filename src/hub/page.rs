//! How a client asks for the web page, which somebody else serves.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Requests that may wait; each is answered at once.
const WAITING: usize = 8;

/// A request to serve the page, or not to serve it any more.
#[derive(Debug)]
pub struct PageRequest {
    /// Whether it is to be served.
    pub on: bool,
    /// Takes the answer: a link if it is served, and otherwise a reason for people.
    pub answer: oneshot::Sender<Result<Option<PageLink>, String>>,
}

/// A link to the page that works once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageLink {
    /// What a browser opens.
    pub link: String,
    /// How long it works.
    pub lasts: Duration,
}

/// The way to whoever serves the page.
#[derive(Debug, Default)]
pub struct PageRequests(OnceLock<mpsc::Sender<PageRequest>>);

impl PageRequests {
    /// The requests of all clients, for whoever serves the page. `None` if somebody does already.
    pub fn receive(&self) -> Option<mpsc::Receiver<PageRequest>> {
        let (sender, requests) = mpsc::channel(WAITING);
        self.0.set(sender).ok().map(|()| requests)
    }

    /// Requests that the page be served or not.
    ///
    /// # Errors
    /// It cannot be, for a reason that is told in one line.
    pub async fn request(&self, on: bool) -> Result<Option<PageLink>, String> {
        let nobody = || "this node serves no page".to_owned();
        let (answer, answered) = oneshot::channel();
        let server = self.0.get().ok_or_else(nobody)?;
        server.send(PageRequest { on, answer }).await.map_err(|_| nobody())?;
        answered.await.unwrap_or_else(|_| Err(nobody()))
    }
}
