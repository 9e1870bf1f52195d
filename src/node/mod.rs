pub mod home;
pub mod store;
pub mod tls;
