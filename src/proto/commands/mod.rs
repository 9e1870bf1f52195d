//! Commands of the user interface.
//!
//! `on_request` carries out each command, `on_session` those about the local user's sessions, `on_history` those about what was
//! said, `on_examine` `\doctor`, `on_map` `\map`. [`lookup`] holds `\chat` and `\add` while their name is searched for. `snapshot`
//! and `examined` copy state for display, `counts` counts it for monitoring.

mod counts;
mod examined;
pub mod lookup;
mod on_examine;
mod on_history;
mod on_map;
mod on_request;
mod on_session;
mod snapshot;

use lookup::Lookups;

/// Commands that wait for a name.
#[derive(Default)]
pub struct Commands {
    /// `\chat` and `\add` with a name that is not known yet.
    pub lookups: Lookups,
}
