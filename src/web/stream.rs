//! The body of an answer that is lines of the local API, as they come.

use std::io::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::io::{AsyncRead, AsyncWriteExt, BufReader, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A stream on which nothing happened is given a blank line this often, so that both sides learn that the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Bytes that are sent at once.
const PIECE: usize = 16 * 1024;

/// The last line of a stream if the page is switched off, as the local API answers that. It begins with the end of a line that was
/// given in part.
const OFF: &[u8] = b"\n{\"event\":\"web\",\"link\":null}\n";

/// Lines from a connection to the local API, until it ends.
pub struct Lines {
    connection: BufReader<DuplexStream>,
    endless: Option<Endless>,
}

/// What belongs to a stream that has no end of its own.
struct Endless {
    heartbeat: Interval,
    /// Done when the page is switched off.
    off: Pin<Box<dyn Future<Output = ()> + Send>>,
    has_ended: bool,
}

impl Lines {
    /// Everything that comes, with a sign of life, until the page is switched off.
    pub fn endless(connection: BufReader<DuplexStream>, mut off: watch::Receiver<bool>) -> Lines {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        let off = Box::pin(async move {
            if off.wait_for(|off| *off).await.is_err() {
                // The node ends, and says so itself.
                std::future::pending::<()>().await;
            }
        });
        Lines { connection, endless: Some(Endless { heartbeat, off, has_ended: false }) }
    }

    /// The rest of what comes, after which the connection ends.
    pub fn last(connection: BufReader<DuplexStream>) -> Lines {
        Lines { connection, endless: None }
    }

    /// What has come, if anything.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let mut buffer = [0; PIECE];
        let mut read = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.connection).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(Bytes::copy_from_slice(read.filled())))
    }
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.endless.as_ref().is_some_and(|endless| endless.has_ended) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(piece) = self.poll_piece(cx) {
            if let Some(endless) = &mut self.endless {
                endless.heartbeat.reset();
            }
            return Poll::Ready(match piece {
                Ok(piece) if piece.is_empty() => None,
                piece => Some(piece.map(Frame::data)),
            });
        }
        let Some(endless) = &mut self.endless else { return Poll::Pending };
        let bytes = if endless.off.as_mut().poll(cx).is_ready() {
            endless.has_ended = true;
            OFF
        } else {
            ready!(endless.heartbeat.poll_tick(cx));
            b"\n"
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes)))))
    }
}

/// Sends a request over a connection, without its line ending.
pub async fn request(connection: &mut BufReader<DuplexStream>, line: &[u8]) -> Result<(), Error> {
    connection.get_mut().write_all(line).await?;
    connection.get_mut().write_all(b"\n").await
}
