//! The core: the protocol as one synchronous state machine, without I/O, clock, tasks or global randomness.
//!
//! Whoever drives it calls [`Core::handle`], takes every [`Core::poll_output`], and comes back at [`Core::poll_timeout`].
//! The async shell, the simulator and the tests drive this very type.
//!
//! The algorithm, room by room. Every node is a user's *session*. It says of itself who and where it is ([`people::myself`]), knows
//! the names others go by ([`people::users`]) and where they were ([`people::sessions`]). Two users are linked when both link lists name each
//! other ([`people::links`]). Whoever is linked and has no live session is sought for ever ([`peers::seek`]) by dialling ([`peers::dials`]) where
//! they were last; whoever shows up on the local link is met ([`peers::nearby`]). Of two connections to one session one is kept
//! ([`peers::connections`]), and the faces are told who is there ([`presence::online`]). What is typed waits in the [`chat::outbox`] until receipts
//! say that every session of the addressee has it; what comes is taken once by the [`chat::inbox`], stored, and only then
//! receipted and shown. Keys to which others seal live in [`people::prekeys`]. Whoever is not connected gets mail ([`mail::on_mail`]):
//! envelopes that friends pass on and carriers keep in [`mail::custody`] and hand on ([`mail::on_custody`], [`mail::handover`], [`mail::on_handover`]),
//! another way too where it does not arrive ([`mail::watchdog`]).
//!
//! Everybody within two links is kept in sight ([`presence::horizon`]): who meets, compares what each holds ([`presence::on_digest`]); what
//! changes is passed on by one common friend and offered by the others ([`presence::offers`], [`presence::on_presence`]), link lists in turn ([`presence::pushes`]); who is missing is
//! asked for ([`search::on_ping`], [`search::interest`]), over chains of relays too ([`relays::own_queries`], [`relays::relayed_queries`]), and names that nobody knows are looked for ([`search::finds`]). Relays and servers keep of
//! everybody how many relays away they are ([`relays::directory`]). Some neighbours are chosen
//! at random ([`search::members`]), and `\explode` floods ([`search::floods`]).
//!
//! Rooms never call each other: each returns facts, and the files beside them (`on_*`) carry these from room to room.

mod budget;
mod chat;
mod commands;
mod counters;
mod cx;
mod drops;
pub mod event;
pub mod limits;
mod mail;
mod near;
pub mod notice;
mod on_control;
mod out;
mod peer;
mod peers;
mod people;
pub mod persist;
mod presence;
pub mod ranges;
mod relays;
mod search;
mod timers;

use rand_core::Rng;

use crate::id::{Address, BootId, NetworkId, UserId};
use crate::identity::{Name, SecretKey};
use crate::time::{Moment, Now};
use chat::Chat;
use chat::inbox::Inbox;
use chat::outbox::Outbox;
use commands::Commands;
use cx::Context;
use event::{Input, Output};
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

/// Who this node is and how it behaves; fixed for its life.
#[derive(Clone)]
pub struct Config {
    pub name: Name,
    /// The user key, on the session that may sign rosters.
    pub user_key: Option<SecretKey>,
    pub user: UserId,
    pub session_key: SecretKey,
    /// What people call this session, for its roster.
    pub label: String,
    pub network: NetworkId,
    /// Bits of [`roles`](crate::wire::record::roles).
    pub roles: u32,
    pub accept: Accept,
    /// The UDP port that others dial.
    pub port: u16,
    /// Program and version, said in the hello.
    pub agent: String,
    pub boot: BootId,
    /// Everything random in the core grows from these bytes.
    pub seed: [u8; 32],
}

/// What happens to requests for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    Auto,
    Ask,
}

/// The state machine.
pub struct Core {
    cx: Context,
    people: People,
    peers: Peers,
    presence: Presence,
    search: Search,
    relays: Relays,
    chat: Chat,
    mail: Mail,
    commands: Commands,
    /// When something is due at the latest.
    deadline: Option<Moment>,
}

impl Core {
    /// A node that starts with this memory. Its first outputs are what it has to store before it may speak.
    pub fn new(config: Config, memory: Memory, now: Now) -> Core {
        let mut cx = Context::new(config, memory.counters, now);
        let epoch = cx.rng.next_u64();
        let people = People::new(&mut cx, memory.users, memory.sessions, &memory.links, memory.prekeys);
        let outbox = Outbox::new(cx.me, epoch, memory.waiting, memory.delivered, memory.carried);
        let mut core = Core {
            peers: Peers::new(cx.me, now.moment),
            presence: Presence::new(Horizon::new(cx.config.user, memory.lists)),
            search: Search::default(),
            relays: Relays::default(),
            chat: Chat::new(outbox, Inbox::new(memory.received, memory.owed)),
            mail: Mail::new(Custody::new(memory.custody, memory.tombstones)),
            commands: Commands::default(),
            deadline: Some(now.moment),
            people,
            cx,
        };
        core.remember_members();
        core.remember_friends();
        core.restore_entrusted();
        core.settle_all();
        core.remember_who_was_there();
        core.seek_everybody();
        core.replay(&memory.replay);
        core.warn_if_unlisted();
        core
    }

    /// Takes an input in. Outputs wait in [`Core::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        self.cx.now = now;
        match input {
            Input::Timeout => {}
            Input::Request(request) => self.on_request(request),
            Input::Connected(connected) => self.on_connected(connected),
            Input::Control { conn, batch } => self.on_control(conn, batch),
            Input::Chat { conn, items } => self.on_chat(conn, items),
            Input::Closed { conn } => self.on_closed(conn),
            Input::DialFailed { dial, failure } => self.on_dial_failed(dial, failure),
            Input::Sighted { boot, addr } => self.on_sighted(boot, addr),
            Input::Unsighted { boot, addr } => self.on_unsighted(boot, addr),
            Input::Interfaces { addrs } => self.on_interfaces(addrs),
            Input::Bootstrap { addrs, whom } => self.on_bootstrap(addrs, whom),
            Input::Woke => self.try_everything(),
            Input::Stored { through } => self.on_stored(through),
            Input::StoreFailed { refused, error } => self.on_store_failed(refused, error),
            Input::MulticastDeaf => self.on_multicast_deaf(),
        }
        self.heed_time();
    }

    /// Does what is due, and finds out when the next is.
    fn heed_time(&mut self) {
        self.deadline = self.next_timeout();
        if self.deadline.is_some_and(|at| at <= self.cx.now.moment) {
            self.on_time();
            self.deadline = self.next_timeout();
        }
        self.prune_to_limit();
    }

    /// The next thing to do, in order. What must be sealed for it comes last: until then everything else is under way.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.out.poll().or_else(|| {
            if self.seal_pending() {
                self.deadline = self.next_timeout();
            }
            self.cx.out.poll()
        })
    }

    /// When the core wants to be called again at the latest.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.deadline
    }

    /// What to call a user: their name, or `name#abc123` where two share one.
    pub fn handle_of(&self, user: &UserId) -> String {
        self.people.users.handle(user)
    }

    /// What to call whoever an address belongs to.
    pub fn handle_at(&self, address: &Address) -> String {
        self.people.handle(address)
    }

    /// What was dropped or refused since the start, by reason.
    pub fn drops(&self) -> Drops {
        self.cx.drops.by_text()
    }
}
