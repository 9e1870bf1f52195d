//! Random neighbours: exchanges samples of members, and dials random sessions while too few of the neighbours are random.

use crate::id::{ConnId, NetworkId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::event::CloseReason;
use crate::proto::limits::{MAX_MEMBERS, MAX_MEMBERS_SERVER, RANDOM_TRIES, SAMPLE, SAMPLE_FRESH, SETTLED};
use crate::proto::peer::Peer;
use crate::proto::peers::connections::Chosen;
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::people::People;
use crate::proto::search::members::{pick, random_share};
use crate::time::Moment;
use crate::wire::codec::List;
use crate::wire::control::{Control, KnownUser, Sample};
use crate::wire::record::Declaration;

impl Core {
    fn is_closed(&self) -> bool {
        self.cx.config.network != NetworkId::OPEN
    }

    /// Adds a connected member to the sample. The side that dialled begins an exchange of samples.
    pub(in crate::proto) fn meet_member(&mut self, peer: Peer) {
        if !self.is_closed() {
            return;
        }
        self.remember_member(peer.session);
        if self.peers.connections.get(&peer.conn).is_some_and(|neighbour| neighbour.dialled) {
            self.send_sample(peer, true);
        }
    }

    /// Fills the sample with the stored sessions at start.
    pub(in crate::proto) fn remember_members(&mut self) {
        if self.is_closed() {
            for session in self.people.sessions.ids().collect::<Vec<_>>() {
                self.search.members.insert(session, MAX_MEMBERS_SERVER, &mut self.cx.rng);
            }
        }
    }

    /// Adds a session to the sample and keeps the records of its user.
    fn remember_member(&mut self, session: SessionId) {
        let bound = if self.cx.is_carrier() { MAX_MEMBERS_SERVER } else { MAX_MEMBERS };
        if let Some(user) = self.people.sessions.get(&session).map(|known| known.user)
            && self.people.may_keep(&user)
        {
            self.people.keep(&mut self.cx, user);
        }
        if let Some(out) = self.search.members.insert(session, bound, &mut self.cx.rng)
            && let Some(user) = self.people.sessions.get(&out).map(|known| known.user)
        {
            self.forget_if_unneeded(&user);
        }
    }

    /// Sends random members that are connected or were heard of within [`SAMPLE_FRESH`], so that dead sessions do not spread.
    fn send_sample(&mut self, peer: Peer, answer: bool) {
        let Core { cx: Context { rng, now, .. }, people: People { sessions, .. }, peers, search, .. } = self;
        let chosen = search.members.choose(SAMPLE, rng, |session| {
            let age = sessions.get(session).map(|known| now.moment.since(known.heard));
            *session != peer.session
                && (peers.connections.up(session).is_some() || age.is_some_and(|age| age < SAMPLE_FRESH))
        });
        let users: Vec<UserId> =
            chosen.iter().filter_map(|session| Some(self.people.sessions.get(session)?.user)).collect();
        let members = users.iter().map(|user| self.known_user(user, &peer.user, false)).collect();
        self.cx.send(peer.conn, Control::Sample(Sample { members: List(members), answer }));
    }

    /// Handles a sample of members, and answers it if it begins an exchange.
    pub(in crate::proto) fn on_sample(&mut self, peer: Peer, sample: Sample) {
        if !self.is_closed() {
            return self.cx.dropped(DropReason::SampleInOpenNetwork);
        }
        if !self.search.budgets.samples.draw(peer.session, self.cx.now.moment) {
            return self.cx.dropped(DropReason::SampleOverBudget);
        }
        if sample.answer {
            self.send_sample(peer, false);
        }
        for known in sample.members.0 {
            self.on_member(peer.conn, known);
        }
        self.search.members.check_soon(&mut self.cx.rng, self.cx.now.moment);
    }

    fn on_member(&mut self, conn: ConnId, known: KnownUser) {
        let user = known.user;
        if let Some(roster) = &known.roster {
            let Some(roster) = self.checked(conn, roster) else { return };
            self.learn_roster(roster);
        }
        for held in &known.declarations.0 {
            let Some(declaration) = self.checked::<Declaration>(conn, &held.declaration) else {
                return;
            };
            let session = declaration.session;
            let heard = Moment(self.cx.now.moment.0.saturating_sub(held.age_ms));
            self.receive_declaration(declaration, heard);
            if self.people.sessions.get(&session).is_some_and(|known| known.user == user) && session != self.cx.me {
                self.remember_member(session);
            }
        }
        self.receive_cards(conn, &known);
    }

    /// Random connections: those to strangers, without strangers that were dialled because they are linked with a missing
    /// user.
    fn random_neighbours(&self) -> Vec<ConnId> {
        let missing: Vec<UserId> = self.peers.sought.missing().collect();
        let stands_in = |user: &UserId| missing.iter().any(|target| self.presence.horizon.is_near(user, target));
        self.unlinked_peers().into_iter().filter(|(_, user)| !stands_in(user)).map(|(conn, _)| conn).collect()
    }

    /// Keeps the random share of neighbours. Dials random sessions when there are too few random neighbours, or too few that
    /// this node has chosen: sessions that dial this node have chosen it, and one attacker may run many of them. Closes a
    /// chosen connection when there are too many.
    pub(in crate::proto) fn keep_random_share(&mut self) {
        let first = self.search.members.is_first_check();
        if !self.search.members.take_due(&mut self.cx.rng, self.cx.now.moment) {
            return;
        }
        let random = self.random_neighbours();
        // The nodes on a link may all be known to each other, while the members of a closed network are everywhere.
        let is_random = |chosen| chosen == Chosen::Member || (chosen == Chosen::Nearby && !self.is_closed());
        let own = random.iter().filter(|conn| self.is_chosen(conn, is_random)).count();
        let all = random_share(self.peers.connections.iter_up().count() - self.unlinked_peers().len());
        let short = all.saturating_sub(random.len()).max(all.div_ceil(2).saturating_sub(own));
        if short > 0 {
            // The first time as many as needed. If that was not enough, many sessions of the sample are dead.
            self.dial_at_random(if first { short } else { short * 3 });
        } else if random.len() > all && own > all.div_ceil(2) {
            let members = random.into_iter().filter(|conn| self.is_chosen(conn, |chosen| chosen == Chosen::Member));
            self.close_one_surplus(&members.collect::<Vec<_>>());
        }
    }

    fn is_chosen(&self, conn: &ConnId, fits: impl Fn(Chosen) -> bool) -> bool {
        self.peers.connections.get(conn).is_some_and(|neighbour| fits(neighbour.chosen))
    }

    /// Closes one chosen connection that is old enough and not needed otherwise.
    fn close_one_surplus(&mut self, chosen: &[ConnId]) {
        let spare = |conn: &ConnId| {
            let neighbour = self.peers.connections.get(conn);
            neighbour.is_some_and(|neighbour| self.cx.now.moment.since(neighbour.since) > SETTLED)
                && self.peers.connections.peer(conn).is_some_and(|peer| !self.is_needed(conn, &peer.user))
        };
        let spare: Vec<ConnId> = chosen.iter().copied().filter(spare).collect();
        if let Some(conn) = pick(spare, 1, &mut self.cx.rng, |_| true).pop() {
            self.close(conn, CloseReason::Surplus);
        }
    }

    fn dial_at_random(&mut self, tries: usize) {
        let tries = tries.min(RANDOM_TRIES);
        for session in self.random_candidates(tries) {
            let addrs = self.people.sessions.get(&session).map(|known| known.addresses()).unwrap_or_default();
            for addr in addrs.into_iter().take(2) {
                self.dial(Dial { addr, purpose: Purpose::Random(session) }, Some(session));
            }
        }
    }

    fn random_candidates(&mut self, count: usize) -> Vec<SessionId> {
        let closed = self.is_closed();
        let Core { cx: Context { me, rng, .. }, people: People { sessions, .. }, peers, presence, search, .. } = self;
        let fits =
            |session: &SessionId| session != me && !peers.connections.has(session) && sessions.get(session).is_some();
        if closed {
            return search.members.choose(count, rng, fits);
        }
        let far =
            |session: &SessionId| sessions.get(session).is_some_and(|known| presence.horizon.reaches(&known.user));
        pick(sessions.ids(), count, rng, |session| fits(session) && far(session))
    }
}
