//! Statements about links: the local user's, typed as commands, and other users', received in a sealed content or in
//! their link list.

use crate::id::{Address, NetworkId, UserId};
use crate::proto::limits::MAX_AUTO_LINKS;
use crate::proto::notice::Notice;
use crate::proto::peer::Peer;
use crate::proto::people::links::Change;
use crate::proto::people::on_name::Claim;
use crate::proto::persist::{Entry, LinkState};
use crate::proto::{Accept, Core};
use crate::wire::content::{LinkBody, kind};
use crate::wire::encode;

impl Core {
    /// Enters a statement of the local user into the link list and sends it, sealed.
    pub(in crate::proto) fn set_link(&mut self, user: UserId, state: LinkState) {
        // The counter must exceed what another own session has used, however far that is ahead of the local counter.
        let before = self.people.links.row(&user).map_or(0, |row| row.mine.lamport);
        let lamport = self.cx.count.next_lamport().max(before.saturating_add(1));
        self.cx.save_counters();
        let change = self.people.links.set_own(user, state, lamport);
        self.people.users.add(user);
        match state {
            LinkState::Linked => self.claim_name(user, Claim::Command),
            LinkState::Auto => self.claim_name(user, Claim::Link),
            _ => {}
        }
        self.people.keep(&mut self.cx, user);
        self.people.save_link(&mut self.cx, &user);
        self.update_friendship(&user);
        self.renew_links();
        if state != LinkState::Blocked {
            let body = encode(&LinkBody { state: state.to_wire(), lamport });
            self.post(Address::from(user), kind::LINK, body, lamport, None);
        }
        self.notify_link_change(user, change);
        self.settle_stranger(&user);
        self.ask_for_refused(&user);
        self.seek_if_wanted(user);
        self.peers.sought.retry(&user, self.cx.now.moment);
    }

    /// Takes in another user's statement about the link.
    pub(in crate::proto) fn receive_link(&mut self, user: UserId, entry: Entry) {
        self.cx.count.observe_lamport(entry.lamport);
        let change = self.people.links.set_theirs(user, entry);
        if change == Change::Stale {
            return;
        }
        self.sisters.ledger.note_person(&mut self.cx, user, None);
        self.people.keep(&mut self.cx, user);
        self.people.save_link(&mut self.cx, &user);
        self.update_friendship(&user);
        self.notify_link_change(user, change);
        if matches!(entry.state, LinkState::Linked | LinkState::Auto) {
            self.end_refusal(user);
        }
        if change == Change::Asked {
            self.answer_request(user);
        }
        if entry.state == LinkState::Linked {
            self.resume(user);
        }
    }

    /// Answers a link request. In the open network an automatic acceptance is marked `auto`: it applies between the two
    /// users and extends nobody's horizon. Members of a closed network are not strangers to each other.
    fn answer_request(&mut self, user: UserId) {
        if self.cx.config.accept == Accept::Auto && self.people.links.auto_count() >= MAX_AUTO_LINKS {
            self.make_room_for_link(user);
        }
        let accept = if self.people.links.auto_count() < MAX_AUTO_LINKS { self.cx.config.accept } else { Accept::Ask };
        match (accept, self.cx.config.network == NetworkId::OPEN) {
            (Accept::Auto, true) => self.set_link(user, LinkState::Auto),
            (Accept::Auto, false) => self.set_link(user, LinkState::Linked),
            // Strangers were reported when they were admitted.
            (Accept::Ask, _) if self.cx.config.accept == Accept::Ask && self.people.strangers.is_known(&user) => {}
            (Accept::Ask, _) => self.notify_asked(user),
        }
    }

    /// Updates whether a user is a friend, whose friends belong to the horizon. For a new friend, both sides exchange
    /// what they know; for a former friend, users known only through them are forgotten.
    pub(in crate::proto) fn update_friendship(&mut self, user: &UserId) {
        let friend = self.people.links.is_friend(user);
        if friend == self.presence.horizon.is_friend(user) {
            return;
        }
        self.presence.horizon.set_friend(*user, friend);
        if !friend {
            let named = self.presence.horizon.listed_by(user);
            return named.iter().for_each(|named| self.on_left_horizon(named));
        }
        let named = self.presence.horizon.listed_by(user);
        for peer in self.peers.connections.of_user(user) {
            // Their list may have arrived before they became a friend.
            self.request_users(peer.conn, named.iter());
            self.send_digest(peer);
            self.forward_declaration(peer.session, *user, &[]);
        }
    }

    /// At the start, loads the friends and the local link list into the horizon.
    pub(in crate::proto) fn load_friends(&mut self) {
        self.presence.horizon.set_own_list(self.cx.me, &self.people.myself.links);
        for user in self.people.links.users().collect::<Vec<_>>() {
            self.presence.horizon.set_friend(user, self.people.links.is_friend(&user));
        }
    }

    /// Notifies the interfaces of a change of a person's links or presence ([`Context::report`](crate::proto::cx)).
    pub(in crate::proto) fn report(&mut self, notice: Notice, about: &UserId) {
        let is_stranger = self.people.is_stranger(&self.cx, about);
        self.cx.report(notice, is_stranger);
    }

    pub(in crate::proto) fn notify_link_change(&mut self, user: UserId, change: Change) {
        let handle = self.people.users.handle(&user);
        match change {
            Change::Linked { by, auto } => {
                self.report(Notice::Linked { user: handle, id: user, by, auto }, &user);
                self.repeat_query(&user);
                for Peer { conn, session, .. } in self.peers.connections.of_user(&user) {
                    self.show_online(session, user);
                    self.send_links(conn, 0, false);
                    self.presence.pushes.served(&session);
                }
            }
            Change::Unlinked { by } => {
                self.report(Notice::Unlinked { user: handle, id: user, by }, &user);
                self.peers.sought.forget(&user);
                for session in self.presence.online.of_user(&user) {
                    self.presence.online.remove(&session);
                }
                for Peer { conn, .. } in self.peers.connections.of_user(&user) {
                    self.show_nearby(conn);
                }
                self.review_soon();
            }
            Change::Asked | Change::Recorded | Change::Stale => {}
        }
    }
}
