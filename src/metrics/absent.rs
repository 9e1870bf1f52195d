//! In a program that was built without the feature `metrics`: there is no way to get any.

use std::convert::Infallible;
use std::net::SocketAddr;

use super::BindError;
use crate::hub::Observer;

/// It does not exist.
#[derive(Debug)]
pub struct Bound(Infallible);

/// It does not exist.
#[derive(Debug)]
pub struct Serving(Infallible);

/// Fails.
///
/// # Errors
/// Always [`BindError::Absent`].
pub fn bind(_addr: SocketAddr) -> Result<Bound, BindError> {
    Err(BindError::Absent)
}

impl Bound {
    /// Is never called.
    pub fn serve(self, _observer: Observer) -> Serving {
        match self.0 {}
    }
}
