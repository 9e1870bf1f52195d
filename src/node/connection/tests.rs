//! Two nodes on loopback, and peers that violate the protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint};
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::id::SessionId;
use crate::identity::{Scheme, SecretKey};
use crate::node::admission::admit;
use crate::node::connections::Connections;
use crate::node::endpoint::{client_config, open, server_config};
use crate::node::tls;
use crate::proto::event::DialFailure;
use crate::wire::chat::{Parcel, Release};
use crate::wire::control::RequestUserList;
use crate::wire::proof::Proof;
use crate::wire::{Bytes, Fixed, List, encode};

const PATIENCE: Duration = Duration::from_secs(20);

pub fn shared(seed: [u8; 32], network: NetworkKey) -> (Shared, mpsc::Receiver<Event>) {
    let (events, inputs) = mpsc::channel(64);
    let credentials = Credentials::new(&SecretKey::from_seed(Scheme::Ed25519, &seed));
    let boot = BootId(u64::from(seed[0]));
    (Shared::new(credentials, network, boot, Clock::new(Default::default()), events), inputs)
}

/// A node without a core.
pub struct End {
    pub shared: Arc<Shared>,
    pub endpoint: Endpoint,
    inputs: mpsc::Receiver<Event>,
    connections: Connections,
}

impl End {
    pub fn new(seed: u8, network: NetworkKey, shape: impl FnOnce(&mut Limits)) -> End {
        let (mut shared, inputs) = shared([seed; 32], network);
        shape(&mut shared.limits);
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (endpoint, _) = open(socket, server_config(shared.credentials.server_config())).unwrap();
        let shared = Arc::new(shared);
        tokio::spawn(admit(endpoint.clone(), shared.clone()));
        End { shared, endpoint, inputs, connections: Connections::default() }
    }

    pub fn open(seed: u8) -> End {
        End::new(seed, NetworkKey::open(), |_| {})
    }

