//! The real program at its command line, as scripts and people use it: the events and keys that `docs/json.md` documents, and
//! the treatment of bad input.
//!
//! The nodes run without mDNS except in [`lan`], and have their own ports and directories.
#![cfg(all(feature = "node", unix))]

mod address;
mod args;
mod bootstrap;
mod conversation;
mod directory;
mod disk;
mod doctor;
mod ending;
mod lan;
mod linking;
mod links;
mod macros;
mod metrics;
mod monitoring;
mod names;
mod network;
#[path = "../program/mod.rs"]
mod program;
mod remote;
mod requests;
mod scripts;
mod server;
mod sessions;
mod sim;
mod text;
