//! The core attacked by proved peers that lie, driven input by input.

#[path = "../adversary/mod.rs"]
mod adversary;
mod cards;
mod chaos;
mod crowd;
mod custody;
mod dials;
mod disk;
mod floods;
mod forks;
mod horizon;
mod keys;
mod linking;
mod mirrors;
mod names;
mod nearby;
mod records;
mod relayed_linking;
mod relays;
mod restored;
mod sealed;
mod sessions;
mod sisters;
mod strangers;
mod unlink;
mod victim;
mod watched;
