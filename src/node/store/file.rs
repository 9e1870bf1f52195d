//! The store's file: its path, permissions, format check, and how a damaged one is moved aside.
//!
//! The first hundred bytes are read without SQLite, so that a store from a newer version is left untouched. Format of
//! the header: <https://www.sqlite.org/fileformat.html>, section 1.3.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::StoreError;
use super::schema::{APPLICATION_ID, VERSION};

const NAME: &str = "darknode.db";
/// A flag file, created when the store was found damaged while in use. The next start then checks the whole file.
const SUSPECT: &str = "darknode.db.suspect";
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// File name suffix of the write-ahead log.
const LOG: &str = "-wal";
/// File name suffix of the rollback journal, used while a new file is created.
const JOURNAL: &str = "-journal";
/// File name suffix of a damaged file that was renamed, before its number.
const ASIDE: &str = ".damaged-";
/// File name suffix of a file that is written to see whether there is space.
const PROBE: &str = ".probe";
/// More than SQLite needs at a start for the files beside the store.
const PROBE_BYTES: usize = 64 * 1024;
const DISK_FULL: &str = "the disk is full; free some space";
/// Bytes of the log that are rewritten at a time.
const CHUNK: usize = 256 * 1024;
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// The store's file in a data directory.
#[derive(Debug, Clone)]
pub struct StoreFile {
    pub path: PathBuf,
    dir: PathBuf,
}

/// The result of checking the file's header.
#[derive(Debug, PartialEq, Eq)]
pub enum Header {
    /// No store yet, or ours, or for SQLite to decide.
    Usable,
    /// Not a SQLite file.
    Damaged,
}

impl StoreFile {
    pub fn of(dir: &Path) -> StoreFile {
        StoreFile { path: dir.join(NAME), dir: dir.to_owned() }
    }

    /// No file: SQLite keeps the store in memory.
    pub fn in_memory() -> StoreFile {
        StoreFile { path: ":memory:".into(), dir: PathBuf::new() }
    }

    /// Whether there is no file.
    pub fn is_in_memory(&self) -> bool {
        self.dir.as_os_str().is_empty()
    }

