//! Read-only questions that span several modules: who is connected, who is near an address, and who carries mail.

use std::collections::BTreeSet;

use crate::id::{Address, ConnId, SessionId};
use crate::proto::Core;
use crate::proto::cx::Context;
use crate::proto::peer::Peer;
use crate::proto::peers::Peers;
use crate::proto::people::People;
use crate::proto::presence::Presence;
use crate::proto::relays::Relays;
use crate::proto::relays::directory::Destination;
use crate::wire::control::short;
use crate::wire::record::roles;

/// The state that these questions read.
pub struct Near<'a> {
    pub people: &'a People,
    pub peers: &'a Peers,
    pub presence: &'a Presence,
    pub relays: &'a Relays,
}

impl Near<'_> {
    /// The connected sessions of an addressee, without those whose connection has stalled.
    pub fn at(&self, address: &Address) -> Vec<Peer> {
        let mut at = self.peers.connections.of_user(&self.people.user_at(address));
        at.retain(|peer| self.peers.connections.get(&peer.conn).is_some_and(|neighbour| !neighbour.stalled));
        at.retain(|peer| is_addressee(peer, address));
        at
    }

    /// Connected relays and servers that are nearer to an addressee than this node, nearest first.
    pub fn nearer(&self, address: &Address) -> Vec<Peer> {
        let nearer = self.relays.directory.nearer(&self.destination(address));
        nearer.iter().filter_map(|session| self.peers.connections.up_peer(session)).collect()
    }

    /// The distance of an addressee by way of a neighbour, in relays.
    pub fn distance_by(&self, neighbour: &SessionId, address: &Address) -> u8 {
        self.relays.directory.distance_by(neighbour, &self.destination(address))
    }

    /// The entry of the directory for an address. A session has its own if its user has several.
    fn destination(&self, address: &Address) -> Destination {
        let user = self.people.user_at(address);
        let several = |_: &SessionId| self.people.users.audience(&user).len() > 1;
        let session = self.people.session_at(address).filter(several).map(|session| short(&session.0));
        Destination { user: short(&user.0), session }
    }

    /// Neighbours that report a connection with an addressee.
    fn witnesses(&self, address: &Address) -> BTreeSet<SessionId> {
        match self.people.session_at(address) {
            Some(session) => self.presence.online.witnesses(&session).collect(),
            None => self.presence.online.witnesses_of(&self.people.user_at(address)),
        }
    }

    /// Connected relays and servers, first those that report a connection with the addressee, then those that this user chose
    /// or that have delivered before. Of the others those come first whose address holds the fewest connections.
    pub fn carriers_for(&self, address: &Address) -> Vec<SessionId> {
        let up = self.peers.connections.iter_up().map(|peer| peer.session);
        let witnesses = self.witnesses(address);
        let mut carriers: Vec<SessionId> = up.filter(|session| self.people.is_carrier(session)).collect();
        let held = |session: &SessionId| self.peers.connections.origin(session).map_or(0, |(_, held)| held);
        carriers.sort_by_key(|session| (!witnesses.contains(session), !self.is_trusted(session), held(session)));
        carriers
    }

    /// Whether a carrier was chosen by this user or has shown the release of an own envelope.
    pub fn is_trusted(&self, session: &SessionId) -> bool {
        self.is_own(session) || self.relays.proven.contains(session)
    }

    /// Connected friends that report a connection with an addressee. Relays and servers among them are carriers and
    /// left out.
    pub fn friends_between(&self, address: &Address) -> Vec<SessionId> {
        let is_friend = |session: &SessionId| {
            let peer = self.peers.connections.up_peer(session);
            !self.people.is_carrier(session) && peer.is_some_and(|peer| self.people.links.is_link(&peer.user))
        };
        self.witnesses(address).into_iter().filter(is_friend).collect()
    }

    /// Whether a neighbour reports that an addressee is near.
    pub fn is_reported_near(&self, cx: &Context, address: &Address) -> bool {
        if cx.is_carrier() { !self.nearer(address).is_empty() } else { !self.witnesses(address).is_empty() }
    }

    /// Other sessions of the local user that are connected.
    pub fn sisters(&self) -> Vec<SessionId> {
        let up = self.peers.connections.iter_up().map(|peer| peer.session);
        up.filter(|session| self.people.is_sister(session)).collect()
    }

    /// Whether a neighbour may hold envelopes of this node's user: relays and servers, and the user's other sessions.
    pub fn may_hold(&self, session: &SessionId) -> bool {
        self.people.is_carrier(session) || self.people.is_sister(session)
    }

    /// Whether the local user chose a carrier: it belongs to a linked user or is the user's own, or was given as bootstrap.
    pub fn is_own(&self, session: &SessionId) -> bool {
        let user = self.people.sessions.get(session).map(|known| known.user);
        user.is_some_and(|user| self.people.links.is_link(&user))
            || self.people.is_sister(session)
            || self.peers.bootstrapped.values().any(|own| own == session)
    }
}

/// Whether a session is the addressee of an envelope, or one of the addressee's.
pub fn is_addressee(peer: &Peer, address: &Address) -> bool {
    *address == Address::from(peer.user) || *address == Address::from(&peer.session)
}

impl Core {
    /// The view for read-only questions.
    pub(in crate::proto) fn near(&self) -> Near<'_> {
        Near { people: &self.people, peers: &self.peers, presence: &self.presence, relays: &self.relays }
    }

    /// Whether a neighbour claims to be a relay or a server.
    pub(in crate::proto) fn is_carrier(&self, conn: ConnId) -> bool {
        self.peers.connections.get(&conn).is_some_and(|neighbour| self.people.is_carrier(&neighbour.session))
    }

    /// Whether a session is an own server: a server given as bootstrap or of a wanted user. The role is only a claim
    /// and grants nothing by itself.
    pub(in crate::proto) fn is_my_server(&self, session: &SessionId) -> bool {
        let Some(known) = self.people.sessions.get(session) else { return false };
        let claims = known.declaration().is_some_and(|declaration| declaration.roles & roles::SERVER != 0);
        claims && (self.peers.bootstrapped.values().any(|kept| kept == session) || self.people.links.wants(&known.user))
    }
}
