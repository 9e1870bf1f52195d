pub mod horizon;
pub mod offers;
pub mod on_digest;
pub mod on_presence;
pub mod online;
pub mod pushes;
