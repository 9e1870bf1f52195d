//! Handles signed records from any source: rosters, declarations, key cards and link lists. A bad signature counts
//! against the connection that brought it. Records that are old or about irrelevant users are dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{Address, ConnId, NetworkId, SessionId, UserId};
use crate::identity::record::Record;
use crate::identity::{Checked, Refused};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_FAR_USERS, MAX_STRIKES};
use crate::proto::notice::{Absence, Notice, WarningCode};
use crate::proto::peer::Peer;
use crate::proto::people::users::RosterOutcome;
use crate::proto::persist::{Entry, LinkState, Op};
use crate::proto::presence::horizon::Added;
use crate::time::Moment;
use crate::wire::control::KnownUser;
use crate::wire::link::WAITING_NAME;
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster, Signed};

impl Core {
    /// Handles a link list: its statement about the local user, and the other users it names.
    pub(in crate::proto) fn on_link_list(&mut self, conn: ConnId, list: Checked<LinkList>) {
        let (user, session) = (list.user, list.session);
        if !self.people.users.admits(&user, &session) {
            return self.cx.dropped(DropReason::ListOfUnlistedSession);
        }
        if user == self.cx.config.user {
            return self.on_own_list(list);
        }
        if let Some(entry) = newest_about(&self.cx.config.user, &list)
            && self.takes_statement(conn, user, &entry)
        {
            self.receive_link(user, entry);
        }
        if self.keeps_list_of(&user) {
            self.keep_list(conn, list);
        }
    }

    /// Whether a user's link lists are kept: those of linked users and of the local user's other sessions, and on a server those of every user who brings one.
    pub(in crate::proto) fn keeps_list_of(&self, user: &UserId) -> bool {
        self.people.links.wants(user) || *user == self.cx.config.user || self.cx.is_server()
    }

    /// Keeps a user's link list and follows the changes in whom it names.
    fn keep_list(&mut self, conn: ConnId, list: Checked<LinkList>) {
        let (user, session) = (list.user, list.session);
        let before: BTreeSet<UserId> = self.presence.horizon.listed_by(&user).into_iter().collect();
        match self.presence.horizon.add_page(&list) {
            Added::Partial | Added::Known => return,
            Added::Refused => return self.cx.dropped(DropReason::ListBeyondBounds),
            Added::Complete => {}
        }
        if let Some(row) = self.presence.horizon.row(&user, &session) {
            self.cx.out.store(Op::List(row));
        }
        self.offer_to_sisters(&user);
        let after: BTreeSet<UserId> = self.presence.horizon.listed_by(&user).into_iter().collect();
        if before == after {
            return;
        }
        for removed in before.difference(&after) {
            self.on_left_horizon(removed);
        }
        // The bringer may know the newly listed users. The owner of the list is the friend in between and has to
        // confirm that they are online.
        let own = self.peers.connections.of_user(&user).into_iter().map(|peer| peer.conn);
        for conn in own.chain([conn]).collect::<BTreeSet<_>>() {
            self.request_users(conn, after.difference(&before));
        }
        for named in after.difference(&before) {
            for Peer { session, .. } in self.peers.connections.of_user(named) {
                self.show_online(session, *named);
            }
        }
        for peer in self.peers.connections.of_user(&user) {
            self.send_digest(peer);
        }
    }

    /// Takes over entries of the local user's list that this session lacks: its memory was lost, or another own session
    /// wrote them.
    fn on_own_list(&mut self, list: Checked<LinkList>) {
        // Others take no list of this session that is older than one they hold, so it is signed again.
        let mut outdated = list.session == self.cx.me && self.cx.count.observe_link_version(list.version);
        for entry in &list.entries.0 {
            let Some(state) = LinkState::from_wire(entry.state).filter(|_| entry.user != self.cx.config.user) else {
                continue;
            };
            self.cx.count.observe_lamport(entry.lamport);
            if self.people.links.adopt(entry.user, Entry { state, lamport: entry.lamport }) {
                outdated = true;
                self.people.users.add(entry.user);
                self.people.keep(&mut self.cx, entry.user);
                self.people.save_link(&mut self.cx, &entry.user);
                self.claim_by_link(entry.user);
                self.update_friendship(&entry.user);
                self.settle_stranger(&entry.user);
                self.ask_for_refused(&entry.user);
                self.seek_if_wanted(entry.user);
            }
        }
        // It is kept so that it is not requested again, and for those who meet this session only.
        if list.session != self.cx.me
            && self.presence.horizon.add_page(&list) == Added::Complete
            && let Some(row) = self.presence.horizon.row(&list.user, &list.session)
        {
            self.cx.out.store(Op::List(row));
        }
        if outdated {
            self.review_claims();
            self.cx.save_counters();
            self.renew_links();
        }
    }

    /// Handles a key card. `age` is the time since its session published it.
    pub(in crate::proto) fn receive_card(&mut self, conn: ConnId, card: &Signed, age: Duration) {
        if let Some(card) = self.checked::<KeyCard>(conn, card) {
            self.add_card(card, age);
        }
    }

