//! The data directory: one process at a time, one user, key files written whole or not at all.
//!
//! | file | holds | mode |
//! |---|---|---|
//! | `lock` | nothing; the running node holds an exclusive lock on it | 0600 |
//! | `user.pem` | the user key, PKCS#8 PEM | 0600 |
//! | `session.pem` | the session key, PKCS#8 PEM, also the TLS key | 0600 |
//! | `owner` | name, user id, session id, whether the user key is here | 0600 |
//! | `network` | the id of the closed network, from the first start in one | 0600 |
//!
//! A first start writes `user.pem`, then `session.pem`, then `owner`. Each is written beside itself as `….new`, synced,
//! renamed, and the directory synced, so at every moment a file is there whole or not at all. `owner` is the commit
//! point: once it is there, both keys were complete, and a key that is missing, damaged or another than `owner` says is
//! an error, never a reason for a new one. Before that, the next start goes on where the last one stopped and keeps what
//! is there. The user key comes first so that a directory into which somebody puts only a saved `user.pem` gets
//! a new session of that user; were the session first, a lone `session.pem` would be given a new person.
//! Keys are only ever made where no store is: a store without keys is a directory that lost them.
//!
//! Whether the directory is somebody else's is asked before anything in it is changed.

mod disk;
mod error;
mod keyfile;
mod owner;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::id::{NetworkId, SessionId, UserId};
use crate::identity::{Name, Scheme, SecretKey};

pub use error::HomeError;
pub(crate) use keyfile::pkcs8;
pub use keyfile::{BadKey, from_pem};
pub use owner::Owner;

/// The user key's file.
pub const USER_FILE: &str = "user.pem";
/// The session key's file.
pub const SESSION_FILE: &str = "session.pem";
/// Who the directory belongs to; written last.
pub const OWNER_FILE: &str = "owner";
/// The closed network that the directory belongs to, if it does.
pub const NETWORK_FILE: &str = "network";
/// The file a running node holds locked.
pub const LOCK_FILE: &str = "lock";
/// What the names of the store, and of a store that was set aside, begin with. Where such a file is, keys were.
pub const STORE_PREFIX: &str = "darknode.db";

/// A data directory that this process holds, until it is dropped.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    _lock: File,
}

/// The keys of this session and its user.
pub struct Identity {
    pub name: Name,
    pub user: UserId,
    /// `None` on a session that does not hold the user key.
    pub user_key: Option<SecretKey>,
    pub session: SessionId,
    pub session_key: SecretKey,
    /// The directory got its owner just now.
    pub fresh: bool,
}

