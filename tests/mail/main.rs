//! Mail: lines to somebody who is not connected, over friends, relays and pockets.

mod carrying;
mod endings;
mod fairness;
mod pockets;
mod routes;
mod scene;
mod secrecy;
mod storms;
mod time;
