//! Strangers who write: who is remembered, what of theirs is taken and what is held back, and what becomes of it when the
//! local user decides.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::Opened;
use crate::proto::drops::DropReason;
use crate::proto::limits::{DISMISSED_LIFE, MAX_STRANGERS, STRANGER_LINES};
use crate::proto::notice::{By, Notice, RequestView};
use crate::proto::people::links::Change;
use crate::proto::people::strangers::{Bringer, Piece, Unanswered};
use crate::proto::persist::{Entry, LinkState, Op, StrangerRow};
use crate::proto::{Accept, Core};
use crate::time::Moment;
use crate::wire::content::{Content, kind};

impl Core {
    /// Who brings what arrives on a connection.
    fn bringer(&self, conn: ConnId) -> Option<Bringer> {
        let neighbour = self.peers.connections.get(&conn)?;
        let is_linked = |user| self.people.links.own_state(&user) == LinkState::Linked;
        let is_chosen = neighbour.user.is_some_and(is_linked)
            || self.peers.bootstrapped.values().any(|chosen| *chosen == neighbour.session);
        Some(Bringer::new(neighbour.addr.ip(), is_chosen))
    }

    /// Whether an envelope is not taken at all, because its author is one too many or was dismissed.
    pub(in crate::proto) fn refuses_author(&mut self, conn: ConnId, opened: &Opened) -> bool {
        if !self.people.is_stranger(&self.cx, &opened.user) {
            return !self.people.may_keep(&opened.user);
        }
        writes(opened) && !self.may_write(conn, &opened.user)
    }

    /// Remembers the author of an envelope that is taken, if they are a stranger who writes for the first time.
    pub(in crate::proto) fn remember_author(&mut self, conn: ConnId, opened: &Opened) {
        if self.people.is_stranger(&self.cx, &opened.user) && writes(opened) {
            self.remember_stranger(conn, opened.user);
        }
    }

    /// Whether a stranger may write: they are remembered and not dismissed, or there is room for them.
    fn may_write(&mut self, conn: ConnId, user: &UserId) -> bool {
        let now = self.cx.now.moment;
        if self.people.strangers.is_known(user) {
            return !self.people.strangers.is_dismissed(user, now);
        }
        self.bringer(conn).is_some_and(|bringer| self.people.strangers.may_admit(bringer, now))
    }

    /// Remembers a stranger who writes for the first time. Somebody else may have to make room.
    fn remember_stranger(&mut self, conn: ConnId, user: UserId) {
        let Some(bringer) = self.bringer(conn).filter(|_| !self.people.strangers.is_known(&user)) else { return };
        if let Some(surplus) = self.people.strangers.surplus_for(bringer) {
            self.forget_stranger(surplus);
        }
        let now = self.cx.now.moment;
        let (lines, bytes, told, dismissed_until) = (0, 0, false, Moment(0));
        let row = StrangerRow { user, ip: bringer.ip, since: now, lines, bytes, told, dismissed_until };
        self.people.strangers.insert(row);
        if self.cx.config.accept == Accept::Ask && self.people.strangers.tell(&user, bringer, now) {
            self.notify_asked(user);
        }
        self.people.save_stranger(&mut self.cx, &user);
        self.people.keep(&mut self.cx, user);
    }

    /// Notifies the interfaces that a user asks for a link.
    pub(in crate::proto) fn notify_asked(&mut self, user: UserId) {
        let notice = Notice::Asked { user: self.people.users.handle(&user), id: user };
        self.report(notice, &user);
    }

    /// Whether a new content is held back, because its author is a stranger: neither stored nor receipted, so that its author keeps it.
    pub(in crate::proto) fn holds_back(
        &mut self,
        conn: ConnId,
        opened: &Opened,
        stream: &StreamId,
        content: &Content,
    ) -> bool {
        let (user, now) = (opened.user, self.cx.now.moment);
        if !self.people.is_stranger(&self.cx, &user) {
            return false;
        }
        let Some(bringer) = self.bringer(conn) else { return true };
        let lines = if self.cx.config.accept == Accept::Ask { 0 } else { STRANGER_LINES };
        let bytes = content.body.len();
        let is_taken = match content.kind {
            kind::LINK => self.people.strangers.may_state(&user, now),
            _ => self.people.strangers.take(&user, bytes, lines, bringer, now),
        };
        if !is_taken {
            self.cx.dropped(DropReason::ContentHeldBack);
        }
        if content.kind == kind::LINK {
            return !is_taken;
        }
        if is_taken {
            self.people.save_stranger(&mut self.cx, &user);
        } else {
            let piece = Piece { author: stream.author, epoch: stream.epoch, n: content.n, bytes };
            let carrier = self.peers.connections.get(&conn).map(|carrier| (opened.id, carrier.session));
            let carrier = carrier.filter(|(_, session)| *session != opened.session);
            self.people.strangers.hold(&user, piece, carrier);
        }
        !is_taken
    }

    /// Whether a statement about the link in somebody's link list is taken.
    pub(in crate::proto) fn takes_statement(&mut self, conn: ConnId, user: UserId, entry: &Entry) -> bool {
        if !self.people.links.is_news(&user, entry) {
            return false;
        }
        if !self.people.is_stranger(&self.cx, &user) {
            return self.people.may_keep(&user);
        }
        let is_taken = self.may_write(conn, &user) && self.people.strangers.may_state(&user, self.cx.now.moment);
        if is_taken {
            self.remember_stranger(conn, user);
        } else {
            self.cx.dropped(DropReason::StatementOfStranger);
        }
        is_taken
    }

