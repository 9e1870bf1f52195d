//! The Unix socket.
//!
//! It is `api.sock` in the data directory, unless the path is longer than the system takes, or the file system has no sockets.
//! Then it is in the directory for sockets of the person, or in one below `/tmp` that belongs to them.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::note;

/// The socket.
const SOCKET: &str = "api.sock";
/// Bytes of a path of a socket that every system takes: 104 on macOS with the last zero, 108 on Linux.
const MAX_PATH: usize = 100;
/// The administrator of the system may do what the person may.
const ROOT: u32 = 0;

/// A connection with a node.
pub type Stream = UnixStream;

/// Accepts connections from the person who runs the node.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    owner: u32,
}

/// What other programs see of an open socket.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    socket: PathBuf,
}

/// Opens the socket of a data directory, whose lock is held, so that one that is there already is of no use to anybody.
///
/// # Errors
/// Those of the system.
pub fn bind(dir: &Path) -> io::Result<(Listener, Place)> {
    let (listener, socket) = bind_at(inside(dir)?).or_else(|_| bind_at(outside(dir)?))?;
    note::write(dir, socket.as_os_str())?;
    Ok((Listener { listener, owner: owner(dir)? }, Place { dir: dir.to_owned(), socket }))
}

fn bind_at(socket: PathBuf) -> io::Result<(UnixListener, PathBuf)> {
    if socket.as_os_str().len() > MAX_PATH {
        return Err(io::Error::other("the path of the socket is too long"));
    }
    if fs::symlink_metadata(&socket).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(&socket)?;
    }
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    Ok((listener, socket))
}

/// Connects with the node of a data directory.
///
/// # Errors
/// No node runs there, or it has no socket.
pub async fn connect(dir: &Path) -> io::Result<Stream> {
    UnixStream::connect(note::read(dir)?).await
}

impl Listener {
    /// The next connection. Cancelling it loses nothing.
    ///
    /// # Errors
    /// Those of the system, such as too many open files.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if stream.peer_cred().is_ok_and(|peer| [self.owner, ROOT].contains(&peer.uid())) {
                return Ok(stream);
            }
            tracing::warn!("another user of this machine tried to connect to the local API");
        }
    }
}

impl Place {
    /// Removes it, so that nobody else connects.
    pub fn remove(self) {
        note::remove(&self.dir);
        // It may be gone already.
        let _ = fs::remove_file(self.socket);
    }
}

/// The user of the system whom a data directory belongs to.
fn owner(dir: &Path) -> io::Result<u32> {
    Ok(fs::metadata(dir)?.uid())
}

fn inside(dir: &Path) -> io::Result<PathBuf> {
    Ok(dir.canonicalize()?.join(SOCKET))
}

/// The place outside, for a data directory whose path is too long, or on a file system without sockets, as on memory cards.
fn outside(dir: &Path) -> io::Result<PathBuf> {
    let dir = dir.canonicalize()?;
    let name = format!("{}.sock", note::short_name(&dir));
    Ok(private_dir(owner(&dir)?)?.join(name))
}

/// A directory for sockets that nobody else can use.
fn private_dir(owner: u32) -> io::Result<PathBuf> {
    let of_system = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir());
    let dir =
        of_system.map(|dir| dir.join("darknode")).unwrap_or_else(|| PathBuf::from(format!("/tmp/darknode-{owner}")));
    match DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(&dir)?;
    if !found.is_dir() || found.uid() != owner || found.permissions().mode() & 0o077 != 0 {
        let message = format!("{} is not a directory that only this user can enter", dir.display());
        return Err(io::Error::other(message));
    }
    Ok(dir)
}
