//! Sessions: the last declaration and key card of each, when it was last heard of, and its addresses with their
//! provenance. Offline sessions are remembered (DarkChat paper, section 3.2) and pruned on demand or at a limit. Online
//! sessions always stay, then the most recently heard ones; the last session of a relevant user is never forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::id::{BootId, SessionId, UserId};
use crate::identity::{Checked, Kept};
use crate::proto::limits::{CARD_LIFE, MAX_ADDRESSES};
use crate::proto::persist::{AddressRow, Provenance, SessionRow};
use crate::time::Moment;
use crate::wire::record::{Declaration, KeyCard, Prekey, Signed};

/// What is known of a session. A server holds a hundred thousand, so this is kept small.
#[derive(Debug)]
pub struct Session {
    pub user: UserId,
    declaration: Option<Declared>,
    card: Option<Card>,
    pub heard: Moment,
    addresses: Box<[AddressRow]>,
}

/// The last declaration of a session.
#[derive(Debug)]
pub struct Declared {
    pub seq: u64,
    pub online: bool,
    /// Bits of [`roles`](crate::wire::record::roles).
    pub roles: u32,
    /// The boot id of the session when it declared itself. Older versions name none.
    pub boot: Option<BootId>,
    record: Kept<Declaration>,
}

/// The newest key card of a session.
#[derive(Debug)]
pub struct Card {
    pub seq: u64,
    /// Until when it may be used: [`CARD_LIFE`] after its session published it.
    until: Moment,
    /// Decoded, since every message is sealed to it.
    prekey: Option<Prekey>,
    record: Kept<KeyCard>,
}

/// All remembered sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    known: BTreeMap<SessionId, Session>,
    by_user: BTreeSet<(UserId, SessionId)>,
    by_boot: BTreeMap<BootId, SessionId>,
}

impl Sessions {
    /// Starts from the stored rows.
    pub fn new(rows: Vec<SessionRow>) -> Sessions {
        let known: BTreeMap<_, _> = rows.into_iter().map(|row| (row.session, Session::from_row(row))).collect();
        let by_boot = known.iter().filter_map(|(id, session)| Some((session.boot()?, *id))).collect();
        Sessions { by_user: known.iter().map(|(id, session)| (session.user, *id)).collect(), by_boot, known }
    }

    /// Records that a session of a user was heard of. A session that has signed for two users belongs to the latter.
    pub fn record_heard(&mut self, id: SessionId, user: UserId, now: Moment) {
        if self.known.get(&id).is_some_and(|known| known.user != user) {
            self.forget(&id);
        }
        if let Some(session) = self.known.get_mut(&id) {
            session.heard = session.heard.max(now);
            return;
        }
        self.known.insert(id, Session { user, declaration: None, card: None, heard: now, addresses: Box::default() });
        self.by_user.insert((user, id));
    }

    /// Takes in the declaration of a known session. Returns false if it is no newer than the one held.
    pub fn update_declaration(&mut self, declaration: &Checked<Declaration>, heard: Moment) -> bool {
        let Some(session) = self.known.get_mut(&declaration.session) else { return false };
        if session.declaration.as_ref().is_some_and(|held| held.seq >= declaration.seq) {
            return false;
        }
        for addr in declaration.addrs.iter().filter(|addr| is_shareable(&addr.0)) {
            add_address(&mut session.addresses, addr.0, Provenance::Declared, heard);
        }
        session.heard = session.heard.max(heard);
        let before = session.boot();
        session.declaration = Some(Declared::from(declaration));
        let after = session.boot();
        if let Some(before) = before {
            self.by_boot.remove(&before);
        }
        self.by_boot.extend(after.map(|boot| (boot, declaration.session)));
        true
    }

