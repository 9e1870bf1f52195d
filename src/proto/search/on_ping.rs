//! requestPing: "have the target declare itself to me". Whoever misses somebody asks common friends and servers; each
//! passes the question once, over connections that are there, to the target, answers with what it holds if the target's
//! list names the asker, and remembers the question. The target answers on the path the question came by, and dials the
//! asker only where the one who introduced it sees it, or in a network of its own: nobody may use us to knock on a third
//! party's door.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::id::{ConnId, NetworkId, SessionId, UserId};
use crate::identity::Checked;
use crate::proto::cx::Context;
use crate::proto::drops::DropReason;
use crate::proto::limits::{ASKED_AT_FIRST, ASKED_FRIENDS, ASKED_SERVERS, MAX_SUBSTITUTES};
use crate::proto::peer::Peer;
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::people::People;
use crate::proto::persist::Provenance;
use crate::proto::search::members::pick;
use crate::proto::{Accept, Core};
use crate::wire::addr::Addr;
use crate::wire::control::{Control, RequestPing};
use crate::wire::record::{Declaration, Roster};

impl Core {
    /// Asks a few who may know where a missing user is. False if nobody of whom that can be said is connected.
    pub(in crate::proto) fn ask_around(&mut self, target: &UserId) -> bool {
        let up = self.peers.connections.iter_up().filter(|peer| self.presence.horizon.is_near(&peer.user, target));
        let friends = self.asked_at_once(target);
        let mut asked: BTreeMap<ConnId, Peer> = up.map(|peer| (peer.conn, peer)).take(friends).collect();
        if asked.is_empty() {
            self.dial_friends_of(target, friends);
        }
        let nobody_near = asked.is_empty();
        let servers = self.my_servers();
        asked.extend(servers.into_iter().take(ASKED_SERVERS).map(|peer| (peer.conn, peer)));
        for peer in asked.into_values() {
            self.ask_for_ping(peer, *target);
        }
        self.ask_relays(target);
        !nobody_near
    }

    fn asked_at_once(&self, target: &UserId) -> usize {
        let since = self.peers.sought.sought_since(target).unwrap_or(self.cx.now.moment);
        if self.cx.now.moment.since(since) > ASKED_AT_FIRST { 1 } else { ASKED_FRIENDS }
    }

    /// Who was asked remembers that for a while, and need not be asked again, but once if they come anew.
    fn ask_for_ping(&mut self, peer: Peer, target: UserId) {
        let over_relays = self.is_carrier(peer.conn) && self.people.links.wants(&target);
        if over_relays || !self.search.budgets.asked.draw((peer.session, target), self.cx.now.moment) {
            return;
        }
        let request = RequestPing {
            id: self.people.myself.declaration.seq,
            target,
            declaration: self.people.myself.declaration.signed().clone(),
            roster: Some(self.people.myself.roster.signed().clone()),
            hops: 1,
            observed: None,
            signature: None,
        };
        self.cx.send(peer.conn, Control::RequestPing(request));
    }

    /// In a closed network any member may know where somebody is: a few, chosen at random, are asked for what they have
    /// heard of all who are missing, in one message each.
    pub(in crate::proto) fn ask_members_about(&mut self, missing: &[UserId]) {
        if self.cx.config.network == NetworkId::OPEN || missing.is_empty() {
            return;
        }
        let up: Vec<ConnId> = self.peers.connections.iter_up().map(|peer| peer.conn).collect();
        let members = missing.iter().map(|target| self.asked_at_once(target)).max().unwrap_or(0);
        for conn in pick(up, members, &mut self.cx.rng, |_| true) {
            self.request_summaries(conn, missing);
        }
    }

    /// Nobody who is connected may know where somebody is: a few of those whom their list names are tried, if there is room
    /// for one to stay.
    fn dial_friends_of(&mut self, target: &UserId, count: usize) {
        if self.unlinked_peers().len() >= MAX_SUBSTITUTES {
            return;
        }
        let names = self.presence.horizon.listed_by(target);
        let Core { cx: Context { me, rng, .. }, people: People { sessions, .. }, peers, .. } = self;
        let of_them = names.iter().flat_map(|user| sessions.of_user(user));
        let chosen = pick(of_them, count, rng, |session| session != me && !peers.connections.has(session));
        for session in chosen {
            let addrs = self.people.sessions.get(&session).map(|known| known.addresses()).unwrap_or_default();
            for addr in addrs.into_iter().take(2) {
                self.dial(Dial { addr, purpose: Purpose::Random(session) }, Some(session));
            }
        }
    }

