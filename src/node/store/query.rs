//! Queries about history: conversations, delivery status, messages in the order of arrival. Only texts are returned; messages of
//! other kinds are never shown.

use std::collections::BTreeMap;

use rusqlite::{Connection, Params, Result, params};

use super::columns::{id, ranges};
use super::load::{MESSAGE, message};
use super::row_ids::find_key;
use super::{Me, int};
use crate::handle::Fetch;
use crate::id::{MessageId, SessionId, StreamId, UserId};
use crate::proto::event::{Query, StatusOf};
use crate::proto::notice::{Delivery, HeldBy, Holder, Labelled, MessageView, Notice, StatusView};
use crate::proto::persist::MessageRow;
use crate::proto::ranges::Ranges;
use crate::wire::content::kind;

/// Maximum of messages in one answer: more than a person reads, and at 16,000 bytes each not more than 160 MB for a
/// moment.
const MAX_MESSAGES: u32 = 10_000;

/// The order of history: Lamport counter, then author, which is the same on every session. Arrival breaks ties.
const NEWEST_FIRST: &str = "ORDER BY m.lamport DESC, sa.key DESC, m.arrival DESC LIMIT";

/// Answers a query of an interface.
pub fn answer(conn: &Connection, me: &Me, query: &Query) -> Result<Notice> {
    match query {
        Query::Lines { .. } | Query::Conversations { .. } | Query::Unread { .. } => {
            unreachable!("these have events of their own")
        }
        Query::History { with, handle, sessions, n } => history(conn, me, with, (handle, sessions), *n),
        Query::Status { conversations, recent } => status(conn, me, conversations, *recent),
    }
}

/// Texts in the order of arrival, and how far those have come that were typed here.
pub fn rows(conn: &Connection, me: &Me, fetch: &Fetch) -> Result<Vec<(MessageRow, Option<Delivery>)>> {
    let excluded = if fetch.typed { 0 } else { find_key(conn, &me.session.0)?.unwrap_or(0) };
    let sql = format!("{MESSAGE} WHERE m.arrival > ?1 AND m.kind = 1 AND s.author <> ?2 ORDER BY m.arrival LIMIT ?3");
    let found = messages(conn, &sql, params![int(fetch.after), excluded, fetch.limit])?;
    let mut held = (Held::by(conn, "delivered"), Held::by(conn, "carried"));
    let with_delivery = |row: MessageRow| {
        let is_typed = row.id.stream.author == me.session;
        let delivery = is_typed.then(|| progress(&mut held, &row.id)).transpose()?;
        Ok((row, delivery))
    };
    found.into_iter().map(with_delivery).collect()
}

/// How far a message has come towards the session of the addressee that is nearest to having it.
fn progress((delivered, carried): &mut (Held<'_>, Held<'_>), message: &MessageId) -> Result<Delivery> {
    if !delivered.holders(&message.stream, message.n)?.is_empty() {
        Ok(Delivery::Delivered)
    } else if !carried.holders(&message.stream, message.n)?.is_empty() {
        Ok(Delivery::Carried)
    } else {
        Ok(Delivery::Queued)
    }
}

fn history(
    conn: &Connection,
    me: &Me,
    with: &UserId,
    (handle, sessions): (&str, &[Labelled]),
    n: u32,
) -> Result<Notice> {
    let mut rows = Vec::new();
    if let Some(user) = find_key(conn, &with.0)? {
        let sql = format!("{MESSAGE} WHERE m.user = ?1 AND m.kind = 1 {NEWEST_FIRST} ?2");
        rows = messages(conn, &sql, params![user, n.min(MAX_MESSAGES)])?;
    }
    let messages = rows.into_iter().rev().map(|row| view(row, me, handle, sessions)).collect();
    Ok(Notice::History { with: handle.to_owned(), messages })
}

/// `sessions` are those of the local user. One that was unlinked is shown by the start of its id.
fn view(row: MessageRow, me: &Me, handle: &str, sessions: &[Labelled]) -> MessageView {
    let (own, author) = (row.from == me.id, row.id.stream.author);
    let label = || {
        let known = sessions.iter().find(|known| known.session == author);
        known.map_or_else(|| author.short(), |known| known.label.clone())
    };
    MessageView {
        arrival: row.arrival,
        message: row.id,
        from: if own { me.name.clone() } else { handle.to_owned() },
        from_id: row.from,
        with: handle.to_owned(),
        text: text(row.body),
        sent: row.wall,
        order: row.lamport,
        own,
        again: false,
        past: false,
        by: (own && author != me.session).then(label),
    }
}