    /// Handles the key cards in what a neighbour holds of a user.
    pub(in crate::proto) fn receive_cards(&mut self, conn: ConnId, known: &KnownUser) {
        for (n, card) in known.cards.iter().enumerate() {
            let age = known.card_ages.get(n).copied().unwrap_or(0);
            self.receive_card(conn, card, Duration::from_millis(age));
        }
    }

    /// Takes in a verified key card of a relevant user whose roster lists the session.
    pub(in crate::proto) fn add_card(&mut self, card: Checked<KeyCard>, age: Duration) {
        let (session, user) = (card.session, card.user);
        if session == self.cx.me {
            return self.on_own_seq(card.seq);
        }
        if !self.people.users.admits(&user, &session) || !self.concerns(&user) {
            return self.cx.dropped(DropReason::CardOfUnknown);
        }
        self.people.sessions.record_heard(session, user, Moment(0));
        let now = self.cx.now.moment;
        let before = self.people.sessions.prekey(&session, now);
        if self.people.sessions.update_card(&card, age, now) {
            self.people.save_session(&mut self.cx, &session);
            self.announce_again(&user);
            // A card with the same newest key opens no more than the one before.
            if self.people.sessions.prekey(&session, now) != before {
                self.chat.sealing.want_lines(Address::from(user));
                if let Some(sister) = self.sisters.ledger.get_mut(&session) {
                    sister.want(now);
                }
            }
        }
    }

    /// Takes in the declaration of a relevant user whose roster lists the session. Returns true if it is newer than the
    /// one held.
    pub(in crate::proto) fn receive_declaration(&mut self, declaration: Checked<Declaration>, heard: Moment) -> bool {
        let (session, user) = (declaration.session, declaration.user);
        if session == self.cx.me {
            self.on_own_seq(declaration.seq);
            return false;
        }
        if !self.people.users.admits(&user, &session) || !self.concerns(&user) {
            self.cx.dropped(DropReason::DeclarationOfUnknown);
            return false;
        }
        self.people.sessions.record_heard(session, user, heard);
        let online = declaration.online;
        let news = self.people.sessions.update_declaration(&declaration, heard);
        if news {
            self.name_declared(&session, None);
            self.keep_if_within_two_links(&user);
            self.people.save_session(&mut self.cx, &session);
            if online {
                self.notify_interested(session, &user);
            } else {
                self.show_offline(&session, Absence::Declared);
                self.end_claims(&session);
            }
        }
        news
    }

    /// Whether records about a user are kept: they are linked, within two links, kept in the store or connected, or
    /// this node is a server.
    pub(in crate::proto) fn concerns(&self, user: &UserId) -> bool {
        *user == self.cx.config.user
            || self.people.users.is_kept(user)
            || self.people.links.wants(user)
            || self.presence.horizon.reaches(user)
            || self.commands.lookups.was_found(user)
            || self.cx.is_server()
            || self.is_member(user)
            || (self.cx.is_carrier() && self.people.users.has_roster(user))
            || !self.peers.connections.of_user(user).is_empty()
    }

    /// Whether a user is a member of a closed network. Everybody with a roster is, and members keep a sample of each
    /// other.
    fn is_member(&self, user: &UserId) -> bool {
        self.cx.config.network != NetworkId::OPEN && self.people.users.has_roster(user)
    }

    /// Keeps a user within two links across restarts, up to a limit. Relays and servers keep all relevant users, but not those
    /// of sessions that wait to be linked, who soon cease to exist.
    pub(in crate::proto) fn keep_if_within_two_links(&mut self, user: &UserId) {
        if self.people.users.is_kept(user) || self.people.users.is_nobody(user) {
            return;
        }
        if self.cx.is_carrier() || (self.presence.horizon.reaches(user) && self.people.users.kept() < MAX_FAR_USERS) {
            if self.people.may_keep(user) {
                self.people.keep(&mut self.cx, *user);
            } else {
                self.cx.dropped(DropReason::TooManyUsers);
            }
        }
    }

    /// Verifies a record. A bad one counts against the connection that brought it.
    pub(in crate::proto) fn checked<T: Record>(&mut self, conn: ConnId, signed: &Signed) -> Option<Checked<T>> {
        match Checked::open(signed, &self.cx.verifier) {
            Ok(record) => Some(record),
            Err(refused) => {
                self.strike(conn, reason_of(&refused));
                None
            }
        }
    }

    /// Counts a bad record against the connection that brought it, and closes the connection after [`MAX_STRIKES`].
    pub(in crate::proto) fn strike(&mut self, conn: ConnId, reason: DropReason) {
        self.cx.dropped(reason);
        let Some(neighbour) = self.peers.connections.get_mut(&conn) else { return };
        neighbour.strikes += 1;
        if neighbour.strikes >= MAX_STRIKES {
            self.close(conn, CloseReason::Protocol);
        }
    }

