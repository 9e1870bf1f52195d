//! Keys, signatures, signed records, names, labels, sealed envelopes, network keys, and the exchange that links sessions. Nothing
//! here does I/O.

pub mod address;
pub mod invitation;
pub mod labels;
pub mod name;
pub mod network;
pub mod pake;
pub mod place;
pub mod record;
pub mod seal;
pub mod sign;
pub mod words;

pub use name::{BadName, Name};
pub use record::{Checked, Kept, Refused, Verifier};
pub use sign::{Domain, Scheme, SecretKey};
