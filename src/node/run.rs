//! Starting a node. Steps that can fail are ordered so that a failure leaves as little behind as possible; the tasks
//! are spawned last.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::admission::admit;
use super::bootstrap;
use super::clock::{Clock, random};
use super::connection::Shared;
use super::endpoint::{self, BindError};
use super::examiner::Examiner;
use super::home::{Home, HomeError, Identity};
use super::interfaces;
use super::lan::{Heard, Lan};
use super::node_loop::{Background, EVENTS, Node, Receivers};
use super::places;
use super::socket::Closed;
use super::store::{Me, Store, StoreError};
use super::tls::Credentials;
use crate::handle::{self, Handle, NodeEnds, NodeMessage, Ready, Start};
use crate::id::{BootId, BootNonce, SessionId, UserId};
use crate::identity::network::NetworkKey;
use crate::identity::place::{DEFAULT_PORT, Place, Target};
use crate::identity::{Name, Scheme, SecretKey};
use crate::proto::event::Input;
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::{Accept, Config, Core};
use crate::wire::link::WAITING_NAME;
use crate::wire::record::{MAX_LABEL, roles};

/// The configuration of a node.
#[derive(Clone)]
pub struct NodeConfig {
    /// The user's name. Must match the owner of the data directory, if there is one.
    pub name: Name,
    /// The data directory; created if missing. One running node per directory.
    pub data_dir: PathBuf,
    /// The UDP port. `None` uses the default port, or any free one if that is taken; a server needs the default port, because
    /// others assume it.
    pub port: Option<u16>,
    /// The key of the closed network, or the open network.
    pub network: NetworkKey,
    /// Bits of [`roles`].
    pub roles: u32,
    /// How to answer link requests.
    pub accept: Accept,
    /// Nodes to dial at the start and every minute.
    pub bootstrap: Vec<Target>,
    /// The UDP port of mDNS ([`MDNS_PORT`](super::lan::MDNS_PORT)); `None` switches mDNS off.
    pub lan: Option<u16>,
}

/// Why a node cannot start. The text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The UDP socket cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The endpoint or the store's thread cannot be started.
    #[error("the network cannot be used: {0}")]
    Endpoint(#[from] std::io::Error),
}

/// The last close packets hold the port for three probe timeouts, which is a second where nobody answered.
const PORT_FREE: Duration = Duration::from_secs(3);

/// Starts a node as tasks of the current tokio runtime. It runs until it is asked to quit or its handle is dropped.
/// When the returned task ends, the data directory and the port are free again.
///
/// # Errors
/// See [`StartError`]. Nothing keeps running after an error.
pub fn start(config: NodeConfig) -> Result<(Handle, JoinHandle<()>), StartError> {
    let is_server = config.roles & roles::SERVER != 0;
    let socket = endpoint::bind(config.port.or(is_server.then_some(DEFAULT_PORT)))?;
    let home = Home::open(&config.data_dir)?;
    let identity = home.identity(&config.name, random)?;
    home.join_network(config.network.id())?;
    let me = Me { id: identity.user, session: identity.session, name: identity.name.as_str().to_owned() };
    let store = Store::open(&config.data_dir, me)?;
    Ok(spawn(Parts { config, socket, identity, store, waits: false }, Some(home))?)
}

/// Starts a node that waits to be linked: a session of a throw-away user, which keeps nothing. Its name and data directory in
/// `config` are not used.
///
/// # Errors
/// See [`StartError`]. Nothing keeps running after an error.
pub fn start_waiting(config: NodeConfig, session_key: SecretKey) -> Result<(Handle, JoinHandle<()>), StartError> {
    let socket = endpoint::bind(config.port)?;
    let user_key = SecretKey::from_seed(Scheme::Ed25519, &random());
    let identity = Identity {
        name: Name::parse(WAITING_NAME).expect("it is a name"),
        user: UserId(user_key.public()),
        user_key: Some(user_key),
        session: SessionId(session_key.public()),
        session_key,
        fresh: true,
        is_new_user: true,
    };
    let store = Store::in_memory(&Me { id: identity.user, session: identity.session, name: WAITING_NAME.to_owned() })?;
    Ok(spawn(Parts { config, socket, identity, store, waits: true }, None)?)
}

/// Runs a node as a task. The data directory and the port are free when it ends.
fn spawn(parts: Parts, home: Option<Home>) -> std::io::Result<(Handle, JoinHandle<()>)> {
    let (handle, ends) = handle::channels();
    let to_ui = ends.to_ui.clone();
    let (node, receivers, background, closed) = parts.assemble(ends)?;
    let task = tokio::spawn(async move {
        let outcome = tokio::spawn(node.run(receivers, background)).await;
        drop(home);
        let last = match outcome {
            Ok(()) => NodeMessage::Stopped,
            Err(error) => NodeMessage::Failed(format!("internal error: {error}")),
        };
        to_ui.send(last).ok();
        if timeout(PORT_FREE, closed).await.is_err() {
            tracing::warn!("the port is still in use");
        }
    });
    Ok((handle, task))
}

