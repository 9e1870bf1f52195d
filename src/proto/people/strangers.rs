//! Strangers who write: users whom the local user has neither answered, added nor verified.
//!
//! A stranger may leave a few lines ([`STRANGER_TEXT`] bytes); what comes beyond is held back: it is neither
//! stored nor receipted, so its author keeps it, and it comes once the local user accepts. All strangers together share what
//! they may write in a minute and how many of them are remembered. Identities cost nothing, so these shares belong to the
//! address of the connection that brings an envelope. Where there are too many, the one who has waited longest at the address
//! with the most makes room.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::id::{EnvelopeId, SessionId, UserId};
use crate::proto::budget::Budget;
use crate::proto::limits::{
    ADDRESS_LINES_BURST, ADDRESS_LINES_REFILL, ADDRESS_NEWCOMERS_BURST, ADDRESS_NEWCOMERS_REFILL, CHOSEN_LINES_BURST,
    CHOSEN_LINES_REFILL, CHOSEN_NEWCOMERS_BURST, CHOSEN_NEWCOMERS_REFILL, FIRST_LINES_RESERVE, LINES_BURST,
    LINES_REFILL, MAX_HELD_ENVELOPES, MAX_HELD_PIECES, MAX_STRANGERS, MAX_STRANGERS_OF_ADDRESS,
    MAX_STRANGERS_OF_CHOSEN, NEWCOMERS_BURST, NEWCOMERS_REFILL, REQUESTS_PAUSE, STRANGER_LIFE, STRANGER_RECORDS_BURST,
    STRANGER_RECORDS_REFILL, STRANGER_STATEMENTS_BURST, STRANGER_STATEMENTS_REFILL, STRANGER_TEXT,
};
use crate::proto::persist::StrangerRow;
use crate::proto::ranges::Ranges;
use crate::time::Moment;

/// Who brings an envelope: the share of its address is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bringer {
    /// The IP address; of an IPv6 address the first 64 bits, which are one network.
    pub ip: IpAddr,
    /// A relay or server that the local user chose. It brings the mail of many people and has a larger share.
    pub is_chosen: bool,
}

impl Bringer {
    /// The bringer at an address.
    pub fn new(ip: IpAddr, is_chosen: bool) -> Bringer {
        let ip = match ip {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip => ip,
        };
        Bringer { ip, is_chosen }
    }
}

/// Something of which an address has a share.
#[derive(Debug)]
struct Shares {
    of_address: Budget<IpAddr>,
    of_chosen: Budget<IpAddr>,
    of_all: Budget<()>,
}

impl Shares {
    fn draw(&mut self, bringer: Bringer, now: Moment) -> bool {
        self.draw_leaving(bringer, 0, now)
    }

    /// Takes a share unless fewer than `reserve` would be left to others of the same address.
    fn draw_leaving(&mut self, bringer: Bringer, reserve: u32, now: Moment) -> bool {
        let own = if bringer.is_chosen { &mut self.of_chosen } else { &mut self.of_address };
        own.draw_leaving(bringer.ip, reserve, now) && self.of_all.draw_leaving((), reserve, now)
    }
}

/// What is held back of a stranger: known to exist, not stored.
#[derive(Debug, Default)]
struct Held {
    /// The numbers, by session and epoch; at most [`MAX_HELD_PIECES`] ranges in all.
    numbers: BTreeMap<(SessionId, u64), Ranges>,
    lines: u64,
    bytes: u64,
    /// Carriers that have envelopes of them, at most [`MAX_HELD_ENVELOPES`].
    carriers: BTreeMap<EnvelopeId, SessionId>,
}

/// A stranger who has written.
#[derive(Debug)]
struct Stranger {
    row: StrangerRow,
    held: Held,
    /// Something is held back, or they ask for a link.
    waits: bool,
}

impl Stranger {
    fn new(row: StrangerRow) -> Stranger {
        Stranger { row, held: Held::default(), waits: false }
    }
}

/// A stranger who was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    pub user: UserId,
    /// Lines that are held back, as far as they are known, and their bytes.
    pub lines: u64,
    pub bytes: u64,
    /// Something is held back, or they ask for a link.
    pub waits: bool,
}

/// All strangers who have written, at most [`MAX_STRANGERS`].
#[derive(Debug)]
pub struct Strangers {
    known: BTreeMap<UserId, Stranger>,
    newcomers: Shares,
    lines: Shares,
    statements: Budget<UserId>,
    records: Budget<UserId>,
    /// When the interfaces may next be notified of people whose lines are held back, and whether there are new ones.
    report_at: Moment,
    has_news: bool,
    /// Nobody expires earlier.
    expires_at: Option<Moment>,
}

