//! The connection with the node: lines in both directions.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;

use super::event::Told;

/// A connection. What is sent never waits: the node reads slowly only if it does not answer.
pub struct Link<S> {
    lines: Lines<BufReader<ReadHalf<S>>>,
    requests: mpsc::UnboundedSender<String>,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Link<S> {
    pub fn new(stream: S) -> Link<S> {
        let (read, write) = split(stream);
        let (requests, to_send) = mpsc::unbounded_channel();
        tokio::spawn(send(write, to_send));
        Link { lines: BufReader::new(read).lines(), requests }
    }

    /// The next line; `None` at the end. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            let line = self.lines.next_line().await.ok().flatten()?;
            match Told::parse(&line) {
                Ok(told) => return Some(told),
                // A newer node may say what this program cannot read.
                Err(error) => tracing::warn!(%error, "a line of the node cannot be read"),
            }
        }
    }

    /// Sends a request. After the end it is not heard.
    pub fn request(&self, request: &Value) {
        let _ = self.requests.send(format!("{request}\n"));
    }
}

async fn send(mut write: WriteHalf<impl AsyncWrite>, mut requests: mpsc::UnboundedReceiver<String>) -> io::Result<()> {
    while let Some(request) = requests.recv().await {
        write.write_all(request.as_bytes()).await?;
    }
    write.shutdown().await
}
