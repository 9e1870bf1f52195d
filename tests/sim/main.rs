//! The simulator: that its world does what it says, and what the cores do in it when everything goes wrong.

mod scenarios;
mod siege;
mod storms;
mod world;
