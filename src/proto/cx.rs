//! What every part of the core works with: who this node is, the moment, randomness, the output queue, the counters, and the
//! count of what was dropped.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::id::{ConnId, SessionId};
use crate::identity::Verifier;
use crate::proto::Config;
use crate::proto::counters::Count;
use crate::proto::drops::{DropReason, Dropped};
use crate::proto::event::Output;
use crate::proto::notice::Notice;
use crate::proto::out::Outputs;
use crate::proto::persist::{Counters, Op};
use crate::time::{Moment, Now};
use crate::wire::control::Control;
use crate::wire::record::roles;

/// Shared by all modules of the core; none of them owns it.
pub struct Context {
    pub config: Config,
    /// This session.
    pub me: SessionId,
    pub verifier: Verifier,
    pub rng: ChaCha20Rng,
    pub now: Now,
    pub out: Outputs,
    pub count: Count,
    pub drops: Dropped,
    /// Until when nothing new is taken in, because the disk refuses.
    pub disk_trouble: Option<Moment>,
    pub stopping: bool,
}

impl Context {
    pub fn new(config: Config, counters: Counters, now: Now) -> Context {
        Context {
            me: SessionId(config.session_key.public()),
            verifier: Verifier { scheme: config.session_key.scheme(), network: config.network },
            rng: ChaCha20Rng::from_seed(config.seed),
            now,
            out: Outputs::default(),
            count: Count::new(counters),
            drops: Dropped::default(),
            disk_trouble: None,
            stopping: false,
            config,
        }
    }

    /// Counts something that was dropped or refused.
    pub fn dropped(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }

    /// Stores the counters if they moved, before whatever uses them.
    pub fn save_counters(&mut self) {
        if let Some(counters) = self.count.unsaved() {
            self.out.store(Op::Counters(counters));
        }
    }

    /// Sends a control message once what this node states about itself is durable.
    pub fn send(&mut self, conn: ConnId, message: Control) {
        self.out.after_own(Output::Control { conn, message });
    }

    /// Tells the interfaces at once.
    pub fn notice(&mut self, line: Option<u64>, notice: Notice) {
        self.out.push(Output::Notice { line, notice });
    }

    /// Tells the interfaces once everything it speaks of is durable.
    pub fn notice_after_store(&mut self, line: Option<u64>, notice: Notice) {
        self.out.after_store(Output::Notice { line, notice });
    }

    pub fn is_server(&self) -> bool {
        self.config.roles & roles::SERVER != 0
    }

    /// A relay or a server: it carries mail for others.
    pub fn is_carrier(&self) -> bool {
        self.config.roles & (roles::RELAY | roles::SERVER) != 0
    }
}
