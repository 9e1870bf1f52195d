//! A [`Medium`] as a file system that programs can use.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::*;

use super::medium::{Fault, Kind, Medium, Write, dir, file};

/// Time to live of the kernel's caches: none, as the next power cut changes the content.
const TTL: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;

/// Mounts an empty disk. It is unmounted when the session is dropped.
pub fn mount(at: &Path) -> (Arc<Mutex<Medium>>, BackgroundSession) {
    let medium = Arc::new(Mutex::new(Medium::new()));
    let mut config = Config::default();
    config.mount_options = vec![MountOption::FSName("bad-disk".to_owned()), MountOption::DefaultPermissions];
    let session = spawn_mount(Mounted { medium: medium.clone() }, at, &config).expect("it can be mounted");
    (medium, session)
}

pub fn lock(medium: &Mutex<Medium>) -> MutexGuard<'_, Medium> {
    medium.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Mounted {
    medium: Arc<Mutex<Medium>>,
}

impl Mounted {
    fn attr(medium: &Medium, ino: u64) -> Result<FileAttr, Errno> {
        let node = medium.node(ino)?;
        let (kind, size) = match &node.kind {
            Kind::File { shown, .. } => (FileType::RegularFile, shown.len() as u64),
            Kind::Dir { .. } => (FileType::Directory, 0),
        };
        let time = SystemTime::UNIX_EPOCH;
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        Ok(FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm: (node.mode & 0o7777) as u16,
            nlink: 1,
            uid,
            gid,
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        })
    }

    /// Performs an operation that changes names in a directory.
    fn change<T>(
        &self,
        req: &Request,
        name: &OsStr,
        change: impl FnOnce(&mut Medium) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut medium = lock(&self.medium);
        medium.admit(req.pid(), Some(name), true)?;
        change(&mut medium)
    }

    /// Performs an operation that changes or syncs a file.
    fn reach<T>(
        &self,
        req: &Request,
        ino: INodeNo,
        changes: bool,
        change: impl FnOnce(&mut Medium) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut medium = lock(&self.medium);
        // The kernel may write back pages that were mapped before a power cut.
        medium.node(ino.0)?;
        let name = medium.name_of(ino.0);
        medium.admit(req.pid(), name.as_deref(), changes)?;
        change(&mut medium)
    }

    fn make(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, kind: Kind) -> Result<FileAttr, Errno> {
        self.change(req, name, |medium| {
            let ino = medium.create(parent.0, name, mode, kind)?;
            Mounted::attr(medium, ino)
        })
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let medium = lock(&self.medium);
        match medium.find(parent.0, name).and_then(|ino| Mounted::attr(&medium, ino)) {
            Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match Mounted::attr(&lock(&self.medium), ino.0) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = self.reach(req, ino, true, |medium| {
            if let Some(size) = size {
                medium.write(ino.0, Write::Length(size as usize))?;
            }
            if let Some(mode) = mode {
                medium.node_mut(ino.0)?.mode = mode;
            }
            Mounted::attr(medium, ino.0)
        });
        match set {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        match self.make(req, parent, name, mode & !umask, dir()) {
            Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.make(req, parent, name, mode & !umask, file()) {
            Ok(attr) => reply.created(&TTL, &attr, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.change(req, name, |medium| medium.remove(parent.0, name)));
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.change(req, name, |medium| medium.remove(parent.0, name)));
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if parent != newparent {
            return reply.error(Errno::EXDEV);
        }
        done(reply, self.change(req, newname, |medium| medium.rename(parent.0, name, newname)));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY && lock(&self.medium).fault == Fault::ReadOnly {
            return reply.error(Errno::EROFS);
        }
        reply.opened(FileHandle(0), FopenFlags::empty());
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match lock(&self.medium).node(ino.0).map(|node| &node.kind) {
            Ok(Kind::File { shown, .. }) => {
                let begin = shown.len().min(offset as usize);
                let end = shown.len().min(begin + size as usize);
                reply.data(&shown[begin..end]);
            }
            Ok(Kind::Dir { .. }) => reply.error(Errno::EISDIR),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let write = Write::Bytes { at: offset as usize, bytes: data.to_vec() };
        match self.reach(req, ino, true, |medium| medium.write(ino.0, write)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, req: &Request, ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        done(reply, self.reach(req, ino, false, |medium| medium.sync(ino.0)));
    }

    fn fsyncdir(&self, req: &Request, ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        done(reply, self.reach(req, ino, false, |medium| medium.sync(ino.0)));
    }

    fn readdir(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let medium = lock(&self.medium);
        let names = match medium.names(ino.0) {
            Ok(names) => names,
            Err(error) => return reply.error(error),
        };
        for (n, (name, ino)) in names.iter().enumerate().skip(offset as usize) {
            let kind = if medium.names(*ino).is_ok() { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(*ino), n as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        reply.statfs(1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, BLOCK, 255, BLOCK);
    }
}

fn done(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}
