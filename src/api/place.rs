//! Where the socket is.
//!
//! It is `api.sock` in the data directory, unless the path is longer than the system takes, or the file system has no sockets.
//! Then it is in the directory for sockets of the person, or in one below `/tmp` that belongs to them. The file `api` in the data directory names it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The file that names the socket.
const NAMED: &str = "api";
/// The socket.
const SOCKET: &str = "api.sock";
/// Bytes of a path of a socket that every system takes: 104 on macOS with the last zero, 108 on Linux.
const MAX_PATH: usize = 100;

/// The user of the system whom a data directory belongs to.
pub fn owner(dir: &Path) -> io::Result<u32> {
    Ok(fs::metadata(dir)?.uid())
}

/// The place of the socket in a data directory.
pub fn inside(dir: &Path) -> io::Result<PathBuf> {
    Ok(dir.canonicalize()?.join(SOCKET))
}

/// The place of its socket outside, for one whose path is too long, or on a file system without sockets, as on memory cards.
pub fn outside(dir: &Path) -> io::Result<PathBuf> {
    let dir = dir.canonicalize()?;
    let hash = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    let name = format!("{}.sock", data_encoding::HEXLOWER.encode(&hash[..8]));
    Ok(private_dir(owner(&dir)?)?.join(name))
}

/// Whether the system takes a path for a socket.
pub fn fits(socket: &Path) -> bool {
    socket.as_os_str().len() <= MAX_PATH
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

/// Notes in the data directory where the socket is.
pub fn note(dir: &Path, socket: &Path) -> io::Result<()> {
    fs::write(dir.join(NAMED), socket.as_os_str().as_encoded_bytes())
}

/// The socket of a data directory, as its node has noted it.
pub fn find(dir: &Path) -> io::Result<PathBuf> {
    fs::read_to_string(dir.join(NAMED)).map(PathBuf::from)
}

/// Removes socket and note.
pub fn remove(dir: &Path, socket: &Path) {
    // They may be gone already.
    let _ = fs::remove_file(dir.join(NAMED));
    let _ = fs::remove_file(socket);
}