impl Home {
    /// Takes the directory for this process, making it (mode 0700, with its parents) if it is not there. An empty one is
    /// closed to others; one that holds something keeps its mode, and is refused if others can write in it, for they
    /// could exchange the keys.
    pub fn open(dir: &Path) -> Result<Home, HomeError> {
        disk::make_dir(dir)?;
        disk::refuse_unfit(dir)?;
        let lock = disk::lock(dir)?;
        disk::close_empty(dir)?;
        Ok(Home { dir: dir.to_owned(), _lock: lock })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whom the directory belongs to; `None` before the first start. A server without a name of its own takes this one,
    /// so that a changed host name does not lock it out.
    pub fn owner(&self) -> Result<Option<Owner>, HomeError> {
        read_owner(&self.dir)
    }

    /// The keys: read, or made from `random` (the system's random bytes, asked for only when a key is made) at the
    /// first start.
    pub fn identity(&self, name: &Name, random: impl FnMut() -> [u8; 32]) -> Result<Identity, HomeError> {
        let identity = match self.owner()? {
            Some(owner) => self.known(&owner, name)?,
            None => self.first_start(name, random)?,
        };
        disk::sweep(&self.dir, &[USER_FILE, SESSION_FILE, OWNER_FILE, NETWORK_FILE]);
        Ok(identity)
    }

    /// Holds the directory to its network, once that is a closed one: what it remembers of members is not for others, and
    /// whoever forgets the key once must not talk where everybody listens. An open one may join a closed network.
    pub fn enter(&self, network: NetworkId) -> Result<(), HomeError> {
        let path = self.dir.join(NETWORK_FILE);
        let closed = network != NetworkId::OPEN;
        match disk::read(&path)? {
            Some(bytes) => {
                let there = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
                let there: NetworkId = there.ok_or(HomeError::BadNetwork(path))?;
                let same = there == network;
                if same { Ok(()) } else { Err(HomeError::OtherNetwork { dir: self.dir.clone(), closed }) }
            }
            None if closed => disk::write_whole(&self.dir, NETWORK_FILE, format!("{network}\n").as_bytes()),
            None => Ok(()),
        }
    }

    /// The keys of a user made again from the seed that recovery words stand for: in an empty directory with a new
    /// session, or as the missing `user.pem` of a directory that belongs to that user. Never over another user key.
    pub fn restore(
        &self,
        name: &Name,
        user_seed: &[u8; 32],
        random: impl FnMut() -> [u8; 32],
    ) -> Result<Identity, HomeError> {
        let user = UserId(SecretKey::from_seed(Scheme::Ed25519, user_seed).public());
        let owner = self.owner()?;
        if let Some(owner) = &owner {
            refuse_another_name(&self.dir, owner, name)?;
            if owner.user != user {
                return Err(HomeError::OtherWords { dir: self.dir.clone(), owner: owner.name.clone() });
            }
            if self.holds(USER_FILE) {
                return Err(HomeError::KeyThere(self.dir.join(USER_FILE)));
            }
            self.session_of(owner)?;
        }
        match self.read_key(USER_FILE)? {
            Some(there) if there.public() != user.0 => return Err(HomeError::KeyThere(self.dir.join(USER_FILE))),
            Some(_) => {}
            None => {
                if !self.holds(SESSION_FILE) {
                    self.refuse_lost_keys()?;
                }
                self.write_key(USER_FILE, user_seed)?;
            }
        }
        self.identity(name, random)
    }

    /// The seed of the user key in a directory, for its recovery words. Takes no lock and changes nothing, so it can be
    /// asked while a node runs. Whoever is asked for by name must be the owner: words handed out for another open nothing.
    pub fn user_seed(dir: &Path, asked: Option<&Name>) -> Result<Zeroizing<[u8; 32]>, HomeError> {
        let owner = read_owner(dir)?.ok_or_else(|| HomeError::Nobody(dir.to_owned()))?;
        asked.map_or(Ok(()), |name| refuse_another_name(dir, &owner, name))?;
        match read_user(dir, &owner)? {
            Some(key) => Ok(Zeroizing::new(key.seed())),
            None => Err(HomeError::NoUserKey(dir.to_owned())),
        }
    }

    fn known(&self, owner: &Owner, name: &Name) -> Result<Identity, HomeError> {
        refuse_another_name(&self.dir, owner, name)?;
        let session_key = self.session_of(owner)?;
        let user_key = read_user(&self.dir, owner)?;
        if user_key.is_some() && !owner.user_key {
            self.write_owner(&Owner { user_key: true, ..owner.clone() })?;
        }
        Ok(Identity {
            name: name.clone(),
            user: owner.user,
            user_key,
            session: owner.session,
            session_key,
            fresh: false,
        })
    }

    fn first_start(&self, name: &Name, mut random: impl FnMut() -> [u8; 32]) -> Result<Identity, HomeError> {
        let user = self.read_key(USER_FILE)?;
        let session = self.read_key(SESSION_FILE)?;
        if session.is_none() {
            self.refuse_lost_keys()?;
        } else if user.is_none() {
            return Err(missing(&self.dir, USER_FILE));
        }
        let user_key = self.keep_or_make(USER_FILE, user, &mut random)?;
        let session_key = self.keep_or_make(SESSION_FILE, session, &mut random)?;
        let (user, session) = (UserId(user_key.public()), SessionId(session_key.public()));
        self.write_owner(&Owner { name: name.clone(), user, session, user_key: true })?;
        Ok(Identity { name: name.clone(), user, user_key: Some(user_key), session, session_key, fresh: true })
    }

    fn keep_or_make(
        &self,
        file: &'static str,
        there: Option<SecretKey>,
        random: &mut impl FnMut() -> [u8; 32],
    ) -> Result<SecretKey, HomeError> {
        if let Some(key) = there {
            return Ok(key);
        }
        let seed = Zeroizing::new(random());
        self.write_key(file, &seed)?;
        Ok(SecretKey::from_seed(Scheme::Ed25519, &seed))
    }

    fn session_of(&self, owner: &Owner) -> Result<SecretKey, HomeError> {
        let key = self.read_key(SESSION_FILE)?.ok_or_else(|| missing(&self.dir, SESSION_FILE))?;
        expect_key(&self.dir, SESSION_FILE, &key, &owner.session.0)?;
        Ok(key)
    }

    fn refuse_lost_keys(&self) -> Result<(), HomeError> {
        match disk::begins_with(&self.dir, STORE_PREFIX)? {
            Some(found) => Err(HomeError::LostKeys { dir: self.dir.clone(), found }),
            None => Ok(()),
        }
    }

    fn holds(&self, file: &str) -> bool {
        self.dir.join(file).symlink_metadata().is_ok()
    }

    fn read_key(&self, file: &'static str) -> Result<Option<SecretKey>, HomeError> {
        read_key(&self.dir, file)
    }

    fn write_key(&self, file: &'static str, seed: &[u8; 32]) -> Result<(), HomeError> {
        disk::write_whole(&self.dir, file, keyfile::to_pem(seed).as_bytes())
    }

    fn write_owner(&self, owner: &Owner) -> Result<(), HomeError> {
        disk::write_whole(&self.dir, OWNER_FILE, owner.to_text().as_bytes())
    }
}

fn read_owner(dir: &Path) -> Result<Option<Owner>, HomeError> {
    let path = dir.join(OWNER_FILE);
    let Some(bytes) = disk::read(&path)? else { return Ok(None) };
    match Owner::parse(&bytes) {
        Some(owner) => Ok(Some(owner)),
        None => Err(HomeError::BadOwner(path)),
    }
}

fn refuse_another_name(dir: &Path, owner: &Owner, name: &Name) -> Result<(), HomeError> {
    if owner.name == *name {
        return Ok(());
    }
    Err(HomeError::SomebodyElses { dir: dir.to_owned(), owner: owner.name.clone(), asked: name.clone() })
}

fn read_user(dir: &Path, owner: &Owner) -> Result<Option<SecretKey>, HomeError> {
    match read_key(dir, USER_FILE)? {
        Some(key) => expect_key(dir, USER_FILE, &key, &owner.user.0).map(|()| Some(key)),
        None if owner.user_key => Err(missing(dir, USER_FILE)),
        None => Ok(None),
    }
}

fn read_key(dir: &Path, file: &'static str) -> Result<Option<SecretKey>, HomeError> {
    let path = dir.join(file);
    let Some(bytes) = disk::read_secret(&path)? else { return Ok(None) };
    match keyfile::from_pem(&bytes) {
        Ok(seed) => Ok(Some(SecretKey::from_seed(Scheme::Ed25519, &seed))),
        Err(why) => Err(HomeError::BadKey { path, why, remedy: remedy(file) }),
    }
}

fn expect_key(dir: &Path, file: &'static str, key: &SecretKey, expected: &[u8; 32]) -> Result<(), HomeError> {
    if key.public() == *expected {
        return Ok(());
    }
    Err(HomeError::OtherKey { path: dir.join(file), remedy: remedy(file) })
}

fn missing(dir: &Path, file: &'static str) -> HomeError {
    HomeError::Missing { path: dir.join(file), remedy: remedy(file) }
}

fn remedy(file: &str) -> &'static str {
    if file == USER_FILE {
        "put it back from a backup, or run `darknode identity restore` where no user.pem is"
    } else {
        "put it back from a backup, or run `darknode identity restore` in an empty directory"
    }
}
