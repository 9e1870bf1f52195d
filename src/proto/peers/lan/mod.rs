//! The local link, and the strangers met there.
//!
//! [`nearby`] keeps who is announced, [`hearsay`] what neighbours on the link tell of others there. `on_sighting` handles
//! announcements, `on_hearsay` what is told, and `on_strangers` decides to which strangers this node keeps connections.

pub mod hearsay;
pub mod nearby;
mod on_hearsay;
mod on_sighting;
mod on_strangers;
