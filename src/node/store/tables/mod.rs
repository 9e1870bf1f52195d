//! Reads and writes of tables that are a subject of their own.

pub mod changes;
pub mod custody;
pub mod lines;
pub mod runs;
pub mod strangers;
