//! The local API of a real node, over its socket and within its process: what `docs/api.md` promises, and the treatment of bad input.
#![cfg(all(feature = "node", unix))]

mod bad_input;
#[path = "../program/mod.rs"]
mod program;
mod requests;
mod since;
mod slow;
mod table;
