//! The UDP socket and the QUIC endpoint on it, used for dialling and accepting.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Endpoint, EndpointConfig, Runtime, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

use super::delivery::Counting;
use super::socket::{BoundedSocket, Closed};
use crate::identity::place::DEFAULT_PORT;
use crate::proto::limits::LOST_GRACE;

/// Incoming handshakes that may be pending at once.
pub(crate) const MAX_PENDING: usize = 256;
/// Unidirectional streams a peer may have open: one control, one chat, and spare for later types. Each costs idle
/// memory from the start (`docs/decisions.md`, numbers).
const UNI_STREAMS: u32 = 8;
/// Bidirectional streams a peer may have open. None is used yet.
const BIDI_STREAMS: u32 = 4;
/// Bytes in flight per stream: one chat frame, which is enough to keep the connection busy.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes in flight per connection: what a hostile peer can make this node hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Kernel buffers, in bytes. At 2 MiB loopback loses nothing where the default loses thousands of packets. The kernel
/// may grant less.
const SOCKET_BUFFER: usize = 2 * 1024 * 1024;
/// Idle timeout: counted from the last packet received, or from the first packet sent after it. A peer that hangs for
/// 8 s and was heard up to one [`KEEP_ALIVE`] before keeps its connections. A peer that is killed is given up 13.5 s
/// later at most, so that with the core's grace period it is reported lost within 15 s.
const IDLE: Duration = Duration::from_millis(10_800);
/// Keep-alive interval of the side that dialled.
const KEEP_ALIVE: Duration = Duration::from_millis(2500);
/// Keep-alive interval of the side that accepted. It is longer, so that this side only sends when the dialler's
/// packets stay away, and an idle connection costs one packet each way per interval instead of two.
const KEEP_ALIVE_ACCEPTED: Duration = Duration::from_millis(2700);
/// A hang that connections must survive, and the time within which a dead peer must be reported lost
/// (`docs/decisions.md`).
const HANG: Duration = Duration::from_secs(8);
const MISSED_WITHIN: Duration = Duration::from_secs(15);
const _: () = assert!(HANG.as_millis() + KEEP_ALIVE.as_millis() < IDLE.as_millis());
const _: () =
    assert!(KEEP_ALIVE_ACCEPTED.as_millis() + IDLE.as_millis() + LOST_GRACE.as_millis() < MISSED_WITHIN.as_millis());
/// A third of quinn's default: at 30 % loss a handshake takes 0.3 s instead of 1 s (`docs/decisions.md`, numbers).
const INITIAL_RTT: Duration = Duration::from_millis(100);

/// Why the UDP socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program uses the port.
    #[error(
        "UDP port {0} is taken: stop the program that has it, or choose another with --port (0 takes any free one)"
    )]
    Taken(u16),
    /// The port needs privileges.
    #[error("UDP port {0} is reserved for the system: choose one above 1023 with --port")]
    Reserved(u16),
    /// Any other error.
    #[error("no UDP socket could be opened: {0}")]
    Io(#[from] io::Error),
}

