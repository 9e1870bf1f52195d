//! The Debian package, installed and started for real: on a machine of its own with the systemd of this one.
//!
//! [`machine`] boots it; [`program`] talks to the nodes on it. Skipped, loudly, where the system allows no such machine.
#![cfg(all(feature = "node", target_os = "linux"))]

mod machine;
mod package;
#[path = "../program/mod.rs"]
mod program;
mod service;
