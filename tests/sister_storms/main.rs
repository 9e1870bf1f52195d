//! Randomized faults among people with several sessions each, by seed. Then everything is repaired, and what is promised of the
//! sessions of one person must hold. Each module is a kind of storm.
//!
//! `SISTER_STORMS=1000 cargo nextest run --test sister_storms` runs a thousand seeds of each kind in place of a few, from
//! `SISTER_STORMS_FROM` on.

mod blocks;
mod carried;
mod equal;
mod rest;
mod revoking;
mod setup;
mod signing;
mod visits;
