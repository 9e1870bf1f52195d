//! What the shell adds to an examination (`\doctor`): the interfaces, multicast, the clock, and the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use if_addrs::Interface;
use tokio::time::Instant;

use super::clock::{Clock, is_believable};
use super::interfaces;
use super::lan::Heard;
use super::store;
use crate::proto::notice::examination::{Disk, Host, Link};
use crate::time::{Moment, Now};

/// Looks at the machine and the process.
#[derive(Debug, Clone)]
pub struct Examiner {
    /// The data directory; `None` of a session that keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// The UDP port.
    pub port: u16,
    /// What is heard on the local link; `None` if it is not used.
    pub heard: Option<Arc<Heard>>,
    /// The clock of this node.
    pub clock: Clock,
    /// When the store last reported a commit.
    pub committed: Option<Moment>,
    /// Why the disk refuses writes, while it does.
    pub refuses: Option<String>,
}

/// What can be said of the machine, and of a data directory if one is given, without a node.
pub fn examine_machine(dir: Option<&Path>) -> Host {
    let data_dir = dir.map(Path::to_owned);
    let clock = Clock::new(Now::default());
    Examiner { data_dir, port: 0, heard: None, clock, committed: None, refuses: None }.examine()
}

impl Examiner {
    /// What there is to say. It may wait for the disk.
    pub fn examine(&self) -> Host {
        let now = self.clock.now();
        Host {
            version: env!("CARGO_PKG_VERSION"),
            port: self.port,
            interfaces: self.links(&interfaces::list()),
            lan: self.heard.is_some(),
            wall: now.wall,
            unset_clock: !is_believable(now.wall),
            disk: self.disk(now.moment),
        }
    }

    /// The interfaces but loopback, each with all its addresses.
    fn links(&self, interfaces: &[Interface]) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for interface in interfaces.iter().filter(|interface| !interface.is_loopback()) {
            if let Some(link) = links.iter_mut().find(|link| link.name == interface.name) {
                link.addrs.push(interface.ip());
                continue;
            }
            let heard = self.heard.as_ref().zip(interface.index);
            links.push(Link {
                name: interface.name.clone(),
                addrs: vec![interface.ip()],
                is_up: interface.is_oper_up(),
                multicast: heard.and_then(|(heard, index)| heard.on(index, Instant::now())),
            });
        }
        links
    }

    /// The bytes of the store, and the number of damaged ones beside it.
    pub fn footprint(&self) -> (u64, usize) {
        self.data_dir.as_deref().map(store::footprint).unwrap_or_default()
    }

    fn disk(&self, now: Moment) -> Disk {
        let (store, set_aside) = self.footprint();
        Disk {
            keeps: self.data_dir.is_some(),
            free: self.data_dir.as_deref().and_then(system::free),
            store,
            set_aside,
            committed: self.committed.map(|at| now.since(at)),
            refuses: self.refuses.clone(),
        }
    }
}

#[cfg(unix)]
mod system {
    use std::path::Path;

    use nix::sys::statvfs::statvfs;

    /// Bytes that an ordinary user may still write to the file system of a directory.
    pub fn free(dir: &Path) -> Option<u64> {
        let found = statvfs(dir).ok()?;
        // Their width differs between systems.
        #[expect(clippy::useless_conversion, reason = "it is one on this system only")]
        Some(u64::from(found.blocks_available()).saturating_mul(u64::from(found.fragment_size())))
    }
}

#[cfg(not(unix))]
mod system {
    use std::path::Path;

    /// Not known.
    pub fn free(_dir: &Path) -> Option<u64> {
        None
    }
}
