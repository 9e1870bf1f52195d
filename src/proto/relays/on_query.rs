//! Queries for missing users over relays. A node that misses a linked user asks its neighbouring relays and servers. These pass
//! the query to relays that are nearer to the target, and the last one to the target itself, which answers if it is linked
//! with the asker. The answer returns on the path of the query, and so does every later change while the query is held.
//!
//! Other nodes get no answers. A relay can falsely claim that a user is online, but it cannot forge the user's declaration,
//! and its claim counts only with nodes that have asked it.

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::sign::verify;
use crate::identity::{Checked, Domain};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{ASK_HOPS, MAX_INTERESTS_PER_ASKER, MAX_RELAYED_QUERIES_PER_RELAY};
use crate::proto::peer::Peer;
use crate::proto::relays::relayed_queries::{Gone, Key, Received};
use crate::time::Moment;
use crate::wire::addr::Addr;
use crate::wire::codec::{Fixed, List};
use crate::wire::control::short;
use crate::wire::control::{
    Control, DeliverKnownList, Digest, KnownDeclaration, KnownUser, RequestPing, SessionSummary, UserSummary,
};
use crate::wire::record::{Declaration, KeyCard, Roster};

impl Core {
    /// Asks neighbouring relays and servers for a missing user with whom this user wants a link, or for the local user if other
    /// sessions are missing.
    pub(in crate::proto) fn ask_relays(&mut self, target: &UserId) {
        let is_missing = if *target == self.cx.config.user {
            self.peers.sisters.missing().next().is_some()
        } else {
            self.people.links.wants(target) && !self.is_here(target)
        };
        if !is_missing {
            return;
        }
        let fresh = rand_core::Rng::next_u64(&mut self.cx.rng) | 1;
        let up = self.peers.connections.iter_up();
        for Peer { conn, session, .. } in up.filter(|peer| self.is_carrier(peer.conn)).collect::<Vec<_>>() {
            if let Some(id) = self.relays.own_queries.ask(session, *target, fresh, self.cx.now.moment) {
                self.send_query(conn, id, *target);
                if self.tries.record_asked(*target, session, self.cx.now.moment) {
                    self.cx.dropped(DropReason::TryForgotten);
                }
            }
        }
    }

    /// Repeats a query under a new id: because a link is new, so that the target answers now, or because it is due. Relays
    /// that are not asked again stop being witnesses.
    pub(in crate::proto) fn repeat_query(&mut self, target: &UserId) {
        let before = self.relays.own_queries.remove(target);
        self.ask_relays(target);
        for relay in before.iter().filter(|relay| !self.relays.own_queries.was_asked(relay, target)) {
            for session in self.presence.online.of_user(target) {
                self.presence.online.remove_witness(&session, relay, self.cx.now.moment);
            }
        }
    }

    /// Sends all queries to a neighbour again after a change of connection, on which messages may have been lost.
    pub(in crate::proto) fn resend_queries(&mut self, neighbour: &SessionId) {
        let targets = self.relays.own_queries.targets_asked_of(neighbour);
        self.relays.own_queries.forget_relay(neighbour);
        targets.iter().for_each(|target| self.ask_relays(target));
        for key in self.relays.relayed_queries.unpass(neighbour) {
            self.pass_query(&key);
        }
    }

    /// Repeats the queries that are due. Those for users who have connected here meanwhile end.
    pub(in crate::proto) fn repeat_due_queries(&mut self) {
        for target in self.relays.own_queries.due(self.cx.now.moment) {
            self.repeat_query(&target);
        }
    }

    /// Sends a query. It is signed, since others pass it on.
    fn send_query(&mut self, conn: ConnId, id: u64, target: UserId) {
        let parts: [&[u8]; 2] = [&id.to_be_bytes(), &target.0];
        let request = RequestPing {
            id,
            target,
            declaration: self.people.myself.declaration.signed().clone(),
            roster: Some(self.people.myself.roster.signed().clone()),
            hops: ASK_HOPS,
            observed: None,
            signature: Some(Fixed(self.cx.config.session_key.sign(
                Domain::RequestPing,
                &self.cx.config.network,
                &parts,
            ))),
        };
        self.cx.send(conn, Control::RequestPing(request));
    }

    /// Whether the asker has signed this target and id.
    pub(in crate::proto) fn is_signed_by_asker(&self, request: &RequestPing, asker: &SessionId) -> bool {
        let parts: [&[u8]; 2] = [&request.id.to_be_bytes(), &request.target.0];
        let holds = |signature: &Fixed<64>| {
            let (scheme, network) = (self.cx.verifier.scheme, &self.cx.verifier.network);
            verify(scheme, &asker.0, Domain::RequestPing, network, &parts, &signature.0)
        };
        request.signature.as_ref().is_some_and(holds)
    }

