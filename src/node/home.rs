//! The data directory: used by one process at a time, owned by one user, with key files written atomically.
//!
//! | file | holds | mode |
//! |---|---|---|
//! | `lock` | empty; the running node holds an exclusive lock on it | 0600 |
//! | `user.pem` | the user key, PKCS#8 PEM | 0600 |
//! | `session.pem` | the session key, PKCS#8 PEM, also the TLS key | 0600 |
//! | `owner` | name, user id, session id, whether the user key is present | 0600 |
//! | `linking` | empty; a session was being linked | 0600 |
//! | `network` | the id of the closed network, once the node was started in one | 0600 |
//!
//! A first start writes `user.pem`, then `session.pem`, then `owner`. Each is written to a temporary file `….new`,
//! synced and renamed, and the directory is synced, so that a file either exists completely or not at all. `owner` is
//! the commit point: once it exists, both keys were complete, and a key that is missing, damaged or different from
//! `owner` is an error, never a reason to create a new one. Before that, the next start resumes where the last one
//! stopped and keeps existing keys. The user key comes first so that a directory into which a user copied only a
//! saved `user.pem` gets a new session of that user. If the session key came first, a lone `session.pem` would get a
//! new user. Keys are created only where there is no store: a store without keys is a directory that lost them.
//!
//! A linked session has no `user.pem`. While it is written there is a file `linking`; it is created first, and `owner` is the
//! commit point again. Where `linking` exists and `owner` does not, the next start removes all that was written.
//!
//! The owner's name is checked before anything in the directory is changed.
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

/// File name of the user key.
const USER_FILE: &str = "user.pem";
/// File name of the session key.
pub const SESSION_FILE: &str = "session.pem";
/// File name of the owner record; written last.
const OWNER_FILE: &str = "owner";
/// File name of the closed network's id, if the directory belongs to one.
const NETWORK_FILE: &str = "network";
/// File name of the mark of a directory in which a session is being linked.
const LINKING_FILE: &str = "linking";
/// File name of the lock that a running node holds.
const LOCK_FILE: &str = "lock";
/// Prefix of the store's files, including damaged ones that were renamed. Where one exists, keys existed.
const STORE_PREFIX: &str = "darknode.db";

/// A data directory locked by this process until the value is dropped.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    _lock: File,
}

/// The identity in a data directory: the keys of this session and its user.
pub struct Identity {
    /// The user's name.
    pub name: Name,
    /// The user's id.
    pub user: UserId,
    /// `None` on a session that does not hold the user key.
    pub user_key: Option<SecretKey>,
    /// The session's id.
    pub session: SessionId,
    /// The session key, also the TLS key.
    pub session_key: SecretKey,
    /// Whether this call gave the directory its owner.
    pub fresh: bool,
    /// Whether this call created the user key.
    pub is_new_user: bool,
}

impl Home {
    /// Locks the directory for this process, creating it (mode 0700, with its parents) if needed. An empty directory
    /// is restricted to its owner. A non-empty one keeps its mode, and is refused if others can write in it, as they
    /// could replace the keys.
    pub fn open(dir: &Path) -> Result<Home, HomeError> {
        disk::make_dir(dir)?;
        disk::refuse_unfit(dir)?;
        let lock = disk::lock(dir)?;
        disk::restrict_empty(dir)?;
        let home = Home { dir: dir.to_owned(), _lock: lock };
        home.settle_link()?;
        Ok(home)
    }

    /// The path of the directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The owner of the directory; `None` before the first start. A server without a configured name uses this one,
    /// so that a changed host name does not lock it out.
    pub fn owner(&self) -> Result<Option<Owner>, HomeError> {
        read_owner(&self.dir)
    }

    /// The identity: read, or created from `random` (the system's random bytes, called only to create a key) at the
    /// first start.
    pub fn identity(&self, name: &Name, random: impl FnMut() -> [u8; 32]) -> Result<Identity, HomeError> {
        let identity = match self.owner()? {
            Some(owner) => self.existing(&owner, name)?,
            None => self.first_start(name, random)?,
        };
        disk::remove_leftovers(&self.dir, &[USER_FILE, SESSION_FILE, OWNER_FILE, NETWORK_FILE]);
        Ok(identity)
    }

    /// Binds the directory to its network once that is a closed one: its data about members must not leak into
    /// another network, and a forgotten `--network-key` must not make the node talk in the open network. A directory
    /// of the open network may join a closed one.
    pub fn join_network(&self, network: NetworkId) -> Result<(), HomeError> {
        let path = self.dir.join(NETWORK_FILE);
        let closed = network != NetworkId::OPEN;
        match disk::read(&path)? {
            Some(bytes) => {
                let there = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
                let there: NetworkId = there.ok_or(HomeError::BadNetwork(path))?;
                let same = there == network;
                if same { Ok(()) } else { Err(HomeError::OtherNetwork { dir: self.dir.clone(), closed }) }
            }
            None if closed => disk::write_atomic(&self.dir, NETWORK_FILE, format!("{network}\n").as_bytes()),
            None => Ok(()),
        }
    }

