//! Atomic file writes and the lock on a data directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::HomeError;
use super::{LOCK_FILE, OWNER_FILE};

/// Largest file read, in bytes: a key file has 119 and an owner file under 400.
const MAX_FILE: u64 = 4096;

/// Creates the directory, accessible to its owner only, if it does not exist.
pub fn make_dir(dir: &Path) -> Result<(), HomeError> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => return Err(HomeError::NotADirectory(dir.to_owned())),
        Err(_) => permissions::create_dir(dir).map_err(|error| HomeError::writing(dir, error))?,
    }
    // The parent may be unreadable to this user; then the new directory is not synced explicitly.
    let _ = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map(permissions::sync_dir);
    Ok(())
}

/// Refuses a directory that this process cannot write in, or that is not empty and writable by others.
pub fn refuse_unfit(dir: &Path) -> Result<(), HomeError> {
    let probe = temporary(dir, LOCK_FILE);
    let written = new_file(&probe).and_then(|_| fs::remove_file(&probe));
    written.map_err(|error| HomeError::writing(dir, error))?;
    let meta = fs::metadata(dir).map_err(|error| HomeError::reading(dir, error))?;
    if permissions::others_write(&meta) && !is_empty(dir)? {
        return Err(HomeError::OpenDirectory(dir.to_owned()));
    }
    Ok(())
}

fn is_empty(dir: &Path) -> Result<bool, HomeError> {
    for entry in fs::read_dir(dir).map_err(|error| HomeError::reading(dir, error))? {
        let entry = entry.map_err(|error| HomeError::reading(dir, error))?;
        if entry.file_name() != LOCK_FILE {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the exclusive lock on a directory. It is held while the file is open.
pub fn lock(dir: &Path) -> Result<File, HomeError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    permissions::private(&mut options);
    let file = options.open(dir.join(LOCK_FILE)).map_err(|error| HomeError::writing(dir, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(HomeError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(HomeError::writing(dir, error)),
    }
}

/// Restricts a directory to its owner if it contains nothing but the lock.
pub fn restrict_empty(dir: &Path) -> Result<(), HomeError> {
    if !is_empty(dir)? {
        return Ok(());
    }
    permissions::restrict_dir(dir).map_err(|error| HomeError::writing(dir, error))
}

/// Writes a file atomically: to a temporary file, which is synced and renamed.
pub fn write_atomic(dir: &Path, file: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let new = temporary(dir, file);
    let written = write_new(&new, bytes).and_then(|()| fs::rename(&new, dir.join(file)));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(HomeError::writing(&dir.join(file), error));
    }
    sync(dir)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = new_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates a file, replacing what an interrupted write may have left.
fn new_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    permissions::private(&mut options);
    options.open(path)
}

/// Removes a file, if it exists, for good.
pub fn remove(dir: &Path, file: &str) -> Result<(), HomeError> {
    let path = dir.join(file);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HomeError::writing(&path, error)),
        _ => sync(dir),
    }
}

/// Removes the temporary files that interrupted writes may have left.
pub fn remove_leftovers(dir: &Path, files: &[&str]) {
    for file in files {
        let _ = fs::remove_file(temporary(dir, file));
    }
}

fn temporary(dir: &Path, file: &str) -> PathBuf {
    dir.join(format!("{file}.new"))
}

fn sync(dir: &Path) -> Result<(), HomeError> {
    match permissions::sync_dir(dir) {
        // Some file systems cannot sync a directory.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(|error| HomeError::writing(dir, error)),
    }
}

/// The bytes of a small file; `None` if it does not exist.
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HomeError::reading(path, error)),
        Ok(_) => {}
    }
    read_small(path).map(Some).map_err(|error| HomeError::reading(path, error))
}

/// The bytes of a small file that must not be accessible to others; `None` if it does not exist.
pub fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
    match fs::metadata(path) {
        Ok(meta) if permissions::others_read(&meta) => Err(HomeError::OpenKey(path.to_owned())),
        _ => read(path),
    }
}

fn read_small(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it has over {MAX_FILE} bytes, too many for {OWNER_FILE} or a key file")));
    }
    Ok(bytes)
}

/// The alphabetically first name in a directory that starts with `prefix`.
pub fn first_with_prefix(dir: &Path, prefix: &str) -> Result<Option<String>, HomeError> {
    let entries = fs::read_dir(dir).map_err(|error| HomeError::reading(dir, error))?;
    let mut found = None;
    for entry in entries {
        let entry = entry.map_err(|error| HomeError::reading(dir, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && found.as_ref().is_none_or(|first| name < *first) {
            found = Some(name);
        }
    }
    Ok(found)
}

#[cfg(unix)]
mod permissions {
    //! File permissions on Unix.

    use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, metadata, set_permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    pub fn create_dir(dir: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    /// Whether anyone but the owner has any access.
    pub fn others_read(meta: &Metadata) -> bool {
        meta.permissions().mode() & 0o077 != 0
    }

    pub fn others_write(meta: &Metadata) -> bool {
        meta.permissions().mode() & 0o022 != 0
    }

    pub fn restrict_dir(dir: &Path) -> io::Result<()> {
        let meta = metadata(dir)?;
        match others_read(&meta) {
            true => set_permissions(dir, Permissions::from_mode(meta.permissions().mode() & 0o700)),
            false => Ok(()),
        }
    }

    pub fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub fn sync_dir(dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

#[cfg(not(unix))]
mod permissions {
    //! File permissions elsewhere: a directory in the user's profile is private by inheritance, and a rename is as
    //! durable as the system makes it.

    use std::fs::{Metadata, OpenOptions, create_dir_all};
    use std::io;
    use std::path::Path;

    pub fn create_dir(dir: &Path) -> io::Result<()> {
        create_dir_all(dir)
    }

    pub fn others_read(_meta: &Metadata) -> bool {
        false
    }

    pub fn others_write(_meta: &Metadata) -> bool {
        false
    }

    pub fn restrict_dir(_dir: &Path) -> io::Result<()> {
        Ok(())
    }

    pub fn private(_options: &mut OpenOptions) {}

    pub fn sync_dir(_dir: &Path) -> io::Result<()> {
        Ok(())
    }
}