    /// Takes in a roster and handles the consequences: a name may clash, a fork may show, or it may answer a lookup.
    pub(in crate::proto) fn learn_roster(&mut self, roster: Checked<Roster>) {
        let user = roster.user;
        if user == self.cx.config.user && roster.signed() != self.people.myself.roster.signed() {
            return self.on_own_roster(roster);
        }
        let is_first = !self.people.users.has_roster(&user);
        match self.people.users.add_roster(&roster) {
            RosterOutcome::Known => {}
            RosterOutcome::Fork => {
                let message =
                    "there are two different lists of this user's sessions; the user must sign one that joins them";
                self.people.warn_once(&mut self.cx, user, WarningCode::RosterFork, message.to_owned());
            }
            RosterOutcome::New => {
                self.claim_new_name(user, is_first);
                self.people.save_user(&mut self.cx, &user);
                self.remove_unlisted_sessions(&user);
                // A user known only by a removed session was forgotten with it.
                self.people.users.add_roster(&roster);
                self.warn_of_clash(user);
                self.settle(&Address::from(user));
                self.note_here(&user);
                self.announce_again(&user);
            }
        }
    }

    /// Pins the name of a user who was linked here, or whose name another own session has pinned, before it was known. A name that
    /// they have changed since takes nobody else's.
    fn claim_new_name(&mut self, user: UserId, is_first: bool) {
        let is_free = self.people.users.rivals(&user).is_some_and(|rivals| rivals.is_empty());
        if is_first || is_free {
            self.claim_by_link(user);
        }
        if is_first {
            self.review_claims();
        }
    }

    /// Removes the sessions that a user's newest roster does not admit.
    pub(in crate::proto::people) fn remove_unlisted_sessions(&mut self, user: &UserId) {
        for Peer { conn, session, .. } in self.peers.connections.of_user(user) {
            if !self.people.users.admits(user, &session) {
                self.close_unlisted(conn, user);
            }
        }
        for session in self.people.sessions.of_user(user).collect::<Vec<_>>() {
            if !self.people.users.admits(user, &session) {
                self.show_offline(&session, Absence::Unlinked);
                self.people.sessions.forget(&session);
                self.cx.out.store(Op::ForgetSession(session));
            }
        }
        for session in self.presence.horizon.sessions_of(user).collect::<Vec<_>>() {
            if !self.people.users.admits(user, &session) {
                self.presence.horizon.remove_session(user, &session);
                self.cx.out.store(Op::ForgetList(session));
            }
        }
    }

    /// Warns if a user has the name of the local user, or a name that is pinned to another key.
    fn warn_of_clash(&mut self, user: UserId) {
        let is_own_name =
            self.people.users.name(&user).is_some_and(|name| name.folded() == self.cx.config.name.folded());
        // All that wait to be linked have the same name.
        if is_own_name && self.cx.config.name.as_str() == WAITING_NAME {
            return;
        }
        if is_own_name && user != self.cx.config.user {
            let message = "another user has your name, and people who know both see one of you with an id; if it is you at \
                           another machine, join the two as sessions of one person: start `darknode link` there, and type \
                           \\link CODE here"
                .to_owned();
            return self.people.warn_once(&mut self.cx, user, WarningCode::NameClash, message);
        }
        if let Some(holder) = self.people.users.clash(&user) {
            let (name, holder) = (self.name_as_text(&user), self.name_as_text(&holder));
            let message = if name == holder {
                format!(
                    "another user is also called \"{name}\" and is shown with an id; the one you know keeps the name"
                )
            } else {
                format!("another user is called \"{name}\", which looks like \"{holder}\", and is shown with an id")
            };
            self.people.warn_once(&mut self.cx, user, WarningCode::NameClash, message);
        }
    }

    fn name_as_text(&self, user: &UserId) -> String {
        self.people.users.name(user).map(|name| name.as_str().to_owned()).unwrap_or_default()
    }

    /// Shows a session as offline, because it declared so or is unreachable.
    pub(in crate::proto) fn show_offline(&mut self, session: &SessionId, reason: Absence) {
        if let Some(user) = self.presence.online.remove(session) {
            let handle = self.people.users.handle(&user);
            let which = self.people.which(&user, session);
            self.report(Notice::Offline { user: handle, id: user, session: *session, which, reason }, &user);
        }
    }
}

/// The statement of a page about a user that replaces all others of the page about them.
fn newest_about(user: &UserId, list: &LinkList) -> Option<Entry> {
    let about = list.entries.iter().filter(|entry| entry.user == *user);
    let known =
        about.filter_map(|entry| Some(Entry { state: LinkState::from_wire(entry.state)?, lamport: entry.lamport }));
    known.reduce(|newest, entry| if entry.replaces(&newest) { entry } else { newest })
}

/// The drop reason for a refused record.
pub fn reason_of(refused: &Refused) -> DropReason {
    match refused {
        Refused::TooLong(_) => DropReason::OversizedRecord,
        Refused::BadSignature => DropReason::BadSignature,
        Refused::Malformed(_) => DropReason::MalformedRecord,
        Refused::Unsound => DropReason::UnsoundRecord,
    }
}