    pub fn addr(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    fn session(&self) -> SessionId {
        SessionId(SecretKey::from_seed(Scheme::Ed25519, &[self.shared.boot.0 as u8; 32]).public())
    }

    pub fn dial(&self, n: u64, addr: SocketAddr, expect: Option<SessionId>) {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        tokio::spawn(dial(self.endpoint.clone(), self.shared.clone(), DialId(n), addr, expect, permit));
    }

    pub async fn next(&mut self) -> Input {
        match timeout(PATIENCE, self.inputs.recv()).await.expect("an event arrives").unwrap() {
            Event::Up { connected, handle } => {
                self.connections.open(connected.conn, handle);
                Input::Connected(connected)
            }
            Event::Input(input) | Event::Received { input, .. } => input,
        }
    }

    pub async fn connected(&mut self) -> Connected {
        match self.next().await {
            Input::Connected(connected) => connected,
            other => panic!("expected a connection, got {other:?}"),
        }
    }

    /// A raw QUIC connection with the certificate of this end.
    async fn raw(&self, addr: SocketAddr) -> Connection {
        let (config, _) = self.shared.credentials.client_config(None);
        self.endpoint.connect_with(client_config(config), addr, tls::SERVER_NAME).unwrap().await.unwrap()
    }

    /// Like `raw`, with the proofs exchanged.
    async fn raw_and_proved(&self, addr: SocketAddr) -> (Connection, Proved) {
        let conn = self.raw(addr).await;
        let proved = proving::prove(&conn, &self.shared, Role::Dialler).await.unwrap_or_else(|error| panic!("{error}"));
        (conn, proved)
    }
}

async fn two() -> (End, Connected, End, Connected) {
    let (mut a, mut b) = (End::open(1), End::open(2));
    a.dial(7, b.addr(), Some(b.session()));
    let (to_b, to_a) = (a.connected().await, b.connected().await);
    (a, to_b, b, to_a)
}

fn request(id: u64) -> Control {
    Control::RequestUserList(RequestUserList { id, user: crate::id::UserId([3; 32]) })
}

/// The connection that has ended, if that is what happened.
fn closed(input: Input) -> Option<ConnId> {
    if let Input::Closed { conn, .. } = input { Some(conn) } else { None }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

async fn close_code(conn: &Connection) -> u64 {
    match timeout(PATIENCE, conn.closed()).await.expect("closed") {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("not an application close: {other}"),
    }
}

#[tokio::test]
async fn both_ends_prove_themselves_and_know_who_dialled() {
    let (a, to_b, b, to_a) = two().await;
    assert_eq!((to_b.session, to_b.boot, to_b.dial), (b.session(), BootId(2), Some(DialId(7))));
    assert_eq!((to_a.session, to_a.boot, to_a.dial), (a.session(), BootId(1), None));
    assert_eq!((to_b.addr, to_a.addr), (b.addr(), a.addr()));
}

#[tokio::test]
async fn queued_messages_arrive_in_order_before_a_requested_close() {
    let (mut a, to_b, mut b, to_a) = two().await;
    for id in 0..150 {
        a.connections.control(to_b.conn, request(id));
    }
    let parcel = |n: u8| Chat::Parcel(Parcel { envelope: Bytes(vec![n; 20_000]), life_ms: 1, copies: 1 });
    for n in 0..60 {
        a.connections.chat(to_b.conn, parcel(n));
    }
    a.connections.close(to_b.conn, CloseReason::Bye);
    let (mut control, mut chat) = (Vec::new(), Vec::new());
    loop {
        match b.next().await {
            Input::Control { batch, .. } => control.extend(batch),
            Input::Chat { items, .. } => chat.extend(items),
            Input::Closed { conn, .. } => break assert_eq!(conn, to_a.conn),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(control, (0..150).map(request).collect::<Vec<_>>());
    assert_eq!(chat, (0..60).map(parcel).collect::<Vec<_>>());
    assert_eq!(closed(a.next().await), Some(to_b.conn));
}

#[tokio::test]
async fn a_dial_answered_by_another_session_reports_that_session() {
    let (mut a, b, c) = (End::open(1), End::open(2), End::open(3));
    a.dial(1, b.addr(), Some(c.session()));
    let failure = DialFailure::Met(b.session());
    assert_eq!(a.next().await, Input::DialFailed { dial: DialId(1), failure });
}

#[tokio::test]
async fn an_unanswered_dial_fails_at_its_deadline() {
    let mut a = End::new(1, NetworkKey::open(), |limits| limits.dial = Duration::from_millis(50));
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    a.dial(1, silent.local_addr().unwrap(), None);
    assert_eq!(a.next().await, Input::DialFailed { dial: DialId(1), failure: DialFailure::Unreachable });
}

#[tokio::test]
async fn without_the_network_key_no_connection_is_reported() {
    let mut inside = End::new(1, NetworkKey::generate([5; 64]), |_| {});
    let mut outside = End::open(2);
    outside.dial(1, inside.addr(), None);
    assert_eq!(outside.next().await, Input::DialFailed { dial: DialId(1), failure: DialFailure::Stranger });
    inside.dial(1, outside.addr(), None);
    assert_eq!(inside.next().await, Input::DialFailed { dial: DialId(1), failure: DialFailure::Stranger });
    assert!(inside.inputs.try_recv().is_err() && outside.inputs.try_recv().is_err());
    assert!(inside.shared.counters.strangers.get() + outside.shared.counters.strangers.get() >= 2);
}

#[tokio::test]
async fn a_peer_without_a_common_version_is_a_stranger() {
    let (a, b) = (End::open(1), End::open(2));
    let conn = a.raw(b.addr()).await;
    let mut proof: Proof = a.shared.network.prove(&tls::exporter(&conn), Role::Dialler, a.shared.boot);
    proof.versions = List(vec![99]);
    let mut control = conn.open_uni().await.unwrap();
    control.write_all(&[StreamType::Control as u8]).await.unwrap();
    control.write_all(&frame(&encode(&proof))).await.unwrap();
    assert_eq!(close_code(&conn).await, CloseReason::Stranger as u64);
    assert_eq!(b.shared.counters.strangers.get(), 1);
}

#[tokio::test]
async fn a_peer_without_a_proof_is_closed_at_the_deadline() {
    let a = End::open(1);
    let b = End::new(2, NetworkKey::open(), |limits| limits.handshake = Duration::from_millis(300));
    let conn = a.raw(b.addr()).await;
    assert_eq!(close_code(&conn).await, CloseReason::Stranger as u64);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_never_reported_as_connected() {
    let mut b = End::open(2);
    let mut bare = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnyServer))
        .with_no_client_auth();
    bare.alpn_protocols = vec![tls::ALPN.to_vec()];
    let bare = quinn::crypto::rustls::QuicClientConfig::try_from(bare).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(bare));
    let conn = b.endpoint.connect_with(config, b.addr(), tls::SERVER_NAME).unwrap().await;
    let conn = conn.expect("the handshake succeeds on the client side");
    timeout(PATIENCE, conn.closed()).await.expect("refused");
    assert!(b.inputs.try_recv().is_err());
}

/// Accepts every server certificate.
#[derive(Debug)]
struct TrustAnyServer;

impl rustls::client::danger::ServerCertVerifier for TrustAnyServer {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ED25519]
    }
}

