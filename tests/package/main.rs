//! Installs the Debian package in a container that runs this system's systemd, and tests the service.
//!
//! [`machine`] boots the container; [`program`] talks to the nodes in it. Where containers cannot be created, the tests are
//! skipped with a message.
#![cfg(all(feature = "node", target_os = "linux"))]

mod machine;
mod package;
#[path = "../program/mod.rs"]
mod program;
mod service;
