//! `\explode`: a flood of this node's declaration over all paths of at most two hops. It goes to every neighbour, and from each
//! to all of its neighbours; each node forwards it once. Answers are merged on the way back. They identify users and sessions
//! by hashes only.

use sha2::{Digest as _, Sha256};

use crate::id::ConnId;
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::notice::{ErrorCode, Notice};
use crate::proto::peer::Peer;
use crate::wire::codec::{Fixed, List};
use crate::wire::control::{Control, Explode, Exploded, Reached, ShortId};
use crate::wire::record::{Declaration, Roster};

/// Hops behind the first: the flood reaches distance two, as far as the horizon (`docs/horizon.md`).
const HOPS: u8 = 1;
/// Sessions in one answer; the decoder in `wire::control` accepts no more.
const MAX_REACHED: usize = 256;

impl Core {
    /// `\explode`.
    /// Carries out `\explode`.
    pub(in crate::proto) fn explode(&mut self, line: Option<u64>) -> Result<(), (ErrorCode, String)> {
        if let Err(seconds) = self.search.floods.allow(self.cx.config.user, self.cx.now.moment) {
            return Err((
                ErrorCode::BadArgument,
                format!("\\explode works once in ten minutes; try again in {seconds} s"),
            ));
        }
        let flood = rand_core::Rng::next_u64(&mut self.cx.rng);
        self.search.floods.open(flood, None, line, HOPS, self.cx.now.moment);
        let message = Explode {
            flood,
            declaration: self.people.myself.declaration.signed().clone(),
            roster: Some(self.people.myself.roster.signed().clone()),
            hops: HOPS,
        };
        self.flood(message, None);
        self.answer_floods();
        Ok(())
    }

    /// Sends a flood to all neighbours except `but`.
    fn flood(&mut self, message: Explode, but: Option<ConnId>) {
        let conns: Vec<ConnId> = self.peers.connections.iter_up().map(|peer| peer.conn).collect();
        for conn in conns.into_iter().filter(|conn| Some(*conn) != but) {
            self.search.floods.sent(message.flood, conn);
            self.cx.send(conn, Control::Explode(message.clone()));
        }
    }

    /// Handles a flood: answers it, and passes it on if hops are left.
    pub(in crate::proto) fn on_explode(&mut self, peer: Peer, explode: Explode) {
        if let Some(roster) = &explode.roster {
            let Some(roster) = self.checked::<Roster>(peer.conn, roster) else { return };
            if self.concerns(&roster.user) {
                self.learn_roster(roster);
            }
        }
        let Some(declaration) = self.checked::<Declaration>(peer.conn, &explode.declaration) else { return };
        let (origin, session) = (declaration.user, declaration.session);
        if explode.hops >= HOPS && session != peer.session {
            self.cx.dropped(DropReason::ExplodeOfAnother);
            return self.answer_flood(peer.conn, explode.flood, Vec::new(), 0);
        }
        let hops = explode.hops.min(HOPS);
        if session == self.cx.me {
            return self.answer_flood(peer.conn, explode.flood, Vec::new(), 0);
        }
        if !self.search.floods.open(explode.flood, Some(peer.conn), None, hops, self.cx.now.moment) {
            return self.on_known_flood(peer.conn, explode, hops);
        }
        if self.search.floods.allow(origin, self.cx.now.moment).is_err() {
            self.cx.dropped(DropReason::ExplodeTooSoon);
            return self.answer_floods();
        }
        if self.concerns(&origin) && self.receive_declaration(declaration, self.cx.now.moment) {
            self.peers.sought.retry(&origin, self.cx.now.moment);
        }
        if hops > 0 {
            self.flood(Explode { hops: hops - 1, ..explode }, Some(peer.conn));
        }
        self.answer_floods();
    }

    /// Handles a further copy. A copy over two hops may arrive before the direct one, which has more hops left.
    fn on_known_flood(&mut self, conn: ConnId, explode: Explode, hops: u8) {
        let flood = explode.flood;
        let Some(before) = self.search.floods.widen(flood, conn, hops, self.cx.now.moment) else {
            return self.answer_flood(conn, flood, Vec::new(), 0);
        };
        if let Some(before) = before {
            self.answer_flood(before, flood, Vec::new(), 0);
        }
        self.flood(Explode { hops: hops - 1, ..explode }, Some(conn));
        self.answer_floods();
    }

    /// Handles a neighbour's answer to a flood.
    pub(in crate::proto) fn on_exploded(&mut self, conn: ConnId, exploded: Exploded) {
        if !self.search.floods.record_answer(exploded.flood, &conn, &exploded.reached, exploded.messages) {
            return self.cx.dropped(DropReason::UnknownFlood);
        }
        self.answer_floods();
    }

    /// Answers the floods for which all answers have come or the deadline has passed.
    pub(in crate::proto) fn answer_floods(&mut self) {
        let done: Vec<_> = self
            .search
            .floods
            .take_done(self.cx.now.moment)
            .into_iter()
            .map(|(id, flood)| (id, flood.from, flood.line, flood.began, flood.reached.clone(), flood.messages))
            .collect();
        for (id, from, line, began, mut reached, messages) in done {
            if let Some(conn) = from {
                reached.insert(self.reached(id));
                self.answer_flood(conn, id, reached.into_iter().take(MAX_REACHED).collect(), messages);
                continue;
            }
            reached.remove(&self.reached(id));
            let users: std::collections::BTreeSet<ShortId> = reached.iter().map(|reached| reached.0).collect();
            let elapsed_ms = self.cx.now.moment.since(began).as_millis() as u64;
            let (users, sessions) = (users.len(), reached.len());
            self.cx.notice(line, Notice::Exploded { users, sessions, messages, elapsed_ms });
        }
    }

    fn answer_flood(&mut self, conn: ConnId, flood: u64, reached: Vec<Reached>, messages: u64) {
        self.cx.send(conn, Control::Exploded(Exploded { flood, reached: List(reached), messages }));
    }

    /// This session, as it is counted in the answer to a flood.
    fn reached(&self, flood: u64) -> Reached {
        let hash = |id: &[u8; 32]| -> ShortId {
            let hash = Sha256::new().chain_update(b"darknode/explode/1\0").chain_update(flood.to_be_bytes());
            let hash = hash.chain_update(id).finalize();
            Fixed(hash[..8].try_into().expect("SHA-256 has 32 bytes"))
        };
        Reached(hash(&self.cx.config.user.0), hash(&self.cx.me.0))
    }
}