    /// Holds a query of another and passes it on, as a relay or server.
    pub(in crate::proto) fn relay_query(&mut self, peer: Peer, request: &RequestPing, asker: SessionId) {
        let most =
            if self.shares_directory(peer.conn) { MAX_RELAYED_QUERIES_PER_RELAY } else { MAX_INTERESTS_PER_ASKER };
        let key = (request.target, request.id);
        match self.relays.relayed_queries.receive(request, asker, peer.session, most, self.cx.now.moment) {
            Received::New => self.pass_query(&key),
            Received::Known => {}
            Received::Loop => return self.cx.dropped(DropReason::PingSeen),
            Received::Refused => return self.cx.dropped(DropReason::TooManyPings),
        }
        self.send_answers(&key, peer.session);
    }

    /// Passes on the queries for a user who has connected here or come nearer.
    pub(in crate::proto) fn pass_queries(&mut self, target: &UserId) {
        for key in self.relays.relayed_queries.for_target(target) {
            self.pass_query(&key);
        }
    }

    /// Passes the queries of an asker whose observed address has changed to the sessions of the targets that are connected
    /// here once more.
    pub(in crate::proto) fn pass_queries_of(&mut self, asker: &SessionId) {
        for key in self.relays.relayed_queries.of_asker(asker) {
            let here = self.peers.connections.of_user(&key.0);
            here.iter().for_each(|peer| self.relays.relayed_queries.unpass_to(&key, &peer.session));
            if !here.is_empty() {
                self.pass_query(&key);
            }
        }
    }

    /// Passes a query to the target's sessions that are connected, with the address observed for the asker, and to relays and
    /// servers that are nearer to the others. The asker may seek other sessions of its own user.
    fn pass_query(&mut self, key: &Key) {
        let Some(query) = self.relays.relayed_queries.get(key) else { return };
        let (asker, request) = (query.asker, query.request.clone());
        let conn = self.peers.connections.up(&asker);
        let observed = conn.and_then(|conn| self.peers.connections.get(&conn)).map(|neighbour| Addr(neighbour.addr));
        let observed = observed.filter(|addr| crate::proto::people::sessions::is_shareable(&addr.0));
        for Peer { conn, session, .. } in self.peers.connections.of_user(&key.0) {
            if session != asker && self.relays.relayed_queries.pass(key, session) {
                let request = RequestPing { hops: 0, observed, ..request.clone() };
                self.cx.send(conn, Control::RequestPing(request));
            }
        }
        let hops = request.hops.min(ASK_HOPS).saturating_sub(1);
        for Peer { conn, session, .. } in if hops > 0 { self.nearer(&key.0) } else { Vec::new() } {
            if session != asker && self.relays.relayed_queries.pass(key, session) {
                self.cx.send(conn, Control::RequestPing(RequestPing { hops, observed: None, ..request.clone() }));
            }
        }
    }

    /// Sends the answers so far to a neighbour from which the query has come.
    fn send_answers(&mut self, key: &Key, to: SessionId) {
        let Some((conn, query)) = self.peers.connections.up(&to).zip(self.relays.relayed_queries.get(key)) else {
            return;
        };
        let known = |heard: Moment| self.cx.now.moment.since(heard).as_millis() as u64;
        let answers = query.answers().map(|answer| (answer.declaration.signed().clone(), known(answer.heard)));
        let declarations: Vec<KnownDeclaration> = answers
            .map(|(declaration, age_ms)| KnownDeclaration { declaration, age_ms, observed: None, live: Some(true) })
            .collect();
        if !declarations.is_empty() {
            let roster = self.people.users.roster(&key.0).map(|roster| roster.signed().clone());
            let user = KnownUser { roster, declarations: List(declarations), ..KnownUser::empty(key.0) };
            self.send_known(conn, key.1, vec![user], false);
        }
    }

    /// Answers a query of a linked user for this user with its own records, on the connection that brought the query.
    pub(in crate::proto) fn answer_query(&mut self, conn: ConnId, id: u64) {
        let declaration = self.people.myself.declaration.signed().clone();
        let answer = KnownUser {
            roster: Some(self.people.myself.roster.signed().clone()),
            cards: List(vec![self.people.myself.card.signed().clone()]),
            declarations: List(vec![KnownDeclaration { declaration, age_ms: 0, observed: None, live: Some(true) }]),
            ..KnownUser::empty(self.cx.config.user)
        };
        self.send_known(conn, id, vec![answer], false);
    }

    /// Passes answers to relayed queries back to the neighbours that sent these. False if the list answers none.
    pub(in crate::proto) fn pass_answer(&mut self, peer: Peer, list: &DeliverKnownList) -> bool {
        let mut passed = false;
        for known in list.users.iter() {
            let key = (known.user, list.id);
            if self.relays.relayed_queries.may_answer(&key, &peer.session) {
                passed = true;
                self.take_answer(peer.conn, &key, known, peer.session);
            }
        }
        passed
    }

