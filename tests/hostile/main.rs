//! A whole node on loopback, and strangers who speak QUIC to it and misbehave. After each attack an honest peer still chats
//! through the node, nothing was shown that should not be, and what was refused is counted where `\me` shows it.
#![cfg(feature = "node")]

#[path = "../adversary/mod.rs"]
mod adversary;
mod frames;
mod handshakes;
#[cfg(unix)]
mod log;
mod neighbours;
#[cfg(unix)]
#[path = "../program/mod.rs"]
mod program;
mod scene;
mod strangers;
mod streams;
