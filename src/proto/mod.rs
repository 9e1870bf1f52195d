//! The core: the protocol as one synchronous state machine, without I/O, clock, tasks or global randomness.
//!
//! The driver calls [`Core::handle`], takes every [`Core::poll_output`], and calls again at [`Core::poll_timeout`]. The
//! async shell, the simulator and the tests all drive this type.
//!
//! Every node is one *session* of a user. It signs its own records (`people::myself`) and knows users by their rosters
//! and names (`people::users`) and their sessions by declarations and addresses (`people::sessions`). Two users are
//! linked when both link lists name each other (`people::links`). A linked user without a live session is sought until
//! found (`peers::seek`) by dialling the last known addresses (`peers::dials`). Of the nodes that announce themselves on
//! the local link (`peers::lan::nearby`) a few are dialled, which tell of the others (`peers::lan::hearsay`). Of two connections to one session one is kept (`peers::connections`),
//! and the interfaces are notified who is online (`presence::online`).
//!
//! A typed line waits in the `chat::outbox` until receipts show that every session of the addressee has it. A received
//! one is taken once by the `chat::inbox`, stored, and only then acknowledged and shown. Others seal to the keys in
//! `people::prekeys`. Users who are not connected receive mail (`chat::on_mail`): envelopes that friends forward
//! (`mail::forwards`) and that carriers keep (`mail::custody`) and hand over (`mail::carry`, `mail::handover`), by
//! another route (`mail::route`) if they do not arrive in time (`mail::watchdog`).
//!
//! A node follows every user within two links (`presence::horizon`). Peers that meet compare what they hold
//! (`presence::on_digest`). A change is forwarded by one common friend and offered by the others (`presence::offers`,
//! `presence::on_presence`); link lists are sent in turn (`presence::pushes`). A missing user is asked for
//! (`search::on_ping`, `search::interest`), over chains of relays too (`relays::own_queries`,
//! `relays::relayed_queries`), and unknown names are looked up (`search::finds`). Relays and servers keep each user's
//! distance in relays (`relays::directory`). Some neighbours are chosen at random (`search::members`), and `\explode`
//! floods (`search::floods`).
//!
//! A new session of the user is linked by a code that is typed where the user key is (`linking`).
//!
//! What was tried to reach others is remembered (`tries`), so that `\doctor` can tell why somebody is not reached.
//!
//! Modules that hold state do not call each other. Each returns facts, and the handlers (`on_*`) pass these on.

pub mod budget;
mod chat;
mod chatter;
mod commands;
mod config;
mod counters;
mod cx;
mod drops;
pub mod event;
pub mod histogram;
pub mod limits;
mod linking;
mod mail;
mod near;
pub mod notice;
mod on_control;
pub mod origins;
mod out;
mod peer;
mod peers;
mod people;
pub mod persist;
mod presence;
pub mod ranges;
mod relays;
mod search;
mod sisters;
mod timers;
mod tries;

use rand_core::Rng;

use crate::id::{Address, SessionId, UserId};
use crate::time::{Moment, Now};
use chat::Chat;
use chat::inbox::Inbox;
use chat::outbox::Outbox;
use chat::reads::Reads;
use commands::Commands;
pub use config::{Accept, Config};
use cx::Context;
use event::{Input, Output};
use linking::Linking;
use linking::waiting::Waiting;
use mail::Mail;
use mail::custody::Custody;
use notice::Drops;
use peers::Peers;
use people::People;
use persist::Memory;
use presence::Presence;
use presence::horizon::Horizon;
use relays::Relays;
use search::Search;
use sisters::Sisters;
use sisters::ledger::Ledger;
use tries::Tries;

/// The state machine of one node.
pub struct Core {
    cx: Context,
    people: People,
    peers: Peers,
    presence: Presence,
    search: Search,
    relays: Relays,
    chat: Chat,
    mail: Mail,
    sisters: Sisters,
    commands: Commands,
    linking: Linking,
    tries: Tries,
    /// When [`Core::handle`] must be called next.
    deadline: Option<Moment>,
}

