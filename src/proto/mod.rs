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
//! asked for ([`search::on_ping`], [`search::interest`]), over chains of relays too ([`relays::questions`], [`relays::trails`]), and names that nobody knows are looked for ([`search::finds`]). Relays and servers keep of
//! everybody how many relays away they are ([`relays::directory`]). Some neighbours are chosen
//! at random ([`search::members`]), and `\explode` floods ([`search::floods`]).
//!
//! Rooms never call each other: each returns facts, and the files beside them (`on_*`) carry these from room to room.

mod budget;
mod chat;
mod commands;
mod counters;
pub mod event;
pub mod limits;
mod mail;
pub mod notice;
mod on_control;
mod out;
mod peers;
mod people;
pub mod persist;
mod presence;
pub mod ranges;
mod relays;
mod search;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::id::{BootId, ConnId, MessageId, NetworkId, SessionId, UserId};
use crate::identity::{Name, SecretKey, Verifier};
use crate::time::{Moment, Now};
use budget::Budget;
use chat::early::Early;
use chat::inbox::Inbox;
use chat::outbox::Outbox;
use chat::sealing::Sealing;
use commands::lookup::Lookups;
use counters::Count;
use event::{CloseReason, Input, Output};
use mail::custody::Custody;
use mail::handover::{Forwards, Handover};
use mail::watchdog::Watchdog;
use notice::{Drops, Notice};
use out::Outputs;
use peers::connections::Neighbours;
use peers::dials::{Dials, Pings};
use peers::nearby::Nearby;
use peers::seek::Seek;
use people::links::Links;
use people::myself::Myself;
use people::prekeys::Prekeys;
use people::sessions::Sessions;
use people::users::Users;
use persist::{Memory, Op, Ticket};
use presence::horizon::Horizon;
use presence::offers::Offers;
use presence::online::Presence;
use presence::pushes::Pushes;
use relays::directory::Directory;
use relays::questions::Questions;
use relays::trails::Trails;
use search::finds::Finds;
use search::floods::Floods;
use search::interest::Interest;
use search::members::Members;

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
    config: Config,
    session: SessionId,
    verifier: Verifier,
    rng: ChaCha20Rng,
    now: Now,
    out: Outputs,
    count: Count,
    myself: Myself,
    users: Users,
    sessions: Sessions,
    links: Links,
    neighbours: Neighbours,
    nearby: Nearby,
    presence: Presence,
    horizon: Horizon,
    offers: Offers,
    pushes: Pushes,
    interest: Interest,
    directory: Directory,
    questions: Questions,
    trails: Trails,
    members: Members,
    finds: Finds,
    floods: Floods,
    budgets: Budgets,
    wanted: Seek<UserId>,
    bootstrap: Seek<SocketAddr>,
    bootstrapped: BTreeMap<SocketAddr, SessionId>,
    /// Who must answer at an address that was given with a user.
    expected: BTreeMap<SocketAddr, UserId>,
    dials: Dials,
    pings: Pings,
    lookups: Lookups,
    prekeys: Prekeys,
    outbox: Outbox,
    sealing: Sealing,
    inbox: Inbox,
    custody: Custody,
    handover: Handover,
    forwards: Forwards,
    watchdog: Watchdog,
    early: Early,
    /// My messages that are on their way to the disk, with the line that typed each.
    typed: VecDeque<(Ticket, MessageId, Option<u64>)>,
    /// When all who are missing were last sought anew because one of them came back.
    sought_all: Option<Moment>,
    /// When to look next where one of the missing was.
    glance: Moment,
    /// Sessions that the last pruning could not but keep.
    left_by_prune: usize,
    /// Users the faces were warned about, by what.
    warned: BTreeSet<(UserId, notice::WarningCode)>,
    /// Until when nothing new is taken in, because the disk refuses.
    disk_trouble: Option<Moment>,
    /// Until when a node that woke without links asks what it has forgotten.
    recovery: Option<Moment>,
    drops: Drops,
    stopping: bool,
    /// When something is due at the latest.
    deadline: Option<Moment>,
}

