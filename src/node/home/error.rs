//! Errors of the data directory, each one line that says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::keyfile::BadKey;
use crate::identity::Name;

/// Why a data directory cannot be used. No key file was changed, but a failed write ([`HomeError::Io`], [`HomeError::Full`]) may
/// leave a first start for the next one to complete.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Another process holds the lock.
    #[error(
        "{dir} is in use by another darknode: type there, use `darknode attach`, or stop it first; to be the same user \
         twice, run `darknode link` with another --data-dir", dir = .0.display()
    )]
    InUse(PathBuf),
    /// The path is a file, or below one.
    #[error("{dir} is not a directory; take another --data-dir", dir = .0.display())]
    NotADirectory(PathBuf),
    /// No write permission, or a read-only file system.
    #[error("{} cannot be written: {error}; make it writable or take another --data-dir", .path.display())]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// No read permission.
    #[error("{} cannot be read: {error}; make it readable to the user darknode runs as", .path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// No space is left.
    #[error("{} cannot be written: the disk is full; free some space", .path.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
    },
    /// Any other I/O error.
    #[error("{}: {error}; fix that and start again", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The directory is writable by others.
    #[error("others can write in {dir} and could replace the keys; restrict it: chmod 700 {dir}", dir = .0.display())]
    OpenDirectory(PathBuf),
    /// A key file is readable by others.
    #[error("others can read the key in {path}; restrict it: chmod 600 {path}", path = .0.display())]
    OpenKey(PathBuf),
    /// The directory belongs to `owner`, not to the name that was `asked` for.
    #[error(
        "{} belongs to {owner}; start with -u {owner} or take another --data-dir for {}",
        .dir.display(), .asked.as_str(), owner = .owner.as_str()
    )]
    OtherOwner {
        /// The data directory.
        dir: PathBuf,
        /// The owner's name.
        owner: Name,
        /// The name that was asked for.
        asked: Name,
    },
    /// The directory belongs to somebody already.
    #[error(
        "{} belongs to {owner}; start it with -u {owner}, or take an empty --data-dir for another session",
        .dir.display(), owner = .owner.as_str()
    )]
    Owned {
        /// The data directory.
        dir: PathBuf,
        /// The owner's name.
        owner: Name,
    },
    /// The directory belongs to a closed network. `closed`: the node was started with another network's key.
    #[error(
        "{dir} belongs to a closed network{}; start with its --network-key, or take another --data-dir",
        if *.closed { ", but not to the one of this key" } else { "" }, dir = .dir.display()
    )]
    OtherNetwork {
        /// The data directory.
        dir: PathBuf,
        /// Whether the node was started with the key of another closed network.
        closed: bool,
    },
    /// The file `network` is damaged.
    #[error(
        "{path} is damaged; restore it from a backup, or remove it if the network is the right one", path = .0.display()
    )]
    BadNetwork(PathBuf),
    /// A key file is missing.
    #[error("{} is missing; {remedy}", .path.display())]
    Missing {
        /// The file or directory.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A key file cannot be parsed.
    #[error("{} {why}; move it away and {remedy}", .path.display())]
    BadKey {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: BadKey,
        /// What to do.
        remedy: &'static str,
    },
    /// A key file holds another key than the owner record names.
    #[error("{} holds another key than the file owner beside it names; move it away and {remedy}", .path.display())]
    OtherKey {
        /// The file or directory.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// The file `owner` cannot be parsed.
    #[error(
        "{path} is damaged, from a newer darknode, or holds a name that is not valid any more; \
         restore it from a backup, or move it away and start again with your name", path = .0.display()
    )]
    BadOwner(PathBuf),
    /// There is a store (`found`) but no keys.
    #[error(
        "{} holds {found} but its keys are gone; \
         restore user.pem, session.pem and owner from a backup, or take an empty --data-dir", .dir.display()
    )]
    LostKeys {
        /// The data directory.
        dir: PathBuf,
        /// The name of the store file.
        found: String,
    },
    /// A user key already exists.
    #[error("{path} already exists; to restore from recovery words, take an empty --data-dir", path = .0.display())]
    KeyExists(PathBuf),
    /// There are keys without an owner, where there should be none.
    #[error("{} holds keys already; take an empty --data-dir", .0.display())]
    HasKeys(PathBuf),
    /// The recovery words are those of another user.
    #[error("these are not the words of {}, who owns {}; take an empty --data-dir", .owner.as_str(), .dir.display())]
    WrongWords {
        /// The data directory.
        dir: PathBuf,
        /// The owner's name.
        owner: Name,
    },
    /// The directory has no owner yet.
    #[error("there is no identity in {dir}; give the --data-dir of a node, or start `darknode -u NAME` first", dir = .0.display())]
    NoOwner(PathBuf),
    /// This session does not hold the user key.
    #[error("{dir} does not hold the user key; its words can be shown where the user key is", dir = .0.display())]
    NoUserKey(PathBuf),
}

impl HomeError {
    /// Classifies a failed write at `path`.
    pub(super) fn writing(path: &Path, error: io::Error) -> HomeError {
        match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => HomeError::NotADirectory(path.to_owned()),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                HomeError::ReadOnly { path: path.to_owned(), error }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => HomeError::Full { path: path.to_owned() },
            _ => HomeError::Io { path: path.to_owned(), error },
        }
    }

    /// Classifies a failed read at `path`.
    pub(super) fn reading(path: &Path, error: io::Error) -> HomeError {
        match error.kind() {
            io::ErrorKind::NotADirectory => HomeError::NotADirectory(path.to_owned()),
            io::ErrorKind::PermissionDenied => HomeError::Unreadable { path: path.to_owned(), error },
            _ => HomeError::Io { path: path.to_owned(), error },
        }
    }
}
