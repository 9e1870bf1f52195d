//! Accepts connections, few at a time and each for a short time, so that strangers cannot use up memory and files.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at a time: a few monitors, and those who want to see for themselves.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection lives: longer than a request takes on a slow line, and its answer from a node that is busy.
const LIFETIME: Duration = Duration::from_secs(15);

/// A listener that accepts at most [`MAX_CONNECTIONS`]. Others wait in the system's queue.
pub struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Bounded {
    pub fn new(listener: TcpListener) -> Bounded {
        Bounded { listener, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }
}

impl Listener for Bounded {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        let place = self.places.clone().acquire_owned().await.expect("nobody closes it");
        let (stream, addr) = Listener::accept(&mut self.listener).await;
        (Visit { stream, end: Box::pin(sleep(LIFETIME)), _place: place }, addr)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails after [`LIFETIME`].
pub struct Visit {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Visit {
    fn check(&mut self, cx: &mut Context<'_>) -> Result<()> {
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(Error::from(ErrorKind::TimedOut)),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Visit {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_beyond_the_bound_waits_until_another_one_ends_and_a_silent_one_ends_by_itself() -> Result<()>
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let at = listener.local_addr()?;
        let mut bounded = Bounded::new(listener);
        let (mut visits, mut others) = (Vec::new(), Vec::new());
        for _ in 0..MAX_CONNECTIONS {
            others.push(TcpStream::connect(at).await?);
            visits.push(bounded.accept().await.0);
        }
        let _waits = TcpStream::connect(at).await?;
        assert!(timeout(Duration::from_secs(1), bounded.accept()).await.is_err(), "it must wait");
        let mut silent = visits.pop().expect("there are some");
        let read = silent.read(&mut [0]).await;
        assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
        drop(silent);
        bounded.accept().await;
        Ok(())
    }
}