/// What a stranger wants to leave.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// The session that wrote it, and the epoch and number it gave it.
    pub author: SessionId,
    pub epoch: u64,
    pub n: u64,
    /// Bytes of its body.
    pub bytes: usize,
}

impl Strangers {
    /// The strangers in the store.
    pub fn new(rows: Vec<StrangerRow>) -> Strangers {
        let shares = |address: (u32, _), chosen: (u32, _), all: (u32, _)| Shares {
            of_address: Budget::new(address.0, address.1),
            of_chosen: Budget::new(chosen.0, chosen.1),
            of_all: Budget::new(all.0, all.1),
        };
        let expires_at = rows.iter().map(end_of).min();
        let known = rows.into_iter().map(|row| (row.user, Stranger::new(row))).collect();
        Strangers {
            known,
            newcomers: shares(
                (ADDRESS_NEWCOMERS_BURST, ADDRESS_NEWCOMERS_REFILL),
                (CHOSEN_NEWCOMERS_BURST, CHOSEN_NEWCOMERS_REFILL),
                (NEWCOMERS_BURST, NEWCOMERS_REFILL),
            ),
            lines: shares(
                (ADDRESS_LINES_BURST, ADDRESS_LINES_REFILL),
                (CHOSEN_LINES_BURST, CHOSEN_LINES_REFILL),
                (LINES_BURST, LINES_REFILL),
            ),
            statements: Budget::new(STRANGER_STATEMENTS_BURST, STRANGER_STATEMENTS_REFILL),
            records: Budget::new(STRANGER_RECORDS_BURST, STRANGER_RECORDS_REFILL),
            report_at: Moment(0),
            has_news: false,
            expires_at,
        }
    }

    /// Whether a user is a stranger who has written.
    pub fn is_known(&self, user: &UserId) -> bool {
        self.known.contains_key(user)
    }

    /// Whether the local user has dismissed a stranger, for the time being.
    pub fn is_dismissed(&self, user: &UserId, now: Moment) -> bool {
        self.known.get(user).is_some_and(|stranger| stranger.row.dismissed_until > now)
    }

    /// Whether one more stranger of this bringer may be remembered now.
    pub fn may_admit(&mut self, bringer: Bringer, now: Moment) -> bool {
        self.newcomers.draw(bringer, now)
    }

    /// Who makes room for one more stranger of this bringer, if somebody has to.
    pub fn surplus_for(&self, bringer: Bringer) -> Option<UserId> {
        let share = if bringer.is_chosen { MAX_STRANGERS_OF_CHOSEN } else { MAX_STRANGERS_OF_ADDRESS };
        let of_it = self.known.values().filter(|stranger| stranger.row.ip == bringer.ip).count();
        if of_it >= share {
            return self.oldest(|row| row.ip == bringer.ip);
        }
        (self.known.len() >= MAX_STRANGERS).then(|| self.greediest(|_| true)).flatten()
    }

    /// Of those that match: the one who has waited longest at the address with the most of them.
    pub fn greediest(&self, matches: impl Fn(&UserId) -> bool) -> Option<UserId> {
        let mut by_ip: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for (user, stranger) in &self.known {
            *by_ip.entry(stranger.row.ip).or_default() += usize::from(matches(user));
        }
        let greediest = by_ip.into_iter().max_by_key(|(_, count)| *count)?.0;
        self.oldest(|row| row.ip == greediest && matches(&row.user))
    }

    fn oldest(&self, matches: impl Fn(&StrangerRow) -> bool) -> Option<UserId> {
        let rows = self.known.values().map(|stranger| &stranger.row).filter(|row| matches(row));
        rows.min_by_key(|row| row.since).map(|row| row.user)
    }

    /// Number of strangers who have written.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Remembers a stranger who writes for the first time, or replaces what is known of one.
    pub fn insert(&mut self, row: StrangerRow) {
        self.expires_at = Some(self.expires_at.map_or(end_of(&row), |first| first.min(end_of(&row))));
        self.known.insert(row.user, Stranger::new(row));
    }

    /// What the store keeps of a stranger.
    pub fn row(&self, user: &UserId) -> Option<StrangerRow> {
        self.known.get(user).map(|stranger| stranger.row)
    }

    /// Whether a stranger may leave one more content, which is then counted. `lines` is how many they may leave.
    pub fn take(&mut self, user: &UserId, bytes: usize, lines: u32, bringer: Bringer, now: Moment) -> bool {
        let Some(Stranger { row, .. }) = self.known.get_mut(user) else { return false };
        let size = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(row.bytes);
        // The first line of somebody who shares an address must come although others there keep writing.
        let reserve = if row.lines == 0 { 0 } else { FIRST_LINES_RESERVE };
        if row.lines >= lines || size > STRANGER_TEXT || !self.lines.draw_leaving(bringer, reserve, now) {
            return false;
        }
        (row.lines, row.bytes) = (row.lines + 1, size);
        true
    }

