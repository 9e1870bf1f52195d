//! Words about links: mine, typed; theirs, in a sealed content or in their link list.

use crate::id::{Address, NetworkId, UserId};
use crate::proto::event::Output;
use crate::proto::limits::MAX_AUTO_LINKS;
use crate::proto::notice::Notice;
use crate::proto::peer::Peer;
use crate::proto::people::links::Change;
use crate::proto::persist::{Entry, LinkState};
use crate::proto::{Accept, Core};
use crate::wire::content::{LinkBody, kind};
use crate::wire::encode;

impl Core {
    /// Writes a word of mine into my link list and sends it, sealed.
    pub(in crate::proto) fn say_link(&mut self, user: UserId, state: LinkState) {
        // Above what another session of mine has said, however far that is ahead of my counter.
        let before = self.people.links.row(&user).map_or(0, |row| row.mine.lamport);
        let lamport = self.cx.count.next_lamport().max(before.saturating_add(1));
        self.cx.save_counters();
        let change = self.people.links.say(user, state, lamport);
        self.people.users.note(user);
        if matches!(state, LinkState::Linked) {
            self.people.users.pin(&user);
            if self.people.users.is_kept(&user) {
                self.people.save_user(&mut self.cx, &user);
            }
        }
        self.people.keep(&mut self.cx, user);
        self.people.save_link(&mut self.cx, &user);
        self.befriend(&user);
        self.renew_links();
        if state != LinkState::Blocked {
            let body = encode(&LinkBody { state: state.to_wire(), lamport });
            self.post(Address::from(user), kind::LINK, body, lamport, None);
        }
        self.tell_link(user, change);
        self.seek_if_wanted(user);
        self.peers.sought.news(&user, self.cx.now.moment);
    }

    /// Hears a word of theirs.
    pub(in crate::proto) fn hear_link(&mut self, user: UserId, entry: Entry) {
        self.cx.count.hear_lamport(entry.lamport);
        let change = self.people.links.hear(user, entry);
        if change == Change::Nothing {
            return;
        }
        self.people.keep(&mut self.cx, user);
        self.people.save_link(&mut self.cx, &user);
        self.befriend(&user);
        self.tell_link(user, change);
        if change == Change::Asked {
            self.answer_request(user);
        }
    }

    /// Somebody asks for a link. In the open network acceptance marks it `auto`: it counts between the two of us and
    /// extends nobody's horizon. Members of a closed network are no strangers.
    fn answer_request(&mut self, user: UserId) {
        let accept = if self.people.links.autos() < MAX_AUTO_LINKS { self.cx.config.accept } else { Accept::Ask };
        match (accept, self.cx.config.network == NetworkId::OPEN) {
            (Accept::Auto, true) => self.say_link(user, LinkState::Auto),
            (Accept::Auto, false) => self.say_link(user, LinkState::Linked),
            (Accept::Ask, _) => {
                let notice = Notice::Asked { user: self.people.users.handle(&user), id: user };
                self.cx.notice_after_store(None, notice);
            }
        }
    }

    /// Works out whether a user is a friend, whose friends I may know. If so from now on, what we know is compared; if not
    /// any more, whoever was known through them is forgotten.
    pub(in crate::proto) fn befriend(&mut self, user: &UserId) {
        let friend = self.people.links.is_friend(user);
        if friend == self.presence.horizon.is_friend(user) {
            return;
        }
        self.presence.horizon.befriend(*user, friend);
        if !friend {
            let named = self.presence.horizon.names(user);
            return named.iter().for_each(|named| self.fall_out(named));
        }
        let named = self.presence.horizon.names(user);
        for peer in self.peers.connections.of_user(user) {
            // Their list may have come before they were a friend.
            self.ask_about(peer.conn, named.iter());
            self.send_digest(peer);
            self.spread(peer.session, *user, &[]);
        }
    }

    /// At the start: who is a friend, and what my own list says.
    pub(in crate::proto) fn remember_friends(&mut self) {
        self.presence.horizon.say(self.cx.me, &self.people.myself.links);
        for user in self.people.links.users().collect::<Vec<_>>() {
            self.presence.horizon.befriend(user, self.people.links.is_friend(&user));
        }
    }

    fn tell_link(&mut self, user: UserId, change: Change) {
        let handle = self.people.users.handle(&user);
        match change {
            Change::Linked { by, auto } => {
                self.cx.notice_after_store(None, Notice::Linked { user: handle, id: user, by, auto });
                self.repeat_query(&user);
                for Peer { conn, session, .. } in self.peers.connections.of_user(&user) {
                    self.show_online(session, user);
                    self.send_links(conn, 0, false);
                    self.presence.pushes.served(&session);
                }
            }
            Change::Unlinked { by } => {
                self.cx.out.after_store(Output::Notice {
                    line: None,
                    notice: Notice::Unlinked { user: handle, id: user, by },
                });
                self.peers.sought.forget(&user);
                for session in self.presence.online.of_user(&user) {
                    self.presence.online.gone(&session);
                }
                for Peer { conn, .. } in self.peers.connections.of_user(&user) {
                    self.show_nearby(conn);
                    self.let_go_of_surplus(conn);
                }
            }
            Change::Asked | Change::Noted | Change::Nothing => {}
        }
    }
}
