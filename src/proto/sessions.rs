//! Sessions: where people were. Each with its last declaration and key card, when it was last heard, and its addresses with
//! their provenance. "Even offline nodes are remembered" (the paper, 3.2), and pruned on demand or at a limit: online ones
//! always stay, then the most recently heard; the last one of somebody who matters is never forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::limits::{CARD_LIFE, MAX_ADDRESSES};
use super::memory::{AddressRow, Provenance, SessionRow};
use crate::id::{SessionId, UserId};
use crate::identity::Checked;
use crate::time::Moment;
use crate::wire::record::{Declaration, KeyCard, Prekey};

/// What is known of a session.
#[derive(Debug)]
pub struct Session {
    pub user: UserId,
    declaration: Option<Checked<Declaration>>,
    card: Option<Checked<KeyCard>>,
    card_heard: Moment,
    pub heard: Moment,
    addresses: Vec<AddressRow>,
}

/// Every session that is remembered.
#[derive(Debug, Default)]
pub struct Sessions {
    known: BTreeMap<SessionId, Session>,
    by_user: BTreeMap<UserId, BTreeSet<SessionId>>,
}

impl Sessions {
    pub fn new(rows: &[SessionRow]) -> Sessions {
        let mut sessions = Sessions::default();
        for row in rows {
            let session = Session {
                user: row.user,
                declaration: row.declaration.as_ref().and_then(|signed| Checked::from_store(signed).ok()),
                card: row.card.as_ref().and_then(|signed| Checked::from_store(signed).ok()),
                card_heard: row.card_heard,
                heard: row.heard,
                addresses: row.addresses.clone(),
            };
            sessions.known.insert(row.session, session);
            sessions.by_user.entry(row.user).or_default().insert(row.session);
        }
        sessions
    }

    /// Notes a session of a user that was heard now. A session that has signed for two users is the latter's.
    pub fn hear(&mut self, id: SessionId, user: UserId, now: Moment) {
        if self.known.get(&id).is_some_and(|known| known.user != user) {
            self.forget(&id);
        }
        let session = self.known.entry(id).or_insert_with(|| Session {
            user,
            declaration: None,
            card: None,
            card_heard: Moment(0),
            heard: now,
            addresses: Vec::new(),
        });
        session.heard = session.heard.max(now);
        self.by_user.entry(user).or_default().insert(id);
    }

    /// Takes in the declaration of a session that is known. False if it is no newer than the one held.
    pub fn declare(&mut self, declaration: Checked<Declaration>, heard: Moment) -> bool {
        let Some(session) = self.known.get_mut(&declaration.session) else { return false };
        if session.declaration.as_ref().is_some_and(|held| held.seq >= declaration.seq) {
            return false;
        }
        for addr in declaration.addrs.iter().filter(|addr| may_travel(&addr.0)) {
            note(&mut session.addresses, addr.0, Provenance::Declared, heard);
        }
        session.heard = session.heard.max(heard);
        session.declaration = Some(declaration);
        true
    }

    /// Takes in the key card of a session that is known. False if it is no newer than the one held.
    pub fn take_card(&mut self, card: Checked<KeyCard>, now: Moment) -> bool {
        let Some(session) = self.known.get_mut(&card.session) else { return false };
        if session.card.as_ref().is_some_and(|held| held.seq >= card.seq) {
            return false;
        }
        session.card = Some(card);
        session.card_heard = now;
        true
    }

    /// Notes where a session is or may be. True if it is news.
    pub fn note_address(&mut self, id: &SessionId, addr: SocketAddr, provenance: Provenance, now: Moment) -> bool {
        self.known.get_mut(id).is_some_and(|session| note(&mut session.addresses, addr, provenance, now))
    }

    pub fn get(&self, id: &SessionId) -> Option<&Session> {
        self.known.get(id)
    }

