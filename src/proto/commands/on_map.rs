//! `\map`: a copy of what is known of the users within two links, and of those nearby.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Address, SessionId, UserId};
use crate::proto::Core;
use crate::proto::commands::on_request::Failed;
use crate::proto::limits::{MAX_MAP_EDGES, MAX_MAP_NODES};
use crate::proto::notice::Notice;
use crate::proto::notice::map::{Map, MapNode, Way};
use crate::time::Moment;
use crate::wire::record::roles;

/// Own lines that are not delivered, by user.
#[derive(Default)]
struct Lines {
    /// For whom they wait.
    waiting: BTreeMap<UserId, usize>,
    /// Who carries them.
    carried: BTreeMap<UserId, usize>,
}

impl Core {
    pub(super) fn show_map(&mut self, line: Option<u64>) -> Result<(), Failed> {
        let map = self.view_map();
        self.cx.notice(line, Notice::Map(Box::new(map)));
        Ok(())
    }

    /// The users within two links, those who carry mail, those for whom lines wait, and those nearby.
    fn view_map(&self) -> Map {
        let lines = self.lines_under_way();
        let mut chosen: Vec<(u8, String, UserId)> =
            self.mapped_users(&lines).map(|(rank, id)| (rank, self.people.users.handle(&id), id)).collect();
        chosen.sort();
        let more = chosen.len().saturating_sub(MAX_MAP_NODES);
        chosen.truncate(MAX_MAP_NODES);
        let nodes: Vec<MapNode> = chosen.into_iter().map(|(_, name, id)| self.map_node(id, name, &lines)).collect();
        Map { edges: self.map_edges(&nodes), nodes, more }
    }

    /// Whoever belongs on the map, with the group in which they stand.
    fn mapped_users(&self, lines: &Lines) -> impl Iterator<Item = (u8, UserId)> {
        let relays = self.peers.connections.iter_up().filter(|peer| self.people.is_carrier(&peer.session));
        let concerned: BTreeSet<UserId> =
            relays.map(|peer| peer.user).chain(lines.waiting.keys().chain(lines.carried.keys()).copied()).collect();
        let known: BTreeSet<UserId> = self.people.users.iter().chain(concerned.iter().copied()).collect();
        known.into_iter().filter_map(move |id| {
            let others = concerned.contains(&id).then_some(3);
            let rank = self.map_distance(&id).or(others).or_else(|| self.is_nearby(&id).then_some(4));
            Some((rank?, id))
        })
    }

    fn map_distance(&self, id: &UserId) -> Option<u8> {
        if *id == self.cx.config.user {
            return Some(0);
        }
        let linked = self.people.links.is_link(id).then_some(1);
        linked.or_else(|| self.presence.horizon.reaches(id).then_some(2))
    }

    fn map_node(&self, id: UserId, name: String, lines: &Lines) -> MapNode {
        let me = id == self.cx.config.user;
        let sessions = self.known_sessions(&id);
        let up: Vec<SessionId> = sessions.iter().copied().filter(|session| self.is_up(session, &id)).collect();
        let online = |session: &&SessionId| up.contains(session) || self.presence.online.is_online(session);
        let way = match (me || !up.is_empty(), sessions.iter().any(|session| online(&session))) {
            (true, _) => Way::Direct,
            (false, true) => Way::Through,
            (false, false) => Way::Away,
        };
        let roles = self.declared_roles(me, &sessions);
        let carried = lines.carried.get(&id).copied().unwrap_or(0);
        MapNode {
            id,
            name,
            me,
            distance: self.map_distance(&id),
            linked: self.people.links.is_link(&id),
            online: way != Way::Away,
            relay: roles & (roles::RELAY | roles::SERVER) != 0,
            server: roles & roles::SERVER != 0,
            nearby: !me && self.is_nearby(&id),
            way,
            through: (way == Way::Through).then(|| self.witness_of(&sessions)).flatten(),
            rtt_ms: self.shortest_trip(&up),
            since: self.seen_since(me, &sessions).map(|moment| self.cx.now.wall_at(moment)),
            held: if me { self.mail.custody.kept_for_others() } else { carried },
            waiting: lines.waiting.get(&id).copied().unwrap_or(0),
        }
    }