    /// Refuses a directory that belongs to somebody, or has keys or a store from which somebody may return.
    ///
    /// # Errors
    /// It does, or cannot be read.
    pub fn refuse_owned(&self) -> Result<(), HomeError> {
        if let Some(owner) = self.owner()? {
            return Err(HomeError::Owned { dir: self.dir.clone(), owner: owner.name });
        }
        if self.holds(USER_FILE) || self.holds(SESSION_FILE) {
            return Err(HomeError::HasKeys(self.dir.clone()));
        }
        self.refuse_lost_keys()
    }

    /// Marks a directory that belongs to nobody, and writes the key of the session that is linked.
    pub(super) fn begin_link(&self, session_seed: &[u8; 32]) -> Result<(), HomeError> {
        disk::write_atomic(&self.dir, LINKING_FILE, b"")?;
        self.write_key(SESSION_FILE, session_seed)
    }

    /// Makes it the directory of this session.
    pub(super) fn finish_link(&self, owner: &Owner) -> Result<(), HomeError> {
        self.write_owner(owner)?;
        self.settle_link()
    }

    /// Completes what a linking that was interrupted has left: the directory belongs to the session, or is empty again.
    fn settle_link(&self) -> Result<(), HomeError> {
        if !self.holds(LINKING_FILE) {
            return Ok(());
        }
        if self.owner()?.is_none() {
            while let Some(file) = disk::first_with_prefix(&self.dir, STORE_PREFIX)? {
                disk::remove(&self.dir, &file)?;
            }
            for file in [SESSION_FILE, NETWORK_FILE] {
                disk::remove(&self.dir, file)?;
            }
            disk::remove_leftovers(&self.dir, &[SESSION_FILE, OWNER_FILE, NETWORK_FILE]);
        }
        disk::remove(&self.dir, LINKING_FILE)
    }

    /// Restores a user key from the seed that recovery words encode: in an empty directory with a new session, or as
    /// the missing `user.pem` of a directory that belongs to that user. Never replaces another user key.
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
                return Err(HomeError::WrongWords { dir: self.dir.clone(), owner: owner.name.clone() });
            }
            if self.holds(USER_FILE) {
                return Err(HomeError::KeyExists(self.dir.join(USER_FILE)));
            }
            self.session_of(owner)?;
        }
        match self.read_key(USER_FILE)? {
            Some(there) if there.public() != user.0 => return Err(HomeError::KeyExists(self.dir.join(USER_FILE))),
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

    /// The seed of the user key, for its recovery words. Takes no lock and changes nothing, so it works while a node
    /// runs. If `asked` is given, it must be the owner's name, so that the words of another user are never shown by
    /// mistake.
    pub fn user_seed(dir: &Path, asked: Option<&Name>) -> Result<Zeroizing<[u8; 32]>, HomeError> {
        let owner = read_owner(dir)?.ok_or_else(|| HomeError::NoOwner(dir.to_owned()))?;
        asked.map_or(Ok(()), |name| refuse_another_name(dir, &owner, name))?;
        match read_user(dir, &owner)? {
            Some(key) => Ok(Zeroizing::new(key.seed())),
            None => Err(HomeError::NoUserKey(dir.to_owned())),
        }
    }

    fn existing(&self, owner: &Owner, name: &Name) -> Result<Identity, HomeError> {
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
            is_new_user: false,
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
        let is_new_user = user.is_none();
        let user_key = self.key_or_new(USER_FILE, user, &mut random)?;
        let session_key = self.key_or_new(SESSION_FILE, session, &mut random)?;
        let (user, session) = (UserId(user_key.public()), SessionId(session_key.public()));
        self.write_owner(&Owner { name: name.clone(), user, session, user_key: true })?;
        Ok(Identity {
            name: name.clone(),
            user,
            user_key: Some(user_key),
            session,
            session_key,
            fresh: true,
            is_new_user,
        })
    }

    fn key_or_new(
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
        match disk::first_with_prefix(&self.dir, STORE_PREFIX)? {
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
        disk::write_atomic(&self.dir, file, keyfile::to_pem(seed).as_bytes())
    }

    fn write_owner(&self, owner: &Owner) -> Result<(), HomeError> {
        disk::write_atomic(&self.dir, OWNER_FILE, owner.to_text().as_bytes())
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
    Err(HomeError::OtherOwner { dir: dir.to_owned(), owner: owner.name.clone(), asked: name.clone() })
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
        "restore it from a backup, or run `darknode identity restore` where no user.pem is"
    } else {
        "restore it from a backup, or run `darknode identity restore` in an empty directory"
    }
}