/// The resources opened by [`start`].
struct Parts {
    config: NodeConfig,
    socket: std::net::UdpSocket,
    identity: Identity,
    store: Store,
    /// The session waits to be linked.
    waits: bool,
}

impl Parts {
    /// Builds the core and spawns the tasks. From here on, other nodes can reach this one.
    fn assemble(mut self, ends: NodeEnds) -> std::io::Result<(Node, Receivers, Background, Closed)> {
        let NodeEnds { from_ui, printed, to_ui, counts } = ends;
        let clock = Clock::new(self.store.alive);
        let boot_nonce = random();
        let boot = BootId::of(&self.identity.session, &boot_nonce);
        let credentials = Credentials::new(&self.identity.session_key);
        let (endpoint, closed) = endpoint::open(self.socket, endpoint::server_config(credentials.server_config()))?;
        let local = endpoint.local_addr()?;
        let (events, from_tasks) = mpsc::channel(EVENTS);
        let shared = Shared::new(credentials, self.config.network.clone(), boot, clock, events.clone());
        let shared = Arc::new(shared);

        let earlier = self.store.begin(boot);
        let memory = std::mem::take(&mut self.store.memory);
        let set_aside = self.store.set_aside.take();
        let (see, seen) = watch::channel(interfaces::list());
        let listen = interfaces::all(&seen.borrow(), local.port(), local.is_ipv6());
        let ready = ready(&self.config, &self.identity, &listen, places::link_local(&listen, &seen.borrow()));
        let start = Start { boot, printed: self.store.printed, arrival: memory.counters.arrival, earlier };
        to_ui.send(NodeMessage::Ready(Box::new(ready), start)).ok();
        if let Some(path) = set_aside {
            let message = format!("the store was damaged; it was moved to {} and a new one created", path.display());
            let notice = Notice::Warning { code: WarningCode::Disk, message, user: None };
            to_ui.send(NodeMessage::notice(None, notice)).ok();
        }
        let config = core_config(&self.config, self.identity, self.waits, boot_nonce);
        let mut core = Core::new(config, memory, clock.now());
        // The core must know its addresses before the first request.
        core.handle(clock.now(), Input::Interfaces { addrs: interfaces::dialable(&listen) });
        let (store_events, from_store) = mpsc::unbounded_channel();
        let tell = move |event| {
            store_events.send(event).ok();
        };
        let (store, store_thread) = self.store.start(move || clock.now().moment, tell)?;

        let mut tasks = JoinSet::new();
        tasks.spawn(admit(endpoint.clone(), shared.clone()));
        tasks.spawn(interfaces::watch(local.port(), local.is_ipv6(), see, events.clone()));
        for target in self.config.bootstrap {
            tasks.spawn(bootstrap::resolve(target, events.clone(), to_ui.clone()));
        }
        let heard = self.config.lan.map(|_| Arc::<Heard>::default());
        let lan = self.config.lan.zip(heard.clone()).map(|(mdns_port, heard)| {
            let (network, port, ui) = (self.config.network, local.port(), to_ui.clone());
            let lan = Lan { boot, network, port, mdns_port, interfaces: seen, heard, ui };
            let (leave, left) = oneshot::channel();
            (leave, tokio::spawn(lan.run(events, shared.counters.clone(), left)))
        });
        let data_dir = (!self.waits).then_some(self.config.data_dir);
        let examiner = Examiner { data_dir, port: local.port(), heard, clock, committed: None, refuses: None };
        let node = Node::new(core, store, to_ui, endpoint, shared, examiner);
        let receivers = Receivers { from_ui, printed, from_tasks, from_store, counts };
        Ok((node, receivers, Background { tasks, lan, store_thread }, closed))
    }
}

fn ready(config: &NodeConfig, identity: &Identity, listen: &[SocketAddr], link_local: Vec<Place>) -> Ready {
    let names = [(roles::RELAY, "relay"), (roles::SERVER, "server")];
    Ready {
        user: identity.name.as_str().to_owned(),
        id: identity.user,
        fresh: identity.fresh,
        session: identity.session,
        listen: listen.to_vec(),
        link_local,
        network: config.network.is_closed().then(|| config.network.id()),
        roles: names.iter().filter(|(bit, _)| config.roles & bit != 0).map(|(_, name)| *name).collect(),
    }
}

fn core_config(config: &NodeConfig, identity: Identity, waits: bool, boot_nonce: BootNonce) -> Config {
    Config {
        name: identity.name,
        user_key: identity.user_key,
        user: identity.user,
        is_new_user: identity.is_new_user,
        session_key: identity.session_key,
        label: label(),
        network: config.network.id(),
        roles: config.roles,
        waits,
        accept: config.accept,
        agent: concat!("darknode/", env!("CARGO_PKG_VERSION")).into(),
        boot_nonce,
        seed: random(),
    }
}

/// The label of this session: the host's name, cut to [`MAX_LABEL`] bytes.
fn label() -> String {
    let mut label = gethostname::gethostname().to_string_lossy().into_owned();
    while label.len() > MAX_LABEL {
        label.pop();
    }
    label
}
