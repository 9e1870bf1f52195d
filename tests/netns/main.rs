//! Real nodes on virtual cables and switches that are cut, joined and moved.
//!
//! [`field`] sets up the network, [`program`] starts the real program, [`talk`] is what users do. Skipped with a
//! visible message where the system does not allow namespaces.
#![cfg(all(feature = "node", target_os = "linux"))]
#![allow(clippy::disallowed_methods, reason = "tests wait by the clock")]

#[path = "../program/mod.rs"]
mod program;
#[path = "../promise/mod.rs"]
mod promise;

mod addressing;
mod cables;
mod chain;
mod doctor;
mod field;
mod hall;
mod horizon;
mod internet;
mod islands;
mod kills;
mod mail;
mod multicast;
mod nat;
mod presence;
mod reach;
mod sessions;
mod storm;
mod talk;
