//! Known lists: signed records about users, sent on request and taken in from neighbours. With them a session that has lost
//! its memory gets it back.

use std::collections::BTreeSet;

use crate::id::{ConnId, UserId};
use crate::proto::Core;
use crate::proto::peer::Peer;
use crate::time::Moment;
use crate::wire::addr::Addr;
use crate::wire::codec::List;
use crate::wire::control::{Control, DeliverKnownList, KnownUser, RequestUserList};
use crate::wire::record::{Declaration, LinkList, Roster};

/// Bytes of signed records in one known list; it fits into a frame with its overhead.
const PAGE_BYTES: usize = 24 * 1024;
/// Users in one known list (`wire::control`).
const PAGE_USERS: usize = 64;

impl Core {
    /// Sends a known list, in as many messages as needed.
    pub(in crate::proto) fn send_known(&mut self, conn: ConnId, id: u64, mut users: Vec<KnownUser>, complete: bool) {
        users.iter_mut().for_each(|known| self.record_known_claims(conn, known));
        let mut pages = vec![Vec::new()];
        let mut bytes = 0;
        for user in users.into_iter().flat_map(split_into_messages) {
            let size = size_of(&user);
            let page = pages.last_mut().expect("there is always a page");
            if !page.is_empty() && (bytes + size > PAGE_BYTES || page.len() == PAGE_USERS) {
                pages.push(vec![user]);
                bytes = size;
            } else {
                page.push(user);
                bytes += size;
            }
        }
        let count = pages.len();
        for (n, users) in pages.into_iter().enumerate() {
            let message = DeliverKnownList { id, users: List(users), complete, more: n + 1 < count };
            self.cx.send(conn, Control::DeliverKnownList(message));
        }
    }

    /// Records which claims the records about a user contain, or removes them at the bound.
    fn record_known_claims(&mut self, conn: ConnId, known: &mut KnownUser) {
        if known.declarations.iter().all(|held| held.live.is_none()) {
            return;
        }
        let to = self.peers.connections.peer(&conn);
        if to.is_some_and(|to| !self.record_claims(to, &known.user)) {
            known.declarations.0.iter_mut().for_each(|held| held.live = None);
        }
    }

    /// Handles requestUserList. A user who asks about themselves gets their own records, so that they can sign above
    /// them, and those of all users who name them. A linked user who asks about the local user gets the local link
    /// list.
    pub(in crate::proto) fn on_request_user_list(&mut self, peer: Peer, request: RequestUserList) {
        if request.user == self.cx.config.user && self.people.links.wants(&peer.user) {
            return self.send_links(peer.conn, request.id, true);
        }
        if request.user != peer.user {
            return self.send_known(peer.conn, request.id, Vec::new(), false);
        }
        let mut users = vec![self.known_user(&peer.user, &peer.user, true)];
        let related: BTreeSet<UserId> =
            self.presence.horizon.listers_of(&peer.user).chain(self.presence.horizon.listed_by(&peer.user)).collect();
        users.extend(
            related
                .iter()
                .filter(|user| **user != self.cx.config.user)
                .map(|user| self.known_user(user, &peer.user, true)),
        );
        self.send_known(peer.conn, request.id, users, self.cx.is_server());
        if self.people.links.wants(&peer.user) {
            self.send_links(peer.conn, 0, false);
        }
    }

    /// Handles deliverKnownList: signed records about relevant users.
    pub(in crate::proto) fn on_known_list(&mut self, peer: Peer, list: DeliverKnownList) {
        if self.pass_find_answer(peer.conn, &list) || self.pass_answer(peer, &list) {
            return;
        }
        let id = list.id;
        for known in list.users.0 {
            self.on_known_user(peer, id, known);
        }
        if list.complete && !list.more && self.is_my_server(&peer.session) {
            self.finish_recovery();
        }
    }

    /// Takes in what a neighbour sent about one user.
    fn on_known_user(&mut self, peer: Peer, id: u64, known: KnownUser) {
        if let Some(roster) = &known.roster {
            let Some(roster) = self.checked::<Roster>(peer.conn, roster) else { return };
            let directory = self.shares_directory(peer.conn) && self.admits_to_directory(&roster.user);
            if self.concerns(&roster.user) || directory || self.take_find_answer(id, &roster) || self.is_recovering() {
                self.learn_roster(roster);
            }
        }
        for links in &known.links.0 {
            let Some(links) = self.checked::<LinkList>(peer.conn, links) else { return };
            self.on_link_list(peer.conn, links);
        }
        self.receive_cards(peer.conn, &known);
        self.on_announced_user_known(&known.user);
        for held in &known.declarations.0 {
            let Some(declaration) = self.checked::<Declaration>(peer.conn, &held.declaration) else { return };
            let (session, user, online) = (declaration.session, declaration.user, declaration.online);
            let heard = Moment(self.cx.now.moment.0.saturating_sub(held.age_ms));
            let mut news = self.receive_declaration(declaration, heard);
            if held.live == Some(true) && online && self.people.sessions.declares_online(&session) {
                if let Some(Addr(observed)) = held.observed {
                    news |= self.add_observed_address(peer.session, &session, observed);
                }
                self.add_witness(session, user, peer.session, peer.user);
            }
            if news {
                self.peers.retry(&session, &user, self.cx.now.moment);
            }
        }
        if self.shares_directory(peer.conn) && self.people.sessions.of_user(&known.user).next().is_some() {
            self.keep_if_within_two_links(&known.user);
            self.answer_open_finds(&known.user);
        }
        self.forget_if_unneeded(&known.user);
    }
}

/// Approximate bytes of the records about a user.
fn size_of(user: &KnownUser) -> usize {
    let records = user.roster.iter().chain(&user.links.0).chain(&user.cards.0);
    records.chain(user.declarations.iter().map(|known| &known.declaration)).map(|signed| signed.0.len() + 80).sum()
}

/// Splits a user whose link list has more pages than fit into one message.
fn split_into_messages(mut user: KnownUser) -> Vec<KnownUser> {
    let rest = user.links.0.split_off(user.links.len().min(4));
    let parts = rest.chunks(4).map(|links| KnownUser { links: List(links.to_vec()), ..KnownUser::empty(user.user) });
    let parts: Vec<KnownUser> = parts.collect();
    std::iter::once(user).chain(parts).collect()
}
