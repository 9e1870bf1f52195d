//! Loads what the core starts from. Signatures are not checked again: records were checked before they were stored.

use rusqlite::{Connection, Error, Result, Row};

use super::columns::{id, number, ranges, rows, signed, stream, unreadable};
use super::tables::{changes, custody, strangers};
use super::{Me, from_ordered, int, packed, uint};
use crate::id::{Address, MessageId, SessionId, StreamId, UserId};
use crate::identity::seal::PrekeySecret;
use crate::proto::persist::{
    Counters, Entry, LinkRow, LinkState, ListRow, Memory, MessageRow, ReadRow, SessionRow, UnlinkedRow, UserRow,
};
use crate::proto::ranges::{Numbers, Ranges};
use crate::time::{Moment, Now, Wall};
use crate::wire::content::kind;

/// The columns of a [`MessageRow`], in the order that [`message`] reads them.
macro_rules! columns {
    () => {
        "m.arrival, sa.key, s.epoch, ta.key, m.n, m.kind, u.key, f.key, m.lamport, m.wall, m.body"
    };
}

/// The joins for these columns, in addition to `messages m`.
macro_rules! joined {
    () => {
        "JOIN streams s ON s.id = m.stream JOIN keys sa ON sa.id = s.author JOIN keys ta ON ta.id = s.address
         JOIN keys u ON u.id = m.user JOIN keys f ON f.id = m.author"
    };
}

/// Selects messages.
pub const MESSAGE: &str = concat!("SELECT ", columns!(), " FROM messages m ", joined!());

/// Selects the messages in the outbox, each with the moment at which it was typed.
const WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    ", o.since FROM outbox o JOIN messages m ON m.arrival = o.arrival ",
    joined!(),
    " ORDER BY m.arrival"
);

/// Everything the core starts from.
pub fn memory(conn: &Connection, me: &Me) -> Result<Memory> {
    Ok(Memory {
        counters: counters(conn, me)?,
        users: rows(conn, "SELECT key, roster, pinned, verified FROM users ORDER BY id", user)?,
        sessions: rows(
            conn,
            "SELECT key, user, declaration, card, card_until, heard, addresses FROM sessions ORDER BY id",
            session,
        )?,
        links: rows(conn, "SELECT user, mine, mine_lamport, theirs, theirs_lamport FROM links ORDER BY user", link)?,
        lists: rows(conn, "SELECT session, pages FROM lists ORDER BY id", list)?,
        prekeys: rows(conn, "SELECT id, secret, made FROM prekeys ORDER BY made, id", prekey)?,
        received: rows(
            conn,
            "SELECT a.key, s.epoch, t.key, seen.ranges FROM seen JOIN streams s ON s.id = seen.stream
             JOIN keys a ON a.id = s.author JOIN keys t ON t.id = s.address ORDER BY seen.stream",
            |row| Ok((stream(row, 0)?, ranges(row, 3)?)),
        )?,
        written: written(conn, me)?,
        read: rows(
            conn,
            "SELECT a.key, s.epoch, t.key, u.key, r.ranges FROM reads r JOIN streams s ON s.id = r.stream
             JOIN keys a ON a.id = s.author JOIN keys t ON t.id = s.address JOIN keys u ON u.id = r.user
             ORDER BY r.stream",
            |row| Ok(ReadRow { stream: stream(row, 0)?, user: UserId(id(row, 3)?), ranges: ranges(row, 4)? }),
        )?,
        mirrored: rows(
            conn,
            "SELECT a.key, s.epoch, t.key, k.key, d.ranges FROM mirrored d JOIN streams s ON s.id = d.stream
             JOIN keys a ON a.id = s.author JOIN keys t ON t.id = s.address JOIN keys k ON k.id = d.session
             ORDER BY d.stream, d.session",
            held_by,
        )?,
        changes: changes::all(conn)?,
        told: changes::told(conn)?,
        waiting: rows(conn, WAITING, |row| Ok(MessageRow { since: Moment(number(row, 11)?), ..message(row)? }))?,
        delivered: of_waiting(conn, "delivered")?,
        carried: of_waiting(conn, "carried")?,
        custody: custody::all(conn)?,
        tombstones: custody::tombstones(conn)?,
        owed: custody::owed(conn)?,
        strangers: strangers::all(conn)?,
        unlinked: rows(conn, "SELECT session, label FROM unlinked ORDER BY session", |row| {
            Ok(UnlinkedRow { session: SessionId(id(row, 0)?), label: row.get(1)? })
        })?,
        replay: replay(conn)?,
    })
}

/// Stored messages of kinds that are known now and have not taken effect yet, in order of arrival.
fn replay(conn: &Connection) -> Result<Vec<MessageRow>> {
    let mut replay = Vec::new();
    for kind in unlearned(conn)? {
        replay.extend(rows(conn, &format!("{MESSAGE} WHERE m.kind = {}", int(kind)), message)?);
    }
    replay.sort_by_key(|row: &MessageRow| row.arrival);
    Ok(replay)
}

/// Kinds that this version knows and that no earlier version that used this store did.
pub fn unlearned(conn: &Connection) -> Result<Vec<u64>> {
    let learned: Vec<u64> = rows(conn, "SELECT kind FROM kinds", |row| number(row, 0))?;
    Ok(kind::KNOWN.into_iter().filter(|kind| !learned.contains(kind)).collect())
}

