//! Finding somebody by name or id: the question goes to neighbours, and beyond them through relays and servers only, at
//! most sixteen hops; answers find back the way it came. Rosters and key cards are for anyone in the network; where
//! somebody is stays with those who may know it.

use crate::id::{ConnId, UserId};
use crate::identity::{Checked, Name};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{FIND_HOPS, FIND_NEIGHBOURS};
use crate::proto::peer::Peer;
use crate::proto::search::finds::Opened;
use crate::wire::codec::{List, Text};
use crate::wire::control::{Control, DeliverKnownList, Find, KnownUser};
use crate::wire::record::Roster;

impl Core {
    /// Asks neighbours for somebody I do not know: relays and servers first.
    pub(in crate::proto) fn ask_for(&mut self, typed: &str) {
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

    /// A relay or server has come up: it is asked what is open still.
    pub(in crate::proto) fn ask_newcomer_for_names(&mut self, peer: Peer) {
        if self.is_carrier(peer.conn) {
            for find in self.search.finds.for_newcomer(peer.session, self.cx.now.moment) {
                self.cx.send(peer.conn, Control::Find(find));
            }
        }
    }

    /// Somebody has become known for whom others asked a moment ago.
    pub(in crate::proto) fn answer_open_finds(&mut self, user: &UserId) {
        let Some(name) = self.people.users.roster(user).and_then(|roster| Name::parse(&roster.name).ok()) else {
            return;
        };
        for (id, asker) in self.search.finds.answered_by(&name.folded(), user, self.cx.now.moment) {
            let asker = self.peers.connections.up_peer(&asker).filter(|asker| asker.user != *user);
            let Some(Peer { conn, user: asker, .. }) = asker else { continue };
            if self.search.finds.answer(id, *user) {
                let known = self.known_user(user, &asker, false);
                self.send_known(conn, id, vec![known], false);
            }
        }
    }

    /// Somebody asks for a name: answer with whom I know, and pass it on if I am a relay or server.
    pub(in crate::proto) fn on_find(&mut self, peer: Peer, find: Find) {
        let relayed = self.shares_directory(peer.conn);
        let budget = if relayed { &mut self.search.budgets.relayed_finds } else { &mut self.search.budgets.finds };
        if !budget.draw(peer.session, self.cx.now.moment) {
            return self.cx.dropped(DropReason::FindOverBudget);
        }
        let name = find.name.as_ref().and_then(|name| Name::parse(name).ok()).map(|name| name.folded());
        let hops = if self.cx.is_carrier() { find.hops.min(FIND_HOPS).saturating_sub(1) } else { 0 };
        let onward = Find { hops, ..find.clone() };
        let opened = self.search.finds.open(onward.clone(), name.clone(), Some(peer.session), self.cx.now.moment);
        if opened == Opened::Refused {
            return self.cx.dropped(DropReason::FindSeen);
        }
        let mut meant = self.people.users.matching(name.as_ref(), find.user.as_ref());
        meant.retain(|user| *user != peer.user && self.search.finds.answer(find.id, *user));
        let known: Vec<KnownUser> = meant.iter().map(|user| self.known_user(user, &peer.user, false)).collect();
        if !known.is_empty() {
            self.send_known(peer.conn, find.id, known, false);
        }
        if self.cx.is_carrier() && find.hops > 0 && opened == Opened::New {
            let others =
                self.peers.connections.iter_up().filter(|other| other.session != peer.session).map(|other| other.conn);
            for other in others.filter(|other| self.is_carrier(*other)).collect::<Vec<_>>() {
                self.cx.send(other, Control::Find(onward.clone()));
            }
        }
    }

    /// An answer to a question that I passed on goes back to who asked me. True if it was one.
    pub(in crate::proto) fn pass_found(&mut self, conn: ConnId, list: &DeliverKnownList) -> bool {
        let Some(asker) = self.search.finds.asker(list.id) else { return false };
        let Some(asker) = self.peers.connections.up(&asker) else { return true };
        let mut fresh = Vec::new();
        for known in list.users.iter() {
            if self.is_sound(conn, known) && self.search.finds.answer(list.id, known.user) {
                fresh.push(known.clone());
            }
        }
        if !fresh.is_empty() {
            let list = DeliverKnownList { users: List(fresh), ..list.clone() };
            self.cx.send(asker, Control::DeliverKnownList(list));
        }
        true
    }

    /// Whether a roster answers a question of mine. If so, what waits for the name is tried in a moment, when others of the
    /// same name may have answered too.
    pub(in crate::proto) fn is_found(&mut self, id: u64, roster: &Checked<Roster>) -> bool {
        let folded = Name::parse(&roster.name).map(|name| name.folded()).unwrap_or_default();
        if !self.search.finds.asked_for(id, &folded, &roster.user) || !self.search.finds.answer(id, roster.user) {
            return false;
        }
        self.commands.lookups.found_one(roster.user, self.cx.now.moment);
        true
    }
}
