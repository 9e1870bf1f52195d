//! Serves the page while it is wanted: from the start, or from a request of a client of the local API on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::listener;
use super::logins::{CODE_LIFE, Logins};
use super::server::{Shared, router};
use super::{BindError, Random};
use crate::hub::Clients;
use crate::hub::page::{PageLink, PageRequest};

/// Where the page is if nothing else is said, and nobody uses the port.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 27280);
/// How long browsers may take to read that the node has stopped, or that the page was switched off.
const FAREWELL: Duration = Duration::from_millis(150);

/// An address that is listened on.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    addr: SocketAddr,
}

/// Listens on an address of this machine; without one on a default, or on any free port if that is taken.
///
/// # Errors
/// Other machines can reach the address, or the system refuses it.
pub fn bind(addr: Option<SocketAddr>) -> Result<Bound, BindError> {
    let wanted = addr.unwrap_or(DEFAULT);
    if !wanted.ip().is_loopback() {
        return Err(BindError::Reachable(wanted));
    }
    let bound = match (listen(wanted), addr) {
        (Err(why), None) if why.kind() == io::ErrorKind::AddrInUse => listen(SocketAddr::new(wanted.ip(), 0)),
        (bound, _) => bound,
    };
    bound.map_err(|why| BindError::Refused { addr: wanted, why })
}

fn listen(addr: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    Ok(Bound { addr: listener.local_addr()?, listener })
}

/// The page of a node.
#[derive(Debug)]
pub struct Web {
    state: Arc<State>,
    requests: JoinHandle<()>,
}

/// Whether the page is served, and to whom.
#[derive(Debug)]
struct State {
    clients: Clients,
    logins: Arc<Mutex<Logins>>,
    open: Mutex<Option<Open>>,
    /// Where the page was served last.
    last: Mutex<Option<SocketAddr>>,
}

/// A page that is served.
#[derive(Debug)]
struct Open {
    addr: SocketAddr,
    stop: Arc<Notify>,
    /// Tells the streams of events that the page is switched off.
    off: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Open {
    /// Accepts no more connections, and gives those that are open a moment to end.
    async fn close(mut self) {
        self.stop.notify_one();
        timeout(FAREWELL, &mut self.task).await.ok();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the page at a bound address, if there is one, and otherwise when a client asks for it.
pub fn start(clients: Clients, bound: Option<Bound>, random: Random) -> Web {
    let requests = clients.page_requests();
    let logins = Arc::new(Mutex::new(Logins::new(random)));
    let state = Arc::new(State { clients, logins, open: Mutex::default(), last: Mutex::default() });
    if let Some(bound) = bound {
        state.serve(bound);
    }
    let requests = tokio::spawn(answer(state.clone(), requests));
    Web { state, requests }
}

/// Answers the requests of clients.
async fn answer(state: Arc<State>, requests: Option<mpsc::Receiver<PageRequest>>) {
    let Some(mut requests) = requests else { return };
    while let Some(PageRequest { on, answer }) = requests.recv().await {
        // It fails only if the client is gone.
        let _ = answer.send(if on { state.open() } else { Ok(state.shut().await) });
    }
}

impl Web {
    /// A link that works once. `None` if the page is not served.
    pub fn link(&self) -> Option<String> {
        self.state.addr().map(|addr| self.state.link(addr).link)
    }

    /// Ends the page, after browsers had a moment to read that the node has stopped.
    pub async fn close(self) {
        self.requests.abort();
        let open = self.state.opened().take();
        if let Some(open) = open {
            open.close().await;
        }
    }
}

impl State {
    fn opened(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<SocketAddr>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn addr(&self) -> Option<SocketAddr> {
        self.opened().as_ref().map(|open| open.addr)
    }

    fn serve(&self, Bound { listener, addr }: Bound) {
        let (off, is_off) = watch::channel(false);
        let shared = Shared { clients: self.clients.clone(), logins: self.logins.clone(), off: is_off };
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener::accept(listener, router(shared), stopped).await,
                Err(error) => tracing::warn!(%error, "the page is not served"),
            }
        });
        tracing::info!("the page is at http://{addr}");
        *self.last() = Some(addr);
        *self.opened() = Some(Open { addr, stop, off, task });
    }

    /// Where it was served before, if nobody else is there now: a tab that was left open has its drafts there.
    fn open(&self) -> Result<Option<PageLink>, String> {
        if self.addr().is_none() {
            let last = *self.last();
            let again = last.and_then(|last| bind(Some(last)).ok());
            self.serve(again.map_or_else(|| bind(None), Ok).map_err(|why| why.to_string())?);
        }
        Ok(self.addr().map(|addr| self.link(addr)))
    }

    /// Nobody is let in any more, and whoever was is told so and loses the connection.
    async fn shut(&self) -> Option<PageLink> {
        self.logins().forget();
        let open = self.opened().take();
        if let Some(open) = open {
            open.off.send_replace(true);
            open.close().await;
        }
        None
    }

    fn link(&self, addr: SocketAddr) -> PageLink {
        let code = self.logins().code(Instant::now());
        PageLink { link: format!("http://{addr}/#{code}"), lasts: CODE_LIFE }
    }

    fn logins(&self) -> std::sync::MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
