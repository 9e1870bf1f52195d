//! The content of a disk, and what of it survives a power cut.
//!
//! Programs see what they wrote. Of the writes since the last `fsync` of a file, a power cut keeps any subset: a
//! write may be missing although later ones are there, and it may be torn at sector boundaries. The same holds for
//! the names in a directory since its own `fsync`. When an `fsync` fails, the data it was to sync stays visible and
//! is never written by a later one, as on Linux.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Condvar};

use fuser::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// The inode of the root directory.
pub const ROOT: u64 = 1;
/// The sector size in bytes: a sector is written atomically.
const SECTOR: usize = 512;

/// A fault of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// The disk is full after this many more bytes, and allows no new file.
    Full(u64),
    ReadOnly,
    /// Every write fails.
    Writes,
    /// Every `fsync` fails.
    Syncs,
}

/// When the disk stops, until the next [`Medium::cut`].
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// The number of changing or syncing operations still performed.
    pub after: u64,
    /// Whether a process that attempts another one is killed, as by a power cut; otherwise it gets `EIO`.
    pub kills: bool,
}

#[derive(Debug, Default)]
pub struct Medium {
    nodes: BTreeMap<u64, Node>,
    last: u64,
    pub fault: Fault,
    pub stop: Option<Stop>,
    /// Number of changing or syncing operations, without those on SQLite's shared memory.
    pub done: u64,
    /// Whether it has stopped.
    pub dead: bool,
    /// Notified when it stops.
    pub died: Arc<Condvar>,
}

#[derive(Debug)]
pub struct Node {
    pub mode: u32,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    File { shown: Vec<u8>, saved: Vec<u8>, unsaved: Vec<Write> },
    Dir { shown: Names, saved: Names, unsaved: Vec<Change> },
}

type Names = BTreeMap<OsString, u64>;
/// Names that change atomically, and their new targets.
type Change = Vec<(OsString, Option<u64>)>;

#[derive(Debug)]
pub enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Medium {
    pub fn new() -> Medium {
        let root = Node { mode: 0o700, kind: dir() };
        Medium { nodes: [(ROOT, root)].into(), last: ROOT, ..Medium::default() }
    }

    /// Counts a changing or syncing operation, or refuses it. `who` is the requesting process.
    pub fn admit(&mut self, who: u32, name: Option<&OsStr>, change: bool) -> Result<(), Errno> {
        // The kernel writes back the mapped shared memory of SQLite at any time.
        if name.is_some_and(|name| name.to_string_lossy().ends_with("-shm")) {
            return if self.dead { Err(Errno::EIO) } else { Ok(()) };
        }
        if let Some(stop) = self.stop.filter(|stop| self.dead || self.done >= stop.after) {
            self.dead = true;
            self.died.notify_all();
            if stop.kills && who != 0 {
                // The process may be exiting already.
                let _ = kill(Pid::from_raw(who.cast_signed()), Signal::SIGKILL);
            }
            return Err(Errno::EIO);
        }
        if self.fault == Fault::ReadOnly && change {
            return Err(Errno::EROFS);
        }
        self.done += 1;
        Ok(())
    }

    pub fn node(&self, ino: u64) -> Result<&Node, Errno> {
        self.nodes.get(&ino).ok_or(Errno::ENOENT)
    }

    pub fn node_mut(&mut self, ino: u64) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)
    }

    pub fn names(&self, dir: u64) -> Result<&Names, Errno> {
        match &self.node(dir)?.kind {
            Kind::Dir { shown, .. } => Ok(shown),
            Kind::File { .. } => Err(Errno::ENOTDIR),
        }
    }

    pub fn find(&self, dir: u64, name: &OsStr) -> Result<u64, Errno> {
        self.names(dir)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// The name of a file, if it still has one.
    pub fn name_of(&self, ino: u64) -> Option<OsString> {
        let named = |names: &Names| names.iter().find(|(_, is)| **is == ino).map(|(name, _)| name.clone());
        self.nodes.keys().filter_map(|dir| self.names(*dir).ok()).find_map(named)
    }

    pub fn create(&mut self, parent: u64, name: &OsStr, mode: u32, kind: Kind) -> Result<u64, Errno> {
        if matches!(self.fault, Fault::Full(_)) {
            return Err(Errno::ENOSPC);
        }
        if self.names(parent)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.last += 1;
        self.nodes.insert(self.last, Node { mode, kind });
        self.change(parent, vec![(name.to_owned(), Some(self.last))])?;
        Ok(self.last)
    }

    pub fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let ino = self.find(parent, name)?;
        if self.names(ino).is_ok_and(|names| !names.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.change(parent, vec![(name.to_owned(), None)])
    }

    pub fn rename(&mut self, parent: u64, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
        let ino = self.find(parent, from)?;
        self.change(parent, vec![(from.to_owned(), None), (to.to_owned(), Some(ino))])
    }

    fn change(&mut self, dir: u64, change: Change) -> Result<(), Errno> {
        match &mut self.node_mut(dir)?.kind {
            Kind::Dir { shown, unsaved, .. } => {
                rename_in(shown, &change);
                unsaved.push(change);
                Ok(())
            }
            Kind::File { .. } => Err(Errno::ENOTDIR),
        }
    }

    pub fn write(&mut self, ino: u64, write: Write) -> Result<(), Errno> {
        let fault = self.fault;
        let Kind::File { shown, unsaved, .. } = &mut self.node_mut(ino)?.kind else { return Err(Errno::EISDIR) };
        let grown = write.end().saturating_sub(shown.len()) as u64;
        match (fault, &write) {
            (Fault::Writes, _) => return Err(Errno::EIO),
            (Fault::Full(room), Write::Bytes { .. }) if grown > room => return Err(Errno::ENOSPC),
            _ => {}
        }
        write.apply_to(shown);
        unsaved.push(write);
        if let Fault::Full(room) = &mut self.fault {
            *room -= grown.min(*room);
        }
        Ok(())
    }

    pub fn sync(&mut self, ino: u64) -> Result<(), Errno> {
        let fails = matches!(self.fault, Fault::Syncs | Fault::Writes);
        match &mut self.node_mut(ino)?.kind {
            Kind::File { unsaved, .. } if fails => unsaved.clear(),
            Kind::File { saved, unsaved, .. } => unsaved.drain(..).for_each(|write| write.apply_to(saved)),
            Kind::Dir { .. } if fails => {}
            Kind::Dir { saved, unsaved, .. } => unsaved.drain(..).for_each(|change| rename_in(saved, &change)),
        }
        if fails { Err(Errno::EIO) } else { Ok(()) }
    }

    /// A power cut. `seed` determines what of the unsynced data survives. All inodes get new numbers, so that no
    /// kernel cache of the old content is used.
    pub fn cut(&mut self, seed: u64) {
        let mut chance = Chance::new(seed);
        self.end_with(|node| node.survive(&mut chance));
    }

    /// The process was killed without a power cut: all writes are kept.
    pub fn settle(&mut self) {
        self.end_with(Node::settle);
    }

    fn end_with(&mut self, mut end: impl FnMut(&mut Node)) {
        self.nodes.values_mut().for_each(&mut end);
        let mut moved: BTreeMap<u64, u64> = [(ROOT, ROOT)].into();
        let mut old = std::mem::take(&mut self.nodes);
        let mut reached = vec![ROOT];
        while let Some(ino) = reached.pop() {
            // Half of a rename may leave a file with two names.
            let Some(mut node) = old.remove(&ino) else { continue };
            if let Kind::Dir { shown, saved, .. } = &mut node.kind {
                reached.extend(shown.values());
                for ino in shown.values_mut() {
                    self.last += u64::from(!moved.contains_key(ino));
                    *ino = *moved.entry(*ino).or_insert(self.last);
                }
                saved.clone_from(shown);
            }
            self.nodes.insert(moved[&ino], node);
        }
        (self.stop, self.done, self.dead) = (None, 0, false);
    }
}

