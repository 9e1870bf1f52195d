pub mod links;
pub mod myself;
mod on_link;
pub mod on_myself;
mod on_record;
pub mod prekeys;
pub mod sessions;
pub mod users;
