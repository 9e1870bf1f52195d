//! Copies of state for `\doctor`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::id::{Address, NetworkId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::limits::MAX_EXAMINED_SESSIONS;
use crate::proto::notice::examination::{
    Asked, BootstrapPlace, Carrier, ExaminedPlace, ExaminedSession, ExaminedUser, Outcome, OwnNode, SeenBy, Statement,
    Whence,
};
use crate::proto::peers::joining::Obstacle;
use crate::proto::persist::{LinkState, Provenance};
use crate::proto::tries::Examining;
use crate::time::Moment;

impl Core {
    /// What is known of this node.
    pub(super) fn examined_node(&self, examining: &Examining) -> OwnNode {
        let now = self.cx.now.moment;
        OwnNode {
            user: self.people.users.handle(&self.cx.config.user),
            up: now.since(self.cx.started),
            unlisted: self.why_unlisted().is_some(),
            closed: self.cx.config.network != NetworkId::OPEN,
            carries: self.cx.is_carrier(),
            addrs: self.people.myself.addrs.clone(),
            neighbours: self.examined_neighbours(),
            announced: self.peers.nearby.boots(),
            silent: self.peers.nearby.silent_machines(),
            reached: self.tries.reached().map(|at| now.since(at)),
            bootstrap: self.examined_bootstrap(examining),
            waiting: self.chat.outbox.lines(),
            held: self.mail.custody.kept_for_others(),
        }
    }

    fn examined_neighbours(&self) -> Vec<SeenBy> {
        let up = self.peers.connections.iter_up();
        up.filter_map(|peer| {
            let neighbour = self.peers.connections.get(&peer.conn)?;
            Some(SeenBy {
                name: self.people.name_for(&peer.user, &peer.session),
                session: peer.session,
                addr: neighbour.addr,
                observed: neighbour.observed,
                is_near: self.is_near(&neighbour.addr),
                carries: self.is_carrier(peer.conn),
                announced: self.peers.nearby.is_announced(&peer.session),
                ahead_ms: neighbour.ahead_ms,
            })
        })
        .collect()
    }

    /// Whether an address is on a network of this machine, or on the machine itself.
    fn is_near(&self, addr: &SocketAddr) -> bool {
        self.is_own_ip(&addr.ip())
            || self.is_in_own_networks(&addr.ip())
            || !crate::proto::people::sessions::is_shareable(addr)
    }

    fn examined_bootstrap(&self, examining: &Examining) -> Vec<BootstrapPlace> {
        let places = self.peers.joining.places();
        places
            .map(|(place, addrs, obstacle)| {
                let tried = || addrs.iter().filter_map(|addr| self.tries.tried(&(None, *addr), self.cx.now.moment));
                let probed = addrs.iter().filter_map(|addr| examining.outcome(&(None, *addr)));
                let last = || tried().min_by_key(|tried| tried.ago).map(|tried| tried.outcome);
                let outcome = if addrs.iter().any(|addr| self.is_bootstrapped(addr)) {
                    Outcome::Answered
                } else if let Some(told) = outcome_of(obstacle) {
                    told
                } else {
                    probed.chain(last()).find(|outcome| *outcome != Outcome::Answered).unwrap_or(Outcome::Silent)
                };
                BootstrapPlace { place: place.to_owned(), outcome, tries: tried().map(|tried| tried.times).sum() }
            })
            .collect()
    }

    /// What is known of a user, and why they are not reached.
    pub(super) fn examined_user(&self, id: &UserId, examining: &Examining) -> ExaminedUser {
        let now = self.cx.now.moment;
        let row = self.people.links.row(id);
        let to = Address::from(*id);
        let waiting = self.chat.outbox.waiting(&to);
        let carriers = waiting.carriers.into_iter();
        let sessions = self.known_sessions(id).into_iter().take(MAX_EXAMINED_SESSIONS);
        ExaminedUser {
            user: self.people.users.handle(id),
            id: *id,
            clash: self.people.users.clash(id).map(|other| self.people.users.handle(&other)),
            mine: statement(row.map(|row| row.mine.state)),
            theirs: statement(row.map(|row| row.theirs.state)),
            refuses: self.presence.refusals.contains(id),
            sought: self.peers.sought.sought_since(id).map(|since| now.since(since)),
            sessions: sessions.map(|session| self.examined_session(id, session, examining)).collect(),
            asked: self.examined_asked(id),
            lines: waiting.lines,
            oldest: waiting.oldest.map(|oldest| now.since(oldest)),
            carriers: carriers.map(|(by, lines)| Carrier { name: self.people.name_of(&by), lines }).collect(),
        }
    }

