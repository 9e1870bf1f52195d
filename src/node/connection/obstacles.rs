//! Why nobody answers at an address: QUIC is told of no refusals, so a datagram of its smallest size is sent there from a
//! socket of its own, which the system tells.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use quinn::udp::{Transmit, UdpSocketState};

use crate::proto::event::DialFailure;

/// UDP payload that every path must carry for QUIC.
const SMALLEST: usize = 1200;
/// Time for a router or the other host to refuse the datagram.
const PATIENCE: Duration = Duration::from_millis(500);
/// The error for a datagram that is larger than the path carries: `EMSGSIZE` of Linux, of BSD and macOS, and
/// `WSAEMSGSIZE`. The standard library has no kind for it.
const TOO_LARGE: [i32; 3] = [90, 40, 10040];

/// What keeps datagrams from an address; `None` if the system does not know.
pub async fn obstacle(addr: SocketAddr) -> Option<DialFailure> {
    refusal(addr).await.err().and_then(|error| classify(&error))
}

/// Sends a datagram and waits for an error. What comes back otherwise is not read.
async fn refusal(addr: SocketAddr) -> io::Result<()> {
    let any = if addr.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(addr)?;
    // As for QUIC, no router may fragment.
    let state = UdpSocketState::new((&socket).into())?;
    let contents = [0; SMALLEST];
    let transmit = Transmit { destination: addr, ecn: None, contents: &contents, segment_size: None, src_ip: None };
    state.try_send((&socket).into(), &transmit)?;
    tokio::time::sleep(PATIENCE).await;
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn classify(error: &io::Error) -> Option<DialFailure> {
    match error.kind() {
        _ if error.raw_os_error().is_some_and(|code| TOO_LARGE.contains(&code)) => Some(DialFailure::TooLarge),
        io::ErrorKind::PermissionDenied => Some(DialFailure::Forbidden),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some(DialFailure::NoRoute),
        io::ErrorKind::ConnectionRefused => Some(DialFailure::Closed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_at_which_nobody_listens_is_closed_and_an_open_one_is_not() {
        let open = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert_eq!(obstacle(open.local_addr().unwrap()).await, None);
        assert_eq!(obstacle(closed).await, Some(DialFailure::Closed));
    }
}