    /// Takes in the key card of a known session, published `age` ago. Returns false if it is no newer than the one held
    /// or too old to be used, so that a false age cannot displace a usable card. If the same card arrives with
    /// different ages, the youngest counts.
    pub fn update_card(&mut self, card: &Checked<KeyCard>, age: Duration, now: Moment) -> bool {
        let Some(session) = self.known.get_mut(&card.session).filter(|_| age <= CARD_LIFE) else { return false };
        let until = now + (CARD_LIFE - age);
        if let Some(held) = session.card.as_mut().filter(|held| held.seq >= card.seq) {
            let was_over = held.until < now;
            if held.seq > card.seq || held.record.signed() != *card.signed() {
                return false;
            }
            held.until = held.until.max(until);
            return was_over;
        }
        session.card = Some(Card::of(card, until));
        true
    }

    /// Records where a session is or may be. Returns true if that is new or more trusted than before.
    pub fn add_address(&mut self, id: &SessionId, addr: SocketAddr, provenance: Provenance, now: Moment) -> bool {
        self.known.get_mut(id).is_some_and(|session| add_address(&mut session.addresses, addr, provenance, now))
    }

    /// The session whose newest declaration names a boot id.
    pub fn with_boot(&self, boot: &BootId) -> Option<SessionId> {
        self.by_boot.get(boot).copied()
    }

    /// What is known of a session.
    pub fn get(&self, id: &SessionId) -> Option<&Session> {
        self.known.get(id)
    }

    /// The known sessions of a user, in the order of ids.
    pub fn of_user(&self, user: &UserId) -> impl Iterator<Item = SessionId> + '_ {
        self.by_user.range((*user, SessionId([0; 32]))..=(*user, SessionId([255; 32]))).map(|(_, session)| *session)
    }

    /// The prekey to seal to: the newest of the card. `None` if the card is missing or expired.
    pub fn prekey(&self, id: &SessionId, now: Moment) -> Option<Prekey> {
        let card = self.known.get(id)?.card.as_ref().filter(|card| now <= card.until)?;
        card.prekey.clone()
    }

    /// The highest seq seen of a session, in its declaration or key card.
    pub fn seq(&self, id: &SessionId) -> Option<u64> {
        let session = self.known.get(id)?;
        let declared = session.declaration.as_ref().map(|declaration| declaration.seq);
        declared.max(session.card.as_ref().map(|card| card.seq))
    }

    /// Whether its last declaration says that it is online.
    pub fn declares_online(&self, id: &SessionId) -> bool {
        let declaration = self.known.get(id).and_then(Session::declaration);
        declaration.is_some_and(|declaration| declaration.online)
    }

    /// When any session of a user was last heard of.
    pub fn last_heard(&self, user: &UserId) -> Moment {
        self.of_user(user).filter_map(|session| Some(self.known.get(&session)?.heard)).max().unwrap_or_default()
    }

    /// All known sessions, in the order of ids.
    pub fn ids(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.known.keys().copied()
    }

    /// Number of known sessions.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Forgets sessions until `keep` are left, the longest unheard first, and none for which `must_stay` holds.
    /// `must_stay` also receives whether it is the user's last session. Returns the forgotten sessions with their
    /// users.
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
            let last = self.of_user(&session.user).nth(1).is_none();
            if !must_stay(&id, session, last) {
                self.forget(&id);
                forgotten.push((id, user));
            }
        }
        forgotten
    }

    /// Removes a session.
    pub fn forget(&mut self, id: &SessionId) {
        if let Some(session) = self.known.remove(id) {
            if let Some(boot) = session.boot() {
                self.by_boot.remove(&boot);
            }
            self.by_user.remove(&(session.user, *id));
        }
    }

    /// The row that the store keeps of a session. Link-local addresses are left out: their scope ids are valid only on
    /// this machine until it restarts.
    pub fn row(&self, id: &SessionId) -> Option<SessionRow> {
        let session = self.known.get(id)?;
        Some(SessionRow {
            session: *id,
            user: session.user,
            declaration: session.declaration.as_ref().map(Declared::signed),
            card: session.card.as_ref().map(Card::signed),
            card_until: session.card.as_ref().map_or(Moment(0), |card| card.until),
            heard: session.heard,
            addresses: session.addresses.iter().filter(|row| is_shareable(&row.addr)).copied().collect(),
        })
    }
}

impl Declared {
    /// The signed bytes, to be passed on.
    pub fn signed(&self) -> Signed {
        self.record.signed()
    }
}