/// The random choice of what survives: nothing, everything, or any subset.
struct Chance {
    rng: ChaCha20Rng,
    /// The number of writes in 256 that survive.
    kept: u64,
    /// The number of surviving writes in 256 that are torn.
    torn: u64,
}

impl Chance {
    fn new(seed: u64) -> Chance {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let kept = [0, 256, 240, 128, 40][(rng.next_u64() % 5) as usize];
        let torn = [0, 40, 200][(rng.next_u64() % 3) as usize];
        Chance { rng, kept, torn }
    }

    fn keeps(&mut self) -> bool {
        self.rng.next_u64() % 256 < self.kept
    }

    fn tears(&mut self) -> bool {
        self.rng.next_u64() % 256 < self.torn
    }
}

impl Node {
    fn survive(&mut self, chance: &mut Chance) {
        match &mut self.kind {
            Kind::File { shown, saved, unsaved } => {
                unsaved.drain(..).for_each(|write| write.survive_in(saved, chance));
                shown.clone_from(saved);
            }
            Kind::Dir { shown, saved, unsaved } => {
                unsaved.drain(..).filter(|_| chance.keeps()).for_each(|change| rename_in(saved, &change));
                shown.clone_from(saved);
            }
        }
    }

    fn settle(&mut self) {
        match &mut self.kind {
            Kind::File { shown, saved, unsaved } => {
                saved.clone_from(shown);
                unsaved.clear();
            }
            Kind::Dir { shown, saved, unsaved } => {
                saved.clone_from(shown);
                unsaved.clear();
            }
        }
    }
}

impl Write {
    fn end(&self) -> usize {
        match self {
            Write::Bytes { at, bytes } => at + bytes.len(),
            Write::Length(length) => *length,
        }
    }

    fn apply_to(&self, file: &mut Vec<u8>) {
        match self {
            Write::Length(length) => file.resize(*length, 0),
            Write::Bytes { at, bytes } => {
                let end = at + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*at..end].copy_from_slice(bytes);
            }
        }
    }

    fn survive_in(self, file: &mut Vec<u8>, chance: &mut Chance) {
        if !chance.keeps() {
            return;
        }
        match &self {
            Write::Bytes { at, bytes } if chance.tears() => {
                let mut begin = 0;
                while begin < bytes.len() {
                    // Sectors are aligned to the start of the file.
                    let end = bytes.len().min(begin + SECTOR - (at + begin) % SECTOR);
                    if chance.rng.next_u64().is_multiple_of(2) {
                        Write::Bytes { at: at + begin, bytes: bytes[begin..end].to_vec() }.apply_to(file);
                    }
                    begin = end;
                }
            }
            whole => whole.apply_to(file),
        }
    }
}

pub fn file() -> Kind {
    Kind::File { shown: Vec::new(), saved: Vec::new(), unsaved: Vec::new() }
}

pub fn dir() -> Kind {
    Kind::Dir { shown: Names::new(), saved: Names::new(), unsaved: Vec::new() }
}

fn rename_in(names: &mut Names, change: &Change) {
    for (name, ino) in change {
        match ino {
            Some(ino) => names.insert(name.clone(), *ino),
            None => names.remove(name),
        };
    }
}
