//! The attacked node, and the raw peer that attacks it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use darknode::handle::{Handle, NodeMessage, Ready, UiMessage};
use darknode::id::BootId;
use darknode::identity::network::{NetworkKey, Role};
use darknode::identity::{Name, Scheme, SecretKey};
use darknode::node::endpoint::client_config;
use darknode::node::home::SESSION_FILE;
use darknode::node::tls::{self, Credentials};
use darknode::node::{NodeConfig, start};
use darknode::proto::Accept;
use darknode::proto::event::{CloseReason, Command, Request};
use darknode::proto::notice::Drops;
use darknode::proto::notice::Notice;
use darknode::wire::chat::Chat;
use darknode::wire::control::{Batch, Control, RequestUserList};
use darknode::wire::frame::{FrameBuf, StreamType, encode_frame};
use darknode::wire::record::{KeyCard, Prekey};
use darknode::wire::{List, decode, encode};
use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::adversary::{Person, linked, text};

pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Node {
    pub handle: Handle,
    pub ready: Box<Ready>,
    pub addr: SocketAddr,
    /// All texts shown so far.
    pub shown: Vec<String>,
    dir: TempDir,
}

impl Node {
    pub fn open() -> Node {
        Node::in_network(NetworkKey::open())
    }

    pub fn in_network(network: NetworkKey) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let config = NodeConfig {
            name: Name::parse("alice").unwrap(),
            data_dir: dir.path().join("alice"),
            port: Some(0),
            network,
            roles: 0,
            accept: Accept::Auto,
            bootstrap: Vec::new(),
            lan: None,
        };
        let (mut handle, _) = start(config).unwrap();
        let Some(NodeMessage::Ready(ready, _)) = handle.from_node.try_recv() else { panic!("ready comes first") };
        let port = ready.listen.first().expect("it listens somewhere").port();
        let addr = (Ipv4Addr::LOCALHOST, port).into();
        Node { handle, ready, addr, shown: Vec::new(), dir }
    }

    /// The node's session key, from its key file.
    pub fn session_key(&self) -> SecretKey {
        let pem = std::fs::read_to_string(self.dir.path().join("alice").join(SESSION_FILE)).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = data_encoding::BASE64.decode(body.as_bytes()).unwrap();
        SecretKey::from_seed(Scheme::Ed25519, der.last_chunk().unwrap())
    }

    pub async fn say(&self, command: Command) {
        self.handle.to_node.send(UiMessage::Request(Request { line: Some(1), command })).await.unwrap();
    }

    async fn next<T>(&mut self, what: &str, find: impl Fn(&Notice) -> Option<T>) -> T {
        let search = async {
            loop {
                let message = self.handle.from_node.recv().await;
                let Some(NodeMessage::Notice { notice, .. }) = message else { panic!("the node is gone: {message:?}") };
                if let Notice::Message(view) = &*notice {
                    self.shown.push(view.text.clone());
                }
                if let Some(found) = find(&notice) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("{what} never came"))
    }

    /// The drop counters that `\me` shows.
    pub async fn drops(&mut self) -> Drops {
        self.say(Command::Me).await;
        self.next("me", |notice| match notice {
            Notice::Me(profile) => Some(profile.drops.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until a drop was counted for this reason.
    pub async fn counts(&mut self, reason: &str) {
        let counted = async {
            while !self.drops().await.contains_key(reason) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap_or_else(|_| panic!("{reason} is never counted"));
    }

    /// Asserts that a correct peer can connect and chat, and that nothing else was ever shown.
    pub async fn is_well(&mut self) {
        let bob = Person::new(4000 + self.shown.len() as u32, "bob");
        let mut honest = Peer::proved(self, &bob).await;
        honest.control(Control::Hello(bob.hello())).await;
        let prekey = honest.prekey().await;
        let mut chat = honest.open(StreamType::Chat).await;
        let user = self.ready.id;
        for (n, contents) in [vec![linked(1)], vec![text(2, "honest")]].into_iter().enumerate() {
            let items = List::<Chat, 64>(vec![bob.parcel(user, &prekey, contents)]);
            let frame = encode_frame(StreamType::Chat, &items).unwrap();
            chat.write_all(&frame).await.unwrap_or_else(|error| panic!("word {n}: {error}"));
        }
        self.next("an honest line", |notice| match notice {
            Notice::Message(view) if view.text == "honest" => Some(()),
            _ => None,
        })
        .await;
        self.say(Command::Say { to: bob.user_id(), text: "welcome".to_owned() }).await;
        self.next("the answer", |notice| matches!(notice, Notice::Queued { .. }).then_some(())).await;
        assert!(self.shown.iter().all(|text| text == "honest"), "{:?}", self.shown);
        honest.conn.close(VarInt::from_u32(0), b"");
    }
}

/// A raw QUIC connection to a node.
pub struct Peer {
    pub conn: Connection,
    pub control: SendStream,
    pub from_node: RecvStream,
    frames: FrameBuf,
    _endpoint: Endpoint,
}

/// An endpoint to dial from.
pub fn endpoint() -> Endpoint {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    Endpoint::new(Default::default(), None, socket, std::sync::Arc::new(quinn::TokioRuntime)).unwrap()
}

/// A connection with a person's certificate, on which nothing was sent.
pub async fn connect(node: &Node, person: &Person) -> (Endpoint, Connection) {
    let endpoint = endpoint();
    let (config, _) = Credentials::new(&person.session).client_config(None);
    let conn = endpoint.connect_with(client_config(config), node.addr, tls::SERVER_NAME).unwrap().await.unwrap();
    (endpoint, conn)
}

/// Like [`connect`], with this transport configuration.
pub async fn connect_as(node: &Node, person: &Person, transport: TransportConfig) -> (Endpoint, Connection) {
    let endpoint = endpoint();
    let (mut config, _) = Credentials::new(&person.session).client_config(None);
    config.transport_config(std::sync::Arc::new(transport));
    let conn = endpoint.connect_with(config, node.addr, tls::SERVER_NAME).unwrap().await.unwrap();
    (endpoint, conn)
}

/// Opens a stream of this type and writes raw bytes.
pub async fn write(conn: &Connection, kind: u8, bytes: &[u8]) -> SendStream {
    let mut stream = conn.open_uni().await.unwrap();
    stream.write_all(&[&[kind], bytes].concat()).await.ok();
    stream
}

/// A valid request.
pub fn request(node: &Node) -> Control {
    Control::RequestUserList(RequestUserList { id: 1, user: node.ready.id })
}

/// A frame around any bytes.
pub fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// Why the node closed a connection.
pub async fn close_reason(conn: &Connection) -> u64 {
    match timeout(PATIENCE, conn.closed()).await.expect("it is closed") {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("not an application close: {other}"),
    }
}

impl Peer {
    /// Connects and exchanges proofs of the open network.
    pub async fn proved(node: &Node, person: &Person) -> Peer {
        Peer::proved_on(connect(node, person).await).await
    }

    pub async fn proved_on((endpoint, conn): (Endpoint, Connection)) -> Peer {
        let proof = NetworkKey::open().prove(&tls::exporter(&conn), Role::Dialler, BootId(9));
        let control = write(&conn, StreamType::Control as u8, &frame(&encode(&proof))).await;
        let mut from_node = timeout(PATIENCE, conn.accept_uni()).await.unwrap().unwrap();
        from_node.read_exact(&mut [0]).await.unwrap();
        let mut length = [0; 4];
        from_node.read_exact(&mut length).await.unwrap();
        from_node.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).await.unwrap();
        Peer { conn, control, from_node, frames: FrameBuf::new(StreamType::Control), _endpoint: endpoint }
    }

    /// Connects and exchanges proofs and hellos.
    pub async fn greeted(node: &Node, person: &Person) -> Peer {
        let mut peer = Peer::proved(node, person).await;
        peer.control(Control::Hello(person.hello())).await;
        peer
    }

    pub async fn control(&mut self, message: Control) {
        let batch: Batch = List(vec![message]);
        self.raw(&encode_frame(StreamType::Control, &batch).unwrap()).await;
    }

    /// Writes raw bytes to the control stream.
    pub async fn raw(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.control.write_all(bytes)).await.expect("it is taken, or the connection ends").ok();
    }

    pub async fn open(&self, kind: StreamType) -> SendStream {
        write(&self.conn, kind as u8, &[]).await
    }

    /// The next control frame of the node.
    pub async fn hear(&mut self) -> Vec<Control> {
        while !self.frames.has_frame().unwrap() {
            let chunk = timeout(PATIENCE, self.from_node.read_chunk(64 * 1024, true)).await.unwrap().unwrap().unwrap();
            self.frames.push(&chunk.bytes);
        }
        decode::<Batch>(self.frames.next_frame().unwrap().unwrap()).unwrap().0
    }

    /// The prekey in the node's hello.
    pub async fn prekey(&mut self) -> Prekey {
        loop {
            for message in self.hear().await {
                if let Control::Hello(hello) = message {
                    return decode::<KeyCard>(&hello.card.unwrap().0).unwrap().prekeys[0].clone();
                }
            }
        }
    }

    /// Waits until the node closes the connection for this reason.
    pub async fn is_closed(&self, reason: CloseReason) {
        assert_eq!(close_reason(&self.conn).await, reason as u64);
    }
}
