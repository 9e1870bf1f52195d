//! Presence over relays. Whoever misses somebody it is linked with asks the relays and servers beside it; these pass the
//! question to the ones that are nearer, the last one to the missing one, who answers if it links the asker. The answer goes
//! back the way of the question, and so does every change after it, as long as the question is remembered.
//!
//! Nobody else is told. A relay may claim that somebody is there who is not; it cannot make their declaration, and its word
//! counts only with whoever asked it.

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::sign::verify;
use crate::identity::{Checked, Domain};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{ASK_HOPS, MAX_INTERESTS_PER_ASKER, MAX_TRAILS_PER_RELAY};
use crate::proto::peer::Peer;
use crate::proto::relays::trails::{Asked, Gone, Key};
use crate::time::Moment;
use crate::wire::addr::Addr;
use crate::wire::codec::{Fixed, List};
use crate::wire::control::short;
use crate::wire::control::{
    Control, DeliverKnownList, Digest, KnownDeclaration, KnownUser, RequestPing, SessionMark, UserMark,
};
use crate::wire::record::{Declaration, KeyCard, Roster};

impl Core {
    /// Asks relays and servers beside me for a missing user, to whom I am linked as far as I know.
    pub(in crate::proto) fn ask_relays(&mut self, target: &UserId) {
        if !self.people.links.wants(target) || self.is_here(target) {
            return;
        }
        let fresh = rand_core::Rng::next_u64(&mut self.cx.rng) | 1;
        let up = self.peers.connections.iter_up();
        for Peer { conn, session, .. } in up.filter(|peer| self.is_carrier(peer.conn)).collect::<Vec<_>>() {
            if let Some(id) = self.relays.questions.ask(session, *target, fresh, self.cx.now.moment) {
                self.ask_over(conn, id, *target);
            }
        }
    }

    /// Asks anew, under another id: two have become linked, and answers that could not be had before may be had now; or it is
    /// time. Who is not asked any more is not counted on.
    pub(in crate::proto) fn ask_relays_anew(&mut self, target: &UserId) {
        let before = self.relays.questions.forget(target);
        self.ask_relays(target);
        for relay in before.iter().filter(|relay| !self.relays.questions.has(relay, target)) {
            for session in self.presence.online.of_user(target) {
                self.presence.online.remove_witness(&session, relay, self.cx.now.moment);
            }
        }
    }

    /// What was under way to a neighbour on one of two connections may be lost: it is asked again.
    pub(in crate::proto) fn ask_again(&mut self, neighbour: &SessionId) {
        let targets = self.relays.questions.asked_of(neighbour);
        self.relays.questions.lose(neighbour);
        targets.iter().for_each(|target| self.ask_relays(target));
        for key in self.relays.trails.unpass(neighbour) {
            self.pass_question(&key);
        }
    }

    /// Asks again for those whose turn it is; who has come by another way is asked for no more.
    pub(in crate::proto) fn keep_questions(&mut self) {
        for target in self.relays.questions.due(self.cx.now.moment) {
            self.ask_relays_anew(&target);
        }
    }

