pub mod connections;
pub mod dials;
pub mod nearby;
mod on_connection;
mod on_dial;
mod on_sighting;
pub mod seek;
