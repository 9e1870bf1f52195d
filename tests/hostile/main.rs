//! A whole node on loopback, attacked by peers that speak QUIC. After each attack a correct peer can still chat with
//! the node, nothing was shown that should not be, and what was refused is counted where `\me` shows it.
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
mod setup;
mod strangers;
mod streams;