/// Opens the socket, dual-stack where the system has IPv6. Without a port: 27272, or any free one if that is taken.
/// Port 0 is any free one.
///
/// # Errors
/// See [`BindError`].
pub fn bind(port: Option<u16>) -> Result<UdpSocket, BindError> {
    let wanted = port.unwrap_or(DEFAULT_PORT);
    match bind_to(wanted) {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && port.is_none() => Ok(bind_to(0)?),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::Taken(wanted)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && wanted < 1024 => {
            Err(BindError::Reserved(wanted))
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the endpoint. Says when its port is free again.
///
/// # Errors
/// The socket cannot be registered with the runtime.
///
/// # Panics
/// Outside a tokio runtime.
pub fn open(socket: UdpSocket, server: ServerConfig) -> io::Result<(Endpoint, Closed)> {
    let (socket, closed) = BoundedSocket::new(TokioRuntime.wrap_udp_socket(socket)?);
    let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
    Ok((Endpoint::new_with_abstract_socket(config, Some(server), Arc::new(socket), runtime)?, closed))
}

/// Adds the transport limits for accepting to a configuration with credentials.
pub fn server_config(mut config: ServerConfig) -> ServerConfig {
    config.transport_config(transport(KEEP_ALIVE_ACCEPTED)).max_incoming(MAX_PENDING);
    config.incoming_buffer_size(64 * 1024).incoming_buffer_size_total(1024 * 1024);
    config
}

/// Adds the transport limits for dialling to a configuration with credentials.
pub fn client_config(mut config: ClientConfig) -> ClientConfig {
    config.transport_config(transport(KEEP_ALIVE));
    config
}

/// The canonical form of an address: a dual-stack socket shows IPv4 peers as mapped IPv6.
pub(crate) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip if ip == addr.ip() => addr,
        ip => SocketAddr::new(ip, addr.port()),
    }
}

fn transport(keep_alive: Duration) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_uni_streams(UNI_STREAMS.into()).max_concurrent_bidi_streams(BIDI_STREAMS.into());
    transport.stream_receive_window(STREAM_WINDOW.into()).receive_window(CONNECTION_WINDOW.into());
    transport.send_window(CONNECTION_WINDOW.into());
    transport.datagram_receive_buffer_size(None).congestion_controller_factory(Arc::new(Counting::default()));
    let idle = VarInt::from_u32(IDLE.as_millis() as u32);
    transport.max_idle_timeout(Some(idle.into())).keep_alive_interval(Some(keep_alive)).initial_rtt(INITIAL_RTT);
    Arc::new(transport)
}

fn bind_to(port: u16) -> io::Result<UdpSocket> {
    let dual = open_socket(Domain::IPV6, SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port));
    match dual {
        Err(error) if !is_final(&error) => {
            open_socket(Domain::IPV4, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        done => done,
    }
}

/// Whether IPv4 alone would fail too. Any other error may mean a system without IPv6.
fn is_final(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

fn open_socket(domain: Domain, addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    for outcome in [socket.set_recv_buffer_size(SOCKET_BUFFER), socket.set_send_buffer_size(SOCKET_BUFFER)] {
        if let Err(error) = outcome {
            tracing::debug!(%error, "the kernel keeps its own socket buffer size");
        }
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::identity::{Scheme, SecretKey};
    use crate::node::tls::{Credentials, SERVER_NAME};

    #[test]
    fn an_explicit_port_in_use_is_an_error_that_names_the_port() {
        let first = bind(Some(0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind(Some(port)).unwrap_err();
        assert!(matches!(error, BindError::Taken(taken) if taken == port));
        assert!(error.to_string().contains(&port.to_string()));
    }

    #[test]
    fn a_default_port_in_use_is_replaced_by_a_free_one() {
        let (first, second) = (bind(None).unwrap(), bind(None).unwrap());
        assert_ne!(first.local_addr().unwrap().port(), second.local_addr().unwrap().port());
    }

    #[tokio::test]
    async fn the_port_is_free_when_the_socket_is_closed_though_a_dial_was_under_way() {
        let credentials = Credentials::new(&SecretKey::from_seed(Scheme::Ed25519, &[1; 32]));
        let (endpoint, closed) = open(bind(Some(0)).unwrap(), server_config(credentials.server_config())).unwrap();
        let port = endpoint.local_addr().unwrap().port();
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (config, _) = credentials.client_config(None);
        let dial = endpoint.connect_with(client_config(config), silent.local_addr().unwrap(), SERVER_NAME).unwrap();
        assert!(matches!(bind(Some(port)), Err(BindError::Taken(_))));
        endpoint.close(0u32.into(), b"");
        drop((endpoint, dial));
        timeout(Duration::from_secs(20), closed).await.expect("it is closed").unwrap_err();
        bind(Some(port)).unwrap();
    }

    #[test]
    fn mapped_addresses_become_ipv4_and_scopes_are_kept() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:5".parse().unwrap();
        assert_eq!(canonical(mapped).to_string(), "10.0.0.1:5");
        let scoped: SocketAddr = "[fe80::1%3]:5".parse().unwrap();
        assert_eq!(canonical(scoped), scoped);
    }
}
