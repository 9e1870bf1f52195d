//! The core among strangers who are proved members and lie: driven by hand, input by input.

#[path = "../adversary/mod.rs"]
mod adversary;
mod cards;
mod chaos;
mod custody;
mod dials;
mod floods;
mod horizon;
mod keys;
mod nearby;
mod records;
mod relays;
mod sealed;
mod sessions;
mod victim;
mod watched;
