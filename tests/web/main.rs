//! The web page of a real node: the rules of its server over TCP, and the page in a real browser.
#![cfg(all(feature = "web", unix))]

mod answers;
mod browser;
#[path = "../program/mod.rs"]
mod program;
mod rules;
#[path = "../api/table.rs"]
mod table;
