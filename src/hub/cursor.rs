//! Cursors: how far a client has read, as a text to be kept and given back. Everything up to it was given to the client.
//!
//! It names the run of the node, the number of the last event in it, and the newest message in the order of arrival.
//! A later run does not have the events, and continues after that message.

use std::fmt;
use std::str::FromStr;

use crate::id::BootId;

/// How far a client has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The run of the node.
    pub boot: BootId,
    /// The number of the last event of that run; 0 if only messages from before it were given.
    pub event: u64,
    /// The newest message.
    pub arrival: u64,
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor, as in the `at` of an event; leave it out to begin with what happens from now on")]
pub struct BadCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}.{}", self.boot.0, self.event, self.arrival)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Cursor, BadCursor> {
        let mut parts = text.split('.');
        let (Some(boot), Some(event), Some(arrival), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadCursor);
        };
        let boot = u64::from_str_radix(boot, 16).map_err(|_| BadCursor)?;
        let number = |text: &str| text.parse().map_err(|_| BadCursor);
        Ok(Cursor { boot: BootId(boot), event: number(event)?, arrival: number(arrival)? })
    }
}
