//! The store through its public door: what was said to be stored is there, whatever happens to process, file and disk.

#![cfg(feature = "node")]

#[cfg(target_os = "linux")]
#[path = "../baddisk/mod.rs"]
mod baddisk;
mod custody;
mod disk;
mod file;
mod history;
mod memory;
#[cfg(target_os = "linux")]
mod power;
mod support;
