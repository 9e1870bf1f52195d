//! Reads the requests of a client: one JSON object a line, of bounded length, and a bounded number under way.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::request::{self, BadRequest, MAX_REQUEST, Request};

/// Requests of one client that may be unanswered.
pub const UNDER_WAY: usize = 64;

/// A request, and a place among those under way until it is answered.
pub type Taken = (Result<Request, BadRequest>, OwnedSemaphorePermit);

/// The client sends no more.
struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Ended {
        Ended
    }
}

/// Reads until the client ends.
pub async fn read_requests(read: impl AsyncRead + Unpin, taken: mpsc::Sender<Taken>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY));
    let mut read = BufReader::new(read);
    while let Ok(place) = places.clone().acquire_owned().await {
        match next_line(&mut read).await {
            Ok(Some(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
            Ok(Some(line)) => {
                if taken.send((request::parse(&line), place)).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                let message = format!("a request has at most {MAX_REQUEST} bytes");
                if taken.send((Err(BadRequest { line: None, message }), place)).await.is_err() {
                    return;
                }
            }
            Err(Ended) => return,
        }
    }
}

/// The next line; `None` for one that is too long, which is skipped.
async fn next_line(read: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Option<Vec<u8>>, Ended> {
    let mut line = Vec::new();
    (&mut *read).take(MAX_REQUEST as u64 + 1).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Err(Ended),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() < MAX_REQUEST => Err(Ended),
        Some(_) => loop {
            let found = read.fill_buf().await?;
            if found.is_empty() {
                return Err(Ended);
            }
            let end = found.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(found.len(), |end| end + 1);
            read.consume(used);
            if end.is_some() {
                return Ok(None);
            }
        },
    }
}
