//! Signed records come in, whoever brings them: rosters, declarations, key cards, link lists. What is badly signed counts
//! against who brought it; what is old, or about nobody who concerns me, is dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{ConnId, NetworkId, SessionId, UserId};
use crate::identity::record::Record;
use crate::identity::{Checked, Refused};
use crate::proto::Core;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_FAR_USERS, MAX_STRIKES};
use crate::proto::notice::{Absence, Notice, WarningCode};
use crate::proto::people::links::from_wire;
use crate::proto::people::users::Learned;
use crate::proto::persist::{Entry, Op};
use crate::proto::presence::horizon::Heard;
use crate::time::Moment;
use crate::wire::control::KnownUser;
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster, Signed};

impl Core {
    /// Somebody's link list: what it says of me, and whom else it names.
    pub(in crate::proto) fn on_link_list(&mut self, conn: ConnId, list: Checked<LinkList>) {
        let (user, session) = (list.user, list.session);
        if !self.users.admits(&user, &session) {
            return self.drop_counted("link list of no session of its user");
        }
        if user == self.config.user {
            return self.on_own_list(list);
        }
        if !self.may_keep(&user) {
            return self.drop_counted("link list of one stranger too many");
        }
        let about_me = list.entries.iter().find(|entry| entry.user == self.config.user);
        if let Some((state, lamport)) = about_me.and_then(|entry| Some((from_wire(entry.state)?, entry.lamport))) {
            self.hear_link(user, Entry { state, lamport });
        }
        if self.keeps_list_of(&user) {
            self.keep_list(conn, list);
        }
    }

    /// Whose link lists are worth keeping: of those I am linked with; a server's of everybody who brings theirs.
    pub(in crate::proto) fn keeps_list_of(&self, user: &UserId) -> bool {
        self.links.wants(user) || self.is_server()
    }

    fn keep_list(&mut self, conn: ConnId, list: Checked<LinkList>) {
        let (user, session) = (list.user, list.session);
        let before: BTreeSet<UserId> = self.horizon.names(&user).into_iter().collect();
        match self.horizon.hear(&list) {
            Heard::Part | Heard::Known => return,
            Heard::Refused => return self.drop_counted("link list beyond the bound"),
            Heard::News => {}
        }
        if let Some(row) = self.horizon.row(&user, &session) {
            self.out.store(Op::List(row));
        }
        let after: BTreeSet<UserId> = self.horizon.names(&user).into_iter().collect();
        if before == after {
            return;
        }
        for gone in before.difference(&after) {
            self.fall_out(gone);
        }
        // Whoever brought the list may know; the one whose list it is stands between us, and their word must be had.
        let own = self.neighbours.of_user(&user).into_iter().map(|(_, conn)| conn);
        for conn in own.chain([conn]).collect::<BTreeSet<_>>() {
            self.ask_about(conn, after.difference(&before));
        }
        for named in after.difference(&before) {
            for (session, _) in self.neighbours.of_user(named) {
                self.show_online(session, *named);
            }
        }
        for (_, conn) in self.neighbours.of_user(&user) {
            self.send_digest(conn);
        }
    }