/// How often others may make this node do something.
struct Budgets {
    /// Ping requests of mine, by who is asked and target.
    asked: Budget<(SessionId, UserId)>,
    /// Ping requests, by who brings them and asker.
    pings: Budget<(SessionId, SessionId)>,
    /// Ping requests passed on, by who brings them, asker and target.
    pairs: Budget<(SessionId, SessionId, UserId)>,
    /// Ping requests of others, by the relay that passes them on.
    relayed_pings: Budget<SessionId>,
    /// Dials where an introducer sees somebody, by introducer.
    introductions: Budget<SessionId>,
    /// Dials to where nobody's key ever answered.
    unproven: Budget<IpAddr>,
    /// Questions for names, by asker, and by relay that passes them on.
    finds: Budget<SessionId>,
    relayed_finds: Budget<SessionId>,
    /// Samples, by sender.
    samples: Budget<SessionId>,
    /// Announcements of who is how far, by relay.
    announcements: Budget<SessionId>,
    /// Words that an envelope cannot be opened, by who says so.
    unopenables: Budget<SessionId>,
    /// Mail sealed anew, by addressee.
    sealed_anew: Budget<UserId>,
}

impl Budgets {
    fn new() -> Budgets {
        use limits::*;
        Budgets {
            asked: Budget::new(2, INTEREST / 2),
            pings: Budget::new(PING_BURST, PING_REFILL),
            pairs: Budget::new(PING_PAIR_BURST, PING_PAIR),
            relayed_pings: Budget::new(RELAYED_BURST, RELAYED_REFILL),
            introductions: Budget::new(FAILED_INTRODUCTIONS, INTRODUCTION_REFILL),
            unproven: Budget::new(UNPROVEN_DIALS_PER_IP, UNPROVEN_REFILL),
            finds: Budget::new(FIND_BURST, FIND_REFILL),
            relayed_finds: Budget::new(RELAYED_BURST, RELAYED_REFILL),
            samples: Budget::new(SAMPLE_BURST, SAMPLE_REFILL),
            announcements: Budget::new(ANNOUNCEMENT_BURST, ANNOUNCEMENT_REFILL),
            unopenables: Budget::new(UNOPENABLE_BURST, UNOPENABLE_REFILL),
            sealed_anew: Budget::new(SEALED_ANEW_BURST, SEALED_ANEW_REFILL),
        }
    }
}

impl Core {
    /// A node that wakes with this memory. Its first outputs are what it has to store before it may speak.
    pub fn new(config: Config, memory: Memory, now: Now) -> Core {
        let mut rng = ChaCha20Rng::from_seed(config.seed);
        let epoch = rng.next_u64();
        let session = SessionId(config.session_key.public());
        let verifier = Verifier { scheme: config.session_key.scheme(), network: config.network };
        let mut count = Count::new(memory.counters);
        let mut prekeys = Prekeys::new(memory.prekeys);
        let mut out = Outputs::default();
        let mut users = Users::new(memory.users);
        let links = Links::new(&memory.links);
        if let Some(prekey) = prekeys.rotate(&mut rng, now.moment) {
            out.store(Op::Prekey(prekey.clone()));
        }
        let myself = people::on_myself::first(&config, &mut count, &mut users, &prekeys, &links, now);
        count.unsaved().map(|counters| out.store(Op::Counters(counters)));
        users.keep(config.user);
        users.row(&config.user).map(|row| out.store(Op::User(row)));
        let mut core = Core {
            session,
            verifier,
            now,
            out,
            count,
            myself,
            links,
            neighbours: Neighbours::new(session),
            nearby: Nearby::default(),
            presence: Presence::default(),
            horizon: Horizon::new(config.user, memory.lists),
            offers: Offers::default(),
            pushes: Pushes::default(),
            interest: Interest::default(),
            directory: Directory::default(),
            questions: Questions::default(),
            trails: Trails::default(),
            members: Members::default(),
            finds: Finds::default(),
            floods: Floods::default(),
            budgets: Budgets::new(),
            wanted: Seek::new(),
            bootstrap: Seek::new(),
            bootstrapped: BTreeMap::new(),
            expected: BTreeMap::new(),
            dials: Dials::default(),
            pings: Pings::default(),
            lookups: Lookups::default(),
            prekeys,
            outbox: Outbox::new(session, epoch, memory.waiting, memory.delivered, memory.carried),
            sealing: Sealing::default(),
            inbox: Inbox::new(memory.received, memory.owed),
            custody: Custody::new(memory.custody, memory.tombstones),
            handover: Handover::default(),
            watchdog: Watchdog::default(),
            forwards: Forwards::default(),
            early: Early::default(),
            typed: VecDeque::new(),
            sessions: Sessions::new(memory.sessions),
            users,
            sought_all: None,
            glance: now.moment + limits::GLANCE,
            left_by_prune: 0,
            warned: BTreeSet::new(),
            disk_trouble: None,
            recovery: memory.links.is_empty().then_some(now.moment + limits::RECOVERY),
            drops: Drops::new(),
            stopping: false,
            deadline: Some(now.moment),
            rng,
            config,
        };
        core.remember_members();
        core.remember_friends();
        core.remember_mail();
        core.settle_everybody();
        core.remember_who_was_there();
        core.seek_everybody();
        core
    }

