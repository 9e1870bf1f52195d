//! A FUSE file system that simulates a disk that loses power, is full, is read-only or fails.
#![allow(dead_code, reason = "each test target uses a part of it")]

mod alone;
mod medium;
mod mounted;
mod server;

pub use alone::alone;
pub use medium::Fault;
pub use server::BadDisk;
