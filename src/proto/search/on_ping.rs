//! Ping requests: a request that the target declare itself to the asker. A node that misses a linked user sends them to
//! common friends and servers. Each passes the request on once, over existing connections, to the target; answers with what
//! it holds if the target's link list names the asker; and remembers the request. The target answers on the path of the
//! request. It dials the asker only at the address that the introducer observed, or within a network of its own. This
//! prevents reflected dials: nobody can direct this node's dials at a third party.

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
    /// Asks a few neighbours that may know where a missing user is. False if no user within one link of the target is
    /// connected.
    pub(in crate::proto) fn ask_for_missing(&mut self, target: &UserId) -> bool {
        let up = self.peers.connections.iter_up().filter(|peer| self.may_know_of(peer, target));
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

    /// Whether a neighbour may know where a missing user is: within one link of them. Any friend may know where the other sessions
    /// are. Another session of the local user tells unasked with whom she is connected, and is only asked to introduce this one.
    fn may_know_of(&self, peer: &Peer, target: &UserId) -> bool {
        let me = self.cx.config.user;
        if peer.user == me && *target != me {
            let mut sessions = self.people.sessions.of_user(target);
            return sessions.any(|session| self.presence.online.witnesses(&session).any(|by| by == peer.session));
        }
        self.presence.horizon.is_near(&peer.user, target)
            || peer.user == me
            || (*target == me && self.presence.horizon.is_friend(&peer.user))
    }

    /// Asks another session of the local user, who has just said that she is connected with a user, to introduce this one.
    pub(in crate::proto) fn ask_for_introduction(&mut self, by: &SessionId, target: UserId) {
        let sister = self.peers.connections.up_peer(by).filter(|peer| peer.user == self.cx.config.user);
        if let Some(sister) = sister.filter(|_| self.peers.sought.is_missing(&target)) {
            self.ask_for_ping(sister, target);
        }
    }

    /// The number of friends to ask at once: several at first, one after [`ASKED_AT_FIRST`].
    fn asked_at_once(&self, target: &UserId) -> usize {
        let since = self.peers.sought.sought_since(target).unwrap_or(self.cx.now.moment);
        if self.cx.now.moment.since(since) > ASKED_AT_FIRST { 1 } else { ASKED_FRIENDS }
    }

    /// Asks a neighbour. It remembers the request for [`INTEREST`](crate::proto::limits::INTEREST) and is not asked again
    /// meanwhile, except once more if it reconnects.
    fn ask_for_ping(&mut self, peer: Peer, target: UserId) {
        let wanted = self.people.links.wants(&target) || target == self.cx.config.user;
        let over_relays = self.is_carrier(peer.conn) && wanted;
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
        if self.tries.record_asked(target, peer.session, self.cx.now.moment) {
            self.cx.dropped(DropReason::TryForgotten);
        }
    }

    /// Asks the own servers for a user who is not linked.
    pub(in crate::proto) fn ask_servers_for(&mut self, target: &UserId) {
        for peer in self.my_servers() {
            self.ask_for_ping(peer, *target);
        }
    }

    /// Asks a few random members of a closed network, where any member may know where a user is, for what they hold about
    /// all missing users, in one message each.
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

    /// Dials a few sessions of the users whom the target's link list names, since none of them is connected. Does nothing if
    /// no further stranger could stay connected.
    fn dial_friends_of(&mut self, target: &UserId, count: usize) {
        if self.dialled_strangers().len() >= MAX_SUBSTITUTES {
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

    /// Sends open queries to a neighbour that has just connected, and answers queries about it.
    pub(in crate::proto) fn ask_newcomer(&mut self, peer: Peer) {
        self.ask_newcomer_for_missing(peer);
        self.send_open_finds(peer);
        self.answer_open_finds(&peer.user);
        self.keep_if_within_two_links(&peer.user);
        self.meet_member(peer);
        if self.people.links.wants(&peer.user) {
            self.search.members.check_soon(&mut self.cx.rng, self.cx.now.moment);
        }
    }

    /// Asks a new neighbour for the missing users of whom it may know.
    fn ask_newcomer_for_missing(&mut self, peer: Peer) {
        let server = self.is_my_server(&peer.session);
        let missing = self.missing_users();
        for target in missing.iter().filter(|target| server || self.may_know_of(&peer, target)).collect::<Vec<_>>() {
            self.ask_for_ping(peer, *target);
        }
        if self.is_carrier(peer.conn) {
            missing.iter().for_each(|target| self.ask_relays(target));
        }
    }

    /// The users who are sought; the local user if other sessions are.
    fn missing_users(&self) -> Vec<UserId> {
        let sisters = self.peers.sisters.missing().next().map(|_| self.cx.config.user);
        self.peers.sought.missing().chain(sisters).collect()
    }

    /// Connected servers that are configured, or linked with this user.
    fn my_servers(&self) -> Vec<Peer> {
        let up = self.peers.connections.iter_up();
        up.filter(|peer| self.is_my_server(&peer.session)).collect()
    }

    /// Handles a ping request: for this user from the asker itself or introduced by a neighbour, or for another user.
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

    /// Passes on a request for another user, answers it, and remembers it.
    fn on_ping_for_another(&mut self, peer: Peer, request: RequestPing, declaration: Checked<Declaration>) {
        let (asker, asker_user, target) = (declaration.session, declaration.user, request.target);
        let is_alone = || target == asker_user && self.people.users.audience(&target).len() < 2;
        if request.hops == 0 || is_alone() {
            return self.cx.dropped(DropReason::PingNotToBePassedOn);
        }
        if !self.admits_ping(peer.conn, peer.session, &asker, &request) {
            return;
        }
        if self.cx.is_carrier() {
            self.relay_query(peer, &request, asker);
        } else {
            self.introduce(peer, &request);
        }
        // The declaration may name any user; that of the connection is on a roster that lists the session.
        if asker != peer.session || !self.may_know_where(&peer.user, &target) {
            return;
        }
        if !self.search.interest.remember(target, asker, self.cx.now.moment) {
            self.cx.dropped(DropReason::TooManyPings);
        }
        if self.people.users.has_roster(&target) {
            let known = self.known_user(&target, &peer.user, false);
            self.send_known(peer.conn, request.id, vec![known], false);
        }
    }

    /// Whether a request comes from the asker itself or from relay to relay, and is within the budgets.
    fn admits_ping(&mut self, conn: ConnId, by: SessionId, asker: &SessionId, request: &RequestPing) -> bool {
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
        if relayed && !self.is_signed_by_asker(request, asker) {
            self.strike(conn, DropReason::PingOfAnother);
            return false;
        }
        if !self.search.budgets.pairs.draw((by, *asker, request.target), now) {
            self.cx.dropped(DropReason::PingRepeated);
            return false;
        }
        true
    }

    /// Passes a request on to the target's live sessions, with the address observed for the asker. The asker may seek other
    /// sessions of its own user.
    fn introduce(&mut self, asker: Peer, request: &RequestPing) {
        let Some(addr) = self.peers.connections.get(&asker.conn).map(|neighbour| neighbour.addr) else { return };
        let observed = Some(Addr(addr)).filter(|addr| crate::proto::people::sessions::is_shareable(&addr.0));
        for Peer { conn, session, .. } in self.peers.connections.of_user(&request.target) {
            if session == asker.session {
                continue;
            }
            let request = RequestPing { hops: 0, observed, ..request.clone() };
            self.cx.send(conn, Control::RequestPing(request));
        }
    }

    /// Handles a request for this user that a common neighbour has passed on. The asker is dialled at the address that the
    /// neighbour observed, and at its declared addresses within this node's own networks.
    fn on_introduced(&mut self, peer: Peer, request: RequestPing, declaration: Checked<Declaration>) {
        if let Some(roster) = &request.roster {
            let Some(roster) = self.checked::<Roster>(peer.conn, roster) else { return };
            if self.concerns(&roster.user) {
                self.learn_roster(roster);
            }
        }
        let (asker, user) = (declaration.session, declaration.user);
        let wanted = self.people.links.wants(&user) || user == self.cx.config.user;
        let linked = wanted && self.people.users.admits(&user, &asker);
        if !linked && !self.accepts_introduction(&user, &peer.session) {
            return self.cx.dropped(DropReason::PingOfUnlinked);
        }
        if linked && self.is_carrier(peer.conn) && self.may_answer(peer.session, &asker) {
            self.answer_query(peer.conn, request.id);
        }
        let near =
            declaration.addrs.iter().map(|addr| addr.0).filter(|addr| linked && self.is_in_own_networks(&addr.ip()));
        let places: BTreeSet<SocketAddr> = request.observed.map(|addr| addr.0).into_iter().chain(near).collect();
        if linked {
            self.receive_declaration(declaration, self.cx.now.moment);
        }
        if let Some(Addr(observed)) = request.observed {
            self.record_seen(asker, peer.session, observed);
        }
        if self.peers.connections.up(&asker).is_some() {
            if let Some(Addr(observed)) = request.observed.filter(|_| linked) {
                self.add_observed_address(peer.session, &asker, observed);
            }
            return;
        }
        if places.is_empty() {
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

    /// Whether an asker's request may be answered on the path it came by, or was answered too often lately.
    fn may_answer(&mut self, by: SessionId, asker: &SessionId) -> bool {
        let may = self.search.budgets.pairs.draw((by, *asker, self.cx.config.user), self.cx.now.moment);
        if !may {
            self.cx.dropped(DropReason::PingRepeated);
        }
        may
    }

    /// Whether to connect with a stranger that `introducer` introduces. Only an own server may introduce strangers, and only
    /// if links are accepted automatically. Two users who have nothing but a server in common can meet this way.
    fn accepts_introduction(&self, stranger: &UserId, introducer: &SessionId) -> bool {
        self.cx.config.accept == Accept::Auto
            && self.is_my_server(introducer)
            && !self.people.links.is_blocked(stranger)
    }

    /// Whether an address is in the same /24 (IPv4) or /64 (IPv6) as one of this node's own addresses.
    pub(in crate::proto) fn is_in_own_networks(&self, ip: &IpAddr) -> bool {
        let prefix = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets()[..3].to_vec(),
            IpAddr::V6(ip) => ip.octets()[..8].to_vec(),
        };
        self.people.myself.addrs.iter().any(|own| prefix(&own.ip()) == prefix(ip))
    }

    /// Notifies the askers of a user who has declared itself, if they may know its location.
    pub(in crate::proto) fn notify_interested(&mut self, session: SessionId, user: &UserId) {
        for asker in self.search.interest.take_askers(user, self.cx.now.moment) {
            let Some(conn) = self.peers.connections.up(&asker).filter(|_| asker != session) else { continue };
            let Some(asker_user) = self.peers.connections.peer(&conn).map(|peer| peer.user) else { continue };
            if self.may_know_where(&asker_user, user) {
                let known = self.known_user(user, &asker_user, false);
                self.send_known(conn, 0, vec![known], false);
            }
        }
    }
}
