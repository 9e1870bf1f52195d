pub mod finds;
pub mod floods;
pub mod interest;
pub mod members;
mod on_explode;
mod on_find;
mod on_ping;
mod on_sample;
