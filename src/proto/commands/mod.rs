//! Commands: what a person or script asks of the node.
//!
//! `on_request` carries out each command, [`lookup`] lets `\chat` and `\add` wait for a name that is not known yet, `snapshot`
//! copies what interfaces may see.

pub mod lookup;
mod on_request;
mod snapshot;

use lookup::Lookups;

/// Commands that wait for a name.
#[derive(Default)]
pub struct Commands {
    pub lookups: Lookups,
}