    /// A question that may be passed on says that it is mine.
    fn ask_over(&mut self, conn: ConnId, id: u64, target: UserId) {
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

    /// Whether the asker itself has asked for this target under this id.
    pub(in crate::proto) fn is_askers_own(&self, request: &RequestPing, asker: &SessionId) -> bool {
        let parts: [&[u8]; 2] = [&request.id.to_be_bytes(), &request.target.0];
        let holds = |signature: &Fixed<64>| {
            let (scheme, network) = (self.cx.verifier.scheme, &self.cx.verifier.network);
            verify(scheme, &asker.0, Domain::RequestPing, network, &parts, &signature.0)
        };
        request.signature.as_ref().is_some_and(holds)
    }

    /// A question comes to me, a relay or server: it is remembered, and goes on.
    pub(in crate::proto) fn follow(&mut self, peer: Peer, request: &RequestPing, asker: SessionId) {
        let most = if self.shares_directory(peer.conn) { MAX_TRAILS_PER_RELAY } else { MAX_INTERESTS_PER_ASKER };
        let key = (request.target, request.id);
        match self.relays.trails.ask(request, asker, peer.session, most, self.cx.now.moment) {
            Asked::New => self.pass_question(&key),
            Asked::Known => {}
            Asked::Circle => return self.cx.dropped(DropReason::PingSeen),
            Asked::Refused => return self.cx.dropped(DropReason::TooManyPings),
        }
        self.tell_answers(&key, peer.session);
    }

    /// The questions after a user who has come here, or nearer.
    pub(in crate::proto) fn pass_questions(&mut self, target: &UserId) {
        for key in self.relays.trails.after(target) {
            self.pass_question(&key);
        }
    }

    /// To the target's sessions, if they are here, with the place where I see the asker; else to relays and servers nearer.
    fn pass_question(&mut self, key: &Key) {
        let Some(trail) = self.relays.trails.get(key) else { return };
        let (asker, request) = (trail.asker, trail.request.clone());
        let here = self.peers.connections.of_user(&key.0);
        if !here.is_empty() {
            let observed = self
                .peers
                .connections
                .up(&asker)
                .and_then(|conn| self.peers.connections.get(&conn))
                .map(|n| Addr(n.addr));
            let observed = observed.filter(|addr| crate::proto::people::sessions::is_shareable(&addr.0));
            for Peer { conn, session, .. } in here {
                if self.relays.trails.pass(key, session) {
                    let request = RequestPing { hops: 0, observed, ..request.clone() };
                    self.cx.send(conn, Control::RequestPing(request));
                }
            }
            return;
        }
        let hops = request.hops.min(ASK_HOPS).saturating_sub(1);
        for Peer { conn, session, .. } in if hops > 0 { self.nearer(&key.0) } else { Vec::new() } {
            if session != asker && self.relays.trails.pass(key, session) {
                self.cx.send(conn, Control::RequestPing(RequestPing { hops, observed: None, ..request.clone() }));
            }
        }
    }

    /// What is known already, to somebody who brings a question anew.
    fn tell_answers(&mut self, key: &Key, to: SessionId) {
        let Some((conn, trail)) = self.peers.connections.up(&to).zip(self.relays.trails.get(key)) else { return };
        let known = |heard: Moment| self.cx.now.moment.since(heard).as_millis() as u64;
        let answers = trail.answers().map(|answer| (answer.declaration.signed().clone(), known(answer.heard)));
        let declarations: Vec<KnownDeclaration> = answers
            .map(|(declaration, age_ms)| KnownDeclaration { declaration, age_ms, observed: None, live: Some(true) })
            .collect();
        if !declarations.is_empty() {
            let roster = self.people.users.roster(&key.0).map(|roster| roster.signed().clone());
            let user = KnownUser { roster, declarations: List(declarations), ..KnownUser::empty(key.0) };
            self.send_known(conn, key.1, vec![user], false);
        }
    }

    /// Somebody I am linked with asks for me, over relays: what I say of myself, to whoever brought the question.
    pub(in crate::proto) fn answer_question(&mut self, conn: ConnId, id: u64) {
        let declaration = self.people.myself.declaration.signed().clone();
        let answer = KnownUser {
            roster: Some(self.people.myself.roster.signed().clone()),
            cards: List(vec![self.people.myself.card.signed().clone()]),
            declarations: List(vec![KnownDeclaration { declaration, age_ms: 0, observed: None, live: Some(true) }]),
            ..KnownUser::empty(self.cx.config.user)
        };
        self.send_known(conn, id, vec![answer], false);
    }

    /// Answers to questions that I passed on go back to where these came from. True if it was one.
    pub(in crate::proto) fn pass_answer(&mut self, peer: Peer, list: &DeliverKnownList) -> bool {
        let mut passed = false;
        for known in list.users.iter() {
            let key = (known.user, list.id);
            if self.relays.trails.awaits(&key, &peer.session) {
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
            self.tell_trail(key, declaration, heard, by, known.clone());
        }
    }

    /// Whether everything that is said of a user is of that user and signed: what is passed on is laid at my door.
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

    /// Passes what a session says of itself to where a question came from, with roster and key cards as they were brought.
    fn tell_trail(
        &mut self,
        key: &Key,
        declaration: Checked<Declaration>,
        heard: Moment,
        by: SessionId,
        brought: KnownUser,
    ) {
        let live = declaration.online.then_some(true);
        let age_ms = self.cx.now.moment.since(heard).as_millis() as u64;
        let said = KnownDeclaration { declaration: declaration.signed().clone(), age_ms, observed: None, live };
        let cards = brought.cards.iter().filter_map(|card| Checked::<KeyCard>::from_store(card).ok());
        let card = cards.filter(|card| card.session == declaration.session).map(|card| card.seq).max().unwrap_or(0);
        let known = KnownUser { declarations: List(vec![said]), ..brought };
        for to in self.relays.trails.answer(key, declaration, card, heard, by) {
            if let Some(conn) = self.peers.connections.up(&to) {
                self.send_known(conn, key.1, vec![known.clone()], false);
            }
        }
    }

    /// Somebody who is here has declared something else: those whom it answered are told.
    pub(in crate::proto) fn tell_trails(&mut self, session: &SessionId, user: &UserId) {
        let declared = self.people.sessions.get(session).and_then(|known| known.declaration());
        let declaration = declared.and_then(|declared| Checked::<Declaration>::from_store(&declared.signed()).ok());
        for key in self.relays.trails.answered_by(user, session) {
            if let Some(declaration) = declaration.clone() {
                self.tell_trail(&key, declaration, self.cx.now.moment, *session, KnownUser::empty(*user));
            }
        }
    }

    /// A relay takes its word back.
    pub(in crate::proto) fn hear_gone(&mut self, by: SessionId, mark: &UserMark) {
        for session in mark.sessions.iter().filter(|session| session.live == Some(false)) {
            let gone = self.relays.trails.unsay(mark.user, session.session, &by);
            self.tell_gone(gone);
        }
    }

    /// A neighbour is gone: what was known by it is taken back, and asked by another way.
    pub(in crate::proto) fn lose_trails(&mut self, neighbour: &SessionId) {
        self.relays.questions.lose(neighbour);
        let (gone, anew) = self.relays.trails.lose(neighbour);
        self.tell_gone(gone);
        anew.iter().for_each(|target| self.pass_questions(target));
    }

    /// What relays said of somebody counts no more once none of them knows where they are.
    pub(in crate::proto) fn lose_ways(&mut self, user: &UserId) {
        if self.relays.directory.is_reachable(&short(&user.0)) {
            return;
        }
        let gone = self.relays.trails.lose_ways(user);
        self.tell_gone(gone);
    }

    fn tell_gone(&mut self, gone: Vec<Gone>) {
        for Gone { to, user, session } in gone {
            let mark =
                SessionMark { session: short(&session.0), seq: None, card: None, links: None, live: Some(false) };
            let mark = UserMark { user: short(&user.0), version: None, sessions: List(vec![mark]), distance: None };
            for conn in to.iter().filter_map(|to| self.peers.connections.up(to)).collect::<Vec<_>>() {
                self.cx.send(conn, Control::Digest(Digest { users: List(vec![mark.clone()]) }));
            }
        }
    }
}
