pub mod directory;
mod on_directory;
mod on_trail;
pub mod questions;
pub mod trails;
