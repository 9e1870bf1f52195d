//! The protocol messages: hello, the paper's five, and what they carry.

use super::Core;
use super::event::CloseReason;
use super::limits::MAX_STRIKES;
use super::links::from_wire;
use super::memory::{Entry, Op};
use super::users::Learned;
use super::view::WarningCode;
use crate::id::{ConnId, SessionId, UserId};
use crate::identity::{Checked, Refused};
use crate::time::Moment;
use crate::wire::codec::List;
use crate::wire::control::{Control, Declare, DeliverKnownList, KnownUser, RequestPing, RequestUserList};
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster, Signed};

impl Core {
    pub(super) fn on_control(&mut self, conn: ConnId, batch: Vec<Control>) {
        for message in batch {
            let Some(neighbour) = self.neighbours.get(&conn) else { return };
            if neighbour.user.is_none() && !matches!(message, Control::Hello(_)) {
                self.drop_counted("message before hello");
                return self.close(conn, CloseReason::Protocol);
            }
            match message {
                Control::Hello(hello) => self.on_hello(conn, hello),
                Control::DeclareOnline(declare) | Control::DeclareOffline(declare) => self.on_declare(conn, declare),
                Control::RequestPing(request) => self.on_request_ping(conn, request),
                Control::RequestUserList(request) => self.on_request_user_list(conn, request),
                Control::DeliverKnownList(list) => self.on_known_list(conn, list),
                Control::Unknown(_) => self.drop_counted("message of an unknown kind"),
            }
        }
    }

    /// declareOnline, declareOffline: a signed statement of the session itself, whoever brings it.
    fn on_declare(&mut self, conn: ConnId, declare: Declare) {
        let Some(brought_by) = self.neighbours.get(&conn).map(|neighbour| neighbour.session) else { return };
        if let Some(roster) = &declare.roster {
            let Some(roster) = self.checked::<Roster>(conn, roster) else { return };
            if self.concerns(&roster.user) {
                self.learn_roster(roster);
            }
        }
        let Some(declaration) = self.checked::<Declaration>(conn, &declare.declaration) else { return };
        if let Some(card) = &declare.card {
            self.take_card(conn, card);
        }
        let (session, user, online) = (declaration.session, declaration.user, declaration.online);
        let heard = Moment(self.now.moment.0.saturating_sub(declare.age_ms));
        let news = self.take_declaration(declaration, heard);
        if session == brought_by {
            if let Some(neighbour) = self.neighbours.get_mut(&conn) {
                neighbour.probe = None;
            }
        } else if news && online {
            self.wanted.news(&user, self.now.moment);
        }
        if news && !online {
            self.show_offline(&session, super::view::Absence::Declared);
        }
    }

    /// requestPing: "have the target declare itself to me". It is about me, or it is passed over.
    fn on_request_ping(&mut self, conn: ConnId, request: RequestPing) {
        if request.target != self.config.user {
            return self.drop_counted("ping request for somebody else");
        }
        self.send_declaration(conn);
    }

    /// requestUserList: about me when we are linked, else what my list says of the asker.
    fn on_request_user_list(&mut self, conn: ConnId, request: RequestUserList) {
        let Some(asker) = self.neighbours.get(&conn).and_then(|neighbour| neighbour.user) else { return };
        let about_me = request.user == self.config.user;
        if about_me && self.links.wants(&asker) {
            return self.send_links(conn, request.id, true);
        }
        // Whoever has lost its memory gets its own roster back, to sign above it.
        let own = (request.user == asker).then(|| self.known_user(&asker)).into_iter().collect();
        let linked = request.user == asker && self.links.wants(&asker);
        let list = DeliverKnownList { id: request.id, users: List(own), complete: false, more: linked };
        self.send_control(conn, Control::DeliverKnownList(list));
        if linked {
            self.send_links(conn, request.id, false);
        }
    }

    fn known_user(&self, user: &UserId) -> KnownUser {
        let roster = self.users.roster(user).map(|roster| roster.signed().clone());
        KnownUser {
            user: *user,
            roster,
            links: List(Vec::new()),
            cards: List(Vec::new()),
            declarations: List(Vec::new()),
        }
    }

    /// deliverKnownList: signed records about users that concern me.
    fn on_known_list(&mut self, conn: ConnId, list: DeliverKnownList) {
        for known in list.users.0 {
            self.on_known_user(conn, known);
        }
    }

