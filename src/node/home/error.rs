//! Why a data directory cannot be used, in one line that says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::keyfile::BadKey;
use crate::identity::Name;

/// Why a data directory cannot be used. No key file was changed, except that a write that failed
/// ([`HomeError::Io`]) may leave a first start to be finished by the next.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("{dir} is in use by another darknode; stop that one or take another --data-dir", dir = .0.display())]
    InUse(PathBuf),
    #[error("{dir} is not a directory; take another --data-dir", dir = .0.display())]
    NotADirectory(PathBuf),
    #[error("{} cannot be written: {error}; make it writable or take another --data-dir", .path.display())]
    ReadOnly { path: PathBuf, error: io::Error },
    #[error("{} cannot be read: {error}; make it readable to the user darknode runs as", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}: {error}; mend that and start again", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("others can write in {dir} and could exchange the keys; close it: chmod 700 {dir}", dir = .0.display())]
    OpenDirectory(PathBuf),
    #[error("others can read the key in {path}; close it: chmod 600 {path}", path = .0.display())]
    OpenKey(PathBuf),
    #[error(
        "{} belongs to {owner}; start with -u {owner} or take another --data-dir for {}",
        .dir.display(), .asked.as_str(), owner = .owner.as_str()
    )]
    SomebodyElses { dir: PathBuf, owner: Name, asked: Name },
    #[error(
        "{dir} belongs to a closed network{}; start with its --network-key, or take another --data-dir",
        if *.closed { ", not to that of this key" } else { "" }, dir = .dir.display()
    )]
    OtherNetwork { dir: PathBuf, closed: bool },
    #[error("{path} is damaged; put it back from a backup, or remove it if the network is the right one", path = .0.display())]
    BadNetwork(PathBuf),
    #[error("{} is missing; {remedy}", .path.display())]
    Missing { path: PathBuf, remedy: &'static str },
    #[error("{} {why}; move it away and {remedy}", .path.display())]
    BadKey { path: PathBuf, why: BadKey, remedy: &'static str },
    #[error("{} holds another key than the file owner beside it says; move it away and {remedy}", .path.display())]
    OtherKey { path: PathBuf, remedy: &'static str },
    #[error(
        "{path} is damaged or from a newer darknode; \
         put it back from a backup, or move it away and start again with your name", path = .0.display()
    )]
    BadOwner(PathBuf),
    #[error(
        "{} holds {found} but its keys are gone; \
         put user.pem, session.pem and owner back from a backup, or take an empty --data-dir", .dir.display()
    )]
    LostKeys { dir: PathBuf, found: String },
    #[error("{path} is there already; to restore from recovery words, take an empty --data-dir", path = .0.display())]
    KeyThere(PathBuf),
    #[error("these are not the words of {}, whose {} is; take an empty --data-dir", .owner.as_str(), .dir.display())]
    OtherWords { dir: PathBuf, owner: Name },
    #[error("{dir} belongs to nobody yet; start `darknode -u NAME` first", dir = .0.display())]
    Nobody(PathBuf),
    #[error("{dir} is a session without the user key; its words are where the user key is", dir = .0.display())]
    NoUserKey(PathBuf),
}

impl HomeError {
    /// A failed attempt to write at `path`, told by its cause.
    pub(super) fn writing(path: &Path, error: io::Error) -> HomeError {
        match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => HomeError::NotADirectory(path.to_owned()),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                HomeError::ReadOnly { path: path.to_owned(), error }
            }
            _ => HomeError::Io { path: path.to_owned(), error },
        }
    }

    /// A failed attempt to read at `path`, told by its cause.
    pub(super) fn reading(path: &Path, error: io::Error) -> HomeError {
        match error.kind() {
            io::ErrorKind::NotADirectory => HomeError::NotADirectory(path.to_owned()),
            io::ErrorKind::PermissionDenied => HomeError::Unreadable { path: path.to_owned(), error },
            _ => HomeError::Io { path: path.to_owned(), error },
        }
    }
}