fn status(conn: &Connection, me: &Me, conversations: &[StatusOf], recent: u32) -> Result<Notice> {
    let mut messages = Vec::new();
    let mine = find_key(conn, &me.id.0)?;
    for conversation in conversations {
        if let (Some(mine), Some(user)) = (mine, find_key(conn, &conversation.with.0)?) {
            messages.extend(status_of(conn, mine, user, conversation, recent)?);
        }
    }
    Ok(Notice::Status { messages })
}

fn status_of(conn: &Connection, mine: i64, user: i64, of: &StatusOf, recent: u32) -> Result<Vec<StatusView>> {
    let settled = format!(
        "{MESSAGE} WHERE m.user = ?1 AND m.kind = 1 AND m.author = ?2
         AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.stream = m.stream AND o.n = m.n) {NEWEST_FIRST} ?3"
    );
    let waiting = format!(
        "{MESSAGE} WHERE m.arrival IN (SELECT arrival FROM outbox) AND m.user = ?1 AND m.kind = 1 {NEWEST_FIRST} ?2"
    );
    let settled = messages(conn, &settled, params![user, mine, recent.min(MAX_MESSAGES)])?;
    let waiting = messages(conn, &waiting, params![user, MAX_MESSAGES])?;
    let mut all: Vec<(MessageRow, bool)> =
        settled.into_iter().map(|row| (row, true)).chain(waiting.into_iter().map(|row| (row, false))).collect();
    all.sort_by_key(|(row, _)| (row.lamport, row.id.stream.author, row.arrival));
    let mut held = (Held::by(conn, "delivered"), Held::by(conn, "carried"));
    all.into_iter().map(|(row, settled)| status_view(&mut held, row, settled, of)).collect()
}

fn status_view(
    (delivered, carried): &mut (Held<'_>, Held<'_>),
    row: MessageRow,
    settled: bool,
    of: &StatusOf,
) -> Result<StatusView> {
    let (stream, n) = (&row.id.stream, row.id.n);
    let has = delivered.holders(stream, n)?;
    let carriers = if settled { Vec::new() } else { carried.holders(stream, n)? };
    let carrier =
        |by: &SessionId| Holder { session: *by, name: of.carriers.get(by).cloned().unwrap_or_else(|| by.short()) };
    let held = |session: &SessionId| {
        if has.contains(session) {
            (Delivery::Delivered, vec![Holder { session: *session, name: of.handle.clone() }])
        } else if settled {
            (Delivery::Settled, Vec::new())
        } else if carriers.is_empty() {
            (Delivery::Queued, Vec::new())
        } else {
            (Delivery::Carried, carriers.iter().map(carrier).collect())
        }
    };
    let held_by = |known: &Labelled| {
        let (state, by) = held(&known.session);
        HeldBy { session: known.session, label: known.label.clone(), state, by }
    };
    let sessions = of.sessions.iter().map(held_by).collect();
    Ok(StatusView { message: row.id, to: of.handle.clone(), text: text(row.body), sessions })
}

/// Which sessions have which messages of my streams, according to one table. Each stream is read once.
struct Held<'a> {
    conn: &'a Connection,
    table: &'static str,
    known: BTreeMap<StreamId, Vec<(SessionId, Ranges)>>,
}

impl<'a> Held<'a> {
    fn by(conn: &'a Connection, table: &'static str) -> Held<'a> {
        Held { conn, table, known: BTreeMap::new() }
    }

    /// The sessions that have number `n`, in the order in which their keys were stored.
    fn holders(&mut self, stream: &StreamId, n: u64) -> Result<Vec<SessionId>> {
        if !self.known.contains_key(stream) {
            self.known.insert(*stream, self.read(stream)?);
        }
        let known = self.known.get(stream).map_or(&[][..], Vec::as_slice);
        Ok(known.iter().filter(|(_, ranges)| ranges.contains(n)).map(|(session, _)| *session).collect())
    }

    fn read(&self, stream: &StreamId) -> Result<Vec<(SessionId, Ranges)>> {
        let sql = format!(
            "SELECT k.key, d.ranges FROM {} d JOIN streams s ON s.id = d.stream JOIN keys a ON a.id = s.author
             JOIN keys t ON t.id = s.address JOIN keys k ON k.id = d.session
             WHERE a.key = ?1 AND s.epoch = ?2 AND t.key = ?3 ORDER BY d.session",
            self.table
        );
        let values = params![stream.author.0, int(stream.epoch), stream.to.0];
        self.conn
            .prepare_cached(&sql)?
            .query_map(values, |row| Ok((SessionId(id(row, 0)?), ranges(row, 1)?)))?
            .collect()
    }
}

fn messages(conn: &Connection, sql: &str, values: impl Params) -> Result<Vec<MessageRow>> {
    conn.prepare_cached(sql)?.query_map(values, message)?.collect()
}

/// The text of a message. Callers must escape it before they print it.
fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The queries above contain the kind of texts as a literal.
const _: () = assert!(kind::TEXT == 1);