    /// What my own user's list says that I do not know: I lost my memory, or another session of mine spoke.
    fn on_own_list(&mut self, list: Checked<LinkList>) {
        if list.session == self.session {
            self.count.know_link_version(list.version);
        }
        let mut adopted = false;
        for entry in &list.entries.0 {
            let Some(state) = from_wire(entry.state).filter(|_| entry.user != self.config.user) else { continue };
            let lamport = self.count.hear_lamport(entry.lamport);
            if self.links.adopt(entry.user, Entry { state, lamport }) {
                adopted = true;
                self.users.note(entry.user);
                self.keep(entry.user);
                self.save_link(&entry.user);
                self.befriend(&entry.user);
                self.seek_if_wanted(entry.user);
            }
        }
        if adopted {
            self.save_counters();
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
        if session == self.session {
            return;
        }
        if !self.users.admits(&user, &session) || !self.concerns(&user) {
            return self.drop_counted("key card of nobody I know");
        }
        self.sessions.hear(session, user, Moment(0));
        if self.sessions.take_card(&card, age, self.now.moment) {
            self.save_session(&session);
            self.renew_directory(&user);
            self.sealing.want_lines(user);
        }
    }

    /// A declaration that concerns me, of a session that its user's roster lists. True if it is news.
    pub(in crate::proto) fn take_declaration(&mut self, declaration: Checked<Declaration>, heard: Moment) -> bool {
        let (session, user) = (declaration.session, declaration.user);
        if session == self.session {
            return false;
        }
        if !self.users.admits(&user, &session) || !self.concerns(&user) {
            self.drop_counted("declaration of nobody I know");
            return false;
        }
        self.sessions.hear(session, user, heard);
        let online = declaration.online;
        let news = self.sessions.declare(&declaration, heard);
        if news {
            self.keep_if_far(&user);
            self.save_session(&session);
            if online {
                self.tell_interested(session, &user);
            } else {
                self.show_offline(&session, Absence::Declared);
            }
        }
        news
    }

    /// Whether records about a user are worth keeping: they are linked, within two links, remembered or here, or this is a
    /// server.
    pub(in crate::proto) fn concerns(&self, user: &UserId) -> bool {
        self.users.is_kept(user)
            || self.links.wants(user)
            || self.horizon.reaches(user)
            || self.lookups.found(user)
            || self.is_server()
            || self.is_member(user)
            || (self.is_super() && self.users.has_roster(user))
            || !self.neighbours.of_user(user).is_empty()
    }

    /// In a closed network everybody with a roster is a member, and members keep a sample of each other.
    fn is_member(&self, user: &UserId) -> bool {
        self.config.network != NetworkId::OPEN && self.users.has_roster(user)
    }

    /// Users two steps away are remembered over a restart, up to a bound.
    pub(in crate::proto) fn keep_if_far(&mut self, user: &UserId) {
        if self.users.is_kept(user) {
            return;
        }
        if self.is_super() || (self.horizon.reaches(user) && self.users.kept() < MAX_FAR_USERS) {
            if self.may_keep(user) {
                self.keep(*user);
            } else {
                self.drop_counted("user beyond the bound");
            }
        }
    }

    /// A record whose signature holds; else a strike against who brought it.
    pub(in crate::proto) fn checked<T: Record>(&mut self, conn: ConnId, signed: &Signed) -> Option<Checked<T>> {
        match Checked::open(signed, &self.verifier) {
            Ok(record) => Some(record),
            Err(refused) => {
                self.strike(conn, reason(&refused));
                None
            }
        }
    }

    /// Counts a bad record against the connection that brought it.
    pub(in crate::proto) fn strike(&mut self, conn: ConnId, reason: &'static str) {
        self.drop_counted(reason);
        let Some(neighbour) = self.neighbours.get_mut(&conn) else { return };
        neighbour.strikes += 1;
        if neighbour.strikes >= MAX_STRIKES {
            self.close(conn, CloseReason::Protocol);
        }
    }

    /// Takes a roster in, with what follows from it: a name may clash, a fork may show, somebody may be who was looked for.
    pub(in crate::proto) fn learn_roster(&mut self, roster: Checked<Roster>) {
        let user = roster.user;
        if user == self.config.user && roster.signed() != self.myself.roster.signed() {
            return self.meet_own_roster(roster);
        }
        match self.users.learn(&roster) {
            Learned::Nothing => {}
            Learned::Fork => {
                let message = "there are two rosters of one version; the user must sign a newer one";
                self.warn_once(user, WarningCode::RosterFork, message.to_owned());
            }
            Learned::News => {
                self.save_user(&user);
                self.part_with_unlisted(&user);
                // Who was only known by a session that is gone now was forgotten with it.
                self.users.learn(&roster);
                self.warn_of_clash(user);
                self.settle(&user);
                self.renew_directory(&user);
            }
        }
    }

    /// Sessions that a user's newest roster does not admit speak for nobody any more.
    fn part_with_unlisted(&mut self, user: &UserId) {
        for (session, conn) in self.neighbours.of_user(user) {
            if !self.users.admits(user, &session) {
                self.close(conn, CloseReason::Protocol);
            }
        }
        for session in self.sessions.of_user(user).collect::<Vec<_>>() {
            if !self.users.admits(user, &session) {
                self.show_offline(&session, Absence::Lost);
                self.sessions.forget(&session);
                self.out.store(Op::ForgetSession(session));
            }
        }
        for session in self.horizon.sessions_of(user).collect::<Vec<_>>() {
            if !self.users.admits(user, &session) {
                self.horizon.disown(user, &session);
                self.out.store(Op::ForgetList(session));
            }
        }
    }

    fn warn_of_clash(&mut self, user: UserId) {
        let mine = self.users.name(&user).is_some_and(|name| name.folded() == self.config.name.folded());
        if mine && user != self.config.user {
            let message = "somebody else goes by your name; if it is you on another device, the two can be joined as \
                           sessions of one person";
            return self.warn_once(user, WarningCode::NameClash, message.to_owned());
        }
        if self.users.clash(&user).is_some() {
            let name = self.users.name(&user).map(|name| name.as_str().to_owned()).unwrap_or_default();
            let message = format!("another key goes by the name {name}; yours keeps it, this one is shown with its id");
            self.warn_once(user, WarningCode::NameClash, message);
        }
    }

    /// A session says it is offline, or is found to be.
    pub(in crate::proto) fn show_offline(&mut self, session: &SessionId, reason: Absence) {
        if let Some(user) = self.presence.gone(session) {
            let handle = self.users.handle(&user);
            self.notice(None, Notice::Offline { user: handle, id: user, session: *session, reason });
        }
    }
}

fn reason(refused: &Refused) -> &'static str {
    match refused {
        Refused::TooLong(_) => "oversized record",
        Refused::BadSignature => "record with a bad signature",
        Refused::Malformed(_) => "malformed record",
        Refused::Unsound => "unsound record",
    }
}
