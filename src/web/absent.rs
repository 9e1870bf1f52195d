//! In a program that was built without the feature `web`: there is no page.

use std::convert::Infallible;
use std::net::SocketAddr;

use super::{BindError, Random};
use crate::hub::Clients;

/// It does not exist.
#[derive(Debug)]
pub struct Bound(Infallible);

/// Serves nothing.
#[derive(Debug)]
pub struct Web;

/// Fails.
///
/// # Errors
/// Always [`BindError::Absent`].
pub fn bind(_addr: Option<SocketAddr>) -> Result<Bound, BindError> {
    Err(BindError::Absent)
}

/// Serves nothing.
pub fn start(_clients: Clients, _bound: Option<Bound>, _random: Random) -> Web {
    Web
}

impl Web {
    /// No page, no link.
    pub fn link(&self) -> Option<String> {
        None
    }

    /// Does nothing.
    pub async fn close(self) {}
}