    /// Whether a session is connected, and its user does not refuse this one.
    fn is_up(&self, session: &SessionId, user: &UserId) -> bool {
        self.peers.connections.up(session).is_some() && !self.presence.refusals.contains(user)
    }

    /// The roles of the sessions of a user together.
    fn declared_roles(&self, me: bool, sessions: &[SessionId]) -> u32 {
        let declared = |session| self.people.sessions.get(session)?.declaration().map(|declared| declared.roles);
        let own = if me { self.cx.config.roles } else { 0 };
        sessions.iter().filter_map(declared).fold(own, |all, roles| all | roles)
    }

    /// The name of a neighbour that reports one of these sessions as connected.
    fn witness_of(&self, sessions: &[SessionId]) -> Option<String> {
        let witnesses = sessions.iter().flat_map(|session| self.presence.online.witnesses(session));
        let reporters = witnesses.filter_map(|by| self.peers.connections.up_peer(&by));
        reporters.map(|peer| self.people.name_for(&peer.user, &peer.session)).min()
    }

    fn shortest_trip(&self, up: &[SessionId]) -> Option<f64> {
        let of = |session| self.peers.connections.get(&self.peers.connections.up(session)?);
        let shortest = up.iter().filter_map(of).map(|neighbour| neighbour.rtt).min()?;
        Some(shortest.as_secs_f64() * 1000.0)
    }

    fn seen_since(&self, me: bool, sessions: &[SessionId]) -> Option<Moment> {
        let online = sessions.iter().filter_map(|session| self.presence.online.since(session)).min();
        let heard = || sessions.iter().filter_map(|session| Some(self.people.sessions.get(session)?.heard)).max();
        let own = me.then_some(self.cx.started);
        own.or(online).or_else(heard).filter(|moment| me || *moment > Moment(0))
    }

    /// The lines of the outbox, by who they are for and who carries them.
    fn lines_under_way(&self) -> Lines {
        let mut lines = Lines::default();
        for to in self.chat.outbox.addressees().collect::<BTreeSet<Address>>() {
            let waiting = self.chat.outbox.waiting(&to);
            if waiting.lines > 0 {
                *lines.waiting.entry(self.people.user_at(&to)).or_default() += waiting.lines;
            }
            for (by, count) in waiting.carriers {
                if let Some(carrier) = self.people.sessions.get(&by) {
                    *lines.carried.entry(carrier.user).or_default() += count;
                }
            }
        }
        lines
    }

    /// The links among these users, and those of the local user with connected relays.
    fn map_edges(&self, nodes: &[MapNode]) -> Vec<(UserId, UserId)> {
        let place: BTreeMap<UserId, usize> = nodes.iter().enumerate().map(|(n, node)| (node.id, n)).collect();
        let own = nodes.iter().filter(|node| node.linked || (node.relay && node.way == Way::Direct && !node.me));
        let me = self.cx.config.user;
        let mut edges: BTreeSet<(usize, usize)> = own.map(|node| (0, place[&node.id])).collect();
        for (n, node) in nodes.iter().enumerate().filter(|(_, node)| node.id != me) {
            let listed = self.presence.horizon.listed_by(&node.id);
            let listed = listed.iter().filter(|other| **other != me && self.is_edge(&node.id, other));
            edges.extend(listed.filter_map(|other| place.get(other)).map(|other| (n.min(*other), n.max(*other))));
        }
        edges.into_iter().take(MAX_MAP_EDGES).map(|(one, other)| (nodes[one].id, nodes[other].id)).collect()
    }

    /// Whether a user names another one, and the other's list does not contradict it as far as it is held.
    fn is_edge(&self, by: &UserId, other: &UserId) -> bool {
        self.presence.horizon.is_through(other, by) || self.presence.horizon.mutual(by, other)
    }
}
