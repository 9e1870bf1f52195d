//! The body of an answer that is lines of the local API, as they come.

use std::io::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::io::{AsyncRead, AsyncWriteExt, BufReader, DuplexStream, ReadBuf};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// A stream on which nothing happened is given a blank line this often, so that both sides learn that the other is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Bytes that are sent at once.
const PIECE: usize = 16 * 1024;

/// Lines from a connection to the local API, until it ends.
pub struct Lines {
    connection: BufReader<DuplexStream>,
    heartbeat: Option<Interval>,
}

impl Lines {
    /// Everything that comes, with a sign of life.
    pub fn endless(connection: BufReader<DuplexStream>) -> Lines {
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.reset();
        Lines { connection, heartbeat: Some(heartbeat) }
    }

    /// The rest of what comes, after which the connection ends.
    pub fn last(connection: BufReader<DuplexStream>) -> Lines {
        Lines { connection, heartbeat: None }
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
        if let Poll::Ready(piece) = self.poll_piece(cx) {
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.reset();
            }
            return Poll::Ready(match piece {
                Ok(piece) if piece.is_empty() => None,
                piece => Some(piece.map(Frame::data)),
            });
        }
        let Some(heartbeat) = &mut self.heartbeat else { return Poll::Pending };
        ready!(heartbeat.poll_tick(cx));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"\n")))))
    }
}

/// Sends a request over a connection, without its line ending.
pub async fn request(connection: &mut BufReader<DuplexStream>, line: &[u8]) -> Result<(), Error> {
    connection.get_mut().write_all(line).await?;
    connection.get_mut().write_all(b"\n").await
}
