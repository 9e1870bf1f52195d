//! Mail: messages to users who are not connected, by friends, relays and mobile relays.

mod carrying;
mod endings;
mod fairness;
mod routes;
mod scene;
mod secrecy;
mod spray;
mod storms;
mod time;