/// For streams with waiting messages: which sessions have which numbers, according to `table`.
fn of_waiting(conn: &Connection, table: &str) -> Result<Vec<(StreamId, SessionId, Ranges)>> {
    let sql = format!(
        "SELECT a.key, s.epoch, t.key, k.key, d.ranges FROM {table} d JOIN streams s ON s.id = d.stream
         JOIN keys a ON a.id = s.author JOIN keys t ON t.id = s.address JOIN keys k ON k.id = d.session
         WHERE d.stream IN (SELECT stream FROM outbox) ORDER BY d.stream, d.session"
    );
    rows(conn, &sql, held_by)
}

/// A stream, a session, and the numbers that it has.
fn held_by(row: &Row<'_>) -> Result<(StreamId, SessionId, Ranges)> {
    Ok((stream(row, 0)?, SessionId(id(row, 3)?), ranges(row, 4)?))
}

/// The numbers of the stored messages of streams that this session has opened.
fn written(conn: &Connection, me: &Me) -> Result<Numbers> {
    let mut statement = conn.prepare(
        "SELECT s.id, a.key, s.epoch, t.key FROM streams s JOIN keys a ON a.id = s.author JOIN keys t ON t.id = s.address
         WHERE a.key = ?1 ORDER BY s.id",
    )?;
    let streams = statement.query_map([me.session.0], |row| Ok((row.get::<_, i64>(0)?, stream(row, 1)?)))?;
    let mut written = Vec::new();
    for found in streams {
        let (id, stream) = found?;
        let mut numbers = Ranges::new();
        let mut of_stream = conn.prepare_cached("SELECT n FROM messages WHERE stream = ?1 ORDER BY n")?;
        for n in of_stream.query_map([id], |row| number(row, 0))? {
            numbers.insert(n?);
        }
        written.push((stream, numbers));
    }
    written.retain(|(_, numbers)| !numbers.is_empty());
    Ok(written)
}

/// The print position, and the last moment stored by the previous process.
pub fn progress(conn: &Connection) -> Result<(u64, Now)> {
    conn.query_row("SELECT printed, moment, wall FROM mark", [], |row| {
        let now = Now { moment: Moment(number(row, 1)?), wall: Wall(row.get(2)?) };
        Ok((number(row, 0)?, now))
    })
}

/// The counters, advanced past messages that were committed before the `Counters` op that followed them: an arrival
/// number used twice would overwrite a message.
fn counters(conn: &Connection, me: &Me) -> Result<Counters> {
    let mut counters =
        conn.query_row("SELECT seq, roster_version, link_version, lamport, arrival, past FROM counters", [], |row| {
            Ok(Counters {
                seq: number(row, 0)?,
                roster_version: number(row, 1)?,
                link_version: number(row, 2)?,
                lamport: number(row, 3)?,
                arrival: number(row, 4)?,
                past: number(row, 5)?,
            })
        })?;
    let later = "SELECT max(arrival), max(lamport) FILTER (WHERE author = (SELECT id FROM keys WHERE key = ?2))
                 FROM messages WHERE arrival > ?1";
    let (arrival, lamport) = conn.query_row(later, (super::int(counters.arrival), me.id.0), |row| {
        Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    counters.arrival = counters.arrival.max(arrival.map_or(0, uint));
    counters.lamport = counters.lamport.max(lamport.map_or(0, from_ordered));
    Ok(counters)
}

fn user(row: &Row<'_>) -> Result<UserRow> {
    Ok(UserRow { user: UserId(id(row, 0)?), roster: signed(row, 1)?, pinned: row.get(2)?, verified: row.get(3)? })
}

fn session(row: &Row<'_>) -> Result<SessionRow> {
    let addresses = row.get_ref(6)?.as_blob().ok().and_then(packed::addresses_from_bytes);
    Ok(SessionRow {
        session: SessionId(id(row, 0)?),
        user: UserId(id(row, 1)?),
        declaration: signed(row, 2)?,
        card: signed(row, 3)?,
        card_until: Moment(number(row, 4)?),
        heard: Moment(number(row, 5)?),
        addresses: addresses.ok_or_else(|| unreadable(6))?,
    })
}

fn link(row: &Row<'_>) -> Result<LinkRow> {
    Ok(LinkRow {
        user: UserId(id(row, 0)?),
        mine: Entry { state: link_state(row, 1)?, lamport: number(row, 2)? },
        theirs: Entry { state: link_state(row, 3)?, lamport: number(row, 4)? },
    })
}

fn list(row: &Row<'_>) -> Result<ListRow> {
    let pages = row.get_ref(1)?.as_blob().ok().and_then(packed::pages_from_bytes);
    Ok(ListRow { session: SessionId(id(row, 0)?), pages: pages.ok_or_else(|| unreadable(1))? })
}

fn link_state(row: &Row<'_>, column: usize) -> Result<LinkState> {
    match row.get::<_, i64>(column)? {
        0 => Ok(LinkState::None),
        1 => Ok(LinkState::Linked),
        2 => Ok(LinkState::Removed),
        3 => Ok(LinkState::Blocked),
        4 => Ok(LinkState::Auto),
        other => Err(Error::IntegralValueOutOfRange(column, other)),
    }
}

fn prekey(row: &Row<'_>) -> Result<PrekeySecret> {
    Ok(PrekeySecret { id: row.get(0)?, secret: row.get(1)?, made: Moment(number(row, 2)?) })
}

/// A row of [`MESSAGE`].
pub fn message(row: &Row<'_>) -> Result<MessageRow> {
    Ok(MessageRow {
        arrival: number(row, 0)?,
        id: MessageId { stream: stream(row, 1)?, n: number(row, 4)? },
        kind: number(row, 5)?,
        with: Address(id(row, 6)?),
        from: UserId(id(row, 7)?),
        lamport: from_ordered(row.get(8)?),
        wall: Wall(row.get(9)?),
        body: row.get(10)?,
        since: Moment(0),
    })
}
