//! Starting a node: everything that can fail, in an order in which a failure leaves as little behind as it can; then its
//! tasks.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::admission::admit;
use super::bootstrap::{self, BadPlace, Place};
use super::clock::{Clock, random};
use super::connection::Common;
use super::endpoint::{self, BindError};
use super::home::{Home, HomeError, Identity};
use super::interfaces;
use super::lan::Lan;
use super::node_loop::{EVENTS, Leaving, Node, Ways};
use super::printer::Printer;
use super::store::{Me, Store, StoreError};
use super::tls::Credentials;
use crate::handle::{Handle, NodeMessage, REQUESTS, Ready};
use crate::id::BootId;
use crate::identity::Name;
use crate::identity::network::NetworkKey;
use crate::proto::event::Input;
use crate::proto::notice::{Notice, WarningCode};
use crate::proto::{Accept, Config, Core};
use crate::wire::record::roles;

/// Bytes of a session's label, the host's name.
const MAX_LABEL: usize = 64;

/// How a node is to be.
#[derive(Clone)]
pub struct NodeConfig {
    pub name: Name,
    pub data_dir: PathBuf,
    /// `None`: the default, or any free one if that is taken.
    pub port: Option<u16>,
    pub network: NetworkKey,
    /// Bits of [`roles`].
    pub roles: u32,
    pub accept: Accept,
    /// Each `host[:port]`.
    pub bootstrap: Vec<String>,
    /// The port of mDNS ([`MDNS_PORT`](super::lan::MDNS_PORT)); `None`: no mDNS.
    pub lan: Option<u16>,
}

/// Why a node cannot start: a configuration that cannot work. One line each, saying what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Place(#[from] BadPlace),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the network cannot be used: {0}")]
    Endpoint(#[from] std::io::Error),
}

/// Starts a node, as tasks of the runtime that this is called in. It runs until somebody asks it to quit, or until its
/// handle is dropped; the task that is returned then ends, and the data directory is free again.
pub fn start(config: NodeConfig) -> Result<(Handle, JoinHandle<()>), StartError> {
    let places = config.bootstrap.iter().map(|place| Place::parse(place)).collect::<Result<Vec<_>, _>>()?;
    let socket = endpoint::bind(config.port)?;
    let home = Home::open(&config.data_dir)?;
    let identity = home.identity(&config.name, random)?;
    home.enter(config.network.id())?;
    let me = Me { id: identity.user, name: identity.name.as_str().to_owned() };
    let store = Store::open(&config.data_dir, me)?;
    let (to_node, from_face) = mpsc::channel(REQUESTS);
    let (to_face, from_node) = mpsc::unbounded_channel();
    let parts = Parts { config, places, socket, identity, store };
    let (node, ways, leaving) = parts.assemble(from_face, to_face.clone())?;
    let task = tokio::spawn(async move {
        let outcome = tokio::spawn(node.run(ways, leaving)).await;
        drop(home);
        let last = match outcome {
            Ok(()) => NodeMessage::Stopped,
            Err(error) => NodeMessage::Failed(format!("the node stopped by an error of its own: {error}")),
        };
        to_face.send(last).ok();
    });
    Ok((Handle { to_node, from_node }, task))
}

/// Everything that was opened.
struct Parts {
    config: NodeConfig,
    places: Vec<Place>,
    socket: std::net::UdpSocket,
    identity: Identity,
    store: Store,
}

impl Parts {
    /// Puts it together. From here on the world sees us.
    fn assemble(
        mut self,
        from_face: mpsc::Receiver<crate::handle::UiMessage>,
        to_face: mpsc::UnboundedSender<NodeMessage>,
    ) -> std::io::Result<(Node, Ways, Leaving)> {
        let clock = Clock::new(self.store.alive);
        let boot = BootId(u64::from_be_bytes(random()));
        let credentials = Credentials::new(&self.identity.session_key);
        let endpoint = endpoint::open(self.socket, endpoint::server_config(credentials.server_config()))?;
        let local = endpoint.local_addr()?;
        let (events, from_tasks) = mpsc::channel(EVENTS);
        let common = Common::new(credentials, self.config.network.clone(), boot, clock, events.clone());
        let common = Arc::new(common);

        let memory = std::mem::take(&mut self.store.memory);
        let printer = Printer::new(self.store.printed, memory.counters.arrival);
        let set_aside = self.store.set_aside.take();
        let (see, seen) = watch::channel(interfaces::list());
        let ready = ready(&self.config, &self.identity, interfaces::all(&seen.borrow(), local.port(), local.is_ipv6()));
        to_face.send(NodeMessage::Ready(Box::new(ready))).ok();
        if let Some(path) = set_aside {
            let message = format!("the store was damaged; it was put aside as {} and a new one begun", path.display());
            let notice = Notice::Warning { code: WarningCode::Disk, message, user: None };
            to_face.send(NodeMessage::Notice { line: None, notice }).ok();
        }
        let user = self.identity.user;
        let listen = interfaces::all(&seen.borrow(), local.port(), local.is_ipv6());
        let config = core_config(&self.config, self.identity, local.port(), boot);
        let mut core = Core::new(config, memory, clock.now());
        // Before anybody can ask for them.
        core.handle(clock.now(), Input::Interfaces { addrs: interfaces::dialable(&listen) });
        let (store_events, from_store) = mpsc::unbounded_channel();
        let tell = move |event| {
            store_events.send(event).ok();
        };
        let (store, store_thread) = self.store.start(move || clock.now().moment, tell)?;

        let mut tasks = JoinSet::new();
        tasks.spawn(admit(endpoint.clone(), common.clone()));
        tasks.spawn(interfaces::watch(local.port(), local.is_ipv6(), see, events.clone()));
        tasks.spawn(bootstrap::resolve(self.places, events.clone()));
        let lan = self.config.lan.map(|mdns_port| {
            let lan = Lan { boot, network: self.config.network, port: local.port(), mdns_port, interfaces: seen };
            let (leave, left) = oneshot::channel();
            (leave, tokio::spawn(lan.run(events, common.counters.clone(), left)))
        });
        let node = Node::new(core, user, printer, store, to_face, endpoint, common);
        Ok((node, Ways { from_face, from_tasks, from_store }, Leaving { tasks, lan, store_thread }))
    }
}

fn ready(config: &NodeConfig, identity: &Identity, listen: Vec<std::net::SocketAddr>) -> Ready {
    let names = [(roles::RELAY, "relay"), (roles::SERVER, "server")];
    Ready {
        user: identity.name.as_str().to_owned(),
        id: identity.user,
        fresh: identity.fresh,
        session: identity.session,
        listen,
        network: config.network.is_closed().then(|| config.network.id()),
        roles: names.iter().filter(|(bit, _)| config.roles & bit != 0).map(|(_, name)| *name).collect(),
    }
}

fn core_config(config: &NodeConfig, identity: Identity, port: u16, boot: BootId) -> Config {
    Config {
        name: identity.name,
        user_key: identity.user_key,
        user: identity.user,
        session_key: identity.session_key,
        label: label(),
        network: config.network.id(),
        roles: config.roles,
        accept: config.accept,
        port,
        agent: concat!("darknode/", env!("CARGO_PKG_VERSION")).into(),
        boot,
        seed: random(),
    }
}

/// What people call this session: the host's name, as far as it fits.
fn label() -> String {
    let mut label = gethostname::gethostname().to_string_lossy().into_owned();
    while label.len() > MAX_LABEL {
        label.pop();
    }
    label
}
