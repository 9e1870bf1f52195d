//! The search for a user by name or id. It goes to neighbours, and beyond them through relays and servers and through the
//! asker's other sessions only, at most sixteen hops; answers return on the same path. Rosters and key cards are public within the network; locations are given
//! only to users who may know them.

use crate::id::{ConnId, UserId};
use crate::identity::{Checked, Name};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{FIND_HOPS, FIND_NEIGHBOURS};
use crate::proto::peer::Peer;
use crate::proto::search::finds::{MAX_ANSWERS, Opened};
use crate::wire::codec::{List, Text};
use crate::wire::control::{Control, DeliverKnownList, Find, KnownUser};
use crate::wire::record::Roster;

impl Core {
    /// Asks neighbours for an unknown user, relays and servers first.
    pub(in crate::proto) fn start_find(&mut self, typed: &str) {
        let user: Option<UserId> = typed.parse().ok();
        let bare = typed.split('#').next().unwrap_or_default();
        let name = Name::parse(bare).ok().filter(|_| user.is_none());
        if user.is_none() && name.is_none() {
            return;
        }
        let id = rand_core::Rng::next_u64(&mut self.cx.rng) | 1;
        let folded = name.as_ref().map(Name::folded);
        let name = name.map(|name| Text(name.as_str().to_owned()));
        let find = Find { id, name, user, hops: FIND_HOPS };
        if self.search.finds.open(find.clone(), folded, None, self.cx.now.moment) == Opened::Refused {
            return self.cx.dropped(DropReason::TooManyFinds);
        }
        let mut conns: Vec<ConnId> = self.peers.connections.iter_up().map(|peer| peer.conn).collect();
        conns.sort_by_key(|conn| !self.is_carrier(*conn));
        for conn in conns.into_iter().take(FIND_NEIGHBOURS) {
            self.cx.send(conn, Control::Find(find.clone()));
        }
    }

    /// Sends the open searches to a relay or server, or another session of the local user, that has just connected.
    pub(in crate::proto) fn send_open_finds(&mut self, peer: Peer) {
        if self.is_carrier(peer.conn) || peer.user == self.cx.config.user {
            for find in self.search.finds.for_newcomer(peer.session, self.cx.now.moment) {
                self.cx.send(peer.conn, Control::Find(find));
            }
        }
    }

    /// Answers the open searches that match a user who has just become known.
    pub(in crate::proto) fn answer_open_finds(&mut self, user: &UserId) {
        let Some(name) = self.people.users.roster(user).and_then(|roster| roster.name()) else { return };
        for (id, asker) in self.search.finds.matching(&name.folded(), user, self.cx.now.moment) {
            let asker = self.peers.connections.up_peer(&asker).filter(|asker| asker.user != *user);
            let Some(Peer { conn, user: asker, .. }) = asker else { continue };
            if self.search.finds.record_answer(id, *user) {
                let known = self.known_user(user, &asker, false);
                self.send_known(conn, id, vec![known], false);
            }
        }
    }

    /// Answers a search with the matching users that are known, and passes it on if this node is a relay or server or another
    /// session of the asker's user.
    pub(in crate::proto) fn on_find(&mut self, peer: Peer, find: Find) {
        let relayed = self.shares_directory(peer.conn);
        let budget = if relayed { &mut self.search.budgets.relayed_finds } else { &mut self.search.budgets.finds };
        if !budget.draw(peer.session, self.cx.now.moment) {
            return self.cx.dropped(DropReason::FindOverBudget);
        }
        let name = find.name.as_ref().and_then(|name| Name::parse(name).ok()).map(|name| name.folded());
        let passes_on = self.cx.is_carrier() || peer.user == self.cx.config.user;
        let hops = if passes_on { find.hops.min(FIND_HOPS).saturating_sub(1) } else { 0 };
        let onward = Find { hops, ..find.clone() };
        self.peers.connections.record_use(&peer.conn, self.cx.now.moment);
        let opened = self.search.finds.open(onward.clone(), name.clone(), Some(peer.session), self.cx.now.moment);
        if opened == Opened::Refused {
            return self.cx.dropped(DropReason::FindSeen);
        }
        let matching = self.people.users.matching(name.as_ref(), find.user).filter(|user| *user != peer.user);
        let meant: Vec<UserId> =
            matching.take(MAX_ANSWERS).filter(|user| self.search.finds.record_answer(find.id, *user)).collect();
        let known: Vec<KnownUser> = meant.iter().map(|user| self.known_user(user, &peer.user, false)).collect();
        if !known.is_empty() {
            self.send_known(peer.conn, find.id, known, false);
        }
        if passes_on && find.hops > 0 && opened == Opened::New {
            let others =
                self.peers.connections.iter_up().filter(|other| other.session != peer.session).map(|other| other.conn);
            for other in others.filter(|other| self.is_carrier(*other)).collect::<Vec<_>>() {
                self.cx.send(other, Control::Find(onward.clone()));
            }
        }
    }

    /// Passes the answer to a search of another back to the neighbour that sent the search. False if it answers none.
    pub(in crate::proto) fn pass_find_answer(&mut self, conn: ConnId, list: &DeliverKnownList) -> bool {
        let Some(asker) = self.search.finds.asker(list.id) else { return false };
        let Some(asker) = self.peers.connections.up(&asker) else { return true };
        let mut fresh = Vec::new();
        for known in list.users.iter() {
            if self.is_sound(conn, known) && self.search.finds.record_answer(list.id, known.user) {
                fresh.push(known.clone());
            }
        }
        if !fresh.is_empty() {
            let list = DeliverKnownList { users: List(fresh), ..list.clone() };
            self.cx.send(asker, Control::DeliverKnownList(list));
        }
        true
    }

    /// Takes a roster as the answer to a search of this node. If it is one, the commands that wait for the name are retried
    /// after a pause, in which other users of the same name can answer too. False if it answers no search of this node.
    pub(in crate::proto) fn take_find_answer(&mut self, id: u64, roster: &Checked<Roster>) -> bool {
        let folded = roster.name().map(|name| name.folded()).unwrap_or_default();
        if !self.search.finds.is_own_for(id, &folded, &roster.user) || !self.search.finds.record_answer(id, roster.user)
        {
            return false;
        }
        self.commands.lookups.record_found(roster.user, self.cx.now.moment);
        true
    }
}
