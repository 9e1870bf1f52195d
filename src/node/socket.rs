//! The UDP socket handed to quinn, with a bound on the segments per system call, and word of when it is closed.
//!
//! quinn keeps, for every connection, a buffer as large as the longest burst that connection ever sent. With quinn's
//! own bound of ten packets that is 15 KiB for every peer that was once sent a long list.

use std::convert::Infallible;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::oneshot;

/// Packets per call. More does not make chat faster (`docs/decisions.md`, numbers).
const SEGMENTS: usize = 4;

/// Delegates everything to the inner socket, except for the bound.
#[derive(Debug)]
pub struct BoundedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    /// Dropped with the socket.
    _open: oneshot::Sender<Infallible>,
}

/// Ends when a socket is closed, so that its port is free. Tasks of quinn hold the socket for a while after their endpoint.
pub type Closed = oneshot::Receiver<Infallible>;

impl BoundedSocket {
    /// Takes a socket over.
    pub fn new(inner: Arc<dyn AsyncUdpSocket>) -> (BoundedSocket, Closed) {
        let (_open, closed) = oneshot::channel();
        (BoundedSocket { inner, _open }, closed)
    }
}

impl AsyncUdpSocket for BoundedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments().min(SEGMENTS)
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