    fn on_known_user(&mut self, conn: ConnId, known: KnownUser) {
        if let Some(roster) = &known.roster {
            let Some(roster) = self.checked::<Roster>(conn, roster) else { return };
            if self.concerns(&roster.user) {
                self.learn_roster(roster);
            }
        }
        for links in &known.links.0 {
            let Some(links) = self.checked::<LinkList>(conn, links) else { return };
            self.on_link_list(&links);
        }
        for card in &known.cards.0 {
            self.take_card(conn, card);
        }
        for held in &known.declarations.0 {
            let Some(declaration) = self.checked::<Declaration>(conn, &held.declaration) else { return };
            let user = declaration.user;
            let heard = Moment(self.now.moment.0.saturating_sub(held.age_ms));
            if self.take_declaration(declaration, heard) {
                self.wanted.news(&user, self.now.moment);
            }
        }
    }

    /// Somebody's link list: what it says of me.
    fn on_link_list(&mut self, list: &LinkList) {
        if !self.users.admits(&list.user, &list.session) || list.user == self.config.user {
            return self.drop_counted("link list of no session of its user");
        }
        let about_me = list.entries.iter().find(|entry| entry.user == self.config.user);
        if !self.may_keep(&list.user) {
            return self.drop_counted("link list of one stranger too many");
        }
        if let Some((state, lamport)) = about_me.and_then(|entry| Some((from_wire(entry.state)?, entry.lamport))) {
            self.hear_link(list.user, Entry { state, lamport });
        }
    }

    /// A key card that concerns me, of a session that its user's roster lists.
    pub(super) fn take_card(&mut self, conn: ConnId, card: &Signed) {
        let Some(card) = self.checked::<KeyCard>(conn, card) else { return };
        let (session, user) = (card.session, card.user);
        if !self.users.admits(&user, &session) || !self.concerns(&user) {
            return self.drop_counted("key card of nobody I know");
        }
        self.sessions.hear(session, user, Moment(0));
        if self.sessions.take_card(card, self.now.moment) {
            self.save_session(&session);
            self.pump(&user);
        }
    }

    /// A declaration that concerns me, of a session that its user's roster lists. True if it is news.
    fn take_declaration(&mut self, declaration: Checked<Declaration>, heard: Moment) -> bool {
        let (session, user) = (declaration.session, declaration.user);
        if session == self.session || !self.users.admits(&user, &session) || !self.concerns(&user) {
            self.drop_counted("declaration of nobody I know");
            return false;
        }
        self.sessions.hear(session, user, heard);
        let news = self.sessions.declare(declaration, heard);
        if news {
            self.save_session(&session);
        }
        news
    }

    /// Whether records about a user are worth keeping: they are linked, remembered or here.
    fn concerns(&self, user: &UserId) -> bool {
        self.kept.contains(user) || self.links.wants(user) || !self.neighbours.of_user(user).is_empty()
    }

    /// A record whose signature holds; else a strike against who brought it.
    fn checked<T: crate::identity::record::Record>(&mut self, conn: ConnId, signed: &Signed) -> Option<Checked<T>> {
        match Checked::open(signed, &self.verifier) {
            Ok(record) => Some(record),
            Err(refused) => {
                self.strike(conn, reason(&refused));
                None
            }
        }
    }

    /// Counts a bad record against the connection that brought it.
    pub(super) fn strike(&mut self, conn: ConnId, reason: &'static str) {
        self.drop_counted(reason);
        let Some(neighbour) = self.neighbours.get_mut(&conn) else { return };
        neighbour.strikes += 1;
        if neighbour.strikes >= MAX_STRIKES {
            self.close(conn, CloseReason::Protocol);
        }
    }

    /// Takes a roster in, with what follows from it: a name may clash, a fork may show, somebody may be who was looked for.
    pub(super) fn learn_roster(&mut self, roster: Checked<Roster>) {
        let user = roster.user;
        if user == self.config.user && roster.signed() != self.myself.roster.signed() {
            return self.meet_own_roster(roster);
        }
        match self.users.learn(roster.clone()) {
            Learned::Nothing => {}
            Learned::Fork => {
                let message = "there are two rosters of one version; the user must sign a newer one";
                self.warn_once(user, WarningCode::RosterFork, message.to_owned());
            }
            Learned::News => {
                self.save_user(&user);
                self.part_with_unlisted(&user);
                // Who was only known by a session that is gone now was forgotten with it.
                self.users.learn(roster);
                self.warn_of_clash(user);
                self.settle(&user);
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
                self.show_offline(&session, super::view::Absence::Lost);
                self.sessions.forget(&session);
                self.out.store(Op::ForgetSession(session));
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
    pub(super) fn show_offline(&mut self, session: &SessionId, reason: super::view::Absence) {
        if let Some(user) = self.presence.gone(session) {
            let handle = self.users.handle(&user);
            self.notice(None, super::view::Notice::Offline { user: handle, id: user, session: *session, reason });
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
