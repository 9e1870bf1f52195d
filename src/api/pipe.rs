//! The named pipe of Windows.
//!
//! Pipes are not files in a directory: everybody sees their names, and whoever creates a name first has it. So the pipe lets
//! nobody in but its owner, and the node keeps the [`note`] open while it runs: a name that a killed node has left there may have
//! been taken by somebody else since, and is not connected with.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use interprocess::os::windows::ToWtf16;
use interprocess::os::windows::named_pipe::PipeListenerOptions;
use interprocess::os::windows::named_pipe::pipe_mode::Bytes;
use interprocess::os::windows::named_pipe::tokio::{DuplexPipeStream, PipeListener};
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};
use tokio::time::{Instant, sleep};

use super::note;

/// Full access for the owner of the pipe, the system and administrators, and none for others. By default everybody may read.
const OWNER_ONLY: &str = "D:P(A;;GA;;;OW)(A;;GA;;;SY)(A;;GA;;;BA)";
/// Bytes that may be unread in each direction, as in the buffer of a socket.
const BUFFER: u32 = 64 * 1024;
/// How long a client waits for a free instance of the pipe. The node makes one as soon as the last was taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(10);

/// `ERROR_SHARING_VIOLATION`: another program has the file open.
const IN_USE: i32 = 32;
/// `ERROR_PIPE_BUSY`: all instances of the pipe are taken.
const BUSY: i32 = 231;
/// `FILE_SHARE_READ`: others may open the file for reading only.
const SHARE_READ: u32 = 1;

/// A connection with a node.
pub type Stream = NamedPipeClient;

/// Accepts connections from the person who runs the node. At any time one instance of the pipe waits for a client.
#[derive(Debug)]
pub struct Listener(PipeListener<Bytes, Bytes>);

/// What other programs see of an open pipe.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    /// Says that the pipe is that of the node.
    note: File,
}

/// Opens the pipe of a data directory, whose lock is held.
///
/// # Errors
/// Those of the system, or somebody else has a pipe of this name.
pub fn bind(dir: &Path) -> io::Result<(Listener, Place)> {
    note::remove(dir);
    let name = format!(r"\\.\pipe\darknode-{}", note::short_name(&dir.canonicalize()?));
    let owner_only = SecurityDescriptor::deserialize(&OWNER_ONLY.to_wtf_16().map_err(io::Error::other)?)?;
    let listener = PipeListenerOptions::new()
        .path(name.as_str())
        .security_descriptor(Some(owner_only))
        .input_buffer_size_hint(BUFFER)
        .output_buffer_size_hint(BUFFER)
        .create_tokio_duplex()?;
    note::write(dir, name.as_ref())?;
    let note = OpenOptions::new().read(true).share_mode(SHARE_READ).open(note::of(dir))?;
    Ok((Listener(listener), Place { dir: dir.to_owned(), note }))
}

/// Connects with the node of a data directory.
///
/// # Errors
/// No node runs there, or it has no pipe.
pub async fn connect(dir: &Path) -> io::Result<Stream> {
    let stream = open(&note::read(dir)?).await?;
    if !is_kept(dir) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the pipe is not that of a node"));
    }
    Ok(stream)
}

async fn open(pipe: &Path) -> io::Result<NamedPipeClient> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ClientOptions::new().open(pipe) {
            Err(error) if error.raw_os_error() == Some(BUSY) && Instant::now() < until => sleep(PAUSE).await,
            opened => return opened,
        }
    }
}

/// Whether a node keeps the note open.
fn is_kept(dir: &Path) -> bool {
    let opened = OpenOptions::new().write(true).open(note::of(dir));
    opened.is_err_and(|error| error.raw_os_error() == Some(IN_USE))
}

impl Listener {
    /// The next connection. Cancelling it loses nothing.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn accept(&self) -> io::Result<Accepted> {
        self.0.accept().await.map(Accepted)
    }
}

impl Place {
    /// Removes it, so that nobody else connects.
    pub fn remove(self) {
        drop(self.note);
        note::remove(&self.dir);
    }
}

/// The node's side of a connection.
#[derive(Debug)]
pub struct Accepted(DuplexPipeStream<Bytes>);

impl AsyncRead for Accepted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    /// What was written is on its way. Only [`poll_shutdown`](AsyncWrite::poll_shutdown) waits until the client has read it: what
    /// is unread when the node's side is closed may be lost.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
}
