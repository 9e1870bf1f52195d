//! Signed records come in, whoever brings them: rosters, declarations, key cards, link lists. What is badly signed counts
//! against who brought it; what is old, or about nobody who concerns me, is dropped.

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
use crate::proto::people::users::Learned;
use crate::proto::persist::{Entry, LinkState, Op};
use crate::proto::presence::horizon::Heard;
use crate::time::Moment;
use crate::wire::control::KnownUser;
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster, Signed};

impl Core {
    /// Somebody's link list: what it says of me, and whom else it names.
    pub(in crate::proto) fn on_link_list(&mut self, conn: ConnId, list: Checked<LinkList>) {
        let (user, session) = (list.user, list.session);
        if !self.people.users.admits(&user, &session) {
            return self.cx.dropped(DropReason::ListOfUnlistedSession);
        }
        if user == self.cx.config.user {
            return self.on_own_list(list);
        }
        if !self.people.may_keep(&user) {
            return self.cx.dropped(DropReason::ListOfStranger);
        }
        let about_me = list.entries.iter().find(|entry| entry.user == self.cx.config.user);
        if let Some((state, lamport)) =
            about_me.and_then(|entry| Some((LinkState::from_wire(entry.state)?, entry.lamport)))
        {
            self.hear_link(user, Entry { state, lamport });
        }
        if self.keeps_list_of(&user) {
            self.keep_list(conn, list);
        }
    }

    /// Whose link lists are worth keeping: of those I am linked with; a server's of everybody who brings theirs.
    pub(in crate::proto) fn keeps_list_of(&self, user: &UserId) -> bool {
        self.people.links.wants(user) || self.cx.is_server()
    }

