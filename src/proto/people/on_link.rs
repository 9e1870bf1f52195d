//! Words about links: mine, typed; theirs, in a sealed content or in their link list.

use crate::id::{NetworkId, UserId};
use crate::proto::event::Output;
use crate::proto::limits::MAX_AUTO_LINKS;
use crate::proto::notice::Notice;
use crate::proto::people::links::{Change, to_wire};
use crate::proto::persist::{Entry, LinkState};
use crate::proto::{Accept, Core};
use crate::wire::content::{LinkBody, kind};
use crate::wire::encode;

impl Core {
    /// Writes a word of mine into my link list and sends it, sealed.
    pub(in crate::proto) fn say_link(&mut self, user: UserId, state: LinkState) {
        let lamport = self.count.next_lamport();
        self.save_counters();
        let change = self.links.say(user, state, lamport);
        self.users.note(user);
        if matches!(state, LinkState::Linked) {
            self.users.pin(&user);
            if self.users.is_kept(&user) {
                self.save_user(&user);
            }
        }
        self.keep(user);
        self.save_link(&user);
        self.befriend(&user);
        self.renew_links();
        if state != LinkState::Blocked {
            let body = encode(&LinkBody { state: to_wire(state), lamport });
            self.post(user, kind::LINK, body, lamport);
        }
        self.tell_link(user, change);
        self.seek_if_wanted(user);
        self.wanted.news(&user, self.now.moment);
    }

    /// Hears a word of theirs.
    pub(in crate::proto) fn hear_link(&mut self, user: UserId, entry: Entry) {
        self.count.hear_lamport(entry.lamport);
        let change = self.links.hear(user, entry);
        if change == Change::Nothing {
            return;
        }
        self.keep(user);
        self.save_link(&user);
        self.befriend(&user);
        self.tell_link(user, change);
        if change == Change::Asked {
            self.answer_request(user);
        }
    }

    /// Somebody asks for a link. In the open network acceptance marks it `auto`: it counts between the two of us and
    /// extends nobody's horizon. Members of a closed network are no strangers.
    fn answer_request(&mut self, user: UserId) {
        let accept = if self.links.autos() < MAX_AUTO_LINKS { self.config.accept } else { Accept::Ask };
        match (accept, self.config.network == NetworkId::OPEN) {
            (Accept::Auto, true) => self.say_link(user, LinkState::Auto),
            (Accept::Auto, false) => self.say_link(user, LinkState::Linked),
            (Accept::Ask, _) => {
                let notice = Notice::Asked { user: self.users.handle(&user), id: user };
                self.notice_after_store(None, notice);
            }
        }
    }

    /// Works out whether a user is a friend, whose friends I may know. If so from now on, what we know is compared; if not
    /// any more, whoever was known through them is forgotten.
    pub(in crate::proto) fn befriend(&mut self, user: &UserId) {
        let friend = self.links.is_friend(user);
        if friend == self.horizon.is_friend(user) {
            return;
        }
        self.horizon.befriend(*user, friend);
        if !friend {
            let named = self.horizon.names(user);
            return named.iter().for_each(|named| self.fall_out(named));
        }
        let named = self.horizon.names(user);
        for (session, conn) in self.neighbours.of_user(user) {
            // Their list may have come before they were a friend.
            self.ask_about(conn, named.iter());
            self.send_digest(conn);
            self.spread(session, *user, &[]);
        }
    }

    /// At the start: who is a friend, and what my own list says.
    pub(in crate::proto) fn remember_friends(&mut self) {
        self.horizon.say(self.session, &self.myself.links);
        for user in self.links.users().collect::<Vec<_>>() {
            self.horizon.befriend(user, self.links.is_friend(&user));
        }
    }

    fn tell_link(&mut self, user: UserId, change: Change) {
        let handle = self.users.handle(&user);
        match change {
            Change::Linked { by, auto } => {
                self.notice_after_store(None, Notice::Linked { user: handle, id: user, by, auto });
                self.ask_relays_anew(&user);
                for (session, conn) in self.neighbours.of_user(&user) {
                    self.show_online(session, user);
                    self.send_links(conn, 0, false);
                    self.pushes.served(&session);
                }
            }
            Change::Unlinked { by } => {
                self.out.after_store(Output::Notice {
                    line: None,
                    notice: Notice::Unlinked { user: handle, id: user, by },
                });
                self.wanted.forget(&user);
                for session in self.presence.of_user(&user) {
                    self.presence.gone(&session);
                }
                for (_, conn) in self.neighbours.of_user(&user) {
                    self.show_nearby(conn);
                    self.let_go_of_surplus(conn);
                }
            }
            Change::Asked | Change::Noted | Change::Nothing => {}
        }
    }

    /// Starts to seek a user who is wanted and cannot be reached.
    pub(in crate::proto) fn seek_if_wanted(&mut self, user: UserId) {
        let wanted = self.links.wants(&user) || self.outbox.waits_for(&user);
        let wanted = wanted && !self.links.is_blocked(&user);
        if wanted && user != self.config.user && self.neighbours.of_user(&user).is_empty() {
            self.wanted.want(user, self.now.moment);
        }
    }

    /// At the start: everybody who is wanted.
    pub(in crate::proto) fn seek_everybody(&mut self) {
        let wanted: Vec<UserId> = self.links.wanted().chain(self.outbox.addressees()).collect();
        wanted.into_iter().for_each(|user| self.seek_if_wanted(user));
    }
}
