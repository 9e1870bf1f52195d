//! Handles what neighbours on the local link tell of other nodes there ([`hearsay`](crate::proto::peers::lan::hearsay)).

use std::collections::BTreeSet;

use crate::id::{BootId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::peer::Peer;
use crate::wire::codec::List;
use crate::wire::control::{Control, MAX_NEARBY_MARKS, NearbyDigest, NearbyNode, NearbyRecords, NearbyWant};
use crate::wire::record::{Declaration, Roster};

/// Bytes of records in one message; it fits into a frame with its overhead.
const PAGE_BYTES: usize = 24 * 1024;

impl Core {
    /// Records whose an announced boot id is, shows its user as nearby, and tells the other neighbours on the link.
    pub(in crate::proto) fn name_boot(
        &mut self,
        boot: BootId,
        session: SessionId,
        user: UserId,
        from: Option<SessionId>,
    ) {
        if boot == self.cx.boot || !self.peers.nearby.name(boot, session, user) {
            return;
        }
        self.peers.hearsay.learned(boot, from, self.cx.now.moment);
        self.show_as_nearby(session, user);
        if let Some(peer) = self.peers.connections.up_peer(&session) {
            self.open_hearsay(peer);
        }
        self.retry_lookups();
        if self.people.links.wants(&user) || self.chat.waits_for(&user) || user == self.cx.config.user {
            self.peers.retry(&session, &user, self.cx.now.moment);
        }
    }

    /// Names the boot id of a session whose declaration has just been taken in.
    pub(in crate::proto) fn name_declared(&mut self, session: &SessionId, from: Option<SessionId>) {
        let Some(known) = self.people.sessions.get(session) else { return };
        let declared = known.declaration().filter(|declared| declared.online);
        if let Some(boot) = declared.and_then(|declared| declared.boot) {
            self.name_boot(boot, *session, known.user, from);
        }
    }

    /// Begins to exchange marks with a neighbour that is on the link, by its own declaration and its announcement.
    pub(in crate::proto) fn open_hearsay(&mut self, peer: Peer) {
        let boot = self.peers.connections.get(&peer.conn).map(|neighbour| neighbour.boot);
        let on_link =
            boot.and_then(|boot| self.peers.nearby.named(&boot)).is_some_and(|(session, _)| session == peer.session);
        if !on_link || !self.peers.hearsay.open(peer.session) {
            return;
        }
        let known: Vec<u64> =
            self.peers.nearby.named_boots().filter(|other| Some(*other) != boot).map(BootId::mark).collect();
        self.send_marks(peer, &known);
    }

    fn send_marks(&mut self, peer: Peer, marks: &[u64]) {
        for page in marks.chunks(MAX_NEARBY_MARKS) {
            self.cx.send(peer.conn, Control::NearbyDigest(NearbyDigest { marks: List(page.to_vec()) }));
        }
    }

    /// Records of which nodes a neighbour holds the records. Its own announcement may arrive later.
    pub(in crate::proto) fn on_nearby_digest(&mut self, peer: Peer, digest: NearbyDigest) {
        for mark in digest.marks.0 {
            if self.peers.nearby.is_named_mark(mark) {
                continue;
            }
            if !self.peers.hearsay.told(mark, peer.session, self.cx.now.moment) {
                self.cx.dropped(DropReason::TooManyMarks);
            }
        }
    }

    /// Whether one more record may be sent to the address of a neighbour. A record is up to twelve times as long as the request.
    fn may_tell(&mut self, peer: &Peer) -> bool {
        let origin = self.peers.connections.origin(&peer.session);
        origin.is_some_and(|(address, _)| self.peers.told.draw(address, self.cx.now.moment))
    }

    /// Answers with the records of the nodes that the asker names by their boot ids.
    pub(in crate::proto) fn on_nearby_want(&mut self, peer: Peer, want: NearbyWant) {
        if !self.peers.hearsay.is_open(&peer.session) {
            return self.cx.dropped(DropReason::HearsayOffLink);
        }
        let wanted: BTreeSet<BootId> = want.boots.iter().map(|boot| BootId(*boot)).collect();
        let mut nodes = Vec::new();
        for node in wanted.into_iter().filter_map(|boot| self.nearby_node(boot)).collect::<Vec<_>>() {
            match self.may_tell(&peer) {
                true => nodes.push(node),
                false => self.cx.dropped(DropReason::HearsayOverBudget),
            }
        }
        let mut page = Vec::new();
        let mut bytes = 0;
        for node in nodes {
            let size = node.roster.0.len() + node.declaration.0.len();
            if bytes + size > PAGE_BYTES {
                self.send_nearby(peer, std::mem::take(&mut page));
                bytes = 0;
            }
            bytes += size;
            page.push(node);
        }
        if !page.is_empty() {
            self.send_nearby(peer, page);
        }
    }

    fn send_nearby(&mut self, peer: Peer, nodes: Vec<NearbyNode>) {
        self.cx.send(peer.conn, Control::NearbyRecords(NearbyRecords { nodes: List(nodes) }));
    }

    fn nearby_node(&self, boot: BootId) -> Option<NearbyNode> {
        let (session, user) = self.peers.nearby.named(&boot)?;
        let declared = self
            .people
            .sessions
            .get(&session)?
            .declaration()
            .filter(|declared| declared.boot == Some(boot) && declared.online)?;
        Some(NearbyNode { roster: self.people.users.signed_roster(&user)?, declaration: declared.signed() })
    }

    /// Takes in the records of nodes that were asked for.
    pub(in crate::proto) fn on_nearby_records(&mut self, peer: Peer, records: NearbyRecords) {
        for node in records.nodes.0 {
            // An earlier record may have closed the connection.
            if self.peers.connections.get(&peer.conn).is_none() {
                return;
            }
            self.on_nearby_node(peer, &node);
        }
    }

    fn on_nearby_node(&mut self, peer: Peer, node: &NearbyNode) {
        let Some(declaration) = self.checked::<Declaration>(peer.conn, &node.declaration) else { return };
        let (session, user) = (declaration.session, declaration.user);
        let boot = declaration.boot_nonce.map(|nonce| BootId::of(&session, &nonce.0));
        // The declaration proves whose the boot id is, so an answer that comes late is as good.
        if !declaration.online {
            return self.cx.dropped(DropReason::HearsayUnsound);
        }
        let is_unknown = |boot: &BootId| self.peers.nearby.is_sighted(boot) && self.peers.nearby.named(boot).is_none();
        let Some(boot) = boot.filter(is_unknown) else {
            return self.cx.dropped(DropReason::HearsayUnasked);
        };
        let Some(roster) = self.checked::<Roster>(peer.conn, &node.roster) else { return };
        if roster.user != user || !roster.admits(&session) {
            return self.strike(peer.conn, DropReason::HearsayUnsound);
        }
        self.learn_roster(roster);
        // A newer roster that does not list the session may be known.
        if self.people.users.admits(&user, &session) {
            self.people.sessions.record_heard(session, user, self.cx.now.moment);
            self.people.sessions.update_declaration(&declaration, self.cx.now.moment);
            self.name_boot(boot, session, user, Some(peer.session));
        }
        self.forget_if_unneeded(&user);
    }

    /// Tells the neighbours on the link of new nodes there, and asks for those that are not known.
    pub(in crate::proto) fn exchange_hearsay(&mut self) {
        if !self.peers.hearsay.take_due(self.cx.now.moment) {
            return;
        }
        let fresh = self.peers.hearsay.take_fresh();
        let neighbours: Vec<SessionId> = self.peers.hearsay.neighbours().collect();
        for peer in neighbours.iter().filter_map(|session| self.peers.connections.up_peer(session)).collect::<Vec<_>>()
        {
            let own = self.peers.connections.get(&peer.conn).map(|neighbour| neighbour.boot);
            let news = fresh.iter().filter(|(boot, from)| **from != Some(peer.session) && Some(**boot) != own);
            let marks: Vec<u64> = news.map(|(boot, _)| boot.mark()).collect();
            self.send_marks(peer, &marks);
        }
        let questions = self.peers.hearsay.ask(self.peers.nearby.unnamed_boots(), self.cx.now.moment);
        for (session, boots) in questions {
            let Some(conn) = self.peers.connections.up(&session) else { continue };
            let boots = List(boots.into_iter().map(|boot| boot.0).collect());
            self.cx.send(conn, Control::NearbyWant(NearbyWant { boots }));
        }
    }
}
