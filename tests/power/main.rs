//! Acknowledged data survives and identities stay the same, whatever the disk does.
//!
//! The programs keep their data on a [`baddisk`]. In [`cuts`] the power fails on both sides of a conversation, in
//! [`carried`] that of a relay holding mail. In [`starts`] a program dies at every operation of a start. In
//! [`refusals`] the disk fails, is full or read-only. Skipped with a visible message where the system allows no
//! mounts.
//!
//! `DARKNODE_TEST_SEED` repeats a run as far as the kernel's scheduling allows; `DARKNODE_TEST_ROUNDS` multiplies its
//! length.
#![cfg(all(feature = "node", target_os = "linux"))]

#[path = "../baddisk/mod.rs"]
mod baddisk;
#[path = "../program/mod.rs"]
mod program;
#[path = "../promise/mod.rs"]
mod promise;

mod carried;
mod cuts;
mod refusals;
mod starts;

/// Runs a test `rounds` times with different seeds.
fn each_seed(rounds: u64, play: impl Fn(u64)) {
    let set = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let first = set("DARKNODE_TEST_SEED").unwrap_or_else(|| u64::from_be_bytes(darknode::node::clock::random()));
    for seed in (0..rounds * set("DARKNODE_TEST_ROUNDS").unwrap_or(1)).map(|round| first.wrapping_add(round)) {
        // The last seed printed is the one that failed.
        eprintln!("DARKNODE_TEST_SEED={seed}");
        play(seed);
    }
}
