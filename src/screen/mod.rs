//! The full-screen interface: a client of the [local API](crate::api) that draws conversations on a terminal.
//!
//! The [`model`] holds what is known and changes with events and keys; [`render`] draws it. Both are pure. The loop ([`run`](mod@run))
//! carries lines to and from the node, keys from the terminal, and frames to it: at most twenty a second, and none while
//! nothing happens but one a minute, as ages are shown. What is kept of the messages is bounded; the rest of the history is
//! asked for while somebody scrolls.

mod action;
mod cells;
mod clock;
mod event;
mod link;
mod model;
mod render;
mod rows;
mod run;
pub mod terminal;
mod theme;
mod view;

pub use run::{End, Options, run};
pub use terminal::job::hold_stops;