    /// Checks the header without changing anything.
    pub fn inspect(&self) -> Result<Header, StoreError> {
        let mut header = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(100).read_to_end(&mut header).map_err(|e| self.io(e))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Header::Usable),
            Err(error) => return Err(self.io(error)),
        };
        if header.is_empty() {
            return Ok(Header::Usable);
        }
        if header.len() < 100 || !header.starts_with(MAGIC) {
            // SQLite itself rolls back a first write that was interrupted.
            let interrupted = with_suffix(&self.path, JOURNAL).exists();
            return Ok(if interrupted { Header::Usable } else { Header::Damaged });
        }
        let number = |at: usize| i32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        match (number(APPLICATION_ID_AT), number(USER_VERSION_AT)) {
            (APPLICATION_ID, version) if version > VERSION => Err(self.newer(version)),
            (APPLICATION_ID, _) | (0, 0) => Ok(Header::Usable),
            _ => Err(self.foreign()),
        }
    }

    /// Creates the file if it does not exist, readable by its owner only, as it holds private keys. SQLite gives its
    /// companion files the same mode.
    pub fn claim(&self) -> Result<(), StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path).and_then(|_| self.restrict()).map_err(|e| self.io(e))
    }

    #[cfg(unix)]
    fn restrict(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for path in [self.path.clone(), with_suffix(&self.path, LOG), with_suffix(&self.path, "-shm")] {
            match fs::metadata(&path) {
                Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn restrict(&self) -> io::Result<()> {
        Ok(())
    }

    /// Rewrites the log in place and syncs it. After a failed sync the kernel may treat pages as clean that never
    /// reached the disk: no later sync would write them, and a power failure would lose them together with everything
    /// appended after them.
    pub fn rewrite_log(&self) -> rusqlite::Result<()> {
        match self.rewrite_and_sync_log() {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
                Err(rusqlite::Error::SqliteFailure(code, Some(error.to_string())))
            }
            _ => Ok(()),
        }
    }

    fn rewrite_and_sync_log(&self) -> io::Result<()> {
        let mut log = OpenOptions::new().read(true).write(true).open(with_suffix(&self.path, LOG))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = log.read(&mut chunk)?;
            if length == 0 {
                return log.sync_all();
            }
            log.seek(SeekFrom::Current(-(length as i64)))?;
            log.write_all(&chunk[..length])?;
        }
    }

    /// Renames the file and its companions to the first unused `darknode.db.damaged-N`, and returns that path.
    pub fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let aside = (1u32..)
            .map(|n| with_suffix(&self.path, &format!("{ASIDE}{n}")))
            .find(|path| !path.exists())
            .expect("a directory holds fewer than 2^32 files");
        fs::rename(&self.path, &aside).map_err(|e| self.io(e))?;
        for suffix in [LOG, "-shm", JOURNAL] {
            match fs::rename(with_suffix(&self.path, suffix), with_suffix(&aside, suffix)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.io(error)),
                _ => {}
            }
        }
        self.clear_suspect();
        Ok(aside)
    }

    /// The bytes of the file and its log.
    pub fn size(&self) -> u64 {
        let size = |path: PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
        size(self.path.clone()) + size(with_suffix(&self.path, LOG))
    }

    /// The number of damaged files that were renamed.
    pub fn aside(&self) -> usize {
        let renamed = |n: &u32| with_suffix(&self.path, &format!("{ASIDE}{n}")).exists();
        (1..).take_while(renamed).count()
    }

    /// Creates the flag file that makes the next start check everything. If that fails, the damage will be found
    /// again later.
    pub fn mark_suspect(&self) {
        let _ = fs::write(self.dir.join(SUSPECT), "");
    }

    pub fn is_suspect(&self) -> bool {
        self.dir.join(SUSPECT).exists()
    }

    pub fn clear_suspect(&self) {
        let _ = fs::remove_file(self.dir.join(SUSPECT));
    }

    pub fn newer(&self, found: i32) -> StoreError {
        StoreError::Newer { path: self.path.clone(), found, known: VERSION }
    }

    pub fn foreign(&self) -> StoreError {
        StoreError::Foreign { path: self.path.clone() }
    }

    /// Classifies an SQLite error: either the file is damaged, or its environment is at fault.
    pub fn error(&self, error: rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        if is_damage(&error) {
            return StoreError::Damaged { path };
        }
        let cannot_grow = matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure));
        let why = if cannot_grow && self.is_disk_full() { DISK_FULL.to_owned() } else { why(&error) };
        StoreError::Unusable { path, why }
    }

    /// Whether the disk takes nothing more. Of the files beside the store SQLite says only that they cannot be opened or grow.
    fn is_disk_full(&self) -> bool {
        let path = with_suffix(&self.path, PROBE);
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&[0; PROBE_BYTES])?;
            file.sync_all()
        });
        // It does not exist if it could not be created.
        let _ = fs::remove_file(&path);
        written.is_err_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    }

    fn io(&self, error: io::Error) -> StoreError {
        StoreError::Unusable { path: self.path.clone(), why: error.to_string() }
    }
}

/// Whether an error means that the file's content is damaged.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows};
    match error {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | QueryReturnedNoRows => {
            true
        }
        other => matches!(
            other.sqlite_error_code(),
            // SQLite reports a missing table or column as `Unknown`.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        ),
    }
}

/// Describes an error and what to do about it, in one line.
pub fn why(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => DISK_FULL.to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "it cannot be written; check its permissions and whether the disk is mounted read-only".to_owned()
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program has it locked; close that program".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged; restart darknode, which moves it aside and creates a new one".to_owned()
        }
        _ => format!("{error}; check the disk"),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
