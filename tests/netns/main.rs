//! Real nodes on cables and switches that are cut, joined and moved: the local link as a field exercise.
//!
//! [`field`] makes the cables; [`program`] starts the real program; [`talk`] is what people do. Skipped, loudly, where
//! the system allows no namespaces.
#![cfg(all(feature = "node", target_os = "linux"))]
#![allow(clippy::disallowed_methods, reason = "tests wait by the clock")]

#[path = "../program/mod.rs"]
mod program;
#[path = "../promise/mod.rs"]
mod promise;

mod addressing;
mod cables;
mod chain;
mod field;
mod horizon;
mod islands;
mod kills;
mod mail;
mod multicast;
mod presence;
mod storm;
mod talk;