impl From<&Checked<Declaration>> for Declared {
    fn from(declaration: &Checked<Declaration>) -> Declared {
        Declared {
            seq: declaration.seq,
            online: declaration.online,
            roles: declaration.roles,
            boot: declaration.boot_nonce.map(|nonce| BootId::of(&declaration.session, &nonce.0)),
            record: Kept::from(declaration),
        }
    }
}

impl Card {
    fn of(card: &Checked<KeyCard>, until: Moment) -> Card {
        Card { seq: card.seq, until, prekey: card.prekeys.first().cloned(), record: Kept::from(card) }
    }

    /// The signed bytes, to be passed on.
    pub fn signed(&self) -> Signed {
        self.record.signed()
    }

    /// Time since its session published it; `None` if it is too old to be used.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        (now <= self.until).then(|| CARD_LIFE.saturating_sub(self.until.since(now)))
    }
}

impl Session {
    fn from_row(row: SessionRow) -> Session {
        let declaration = row.declaration.and_then(|signed| Checked::from_store(&signed).ok());
        let card = row.card.and_then(|signed| Checked::from_store(&signed).ok());
        Session {
            user: row.user,
            declaration: declaration.as_ref().map(Declared::from),
            card: card.as_ref().map(|card| Card::of(card, row.card_until)),
            heard: row.heard,
            addresses: row.addresses.into(),
        }
    }

    /// The boot id that its newest declaration names.
    fn boot(&self) -> Option<BootId> {
        self.declaration.as_ref()?.boot
    }

    pub fn declaration(&self) -> Option<&Declared> {
        self.declaration.as_ref()
    }

    pub fn card(&self) -> Option<&Card> {
        self.card.as_ref()
    }

    /// Whether the session answered at an address or was seen there on the local link.
    pub fn has_answered_at(&self, addr: &SocketAddr) -> bool {
        self.addresses.iter().any(|row| row.addr == *addr && row.provenance <= Provenance::Lan)
    }

    /// How an address is known.
    pub fn provenance(&self, addr: &SocketAddr) -> Option<Provenance> {
        self.addresses.iter().find(|row| row.addr == *addr).map(|row| row.provenance)
    }

    /// The address that another session claimed last.
    pub fn last_hint(&self) -> Option<SocketAddr> {
        let hints = self.addresses.iter().filter(|row| row.provenance == Provenance::Hinted && is_dialable(&row.addr));
        hints.max_by_key(|row| row.at).map(|row| row.addr)
    }

    /// Addresses to dial, most trusted first, newest first among equals.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut rows: Vec<&AddressRow> = self.addresses.iter().filter(|row| is_dialable(&row.addr)).collect();
        rows.sort_by(|a, b| a.provenance.cmp(&b.provenance).then(b.at.cmp(&a.at)));
        rows.iter().map(|row| row.addr).collect()
    }
}

/// Adds or refreshes an address; at the limit the least trusted and oldest of the others is dropped. Returns true if it
/// is new or more trusted than before.
fn add_address(addresses: &mut Box<[AddressRow]>, addr: SocketAddr, provenance: Provenance, now: Moment) -> bool {
    if !is_dialable(&addr) {
        return false;
    }
    if let Some(row) = addresses.iter_mut().find(|row| row.addr == addr) {
        let better = provenance < row.provenance;
        row.provenance = row.provenance.min(provenance);
        row.at = row.at.max(now);
        return better;
    }
    let mut rows = std::mem::take(addresses).into_vec();
    if rows.len() >= MAX_ADDRESSES {
        rows.sort_by(|a, b| a.provenance.cmp(&b.provenance).then(b.at.cmp(&a.at)));
        rows.truncate(MAX_ADDRESSES - 1);
    }
    rows.push(AddressRow { addr, provenance, at: now });
    *addresses = rows.into();
    true
}

/// Whether an address can be dialled at all.
fn is_dialable(addr: &SocketAddr) -> bool {
    let ip = addr.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Whether an address means the same on other machines. Link-local IPv6 addresses do not.
pub fn is_shareable(addr: &SocketAddr) -> bool {
    !matches!(addr.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local())
}