    fn take_answer(&mut self, conn: ConnId, key: &Key, known: &KnownUser, by: SessionId) {
        if !self.is_sound(conn, known) {
            return;
        }
        let brought = known.roster.as_ref().and_then(|roster| Checked::<Roster>::from_store(roster).ok());
        let roster = brought.or_else(|| self.people.users.roster(&key.0));
        for held in &known.declarations.0 {
            let Ok(declaration) = Checked::<Declaration>::from_store(&held.declaration) else { continue };
            if !roster.as_ref().is_some_and(|roster| roster.admits(&declaration.session)) {
                return self.cx.dropped(DropReason::AnswerAboutAnother);
            }
            let heard = Moment(self.cx.now.moment.0.saturating_sub(held.age_ms));
            self.pass_declaration(key, declaration, heard, by, known.clone());
        }
    }

    /// Whether all records about a user are that user's own and correctly signed. Checked before they are passed on, since
    /// invalid records count against the node that sends them.
    pub(in crate::proto) fn is_sound(&mut self, conn: ConnId, known: &KnownUser) -> bool {
        let mut users = Vec::new();
        if let Some(roster) = &known.roster {
            users.push(self.checked::<Roster>(conn, roster).map(|roster| roster.user));
        }
        for card in known.cards.iter() {
            users.push(self.checked::<KeyCard>(conn, card).map(|card| card.user));
        }
        for held in known.declarations.iter() {
            users.push(self.checked::<Declaration>(conn, &held.declaration).map(|declaration| declaration.user));
        }
        let sound = known.links.is_empty() && users.iter().all(|user| *user == Some(known.user));
        if !sound {
            self.cx.dropped(DropReason::AnswerAboutAnother);
        }
        sound
    }

    /// Passes a session's declaration to the neighbours that a query came from, with the roster and key cards that were
    /// received with it.
    fn pass_declaration(
        &mut self,
        key: &Key,
        declaration: Checked<Declaration>,
        heard: Moment,
        by: SessionId,
        brought: KnownUser,
    ) {
        let live = declaration.online.then_some(true);
        let age_ms = self.cx.now.moment.since(heard).as_millis() as u64;
        let held = KnownDeclaration { declaration: declaration.signed().clone(), age_ms, observed: None, live };
        let cards = brought.cards.iter().filter_map(|card| Checked::<KeyCard>::from_store(card).ok());
        let card = cards.filter(|card| card.session == declaration.session).map(|card| card.seq).max().unwrap_or(0);
        let known = KnownUser { declarations: List(vec![held]), ..brought };
        for to in self.relays.relayed_queries.record_answer(key, declaration, card, heard, by) {
            if let Some(conn) = self.peers.connections.up(&to) {
                self.send_known(conn, key.1, vec![known.clone()], false);
            }
        }
    }

    /// Passes a new declaration of a connected session to the queries that it has answered.
    pub(in crate::proto) fn update_answers(&mut self, session: &SessionId, user: &UserId) {
        let declared = self.people.sessions.get(session).and_then(|known| known.declaration());
        let declaration = declared.and_then(|declared| Checked::<Declaration>::from_store(&declared.signed()).ok());
        for key in self.relays.relayed_queries.answered_by(user, session) {
            if let Some(declaration) = declaration.clone() {
                self.pass_declaration(&key, declaration, self.cx.now.moment, *session, KnownUser::empty(*user));
            }
        }
    }

    /// Handles that a relay withdraws its claims about sessions.
    pub(in crate::proto) fn on_withdrawn(&mut self, by: SessionId, summary: &UserSummary) {
        for session in summary.sessions.iter().filter(|session| session.live == Some(false)) {
            let gone = self.relays.relayed_queries.withdraw(summary.user, session.session, &by);
            self.send_gone(gone);
        }
    }

    /// Withdraws the claims of a neighbour that has disconnected, and passes its queries on by other paths.
    pub(in crate::proto) fn forget_relay(&mut self, neighbour: &SessionId) {
        self.relays.own_queries.forget_relay(neighbour);
        let (gone, again) = self.relays.relayed_queries.forget_neighbour(neighbour);
        self.send_gone(gone);
        again.iter().for_each(|target| self.pass_queries(target));
    }

    /// Withdraws the claims of relays about a user whom no relay can reach any more.
    pub(in crate::proto) fn lose_route(&mut self, user: &UserId) {
        if self.relays.directory.is_reachable(&short(&user.0).into()) {
            return;
        }
        let gone = self.relays.relayed_queries.lose_route(user);
        self.send_gone(gone);
    }

    /// Notifies neighbours that sessions cannot be reached any more.
    fn send_gone(&mut self, gone: Vec<Gone>) {
        for Gone { notify, user, session } in gone {
            let summary = SessionSummary { live: Some(false), ..SessionSummary::bare(short(&session.0)) };
            let summary =
                UserSummary { user: short(&user.0), version: None, sessions: List(vec![summary]), distance: None };
            for conn in notify.iter().filter_map(|to| self.peers.connections.up(to)).collect::<Vec<_>>() {
                self.cx.send(conn, Control::Digest(Digest { users: List(vec![summary.clone()]) }));
            }
        }
    }
}
