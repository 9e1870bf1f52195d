pub mod lookup;
mod on_request;
mod snapshot;