    pub fn of_user(&self, user: &UserId) -> impl Iterator<Item = SessionId> + '_ {
        self.by_user.get(user).into_iter().flatten().copied()
    }

    /// Prekey to seal to, unless the card is too old or there is none. The first of a card is its newest.
    pub fn prekey(&self, id: &SessionId, now: Moment) -> Option<&Prekey> {
        let session = self.known.get(id)?;
        if now.since(session.card_heard) > CARD_LIFE {
            return None;
        }
        session.card.as_ref()?.prekeys.first()
    }

    /// The highest seq seen of a session.
    pub fn seq(&self, id: &SessionId) -> Option<u64> {
        let session = self.known.get(id)?;
        let declared = session.declaration.as_ref().map(|declaration| declaration.seq);
        declared.max(session.card.as_ref().map(|card| card.seq))
    }

    /// Whether its last word was that it is there.
    pub fn says_online(&self, id: &SessionId) -> bool {
        let declaration = self.known.get(id).and_then(Session::declaration);
        declaration.is_some_and(|declaration| declaration.online)
    }

    /// When the last of a user's sessions was heard of.
    pub fn last_heard(&self, user: &UserId) -> Moment {
        self.of_user(user).filter_map(|session| Some(self.known.get(&session)?.heard)).max().unwrap_or_default()
    }

    pub fn ids(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.known.keys().copied()
    }

    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Forgets sessions until `keep` are left, the longest unheard first, and never one that must stay. Returns the
    /// forgotten, each with its user.
    pub fn prune(
        &mut self,
        keep: usize,
        must_stay: impl Fn(&SessionId, &Session, bool) -> bool,
    ) -> Vec<(SessionId, UserId)> {
        let mut by_age: Vec<(Moment, SessionId)> =
            self.known.iter().map(|(id, session)| (session.heard, *id)).collect();
        by_age.sort();
        let mut forgotten = Vec::new();
        for (_, id) in by_age {
            if self.known.len() <= keep {
                break;
            }
            let session = &self.known[&id];
            let user = session.user;
            let last = self.by_user.get(&session.user).is_none_or(|all| all.len() < 2);
            if !must_stay(&id, session, last) {
                self.forget(&id);
                forgotten.push((id, user));
            }
        }
        forgotten
    }

    pub fn forget(&mut self, id: &SessionId) {
        let Some(session) = self.known.remove(id) else { return };
        if let Some(all) = self.by_user.get_mut(&session.user) {
            all.remove(id);
            if all.is_empty() {
                self.by_user.remove(&session.user);
            }
        }
    }

    /// What the store keeps of a session. Link-local addresses stay out: their scope is of this start of this machine.
    pub fn row(&self, id: &SessionId) -> Option<SessionRow> {
        let session = self.known.get(id)?;
        Some(SessionRow {
            session: *id,
            user: session.user,
            declaration: session.declaration.as_ref().map(|declaration| declaration.signed().clone()),
            card: session.card.as_ref().map(|card| card.signed().clone()),
            card_heard: session.card_heard,
            heard: session.heard,
            addresses: session.addresses.iter().filter(|row| may_travel(&row.addr)).copied().collect(),
        })
    }
}

impl Session {
    pub fn declaration(&self) -> Option<&Checked<Declaration>> {
        self.declaration.as_ref()
    }

    pub fn card(&self) -> Option<&Checked<KeyCard>> {
        self.card.as_ref()
    }

    /// Whether it was met at an address, or seen there on the local link.
    pub fn has_answered_at(&self, addr: &SocketAddr) -> bool {
        self.addresses.iter().any(|row| row.addr == *addr && row.provenance <= Provenance::Lan)
    }

    /// Addresses worth a dial, most trusted first, newest first among equals.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut rows: Vec<&AddressRow> = self.addresses.iter().filter(|row| can_be_dialled(&row.addr)).collect();
        rows.sort_by(|a, b| a.provenance.cmp(&b.provenance).then(b.at.cmp(&a.at)));
        rows.iter().map(|row| row.addr).collect()
    }
}

/// Adds or refreshes an address; at the limit the least trusted and oldest goes. True if it was not known so well before.
fn note(addresses: &mut Vec<AddressRow>, addr: SocketAddr, provenance: Provenance, now: Moment) -> bool {
    if !can_be_dialled(&addr) {
        return false;
    }
    if let Some(row) = addresses.iter_mut().find(|row| row.addr == addr) {
        let better = provenance < row.provenance;
        row.provenance = row.provenance.min(provenance);
        row.at = row.at.max(now);
        return better;
    }
    addresses.push(AddressRow { addr, provenance, at: now });
    if addresses.len() > MAX_ADDRESSES {
        addresses.sort_by(|a, b| a.provenance.cmp(&b.provenance).then(b.at.cmp(&a.at)));
        addresses.truncate(MAX_ADDRESSES);
    }
    true
}

/// Whether a dial there could ever make sense.
fn can_be_dialled(addr: &SocketAddr) -> bool {
    let ip = addr.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Link-local IPv6 addresses live only in this machine's scope.
pub fn may_travel(addr: &SocketAddr) -> bool {
    !matches!(addr.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local())
}
