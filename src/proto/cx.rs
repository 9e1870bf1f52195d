//! The context of every part of the core: the configuration, the current time, randomness, the output queue, the
//! counters, and the counts of what was dropped.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::id::{BootId, ConnId, SessionId};
use crate::identity::Verifier;
use crate::proto::chatter::{Chatter, Report};
use crate::proto::config::Config;
use crate::proto::counters::Count;
use crate::proto::drops::{DropReason, Dropped};
use crate::proto::event::Output;
use crate::proto::histogram::Histogram;
use crate::proto::limits::DELIVERY_BUCKETS;
use crate::proto::notice::Notice;
use crate::proto::out::Outputs;
use crate::proto::persist::{Counters, Op};
use crate::time::{Moment, Now};
use crate::wire::control::Control;
use crate::wire::record::roles;

/// Shared by all modules of the core and owned by none.
pub struct Context {
    /// The identity and the options of this node.
    pub config: Config,
    /// This session.
    pub me: SessionId,
    /// The boot id of this start.
    pub boot: BootId,
    /// When this node started.
    pub started: Moment,
    /// Verifies signatures in this network.
    pub verifier: Verifier,
    /// All randomness of the core.
    pub rng: ChaCha20Rng,
    /// The time of the current input.
    pub now: Now,
    /// The output queue.
    pub out: Outputs,
    /// The counters.
    pub count: Count,
    /// How often something was dropped, by reason.
    pub drops: Dropped,
    /// How long own lines took until the first session of their addressee had them.
    pub delivery: Histogram,
    /// Notices about who comes and goes that wait.
    pub chatter: Chatter,
    /// A command is being carried out, so that its results are reported at once.
    pub is_commanded: bool,
    /// Until when new messages are refused, because the disk refuses writes.
    pub disk_trouble: Option<Moment>,
    /// When the disk has last refused a write.
    pub disk_failed: Option<Moment>,
    /// The node has declared itself offline and takes no more connections.
    pub stopping: bool,
}

impl Context {
    /// A context with an empty queue.
    pub fn new(config: Config, counters: Counters, now: Now) -> Context {
        let me = SessionId(config.session_key.public());
        Context {
            me,
            started: now.moment,
            boot: BootId::of(&me, &config.boot_nonce),
            verifier: Verifier { scheme: config.session_key.scheme(), network: config.network },
            rng: ChaCha20Rng::from_seed(config.seed),
            now,
            out: Outputs::default(),
            count: Count::new(counters),
            drops: Dropped::default(),
            delivery: Histogram::new(DELIVERY_BUCKETS),
            chatter: Chatter::default(),
            is_commanded: false,
            disk_trouble: None,
            disk_failed: None,
            stopping: false,
            config,
        }
    }

    /// Counts something that was dropped or refused.
    pub fn dropped(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }

    /// Stores the counters if they changed, before anything that uses them.
    pub fn save_counters(&mut self) {
        if let Some(counters) = self.count.unsaved() {
            self.out.store(Op::Counters(counters));
        }
    }

    /// Sends a control message once the changes on which this node's own statements depend are durable.
    pub fn send(&mut self, conn: ConnId, message: Control) {
        self.out.after_own(Output::Control { conn, message });
    }

    /// Notifies the interfaces at once.
    pub fn notice(&mut self, line: Option<u64>, notice: Notice) {
        self.out.push(Output::Notice { line, notice });
    }

    /// Notifies the interfaces once everything handed to the store so far is durable.
    pub fn notice_after_store(&mut self, line: Option<u64>, notice: Notice) {
        self.out.after_store(Output::Notice { line, notice });
    }

    /// Notifies the interfaces of a change of somebody's links or presence, a few times a minute for one person and at once
    /// if a command caused it.
    pub fn report(&mut self, notice: Notice, is_stranger: bool) {
        match self.chatter.report(notice, is_stranger, self.is_commanded, self.now.moment) {
            Report::Now(notice) => self.notice_of_change(notice),
            Report::Later => self.dropped(DropReason::NoticeMerged),
        }
    }

    /// Reports the changes that waited.
    pub fn report_due(&mut self) {
        for notice in self.chatter.take_due(self.now.moment) {
            self.notice_of_change(notice);
        }
    }

    /// What depends on nothing stored is reported even while the disk fails.
    fn notice_of_change(&mut self, notice: Notice) {
        match notice {
            Notice::Offline { .. } | Notice::Nearby { .. } | Notice::Away { .. } => self.notice(None, notice),
            notice => self.notice_after_store(None, notice),
        }
    }

    /// Whether this node is a server.
    pub fn is_server(&self) -> bool {
        self.config.roles & roles::SERVER != 0
    }

    /// Whether this node is a relay or a server, which carry mail for others.
    pub fn is_carrier(&self) -> bool {
        self.config.roles & (roles::RELAY | roles::SERVER) != 0
    }
}