    /// Whether one more statement of a stranger about the link is taken.
    pub fn may_state(&mut self, user: &UserId, now: Moment) -> bool {
        self.statements.draw(*user, now)
    }

    /// Whether one more change of a stranger's records is stored.
    pub fn may_store(&mut self, user: &UserId, now: Moment) -> bool {
        self.records.draw(*user, now)
    }

    /// Records that a stranger asks for a link. Returns whether the interfaces may be notified of it now, once for each.
    pub fn tell(&mut self, user: &UserId, bringer: Bringer, now: Moment) -> bool {
        let Some(stranger) = self.known.get_mut(user).filter(|stranger| !stranger.row.told) else { return false };
        stranger.waits = true;
        stranger.row.told = self.lines.draw(bringer, now);
        self.has_news |= !stranger.row.told;
        stranger.row.told
    }

    /// Records that a content of a stranger is held back, and the carrier that has its envelope.
    pub fn hold(&mut self, user: &UserId, piece: Piece, carrier: Option<(EnvelopeId, SessionId)>) {
        let Some(Stranger { row, held, waits }) = self.known.get_mut(user) else { return };
        *waits = true;
        let pieces: usize = held.numbers.values().map(Ranges::pieces).sum();
        let known = held.numbers.get(&(piece.author, piece.epoch));
        if pieces < MAX_HELD_PIECES || known.is_some_and(|numbers| numbers.touches(piece.n)) {
            let new = held.numbers.entry((piece.author, piece.epoch)).or_default().insert(piece.n);
            held.lines += u64::from(new);
            held.bytes += if new { piece.bytes as u64 } else { 0 };
        }
        if held.carriers.len() < MAX_HELD_ENVELOPES {
            held.carriers.extend(carrier);
        }
        self.has_news |= !row.told;
    }

    /// Removes a stranger. Returns the carriers that have envelopes of theirs.
    pub fn remove(&mut self, user: &UserId) -> Option<BTreeMap<EnvelopeId, SessionId>> {
        self.known.remove(user).map(|stranger| stranger.held.carriers)
    }

    /// The strangers who were neither answered nor dismissed.
    pub fn unanswered(&self, now: Moment) -> impl Iterator<Item = Unanswered> + '_ {
        let unanswered = self.known.values().filter(move |stranger| stranger.row.dismissed_until <= now);
        unanswered.map(|Stranger { row, held, waits }| Unanswered {
            user: row.user,
            lines: held.lines,
            bytes: held.bytes,
            waits: *waits,
        })
    }

    /// Whether a user is a stranger who was neither answered nor dismissed.
    pub fn is_unanswered(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|stranger| stranger.row.dismissed_until == Moment(0))
    }

    /// Whether lines of a stranger are held back.
    pub fn holds_lines(&self, user: &UserId) -> bool {
        self.known.get(user).is_some_and(|stranger| stranger.held.lines > 0)
    }

    /// Whether the interfaces are to be notified now of strangers of whom something is held back. Then all of them count as
    /// reported; the rows that changed are returned.
    pub fn take_report(&mut self, now: Moment) -> Vec<StrangerRow> {
        if !self.has_news || self.report_at > now {
            return Vec::new();
        }
        (self.has_news, self.report_at) = (false, now + REQUESTS_PAUSE);
        let news = self.known.values_mut().filter(|stranger| !stranger.row.told);
        let news = news.filter(|stranger| stranger.waits && stranger.row.dismissed_until <= now);
        news.map(|stranger| {
            stranger.row.told = true;
            stranger.row
        })
        .collect()
    }

    /// The strangers who were not answered in time, or whose dismissal is over.
    pub fn take_expired(&mut self, now: Moment) -> Vec<UserId> {
        if self.expires_at.is_none_or(|first| first > now) {
            return Vec::new();
        }
        let ends = self.known.values().map(|stranger| (end_of(&stranger.row), stranger.row.user));
        let (expired, others): (Vec<_>, Vec<_>) = ends.partition(|(end, _)| *end <= now);
        self.expires_at = others.iter().map(|(end, _)| *end).min();
        expired.into_iter().map(|(_, user)| user).collect()
    }

    /// When the next stranger expires or the interfaces are to be notified.
    pub fn next(&self) -> Option<Moment> {
        self.has_news.then_some(self.report_at).into_iter().chain(self.expires_at).min()
    }
}

fn end_of(row: &StrangerRow) -> Moment {
    if row.dismissed_until > Moment(0) { row.dismissed_until } else { row.since + STRANGER_LIFE }
}