impl Core {
    /// Starts a node from this memory. Its first outputs store what must be durable before anything is sent.
    pub fn new(config: Config, memory: Memory, now: Now) -> Core {
        let mut cx = Context::new(config, memory.counters, now);
        let epoch = cx.rng.next_u64();
        let people =
            People::new(&mut cx, memory.users, memory.sessions, &memory.links, memory.strangers, memory.prekeys)
                .with_unlinked(memory.unlinked);
        let ledger = Ledger::new(cx.me, &memory.received, memory.written, memory.mirrored)
            .with_changes(memory.changes, memory.told);
        let outbox = Outbox::new(cx.me, epoch, memory.waiting, memory.delivered, memory.carried);
        let waiting = cx.config.waits.then(|| Waiting::new(&mut cx.rng, now.moment));
        let mut core = Core {
            peers: Peers::new(cx.me, now.moment),
            presence: Presence::new(Horizon::new(cx.config.user, memory.lists)),
            search: Search::default(),
            relays: Relays::default(),
            chat: Chat::new(outbox, Inbox::new(memory.received, memory.owed), Reads::new(memory.read)),
            mail: Mail::new(Custody::new(memory.custody, memory.tombstones)),
            sisters: Sisters::new(ledger),
            commands: Commands::default(),
            linking: Linking::new(waiting),
            tries: Tries::default(),
            deadline: Some(now.moment),
            people,
            cx,
        };
        core.follow_own_roster();
        core.remember_members();
        core.load_friends();
        core.restore_entrusted();
        core.settle_all();
        core.check_strangers();
        core.load_lost_sessions();
        core.seek_all_wanted();
        core.replay(&memory.replay);
        core.warn_if_unlisted();
        core.dial_own_sessions();
        core.attend_sisters();
        core
    }

    /// Processes an input. The resulting outputs wait in [`Core::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        self.cx.now = now;
        self.cx.is_commanded = matches!(input, Input::Request(_));
        match input {
            Input::Timeout => {}
            Input::Request(request) => self.on_request(request),
            Input::Connected(connected) => self.on_connected(connected),
            Input::Control { conn, batch } => self.on_control(conn, batch),
            Input::Chat { conn, items } => self.on_chat(conn, items),
            Input::Moved { conn, addr } => self.on_moved(conn, addr),
            Input::Flow { conn, flow } => self.on_flow(conn, flow),
            Input::Closed { conn, reason } => self.on_closed(conn, reason),
            Input::DialFailed { dial, failure } => self.on_dial_failed(dial, failure),
            Input::Sighted { boot, addr } => self.on_sighted(boot, addr),
            Input::Unsighted { boot, addr } => self.on_unsighted(boot, addr),
            Input::Interfaces { addrs } => self.on_interfaces(addrs),
            Input::Bootstrap { place, addrs, whom } => self.on_bootstrap(place, &addrs, whom),
            Input::Woke => self.on_woke(),
            Input::Stored { through } => self.on_stored(through),
            Input::Lines { sister, rows, examined } => self.on_lines(sister, rows, examined),
            Input::Read { line, with, through } => self.on_read(line, with, through),
            Input::StoreFailed { refused, error } => self.on_store_failed(refused, error),
            Input::MulticastDeaf => self.on_multicast_deaf(),
        }
        self.advance_linking();
        self.cx.is_commanded = false;
        self.attend_sisters();
        self.run_timers();
    }

    /// Runs the timers that are due and computes the next deadline.
    fn run_timers(&mut self) {
        self.deadline = self.next_timeout();
        if self.deadline.is_some_and(|at| at <= self.cx.now.moment) {
            self.on_time();
            self.deadline = self.next_timeout();
        }
        self.prune_to_limit();
    }

    /// The next output, in order. Sealing is expensive, so it is done only when all other outputs are taken.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.out.poll().or_else(|| {
            let has_mirrored = self.tend_sisters();
            if self.seal_pending() || has_mirrored {
                self.deadline = self.next_timeout();
            }
            self.cx.out.poll()
        })
    }

    /// When [`Core::handle`] must be called next, at the latest; `None` after the core has stopped.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.deadline
    }

    /// The local user.
    pub fn user(&self) -> UserId {
        self.cx.config.user
    }

    /// The local session.
    pub fn session(&self) -> SessionId {
        self.cx.me
    }

    /// The name to show for a user: their name, or `name#abc123` if several users share it.
    pub fn handle_of(&self, user: &UserId) -> String {
        self.people.users.handle(user)
    }

    /// The name to show for the user of an address.
    pub fn handle_at(&self, address: &Address) -> String {
        self.people.handle(address)
    }

    /// The label of the session that wrote a message of the local user.
    pub fn label_of(&self, user: &UserId, session: &SessionId) -> String {
        self.people.label_of(user, session)
    }

    /// Whether a message is part of the history that this session was given by another own one when it was new.
    pub fn is_past(&self, arrival: u64) -> bool {
        self.cx.count.is_past(arrival)
    }

    /// How often something was dropped or refused since the start, by reason.
    pub fn drops(&self) -> Drops {
        self.cx.drops.by_text()
    }
}