    fn examined_session(&self, user: &UserId, session: SessionId, examining: &Examining) -> ExaminedSession {
        let known = self.people.sessions.get(&session);
        let now = self.cx.now.moment;
        let up = self.peers.connections.up(&session).and_then(|conn| self.peers.connections.get(&conn));
        let refuses = self.presence.refusals.contains(user);
        let is_online = (up.is_some() && !refuses) || self.presence.online.is_online(&session);
        let heard = known.map(|known| known.heard).filter(|heard| *heard > Moment(0));
        let declared = known.and_then(|known| known.declaration());
        ExaminedSession {
            session,
            label: self.people.users.labels(user).label(&session),
            via: is_online.then(|| self.via(&session)),
            stalled: up.is_some_and(|neighbour| neighbour.stalled),
            heard: heard.map(|heard| now.since(heard)),
            said_goodbye: declared.is_some_and(|declaration| !declaration.online),
            announced: self.peers.nearby.is_announced(&session),
            has_key: self.people.sessions.prekey(&session, now).is_some(),
            places: self.examined_places(session, examining),
            seen: self.seen_at(&session),
        }
    }

    fn examined_places(&self, session: SessionId, examining: &Examining) -> Vec<ExaminedPlace> {
        let known = self.people.sessions.get(&session);
        let announced = self.peers.nearby.addresses(&session);
        let whence = |addr: &SocketAddr| {
            let stored = known.and_then(|known| known.provenance(addr)).map(whence_of);
            if announced.contains(addr) { Whence::Announced } else { stored.unwrap_or(Whence::Hinted) }
        };
        let place = |addr: SocketAddr| ExaminedPlace {
            addr,
            whence: whence(&addr),
            is_near: self.is_near(&addr),
            tried: self.tries.tried(&(Some(session), addr), self.cx.now.moment),
            probed: examining.outcome(&(Some(session), addr)),
        };
        self.addresses_to_dial(&session).into_iter().map(place).collect()
    }

    /// Where connected neighbours see a session.
    fn seen_at(&self, session: &SessionId) -> Vec<SocketAddr> {
        let seen = self.tries.seen(session);
        seen.filter(|(by, _)| self.peers.connections.up(by).is_some()).map(|(_, addr)| addr).collect()
    }

    /// The connected neighbours that were asked for a user or say where they are.
    fn examined_asked(&self, user: &UserId) -> Vec<Asked> {
        let witnesses = self.presence.online.witnesses_of(user);
        let asked: BTreeMap<SessionId, Moment> = self.tries.asked_for(user).collect();
        let up = self.peers.connections.iter_up();
        let of_it = up.filter(|peer| witnesses.contains(&peer.session) || asked.contains_key(&peer.session));
        of_it
            .map(|peer| Asked {
                name: self.people.name_for(&peer.user, &peer.session),
                session: peer.session,
                ago: asked.get(&peer.session).map(|at| self.cx.now.moment.since(*at)),
                reaches: witnesses.contains(&peer.session),
            })
            .collect()
    }
}

fn statement(state: Option<LinkState>) -> Statement {
    match state.unwrap_or_default() {
        LinkState::None => Statement::None,
        LinkState::Linked | LinkState::Auto => Statement::Linked,
        LinkState::Removed => Statement::Removed,
        LinkState::Blocked => Statement::Blocked,
    }
}

fn whence_of(provenance: Provenance) -> Whence {
    match provenance {
        Provenance::Answered => Whence::Answered,
        Provenance::Observed => Whence::Observed,
        Provenance::Lan => Whence::Announced,
        Provenance::Declared => Whence::Declared,
        Provenance::Hinted => Whence::Hinted,
    }
}

/// What an obstacle tells beyond the outcome of a dial, which tells more where nothing came back.
fn outcome_of(obstacle: Obstacle) -> Option<Outcome> {
    match obstacle {
        Obstacle::Silence => None,
        Obstacle::TooLarge => Some(Outcome::TooLarge),
        Obstacle::Forbidden => Some(Outcome::Forbidden),
        Obstacle::OtherNetwork => Some(Outcome::Stranger),
        Obstacle::OtherUser => Some(Outcome::Other),
        Obstacle::Myself => Some(Outcome::Myself),
        Obstacle::Closed => Some(Outcome::Refused),
    }
}
