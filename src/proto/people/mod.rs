//! People: who is known, by which name and keys, where their sessions were, and who is linked with whom.
//!
//! [`users`] holds rosters and names, [`sessions`] declarations, key cards and addresses, [`links`] both sides' statements about
//! each link, [`myself`] and [`prekeys`] what this session states about itself. Signed records arrive in `on_record`, statements
//! about links in `on_link`; `on_myself` signs this session's own records and pushes them when they change, `on_own_roster` keeps the
//! list of the local user's sessions.

pub mod links;
pub mod myself;
mod on_link;
mod on_myself;
pub mod on_name;
mod on_own_roster;
pub mod on_record;
mod on_stranger;
pub mod prekeys;
pub mod sessions;
pub mod strangers;
pub mod users;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Address, NetworkId, SessionId, UserId};
use crate::identity::labels::Labels;
use crate::identity::seal::PrekeySecret;
use crate::proto::Accept;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::limits::{MAX_KEPT_USERS, MAX_WARNED, RECOVERY};
use crate::proto::notice::{ErrorCode, Notice, WarningCode, Which};
use crate::proto::persist::{LinkRow, LinkState, Op, SessionRow, StrangerRow, UnlinkedRow, UserRow};
use crate::time::Moment;
use crate::wire::record::roles;
use links::Links;
use myself::Myself;
use prekeys::Prekeys;
use sessions::Sessions;
use strangers::Strangers;
use users::{Pin, Users};

/// Everything known about users, the local user included.
pub struct People {
    pub users: Users,
    pub sessions: Sessions,
    pub links: Links,
    pub strangers: Strangers,
    pub myself: Myself,
    pub prekeys: Prekeys,
    /// Users the interfaces were warned about, by what; at most [`MAX_WARNED`].
    pub warned: BTreeSet<(UserId, WarningCode)>,
    /// Until when a node that started without links asks others for its lost link list.
    pub recovery: Option<Moment>,
    /// How many sessions the last pruning had to keep.
    pub left_by_prune: usize,
    /// The labels of the local user's sessions that the own roster revokes, at most as many as it may revoke.
    pub unlinked: BTreeMap<SessionId, String>,
}

