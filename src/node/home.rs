//! The data directory: one process at a time, one user, key files written whole or not at all.

use std::path::{Path, PathBuf};

use crate::id::{SessionId, UserId};
use crate::identity::{Name, SecretKey};

/// Why a data directory cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {}

/// A data directory that this process holds.
pub struct Home {
    _dir: PathBuf,
}

/// The keys of this session and its user.
pub struct Identity {
    pub name: Name,
    pub user: UserId,
    pub user_key: Option<SecretKey>,
    pub session: SessionId,
    pub session_key: SecretKey,
    /// Made just now.
    pub fresh: bool,
}

impl Home {
    /// Takes the directory, making it if it is not there.
    pub fn open(_dir: &Path) -> Result<Home, HomeError> {
        todo!()
    }

    /// The keys, made at the first start and never silently again.
    pub fn identity(&self, _name: &Name) -> Result<Identity, HomeError> {
        todo!()
    }
}
