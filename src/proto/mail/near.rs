//! What mail sees of the rest of the core: who is connected, who is near an address, and who carries for others. It only
//! reads.

use crate::id::{Address, SessionId};
use crate::proto::cx::Context;
use crate::proto::peer::Peer;
use crate::proto::peers::Peers;
use crate::proto::people::People;
use crate::proto::presence::Presence;
use crate::proto::relays::Relays;
use crate::wire::control::short;

/// The surroundings in which mail decides where an envelope goes.
pub struct Near<'a> {
    pub people: &'a People,
    pub peers: &'a Peers,
    pub presence: &'a Presence,
    pub relays: &'a Relays,
}

impl Near<'_> {
    /// The live sessions of an addressee.
    pub fn at(&self, address: &Address) -> Vec<Peer> {
        self.peers.connections.of_user(&self.people.user_at(address))
    }

    /// Connected relays and servers to which an addressee is nearer than to this node, nearest first.
    pub fn nearer(&self, address: &Address) -> Vec<Peer> {
        let nearer = self.relays.directory.nearer(&short(&address.0));
        nearer.iter().filter_map(|session| self.peers.connections.up_peer(session)).collect()
    }

    /// How far an addressee is by way of a neighbour, in relays.
    pub fn distance_by(&self, neighbour: &SessionId, address: &Address) -> u8 {
        self.relays.directory.distance_by(neighbour, &short(&address.0))
    }

    /// Relays and servers that are connected, first those that say they are connected with the addressee.
    pub fn carriers_for(&self, address: &Address) -> Vec<SessionId> {
        let up = self.peers.connections.iter_up().map(|peer| peer.session);
        let witnesses = self.presence.online.witnesses_of(&self.people.user_at(address));
        let (mut first, others): (Vec<_>, Vec<_>) =
            up.filter(|session| self.people.is_carrier(session)).partition(|session| witnesses.contains(session));
        first.extend(others);
        first
    }

    /// Friends who say that they are connected with an addressee. Relays and servers among them are carriers.
    pub fn friends_between(&self, address: &Address) -> Vec<SessionId> {
        let is_friend = |session: &SessionId| {
            let peer = self.peers.connections.up_peer(session);
            !self.people.is_carrier(session) && peer.is_some_and(|peer| self.people.links.is_link(&peer.user))
        };
        self.presence.online.witnesses_of(&self.people.user_at(address)).into_iter().filter(is_friend).collect()
    }

    /// Whether anybody says that an addressee is near.
    pub fn is_said_near(&self, cx: &Context, address: &Address) -> bool {
        if cx.is_carrier() {
            !self.nearer(address).is_empty()
        } else {
            !self.presence.online.witnesses_of(&self.people.user_at(address)).is_empty()
        }
    }

    /// Whether a carrier is one that this user chose: linked with its user, or given as bootstrap.
    pub fn is_own(&self, session: &SessionId) -> bool {
        let user = self.people.sessions.get(session).map(|known| known.user);
        user.is_some_and(|user| self.people.links.is_link(&user))
            || self.peers.bootstrapped.values().any(|own| own == session)
    }
}
