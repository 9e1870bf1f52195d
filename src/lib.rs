//! darknode is a chat node that needs no server.
//!
//! A **user** is a person, identified by a key; a **session** is one running node of a user. Two users are **linked** when
//! both say so. A node keeps track of everybody within two links, pushes changes to those they concern, seeks linked users who
//! are missing, through common friends and servers too, and keeps every line that was typed until a receipt says that it has
//! arrived. Relays carry sealed messages to people who are not connected. Limits of this version are listed in the README,
//! reasons in `docs/decisions.md`, the wire format in `docs/protocol.md`.
//!
//! # Driving the core
//!
//! The protocol is one synchronous state machine without I/O, [`proto::Core`]. The caller passes in the time and what
//! happened, and carries out what comes out; the shell, the simulator and the tests all do it like this:
//!
//! ```
//! use darknode::id::{BootId, NetworkId, UserId};
//! use darknode::identity::{Name, Scheme, SecretKey};
//! use darknode::proto::event::{Command, Input, Output, Request};
//! use darknode::proto::{Accept, Config, Core, notice::Filter, persist::Memory};
//! use darknode::time::{Moment, Now, Wall};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = |n| SecretKey::from_seed(Scheme::Ed25519, &[n; 32]);
//! # let (label, agent) = ("laptop".to_owned(), "example".to_owned());
//! let config = Config {
//!     name: Name::parse("alice")?, user: UserId(key(1).public()), user_key: Some(key(1)), session_key: key(2),
//!     is_new_user: true, label, network: NetworkId::OPEN, roles: 0, waits: false, accept: Accept::Auto,
//!     agent, boot_nonce: [1; 16], seed: [7; 32],
//! };
//! let now = Now { moment: Moment(0), wall: Wall(0) };
//! let mut core = Core::new(config, Memory::default(), now);
//! let command = Command::Users { filter: Filter::All };
//! core.handle(now, Input::Request(Request { line: Some(1), command }));
//! while let Some(output) = core.poll_output() {
//!     match output {
//!         Output::Store { ticket, .. } => core.handle(now, Input::Stored { through: ticket }),
//!         Output::Notice { line, notice } => println!("answer to line {line:?}: {notice:?}"),
//!         other => println!("to be sent, dialled, closed or looked up: {other:?}"),
//!     }
//! }
//! assert!(core.poll_timeout().is_some(), "call handle again by then");
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! | module | contents | documented in |
//! |---|---|---|
//! | [`id`], [`time`] | newtypes; plain integers, no clock | |
//! | [`wire`] | frames and their CBOR: the only decoder of input from strangers | [`wire::codec`], [`wire::scan`] |
//! | [`identity`] | keys, signed records, names, seals, network keys, words | [`identity::seal`], [`identity::network`] |
//! | [`proto`] | **the core**: one synchronous state machine | [`proto`], [`proto::event`] |
//! | [`sim`] | many cores in one process, one seed, a network that can be cut | [`sim`] |
//! | `node` | the async shell: one loop owns the core; endpoint, connections, mDNS, store, the only clock | `node::node_loop`, `node::store`, `node::tls`, `node::home` |
//! | `hub` | between one node and its several interfaces: the log of events, and who is given what | `hub`, `hub::feed` |
//! | `screen` | the full-screen interface, a client of the API; with the feature `screen` | `screen` |
//! | `ui` | the other interfaces: a line editor, plain lines, JSON | `ui::session`, `ui::plain` |
//! | `api` | the local API: requests and events over a socket or a named pipe | `docs/api.md` |
//! | `cli` | commands that speak to the running node over it | `cli` |
//! | `metrics` | what monitoring reads over HTTP; with the feature `metrics` | `deploy/README.md` |
//! | `web` | the page in a browser on this machine; with the feature `web` | `docs/web.md` |
//! | `handle` | the channels between node, hub and interfaces | |
//! | `config` | arguments and environment, checked | |
//!
//! `main.rs` turns arguments into a configuration, starts node and interface, and returns the exit code. The modules
//! from `node` on exist with the feature `node`, which is on by default. Without it the core and the simulator build alone, without tokio,
//! quinn or SQLite.
//!
//! # Imports
//!
//! ```text
//! id, time ◄── wire ◄── identity ◄── proto ◄─┬─ sim ◄── config
//!                                            ├─ node ──► handle ◄── hub ◄── metrics
//!                                            ├─ ui ────► handle, config, sim
//!                                            └─ api ───► hub, ui; web ──► api, hub; screen ──► ui, config;
//!                                                        cli ──► api, hub, ui, config, screen
//! ```
//!
//! Imports run one way: `id`, `time` ← `wire` ← `identity` ← `proto` ← `sim`, `node`, `ui` ← `main`. `node` and the
//! others meet only at `handle`; of the core, interfaces use `proto::event` and `proto::notice`. Inside the core, files that hold state do
//! not name each other: handlers (`on_*.rs`) pass on what they return. The tables in `tests/arrows/calls.rs` say which module
//! of the core may call which, and read or change whose state. The modules from `id` to `sim` do no I/O, read no clock, use
//! no hash maps and no randomness but what they are given. `tests/arrows` fails when one of these rules is broken.
//!
//! # A line of chat, step by step
//!
//! 1. `ui::input` or `ui::interactive` reads it, `ui::macros` parses it, `ui::session` numbers it and hands it over.
//! 2. `node::node_loop` passes it to [`proto::Core::handle`]. The outbox takes it, and the first output is
//!    [`Op::Typed`](proto::persist::Op::Typed) for the store.
//! 3. `node::store::writer` commits what is queued as one transaction. After [`Input::Stored`](proto::event::Input::Stored)
//!    `queued` is shown, and sealed envelopes may leave.
//! 4. Meanwhile `proto::chat::on_outbox` has taken what waits, and [`identity::seal`] has signed and sealed it to the
//!    addressee's prekeys. If a session of the addressee is connected, `node::connection` writes it to the chat stream. If none
//!    is, it waits while [`proto`] seeks the addressee, and travels as mail.
//! 5. At the addressee [`wire`] decodes or refuses it, the seal is opened, the inbox takes each message once, and the store
//!    commits. Only then release and receipt are sent and the line is shown.
//! 6. The receipt settles the message at the author: `delivered`.
//!
//! # A line to somebody on another network
//!
//! 1. Bob is not connected. `proto::chat::on_mail` seals what waits for him and hands the envelope to `proto::mail`, which
//!    holds it and gives it to a friend who is connected with him and to a relay or server.
//! 2. The relay (`proto::mail::carry`) stores it and says so: `carried`. It hands it to Bob, or to a relay that has announced
//!    a shorter distance to him (`proto::relays::directory`); if there is none, half of the copies go to each relay it meets
//!    (`proto::mail::route`).
//! 3. Bob's session opens it, stores the contents, and shows the release. Each carrier drops the envelope, keeps the release as
//!    a tombstone, and tells those that have a copy.
//! 4. His receipt travels back as mail: `delivered`. The remaining copies are withdrawn.
//!
//! # A change of somebody, over two links
//!
//! 1. Bob's session declares itself to its neighbours; `proto::presence::on_presence` takes the record and shows him.
//! 2. The link lists in `proto::presence::horizon` decide whose friends may hear of it, `proto::presence::offers` who sends
//!    it: one friend passes the declaration on, the others offer version summaries.
//! 3. There Bob counts as online while a common friend is connected with him (`proto::presence::online`).
//! 4. What a push lost is repaired at the next meeting: `proto::presence::on_digest` compares summaries and requests what is
//!    missing.
//! 5. Who misses Bob asks common friends (`proto::search::on_ping`), and they remember the question
//!    (`proto::search::interest`).
//!
//! `docs/horizon.md` describes all of this, with measurements.
//!
//! # Where to start reading
//!
//! [`proto::event`] is the whole contract of the core; [`proto::limits`] lists every bound with its reason. The tests are
//! sentences: `tests/core.rs`, `tests/horizon.rs` and `tests/mail` for the core and the simulator, `tests/loopback_shell.rs`
//! for whole nodes, `tests/store/` for what survives, `tests/vectors/` for every byte.

#![warn(missing_docs)]

#[cfg(feature = "node")]
pub mod api;
#[cfg(feature = "node")]
pub mod cli;
#[cfg(feature = "node")]
pub mod config;
#[cfg(feature = "node")]
pub mod handle;
#[cfg(feature = "node")]
pub mod hub;
pub mod id;
pub mod identity;
#[cfg(feature = "node")]
pub mod metrics;
#[cfg(feature = "node")]
pub mod node;
pub mod proto;
#[cfg(feature = "screen")]
pub mod screen;
pub mod sim;
pub mod time;
#[cfg(feature = "node")]
pub mod ui;
#[cfg(feature = "node")]
pub mod web;
pub mod wire;
