//! The store through its public door: what was said to be stored is there, whatever happens to process, file and disk.

#![cfg(feature = "node")]

mod custody;
mod disk;
mod file;
mod history;
mod memory;
mod support;
