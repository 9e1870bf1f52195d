//! The map of the house.
//!
//! darknode is a chat node that needs no server. A **user** is a person, known by a key; a **session** is one running
//! node of theirs. Two users are **linked** when both say so. A node keeps in sight everybody within two links, pushes
//! what changes to those it concerns, seeks for ever whoever is linked and missing, through friends and servers too, and
//! keeps every line that was typed until a receipt says it has arrived. Relays carry what is sealed to those who are not
//! connected.
//! What is not built yet stands in the README under *Limits*; why things are as they are, in `docs/decisions.md`; every
//! byte that travels, in `docs/protocol.md`.
//!
//! # Rooms
//!
//! | module | holds | its algorithm is told in |
//! |---|---|---|
//! | [`id`], [`time`] | newtypes; plain integers, no clock | |
//! | [`wire`] | frames and their CBOR: the only decoder of strangers' bytes | [`wire::codec`], [`wire::scan`] |
//! | [`identity`] | keys, signed records, names, seals, network keys, words | [`identity::seal`], [`identity::network`] |
//! | [`proto`] | **the core**: one synchronous state machine; a room per noun | [`proto`], [`proto::event`] |
//! | [`sim`] | many cores in one process, one seed, a network that can be cut | [`sim`] |
//! | `node` | the async shell: one loop owns the core; endpoint, connections, mDNS, store, the one clock | `node::node_loop`, `node::store`, `node::tls`, `node::home` |
//! | `ui` | the faces: a line editor, plain lines, JSON | `ui::session`, `ui::plain` |
//! | `handle` | where node and faces meet | |
//! | `config` | arguments and environment, checked | |
//!
//! `main.rs` is arguments → configuration → node and face → exit code. The last four exist with the feature `node`,
//! which is the default; without it the core and the simulator build alone, with no tokio, quinn or SQLite in
//! the tree.
//!
//! # Arrows
//!
//! ```text
//! id, time ◄── wire ◄── identity ◄── proto ◄─┬─ sim ◄── config
//!                                            ├─ node ──► handle
//!                                            └─ ui ────► handle, config, sim
//! ```
//!
//! Imports run one way: `id`, `time` ← `wire` ← `identity` ← `proto` ← `sim`, `node`, `ui` ← `main`. `node` and `ui`
//! meet only at `handle`; of the core the interfaces see `proto::event` and `proto::notice`. Inside the core, files that hold
//! state do not name each other: handlers (`on_*.rs`) pass on what they return. Which module of the core may call which, and
//! read or change whose state, stands in the tables of `tests/arrows/calls.rs`. `id` to `sim` do no I/O, read no clock, hold
//! no hash map and draw no randomness but what they are given. `tests/arrows` fails when one of these breaks.
//!
//! # A line of chat, from hand to hand
//!
//! 1. `ui::input` or `ui::interactive` reads it, `ui::macros` says what it means, `ui::session` numbers it and hands it
//!    over.
//! 2. `node::node_loop` feeds it to [`proto::Core::handle`]; the outbox takes it, and the first output is
//!    [`Op::Typed`](proto::persist::Op::Typed) for the store.
//! 3. `node::store::writer` commits what is queued as one transaction; [`Input::Stored`](proto::event::Input::Stored)
//!    opens the gate: `queued` is shown, and what was sealed may leave.
//! 4. Meanwhile `proto::chat::on_outbox` has taken what waits, and [`identity::seal`] has signed and sealed it to the addressee's
//!    prekeys; `node::connection` writes it on the chat stream, if a session of the addressee is connected. If none is, it waits, [`proto`]
//!    seeks them, and whoever may bring it on gets it as mail.
//! 5. Over there [`wire`] refuses or decodes, the seal is opened, the inbox takes each message once, the store commits,
//!    and only then release and receipt go back and the line goes to the face.
//! 6. The receipt settles the message here: `delivered`.
//!
//! # A line over islands
//!
//! 1. Bob is not connected. `proto::mail::on_mail` seals what waits for him, keeps the envelope in `proto::mail::custody`, and gives it
//!    to a friend who is connected with him and to a relay or server.
//! 2. The relay (`proto::mail::on_custody`) has room for it, stores it, and says so: `carried`. It hands it to Bob, or to a relay
//!    that has announced him nearer (`proto::relays::directory`); where nobody has, to whomever it meets next, half of the copies.
//! 3. Bob's session opens it, stores what was in it, and shows its release: each carrier drops the envelope, keeps the
//!    release as a tombstone, and tells those who have a copy.
//! 4. His receipt travels back as mail, too: `delivered`. Whatever copy is left is withdrawn.
//!
//! # A word about somebody, over two links
//!
//! 1. Bob's session declares itself to its neighbours; `proto::presence::on_presence` takes the record in and shows him.
//! 2. The link lists in `proto::presence::online::horizon` say whose friends may hear of it, `proto::presence::offers` who tells them: one passes the
//!    declaration on, the others offer marks.
//! 3. Over there Bob counts as online while a friend in the middle is connected with him (`proto::presence::online`).
//! 4. What a push lost, the next meeting repairs: `proto::presence::on_digest` compares marks and asks for what is lacking.
//! 5. Whoever misses Bob asks those in the middle (`proto::search::on_ping`), who remember the question (`proto::search::interest`).
//!
//! `docs/horizon.md` tells all of it, with figures.
//!
//! # Where to begin
//!
//! [`proto::event`] is the whole contract of the core on one page; [`proto::limits`] is every number with its reason.
//! The tests are sentences: `tests/core.rs`, `tests/horizon.rs` and `tests/mail` for the core and the simulator,
//! `tests/loopback_shell.rs` for whole nodes, `tests/store/` for what survives, `tests/vectors/` for every byte.

#[cfg(feature = "node")]
pub mod config;
#[cfg(feature = "node")]
pub mod handle;
pub mod id;
pub mod identity;
#[cfg(feature = "node")]
pub mod node;
pub mod proto;
pub mod sim;
pub mod time;
#[cfg(feature = "node")]
pub mod ui;
pub mod wire;