impl People {
    /// When something here is due: keys to replace, the refresh of the declaration, the end of recovery.
    pub fn next(&self) -> Option<Moment> {
        [self.prekeys.next(), Some(self.myself.refresh_at), self.recovery, self.strangers.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Starts from the stored rows and signs this session's first statements about itself.
    pub fn new(
        cx: &mut Context,
        users: Vec<UserRow>,
        sessions: Vec<SessionRow>,
        links: &[LinkRow],
        strangers: Vec<StrangerRow>,
        prekeys: Vec<PrekeySecret>,
    ) -> People {
        let mut prekeys = Prekeys::new(prekeys);
        let mut users = Users::new(users);
        let recovery = links.is_empty().then_some(cx.now.moment + RECOVERY);
        let links = Links::new(links);
        if let Some(prekey) = prekeys.rotate(&mut cx.rng, cx.now.moment) {
            cx.out.store(Op::Prekey(prekey.clone()));
        }
        let myself = on_myself::first(&cx.config, &mut cx.count, &mut users, &prekeys, &links, cx.now);
        cx.save_counters();
        users.pin(&cx.config.user, Pin::Decided);
        let is_auto = |user: &UserId| links.own_state(user) == LinkState::Auto;
        links.users().filter(is_auto).for_each(|user| users.weaken_pin(&user));
        users.keep(cx.config.user);
        users.row(&cx.config.user).map(|row| cx.out.store(Op::User(row)));
        People {
            users,
            sessions: Sessions::new(sessions),
            links,
            strangers: Strangers::new(strangers),
            myself,
            prekeys,
            warned: BTreeSet::new(),
            recovery,
            left_by_prune: 0,
            unlinked: BTreeMap::new(),
        }
    }

    /// Adds the sessions of the local user that were unlinked.
    pub fn with_unlinked(mut self, unlinked: Vec<UnlinkedRow>) -> People {
        self.unlinked = unlinked.into_iter().map(|row| (row.session, row.label)).collect();
        self
    }

    /// The session an address belongs to, if it is that of a known session and not of a user.
    pub fn session_at(&self, address: &Address) -> Option<SessionId> {
        let session = SessionId(address.0);
        self.sessions.get(&session).map(|_| session)
    }

    /// The user an address belongs to: the user of a known session, or the user with this id.
    pub fn user_at(&self, address: &Address) -> UserId {
        self.sessions.get(&SessionId(address.0)).map_or(UserId(address.0), |known| known.user)
    }

    /// The sessions that receive everything sent to an address. Nothing is sent to a session that its user has revoked.
    pub fn audience(&self, address: &Address) -> Vec<SessionId> {
        let all = self.users.audience(&self.user_at(address));
        match self.session_at(address) {
            Some(session) => all.into_iter().filter(|listed| *listed == session).collect(),
            None => all,
        }
    }

    /// The name to show for an address.
    pub fn handle(&self, address: &Address) -> String {
        self.users.handle(&self.user_at(address))
    }

    /// The name to show for whoever has a session, as [`People::name_for`]; the start of its id if its user is not known.
    pub fn name_of(&self, session: &SessionId) -> String {
        self.sessions.get(session).map_or_else(|| session.short(), |known| self.name_for(&known.user, session))
    }

    /// The name to show for a session of which only matters whose it is: that of its user, or its label if that is the local user,
    /// whose name would say that this node is meant.
    pub fn name_for(&self, user: &UserId, session: &SessionId) -> String {
        if *user == self.myself.roster.user { self.label_of(user, session) } else { self.users.handle(user) }
    }

    /// The label to show for a session: the start of its id if its user's roster does not list it, unless it is one of the local
    /// user's that was unlinked. Another one may have its label now.
    pub fn label_of(&self, user: &UserId, session: &SessionId) -> String {
        let labels = self.users.labels(user);
        match self.unlinked.get(session) {
            Some(label) if labels.all().contains(label) => format!("{label}#{}", session.short()),
            Some(label) => label.clone(),
            None => labels.label(session),
        }
    }

    /// How a session is told apart from the others of its user.
    pub fn which(&self, user: &UserId, session: &SessionId) -> Which {
        let labels = self.users.labels(user);
        let is_listed = labels.sessions().any(|listed| listed == *session);
        let label = (is_listed && labels.sessions().count() > 1).then(|| labels.label(session));
        Which { label, own: *user == self.myself.roster.user }
    }

    /// Refuses a macro that signs a roster, where the user key is not.
    ///
    /// # Errors
    ///
    /// The code and the message to show, which names the user's other sessions.
    pub fn require_user_key(&self, cx: &Context, typed: &str) -> Result<(), (ErrorCode, String)> {
        if cx.config.user_key.is_some() {
            return Ok(());
        }
        let labels = Labels::of(&self.myself.roster);
        let others: Vec<String> =
            labels.sessions().filter(|other| *other != cx.me).map(|other| labels.label(&other)).collect();
        let there = if others.is_empty() { String::new() } else { format!(": try {}", others.join(" or ")) };
        Err((ErrorCode::NoUserKey, format!("your user key is not on this session; type {typed} where it is{there}")))
    }

    /// Whether a session claims to be a relay or a server.
    pub fn is_carrier(&self, session: &SessionId) -> bool {
        let declaration = self.sessions.get(session).and_then(|known| known.declaration());
        declaration.is_some_and(|declaration| declaration.roles & (roles::RELAY | roles::SERVER) != 0)
    }

    /// Whether a session is another one of the local user.
    pub fn is_sister(&self, session: &SessionId) -> bool {
        self.sessions.get(session).is_some_and(|known| known.user == self.myself.roster.user)
    }

    /// Whether the store has room for one more user.
    pub fn may_keep(&self, user: &UserId) -> bool {
        self.users.is_kept(user) || self.users.kept() < MAX_KEPT_USERS
    }

    /// Whether the local user has neither answered, added nor verified a user. Members of a closed network are no strangers
    /// to each other, unless the local user wants to be asked.
    pub fn is_stranger(&self, cx: &Context, user: &UserId) -> bool {
        let undecided = matches!(self.links.own_state(user), LinkState::None | LinkState::Auto | LinkState::Removed);
        let open = cx.config.network == NetworkId::OPEN || cx.config.accept == Accept::Ask;
        open && undecided && *user != cx.config.user && !self.users.is_verified(user)
    }

    /// Keeps a user and their sessions across restarts.
    pub fn keep(&mut self, cx: &mut Context, user: UserId) {
        if !self.users.keep(user) {
            return;
        }
        self.save_user(cx, &user);
        for session in self.sessions.of_user(&user).collect::<Vec<_>>() {
            self.save_session(cx, &session);
        }
    }

    /// Stores what is known of a user, if the user is kept.
    pub fn save_user(&mut self, cx: &mut Context, user: &UserId) {
        if self.may_save(cx, user)
            && let Some(row) = self.users.row(user)
        {
            cx.out.store(Op::User(row));
        }
    }

    /// Stores what is known of a session, if its user is kept.
    pub fn save_session(&mut self, cx: &mut Context, session: &SessionId) {
        let Some(user) = self.sessions.get(session).map(|known| known.user) else { return };
        if self.may_save(cx, &user)
            && let Some(row) = self.sessions.row(session)
        {
            cx.out.store(Op::Session(Box::new(row)));
        }
    }

    /// Whether records of a user are stored: the user is kept, and a stranger has not changed theirs too often.
    fn may_save(&mut self, cx: &mut Context, user: &UserId) -> bool {
        if !self.users.is_kept(user) {
            return false;
        }
        let may_save = !self.strangers.is_known(user) || self.strangers.may_store(user, cx.now.moment);
        if !may_save {
            cx.dropped(DropReason::RecordOfStranger);
        }
        may_save
    }

    /// Stores what is known of a stranger who has written.
    pub fn save_stranger(&self, cx: &mut Context, user: &UserId) {
        if let Some(row) = self.strangers.row(user) {
            cx.out.store(Op::Stranger(row));
        }
    }

    /// Removes the rows of a user from the store, and the pinned name.
    pub fn unkeep(&mut self, cx: &mut Context, user: &UserId) {
        if self.users.unkeep(user) {
            cx.out.store(Op::ForgetUser(*user));
            for session in self.sessions.of_user(user).collect::<Vec<_>>() {
                cx.out.store(Op::ForgetSession(session));
            }
        }
    }

    /// Stores both sides' statements about a link.
    pub fn save_link(&self, cx: &mut Context, user: &UserId) {
        if let Some(row) = self.links.row(user) {
            cx.out.store(Op::Link(row));
        }
    }

    /// Warns about a user, once for each code.
    pub fn warn_once(&mut self, cx: &mut Context, user: UserId, code: WarningCode, message: String) {
        if self.warned.len() >= MAX_WARNED && user != cx.config.user {
            return cx.dropped(DropReason::TooManyWarnings);
        }
        if self.warned.insert((user, code)) {
            let user = Some(self.users.handle(&user));
            cx.notice(None, Notice::Warning { code, message, user });
        }
    }
}