    /// Asks somebody who has come up what this node has been looking for, and is ready for their questions.
    pub(in crate::proto) fn ask_newcomer(&mut self, peer: Peer) {
        self.ask_newcomer_for_missing(peer);
        self.ask_newcomer_for_names(peer);
        self.answer_open_finds(&peer.user);
        self.keep_if_within_two_links(&peer.user);
        self.meet_member(peer);
        if self.people.links.wants(&peer.user) {
            self.search.members.news(&mut self.cx.rng, self.cx.now.moment);
        }
    }

    /// Somebody has come who may know those I miss: they are asked at once, and remember that I asked.
    fn ask_newcomer_for_missing(&mut self, peer: Peer) {
        let server = self.is_my_server(&peer.session);
        let near = |target: &UserId| server || self.presence.horizon.is_near(&peer.user, target);
        let missing: Vec<UserId> = self.peers.sought.missing().filter(near).collect();
        for target in missing {
            self.ask_for_ping(peer, target);
        }
        if self.is_carrier(peer.conn) {
            self.peers.sought.missing().collect::<Vec<_>>().iter().for_each(|target| self.ask_relays(target));
        }
    }

    /// Connections to the servers I was told to use, or am linked with.
    fn my_servers(&self) -> Vec<Peer> {
        let up = self.peers.connections.iter_up();
        up.filter(|peer| self.is_my_server(&peer.session)).collect()
    }

    pub(in crate::proto) fn on_request_ping(&mut self, peer: Peer, request: RequestPing) {
        let Some(declaration) = self.checked::<Declaration>(peer.conn, &request.declaration) else { return };
        if request.target != self.cx.config.user {
            self.on_ping_for_another(peer, request, declaration);
        } else if declaration.session == peer.session {
            self.send_declaration(peer.conn, &[], false);
        } else if request.hops == 0 {
            self.on_introduced(peer, request, declaration);
        }
    }

    /// Somebody asks for another: pass it on, answer, remember.
    fn on_ping_for_another(&mut self, peer: Peer, request: RequestPing, declaration: Checked<Declaration>) {
        let (asker, asker_user, target) = (declaration.session, declaration.user, request.target);
        if request.hops == 0 || target == asker_user {
            return self.cx.dropped(DropReason::PingNotToBePassedOn);
        }
        if !self.may_ask(peer.conn, peer.session, &asker, &request) {
            return;
        }
        if self.cx.is_carrier() {
            self.follow(peer, &request, asker);
        } else {
            self.introduce(peer.conn, &request);
        }
        if asker != peer.session || !self.may_know_where(&asker_user, &target) {
            return;
        }
        if !self.search.interest.remember(target, asker, self.cx.now.moment) {
            self.cx.dropped(DropReason::TooManyPings);
        }
        if self.people.users.has_roster(&target) {
            let known = self.known_user(&target, &asker_user, false);
            self.send_known(peer.conn, request.id, vec![known], false);
        }
    }

    /// Whether a question may be brought, by the asker itself or from relay to relay, and is within the budgets.
    fn may_ask(&mut self, conn: ConnId, by: SessionId, asker: &SessionId, request: &RequestPing) -> bool {
        let now = self.cx.now.moment;
        let relayed = *asker != by;
        if relayed && !(self.shares_directory(conn) && self.search.budgets.relayed_pings.draw(by, now)) {
            let relay = self.shares_directory(conn);
            let over = DropReason::PingOverRelayBudget;
            self.cx.dropped(if relay { over } else { DropReason::PingOfAnother });
            return false;
        }
        if !self.search.budgets.pings.draw((by, *asker), now) {
            self.cx.dropped(DropReason::PingOverBudget);
            return false;
        }
        if relayed && !self.is_askers_own(request, asker) {
            self.strike(conn, DropReason::PingOfAnother);
            return false;
        }
        if !self.search.budgets.pairs.draw((by, *asker, request.target), now) {
            self.cx.dropped(DropReason::PingRepeated);
            return false;
        }
        true
    }

