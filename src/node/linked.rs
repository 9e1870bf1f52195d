//! The data directory of a session that was linked just now.

use std::path::{Path, PathBuf};

use super::clock::random;
use super::home::{Home, HomeError, Owner};
use super::store::{Me, Store, StoreError};
use crate::id::{NetworkId, SessionId};
use crate::identity::{Scheme, SecretKey};
use crate::proto::event::Adopted;
use zeroize::Zeroizing;

/// The session key that a session has while it waits to be linked and afterwards.
pub struct SessionSeed(Zeroizing<[u8; 32]>);

/// Why a linked session has no data directory, as one line.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The store cannot be created.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionSeed {
    /// Draws a key.
    pub fn draw() -> SessionSeed {
        SessionSeed(Zeroizing::new(random()))
    }

    /// The key.
    pub fn key(&self) -> SecretKey {
        SecretKey::from_seed(Scheme::Ed25519, &self.0)
    }
}

/// Directories for the name of a linked user: the default one, and others where that belongs to somebody already.
const MAX_DIRS: u32 = 16;

/// Opens a data directory that belongs to nobody.
///
/// # Errors
/// It belongs to somebody, or cannot be used.
pub fn open_unowned(dir: &Path) -> Result<Home, HomeError> {
    let home = Home::open(dir)?;
    home.refuse_owned()?;
    Ok(home)
}

/// Opens the default directory, or the first of those with a number behind its name, that belongs to nobody.
///
/// # Errors
/// None can be used.
pub fn open_default(dir: &Path) -> Result<Home, HomeError> {
    let numbered = |n: u32| {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!("-{n}"));
        PathBuf::from(name)
    };
    let first = open_unowned(dir);
    (2..=MAX_DIRS).fold(first, |opened, n| opened.or_else(|error| open_unowned(&numbered(n)).map_err(|_| error)))
}

/// Makes a directory that belongs to nobody that of a linked session. Until the last step it belongs to nobody.
///
/// # Errors
/// Something cannot be written.
pub fn establish(home: &Home, adopted: Adopted, seed: &SessionSeed, network: NetworkId) -> Result<(), LinkError> {
    home.begin_link(&seed.0)?;
    let session = SessionId(seed.key().public());
    let me = Me { id: adopted.user, session, name: adopted.name.as_str().to_owned() };
    Store::create(home.dir(), me, adopted.ops)?;
    home.join_network(network)?;
    home.finish_link(&Owner { name: adopted.name, user: adopted.user, session, user_key: false })?;
    Ok(())
}
