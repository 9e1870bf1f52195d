//! The store through its public interface: what it reported as stored is there, whatever happens to the process, the
//! file and the disk.

#![cfg(feature = "node")]

#[cfg(target_os = "linux")]
#[path = "../baddisk/mod.rs"]
mod baddisk;
mod conversations;
mod custody;
mod disk;
mod file;
mod history;
mod memory;
#[cfg(target_os = "linux")]
mod power;
mod search;
mod strangers;
mod support;