    /// To the target's live sessions, with the place where I see the asker.
    fn introduce(&mut self, asker: ConnId, request: &RequestPing) {
        let Some(addr) = self.peers.connections.get(&asker).map(|neighbour| neighbour.addr) else { return };
        let observed = Some(Addr(addr)).filter(|addr| crate::proto::people::sessions::is_shareable(&addr.0));
        for Peer { conn, .. } in self.peers.connections.of_user(&request.target) {
            let request = RequestPing { hops: 0, observed, ..request.clone() };
            self.cx.send(conn, Control::RequestPing(request));
        }
    }

    /// Somebody I am linked with looks for me, says a neighbour of both: I look for them where the neighbour sees them, and
    /// in the networks that I am in myself.
    fn on_introduced(&mut self, peer: Peer, request: RequestPing, declaration: Checked<Declaration>) {
        if let Some(roster) = &request.roster {
            let Some(roster) = self.checked::<Roster>(peer.conn, roster) else { return };
            if self.concerns(&roster.user) {
                self.learn_roster(roster);
            }
        }
        let (asker, user) = (declaration.session, declaration.user);
        let linked = self.people.links.wants(&user) && self.people.users.admits(&user, &asker);
        if !linked && !self.welcomes(&user, &peer.session) {
            return self.cx.dropped(DropReason::PingOfUnlinked);
        }
        if linked && self.is_carrier(peer.conn) && self.may_answer(peer.session, &asker) {
            self.answer_question(peer.conn, request.id);
        }
        let near =
            declaration.addrs.iter().map(|addr| addr.0).filter(|addr| linked && self.is_in_my_networks(&addr.ip()));
        let places: BTreeSet<SocketAddr> = request.observed.map(|addr| addr.0).into_iter().chain(near).collect();
        if linked {
            self.receive_declaration(declaration, self.cx.now.moment);
        }
        if self.peers.connections.up(&asker).is_some() || places.is_empty() {
            return;
        }
        if !self.peers.introductions.draw(peer.session, self.cx.now.moment) {
            return self.cx.dropped(DropReason::IntroductionOverBudget);
        }
        for addr in places {
            self.people.sessions.add_address(&asker, addr, Provenance::Hinted, self.cx.now.moment);
            self.dial(Dial { addr, purpose: Purpose::Seek(asker) }, Some(asker));
        }
    }

    /// Whether a question by one asker is answered where it came from, or was answered too often a moment ago.
    fn may_answer(&mut self, by: SessionId, asker: &SessionId) -> bool {
        let may = self.search.budgets.pairs.draw((by, *asker, self.cx.config.user), self.cx.now.moment);
        if !may {
            self.cx.dropped(DropReason::PingRepeated);
        }
        may
    }

    /// Whether a stranger is met whom somebody introduces: if strangers' links are accepted here anyway, by a server that I
    /// was told to use. So two who share nothing but a server come together.
    fn welcomes(&self, stranger: &UserId, introducer: &SessionId) -> bool {
        self.cx.config.accept == Accept::Auto
            && self.is_my_server(introducer)
            && !self.people.links.is_blocked(stranger)
    }

    /// The same /24, or /64, as one of my own addresses.
    fn is_in_my_networks(&self, ip: &IpAddr) -> bool {
        let prefix = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
            IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
        };
        self.people.myself.addrs.iter().any(|mine| prefix(&mine.ip()) == prefix(ip))
    }

    /// Somebody declares themselves here: those who asked for them are told, if they may know.
    pub(in crate::proto) fn tell_interested(&mut self, session: SessionId, user: &UserId) {
        for asker in self.search.interest.answered(user, self.cx.now.moment) {
            let Some(conn) = self.peers.connections.up(&asker).filter(|_| asker != session) else { continue };
            let Some(asker_user) = self.peers.connections.peer(&conn).map(|peer| peer.user) else { continue };
            if self.may_know_where(&asker_user, user) {
                let known = self.known_user(user, &asker_user, false);
                self.send_known(conn, 0, vec![known], false);
            }
        }
    }
}