    /// Makes room for one more automatic link, if it has to be.
    pub(in crate::proto) fn make_room_for_link(&mut self, user: UserId) {
        let is_other = |other: &UserId| *other != user && self.people.links.own_state(other) == LinkState::Auto;
        if let Some(surplus) = self.people.strangers.greediest(is_other) {
            self.forget_stranger(surplus);
        }
    }

    /// Handles that the local user has decided about somebody: those who are no strangers any more are counted as such no
    /// longer, and carriers are asked for what was held back.
    pub(in crate::proto) fn settle_stranger(&mut self, user: &UserId) {
        if self.people.is_stranger(&self.cx, user) {
            return;
        }
        let Some(carriers) = self.people.strangers.remove(user) else { return };
        self.cx.out.store(Op::Answered(*user));
        if self.people.links.is_blocked(user) {
            carriers.into_iter().for_each(|(envelope, carrier)| self.chat.refused.add(*user, envelope, carrier));
        } else {
            self.ask_carriers(carriers);
        }
    }

    /// Forgets a stranger with everything they have left: lines, link and records.
    fn forget_stranger(&mut self, user: UserId) {
        self.people.strangers.remove(&user);
        let own_state = self.people.links.own_state(&user);
        if !self.people.is_stranger(&self.cx, &user) || own_state == LinkState::Removed {
            self.cx.out.store(Op::Answered(user));
            return;
        }
        self.cx.dropped(DropReason::StrangerForgotten);
        let sessions: BTreeSet<SessionId> =
            self.people.sessions.of_user(&user).chain(self.people.users.audience(&user)).collect();
        self.forget_conversation(&Address::from(user), &sessions);
        self.cx.out.store(Op::ForgetStranger { user, sessions: sessions.into_iter().collect() });
        let was_linked = self.people.links.is_link(&user);
        self.people.links.forget(&user);
        if own_state == LinkState::Auto {
            self.renew_links();
        }
        if was_linked {
            self.notify_link_change(user, Change::Unlinked { by: By::Me });
        }
        if !self.cx.is_server() && !self.presence.horizon.reaches(&user) {
            self.people.unkeep(&mut self.cx, &user);
        }
        self.forget_if_unneeded(&user);
    }

    /// Forgets strangers who were not answered in time, and notifies the interfaces of those of whom lines are held back.
    pub(in crate::proto) fn check_strangers(&mut self) {
        for user in self.people.strangers.take_expired(self.cx.now.moment) {
            self.forget_stranger(user);
        }
        while self.people.strangers.count() > MAX_STRANGERS
            && let Some(surplus) = self.people.strangers.greediest(|_| true)
        {
            self.forget_stranger(surplus);
        }
        let news = self.people.strangers.take_report(self.cx.now.moment);
        if !news.is_empty() {
            for row in news {
                self.cx.out.store(Op::Stranger(row));
            }
            let users = self.view_requests(true);
            self.cx.notice_after_store(None, Notice::Requests { users, is_answer: false });
        }
    }

    /// The strangers who were not answered, or those of them who wait for an answer: more than they may write is held back, or
    /// they ask for a link.
    pub(in crate::proto) fn view_requests(&self, only_waiting: bool) -> Vec<RequestView> {
        let requests = self.people.strangers.unanswered(self.cx.now.moment).filter(|it| it.waits || !only_waiting);
        let view = |it: Unanswered| RequestView {
            user: self.people.users.handle(&it.user),
            id: it.user,
            lines: it.lines,
            bytes: it.bytes,
        };
        requests.map(view).collect()
    }

    /// Forgets a stranger and refuses them for a while. False if they do not wait for an answer.
    pub(in crate::proto) fn dismiss_stranger(&mut self, user: UserId) -> bool {
        let now = self.cx.now.moment;
        let Some(row) = self.people.strangers.row(&user).filter(|row| row.dismissed_until <= now) else { return false };
        let (with, unread) = (self.people.users.handle(&user), self.last_unread(&user));
        self.forget_stranger(user);
        self.people.strangers.insert(StrangerRow { dismissed_until: now + DISMISSED_LIFE, ..row });
        self.people.save_stranger(&mut self.cx, &user);
        if let Some(through) = unread.filter(|_| self.last_unread(&user).is_none()) {
            self.cx.notice_after_store(None, Notice::Read { with, through });
        }
        true
    }

    /// The last number of a stream of a user's that was not read, if there is one.
    fn last_unread(&self, user: &UserId) -> Option<MessageId> {
        let is_theirs = |stream: &StreamId| {
            self.people.users.admits(user, &stream.author)
                || self.people.sessions.of_user(user).any(|it| it == stream.author)
        };
        let (stream, ranges) = self.unread().into_iter().rfind(|(stream, _)| is_theirs(stream))?;
        ranges.iter().last().map(|(_, n)| MessageId { stream, n })
    }
}

/// Whether an envelope holds more than receipts.
fn writes(opened: &Opened) -> bool {
    opened.contents.iter().any(|content| content.n > 0 && content.kind != kind::RECEIPT)
}