    /// Takes an input in. Outputs wait in [`Core::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
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
        if self.deadline.is_some_and(|at| at <= self.now.moment) {
            self.on_time();
            self.deadline = self.next_timeout();
        }
        self.prune_to_limit();
    }

    /// The next thing to do, in order. What must be sealed for it comes last: until then everything else is under way.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.poll().or_else(|| {
            self.seal_what_waits();
            self.out.poll()
        })
    }

    /// When the core wants to be called again at the latest.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.deadline
    }

    /// What to call a user: their name, or `name#abc123` where two share one.
    pub fn handle_of(&self, user: &UserId) -> String {
        self.users.handle(user)
    }

    /// What was dropped or refused, by reason.
    pub fn drops(&self) -> &Drops {
        &self.drops
    }

    fn drop_counted(&mut self, reason: &'static str) {
        *self.drops.entry(reason).or_insert(0) += 1;
    }

    /// Stores the counters if they moved, before whatever uses them.
    fn save_counters(&mut self) {
        if let Some(counters) = self.count.unsaved() {
            self.out.store(Op::Counters(counters));
        }
    }

    fn notice(&mut self, line: Option<u64>, notice: Notice) {
        self.out.push(Output::Notice { line, notice });
    }

    /// Tells the faces once everything it speaks of is durable.
    fn notice_after_store(&mut self, line: Option<u64>, notice: Notice) {
        self.out.after_store(Output::Notice { line, notice });
    }

    fn warn_once(&mut self, user: UserId, code: notice::WarningCode, message: String) {
        if self.warned.len() >= limits::MAX_WARNED && user != self.config.user {
            return self.drop_counted("warning beyond the bound");
        }
        if self.warned.insert((user, code)) {
            let user = Some(self.users.handle(&user));
            self.notice(None, Notice::Warning { code, message, user });
        }
    }

    /// Ends a connection from this side.
    fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.out.push(Output::Close { conn, reason });
        self.on_closed(conn);
    }

    /// Whether there is room for one more user in the store.
    fn may_keep(&self, user: &UserId) -> bool {
        self.users.is_kept(user) || self.users.kept() < limits::MAX_KEPT_USERS
    }

    /// Keeps a user over restarts, with their sessions.
    fn keep(&mut self, user: UserId) {
        if !self.users.keep(user) {
            return;
        }
        self.save_user(&user);
        for session in self.sessions.of_user(&user).collect::<Vec<_>>() {
            self.save_session(&session);
        }
    }

    fn save_user(&mut self, user: &UserId) {
        if self.users.is_kept(user)
            && let Some(row) = self.users.row(user)
        {
            self.out.store(Op::User(row));
        }
    }

    fn save_session(&mut self, session: &SessionId) {
        let row = self.sessions.row(session).filter(|row| self.users.is_kept(&row.user));
        if let Some(row) = row {
            self.out.store(Op::Session(Box::new(row)));
        }
    }
}
