//! The real program at its command line, as scripts and people meet it: what `cli.md` promises, event by event and key by
//! key, and what becomes of bad input.
//!
//! The nodes are alone with each other: no mDNS but in [`lan`], ports and directories of their own.
#![cfg(all(feature = "node", unix))]

mod address;
mod args;
mod conversation;
mod directory;
mod disk;
mod ending;
mod lan;
mod links;
mod macros;
mod names;
mod network;
#[path = "../program/mod.rs"]
mod program;
mod server;
mod sim;
mod text;
