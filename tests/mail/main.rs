//! Mail: messages to users who are not connected, by friends, relays and mobile relays.

#[path = "../adversary/mod.rs"]
mod adversary;
mod carrying;
mod endings;
mod fairness;
mod routes;
mod secrecy;
mod sessions;
mod setup;
mod spray;
mod storms;
mod time;