    fn keep_list(&mut self, conn: ConnId, list: Checked<LinkList>) {
        let (user, session) = (list.user, list.session);
        let before: BTreeSet<UserId> = self.presence.horizon.names(&user).into_iter().collect();
        match self.presence.horizon.hear(&list) {
            Heard::Part | Heard::Known => return,
            Heard::Refused => return self.cx.dropped(DropReason::ListBeyondBounds),
            Heard::News => {}
        }
        if let Some(row) = self.presence.horizon.row(&user, &session) {
            self.cx.out.store(Op::List(row));
        }
        let after: BTreeSet<UserId> = self.presence.horizon.names(&user).into_iter().collect();
        if before == after {
            return;
        }
        for gone in before.difference(&after) {
            self.fall_out(gone);
        }
        // Whoever brought the list may know; the one whose list it is stands between us, and their word must be had.
        let own = self.peers.connections.of_user(&user).into_iter().map(|peer| peer.conn);
        for conn in own.chain([conn]).collect::<BTreeSet<_>>() {
            self.ask_about(conn, after.difference(&before));
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

    /// What my own user's list says that I do not know: I lost my memory, or another session of mine spoke.
    fn on_own_list(&mut self, list: Checked<LinkList>) {
        if list.session == self.cx.me {
            self.cx.count.know_link_version(list.version);
        }
        let mut adopted = false;
        for entry in &list.entries.0 {
            let Some(state) = LinkState::from_wire(entry.state).filter(|_| entry.user != self.cx.config.user) else {
                continue;
            };
            self.cx.count.hear_lamport(entry.lamport);
            if self.people.links.adopt(entry.user, Entry { state, lamport: entry.lamport }) {
                adopted = true;
                self.people.users.note(entry.user);
                self.people.keep(&mut self.cx, entry.user);
                self.people.save_link(&mut self.cx, &entry.user);
                self.befriend(&entry.user);
                self.seek_if_wanted(entry.user);
            }
        }
        if adopted {
            self.cx.save_counters();
            self.renew_links();
        }
    }

    /// A key card that concerns me, of a session that its user's roster lists, which gave it away so long ago.
    pub(in crate::proto) fn take_card(&mut self, conn: ConnId, card: &Signed, age: Duration) {
        if let Some(card) = self.checked::<KeyCard>(conn, card) {
            self.learn_card(card, age);
        }
    }

    /// The key cards in what somebody else holds of a user.
    pub(in crate::proto) fn take_cards(&mut self, conn: ConnId, known: &KnownUser) {
        for (n, card) in known.cards.iter().enumerate() {
            let age = known.card_ages.get(n).copied().unwrap_or(0);
            self.take_card(conn, card, Duration::from_millis(age));
        }
    }

    /// A key card whose signature holds.
    pub(in crate::proto) fn learn_card(&mut self, card: Checked<KeyCard>, age: Duration) {
        let (session, user) = (card.session, card.user);
        if session == self.cx.me {
            return;
        }
        if !self.people.users.admits(&user, &session) || !self.concerns(&user) {
            return self.cx.dropped(DropReason::CardOfUnknown);
        }
        self.people.sessions.hear(session, user, Moment(0));
        if self.people.sessions.take_card(&card, age, self.cx.now.moment) {
            self.people.save_session(&mut self.cx, &session);
            self.announce_again(&user);
            self.chat.sealing.want_lines(Address::from(user));
        }
    }

    /// A declaration that concerns me, of a session that its user's roster lists. True if it is news.
    pub(in crate::proto) fn take_declaration(&mut self, declaration: Checked<Declaration>, heard: Moment) -> bool {
        let (session, user) = (declaration.session, declaration.user);
        if session == self.cx.me {
            return false;
        }
        if !self.people.users.admits(&user, &session) || !self.concerns(&user) {
            self.cx.dropped(DropReason::DeclarationOfUnknown);
            return false;
        }
        self.people.sessions.hear(session, user, heard);
        let online = declaration.online;
        let news = self.people.sessions.declare(&declaration, heard);
        if news {
            self.keep_if_far(&user);
            self.people.save_session(&mut self.cx, &session);
            if online {
                self.notify_interested(session, &user);
            } else {
                self.show_offline(&session, Absence::Declared);
            }
        }
        news
    }

    /// Whether records about a user are worth keeping: they are linked, within two links, remembered or here, or this is a
    /// server.
    pub(in crate::proto) fn concerns(&self, user: &UserId) -> bool {
        self.people.users.is_kept(user)
            || self.people.links.wants(user)
            || self.presence.horizon.reaches(user)
            || self.commands.lookups.was_found(user)
            || self.cx.is_server()
            || self.is_member(user)
            || (self.cx.is_carrier() && self.people.users.has_roster(user))
            || !self.peers.connections.of_user(user).is_empty()
    }

    /// In a closed network everybody with a roster is a member, and members keep a sample of each other.
    fn is_member(&self, user: &UserId) -> bool {
        self.cx.config.network != NetworkId::OPEN && self.people.users.has_roster(user)
    }

    /// Users two steps away are remembered over a restart, up to a bound.
    pub(in crate::proto) fn keep_if_far(&mut self, user: &UserId) {
        if self.people.users.is_kept(user) {
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

    /// A record whose signature holds; else a strike against who brought it.
    pub(in crate::proto) fn checked<T: Record>(&mut self, conn: ConnId, signed: &Signed) -> Option<Checked<T>> {
        match Checked::open(signed, &self.cx.verifier) {
            Ok(record) => Some(record),
            Err(refused) => {
                self.strike(conn, reason_of(&refused));
                None
            }
        }
    }

    /// Counts a bad record against the connection that brought it.
    pub(in crate::proto) fn strike(&mut self, conn: ConnId, reason: DropReason) {
        self.cx.dropped(reason);
        let Some(neighbour) = self.peers.connections.get_mut(&conn) else { return };
        neighbour.strikes += 1;
        if neighbour.strikes >= MAX_STRIKES {
            self.close(conn, CloseReason::Protocol);
        }
    }

    /// Takes a roster in, with what follows from it: a name may clash, a fork may show, somebody may be who was looked for.
    pub(in crate::proto) fn learn_roster(&mut self, roster: Checked<Roster>) {
        let user = roster.user;
        if user == self.cx.config.user && roster.signed() != self.people.myself.roster.signed() {
            return self.meet_own_roster(roster);
        }
        match self.people.users.learn(&roster) {
            Learned::Nothing => {}
            Learned::Fork => {
                let message = "there are two rosters of one version; the user must sign a newer one";
                self.people.warn_once(&mut self.cx, user, WarningCode::RosterFork, message.to_owned());
            }
            Learned::News => {
                self.people.save_user(&mut self.cx, &user);
                self.part_with_unlisted(&user);
                // Who was only known by a session that is gone now was forgotten with it.
                self.people.users.learn(&roster);
                self.warn_of_clash(user);
                self.settle(&Address::from(user));
                self.announce_again(&user);
            }
        }
    }

    /// Sessions that a user's newest roster does not admit speak for nobody any more.
    fn part_with_unlisted(&mut self, user: &UserId) {
        for Peer { conn, session, .. } in self.peers.connections.of_user(user) {
            if !self.people.users.admits(user, &session) {
                self.close(conn, CloseReason::Protocol);
            }
        }
        for session in self.people.sessions.of_user(user).collect::<Vec<_>>() {
            if !self.people.users.admits(user, &session) {
                self.show_offline(&session, Absence::Lost);
                self.people.sessions.forget(&session);
                self.cx.out.store(Op::ForgetSession(session));
            }
        }
        for session in self.presence.horizon.sessions_of(user).collect::<Vec<_>>() {
            if !self.people.users.admits(user, &session) {
                self.presence.horizon.disown(user, &session);
                self.cx.out.store(Op::ForgetList(session));
            }
        }
    }

    fn warn_of_clash(&mut self, user: UserId) {
        let mine = self.people.users.name(&user).is_some_and(|name| name.folded() == self.cx.config.name.folded());
        if mine && user != self.cx.config.user {
            let message = "somebody else goes by your name; if it is you on another device, the two can be joined as \
                           sessions of one person";
            return self.people.warn_once(&mut self.cx, user, WarningCode::NameClash, message.to_owned());
        }
        if self.people.users.clash(&user).is_some() {
            let name = self.people.users.name(&user).map(|name| name.as_str().to_owned()).unwrap_or_default();
            let message = format!("another key goes by the name {name}; yours keeps it, this one is shown with its id");
            self.people.warn_once(&mut self.cx, user, WarningCode::NameClash, message);
        }
    }

    /// A session says it is offline, or is found to be.
    pub(in crate::proto) fn show_offline(&mut self, session: &SessionId, reason: Absence) {
        if let Some(user) = self.presence.online.gone(session) {
            let handle = self.people.users.handle(&user);
            self.cx.notice(None, Notice::Offline { user: handle, id: user, session: *session, reason });
        }
    }
}

/// Why a record was refused.
pub fn reason_of(refused: &Refused) -> DropReason {
    match refused {
        Refused::TooLong(_) => DropReason::OversizedRecord,
        Refused::BadSignature => DropReason::BadSignature,
        Refused::Malformed(_) => DropReason::MalformedRecord,
        Refused::Unsound => DropReason::UnsoundRecord,
    }
}