#[tokio::test]
async fn a_frame_of_two_gibibytes_closes_the_connection_without_an_allocation() {
    let (a, mut b) = (End::open(1), End::open(2));
    let (conn, mut proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    proved.control_out.write_all(&(1u32 << 31).to_be_bytes()).await.unwrap();
    assert_eq!(close_code(&conn).await, CloseReason::Protocol as u64);
    assert_eq!(closed(b.next().await), Some(connected.conn));
    assert_eq!(b.shared.counters.protocol.get(), 1);
}

#[tokio::test]
async fn malformed_frames_close_the_connection_after_earlier_frames_were_handled() {
    let (a, mut b) = (End::open(1), End::open(2));
    let (conn, mut proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    let good = frame(&encode(&List::<_, 64>(vec![request(1)])));
    proved.control_out.write_all(&[good, frame(b"\xff\xff")].concat()).await.unwrap();
    assert_eq!(b.next().await, Input::Control { conn: connected.conn, batch: vec![request(1)] });
    assert_eq!(closed(b.next().await), Some(connected.conn));
    assert_eq!(close_code(&conn).await, CloseReason::Protocol as u64);
}

#[tokio::test]
async fn an_incomplete_frame_closes_the_connection_at_the_deadline() {
    let a = End::open(1);
    let mut b = End::new(2, NetworkKey::open(), |limits| limits.frame = Duration::from_millis(200));
    let (conn, mut proved) = a.raw_and_proved(b.addr()).await;
    b.connected().await;
    proved.control_out.write_all(&[0, 0, 0, 9, 1]).await.unwrap();
    assert_eq!(close_code(&conn).await, CloseReason::Limits as u64);
    assert_eq!(b.shared.counters.limits.get(), 1);
}

#[tokio::test]
async fn unknown_streams_are_stopped_and_the_connection_continues() {
    let (a, mut b) = (End::open(1), End::open(2));
    let (conn, mut proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    for _ in 0..20 {
        let mut unknown = conn.open_uni().await.unwrap();
        unknown.write_all(&[77, 1, 2, 3]).await.unwrap();
        assert!(unknown.stopped().await.unwrap().is_some(), "stopped, not read");
    }
    let (mut both_ways, _) = conn.open_bi().await.unwrap();
    both_ways.write_all(b"x").await.unwrap();
    assert!(both_ways.stopped().await.unwrap().is_some());
    proved.control_out.write_all(&frame(&encode(&List::<_, 64>(vec![request(1)])))).await.unwrap();
    assert_eq!(b.next().await, Input::Control { conn: connected.conn, batch: vec![request(1)] });
}

#[tokio::test]
async fn a_thousand_streams_at_once_are_too_many() {
    let (a, mut b) = (End::open(1), End::open(2));
    let (conn, _proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    let flood = async {
        for opened in 0..1000 {
            let Ok(mut stream) = conn.open_uni().await else { return opened };
            stream.write_all(&[77]).await.ok();
        }
        1000
    };
    let opened = timeout(PATIENCE, flood).await.expect("the connection is closed or all streams are stopped");
    assert!(opened < 1000);
    assert_eq!(close_code(&conn).await, CloseReason::Limits as u64);
    assert_eq!(closed(b.next().await), Some(connected.conn));
}

#[tokio::test]
async fn a_stream_without_a_type_closes_the_connection_at_the_deadline() {
    let a = End::open(1);
    let mut b = End::new(2, NetworkKey::open(), |limits| limits.frame = Duration::from_millis(200));
    let (conn, _proved) = a.raw_and_proved(b.addr()).await;
    b.connected().await;
    let _silent = conn.open_uni().await.unwrap();
    let mut later = conn.open_uni().await.unwrap();
    later.write_all(&[77]).await.unwrap();
    assert_eq!(close_code(&conn).await, CloseReason::Limits as u64);
}

#[tokio::test]
async fn a_second_control_or_chat_stream_violates_the_protocol() {
    for kind in [StreamType::Control, StreamType::Chat] {
        let (a, mut b) = (End::open(1), End::open(2));
        let (conn, _proved) = a.raw_and_proved(b.addr()).await;
        b.connected().await;
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = conn.open_uni().await.unwrap();
            stream.write_all(&[kind as u8]).await.unwrap();
            streams.push(stream);
        }
        assert_eq!(close_code(&conn).await, CloseReason::Protocol as u64);
    }
}

#[tokio::test]
async fn a_finished_stream_violates_the_protocol_unless_its_connection_is_closed_next() {
    let a = End::open(1);
    let mut b = End::new(2, NetworkKey::open(), |limits| limits.frame = Duration::from_millis(200));
    let (conn, mut proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    proved.control_out.finish().unwrap();
    assert_eq!(close_code(&conn).await, CloseReason::Protocol as u64);
    assert_eq!(closed(b.next().await), Some(connected.conn));
    let (conn, mut proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    proved.control_out.finish().unwrap();
    proved.control_out.stopped().await.ok();
    conn.close(VarInt::from_u32(0), b"");
    assert_eq!(closed(b.next().await), Some(connected.conn));
    assert_eq!(b.shared.counters.protocol.get(), 1);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_closed_and_never_waited_for() {
    let (a, mut b) = (End::open(1), End::open(2));
    let (conn, _proved) = a.raw_and_proved(b.addr()).await;
    let connected = b.connected().await;
    let release = || Chat::Release(Release { envelope: crate::id::EnvelopeId([1; 32]), r: Fixed([2; 32]) });
    let parcel = || Chat::Parcel(Parcel { envelope: Bytes(vec![1; 20_000]), life_ms: 1, copies: 1 });
    for _ in 0..QUEUE {
        b.connections.chat(connected.conn, parcel());
        b.connections.chat(connected.conn, release());
    }
    assert_eq!(close_code(&conn).await, CloseReason::Limits as u64);
    assert_eq!(closed(b.next().await), Some(connected.conn));
}

#[tokio::test]
async fn a_connection_closed_by_the_peer_is_reported_closed_once_with_the_reason() {
    let (mut a, to_b, b, _) = two().await;
    b.endpoint.close(VarInt::from_u32(CloseReason::Surplus as u32), b"\x1b[2J");
    assert_eq!(a.next().await, Input::Closed { conn: to_b.conn, reason: Some(CloseReason::Surplus) });
    a.connections.control(to_b.conn, request(1));
    assert!(a.inputs.try_recv().is_err());
}
