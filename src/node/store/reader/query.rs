//! Queries about history: conversations, delivery status, messages in the order of arrival. Only texts are returned; messages of
//! other kinds are never shown.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Params, Result, params};

use super::late::late;
use super::places::{Place, Places};
use super::walk::{Direction, Walk};
use crate::handle::Fetch;
use crate::id::{MessageDigest, MessageId, SessionId, StreamId, UserId};
use crate::node::store::columns::{id, ranges};
use crate::node::store::load::{MESSAGE, message};
use crate::node::store::row_ids::find_key;
use crate::node::store::{Me, int, ordered};
use crate::proto::event::{Page, Query, StatusOf};
use crate::proto::limits::MAX_ANSWER_BYTES;
use crate::proto::notice::{Delivery, ErrorCode, HeldBy, Holder, Labelled, MessageView, Notice, StatusView};
use crate::proto::persist::MessageRow;
use crate::proto::ranges::Ranges;
use crate::wire::content::kind;

/// Maximum of messages in one answer: more than a person reads. Long ones end it earlier.
const MAX_MESSAGES: u32 = 10_000;

/// The order of history: Lamport counter, then author, which is the same on every session. Arrival breaks ties.
const NEWEST_FIRST: &str = "ORDER BY m.lamport DESC, sa.key DESC, m.arrival DESC LIMIT";

/// The reverse order.
const OLDEST_FIRST: &str = "ORDER BY m.lamport, sa.key, m.arrival LIMIT";

/// Answers a query that has no event of its own.
pub fn answer(conn: &Connection, me: &Me, places: &mut Places, query: &Query) -> Result<Notice> {
    match query {
        Query::History { with, handle, sessions, n, page } => {
            history(conn, me, places, with, (handle, sessions), *n, page)
        }
        Query::Status { conversations, recent } => status(conn, me, conversations, *recent),
        Query::Lines { .. }
        | Query::Conversations { .. }
        | Query::Unread { .. }
        | Query::Search(_)
        | Query::Export { .. } => unreachable!("the answer is an event of its own"),
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
        let delivery = is_typed.then(|| progress(conn, &mut held, &row)).transpose()?;
        Ok((row, delivery))
    };
    found.into_iter().map(with_delivery).collect()
}

/// How far a message has come towards the session of the addressee that is nearest to having it.
fn progress(conn: &Connection, (delivered, carried): &mut (Held<'_>, Held<'_>), row: &MessageRow) -> Result<Delivery> {
    let (stream, n) = (&row.id.stream, row.id.n);
    let waits = "SELECT EXISTS (
        SELECT 1 FROM messages m JOIN outbox o ON o.stream = m.stream AND o.n = m.n WHERE m.arrival = ?1)";
    if !delivered.holders(stream, n)?.is_empty() {
        Ok(Delivery::Delivered)
    } else if !conn.prepare_cached(waits)?.query_row([int(row.arrival)], |row| row.get(0))? {
        Ok(Delivery::Settled)
    } else if !carried.holders(stream, n)?.is_empty() {
        Ok(Delivery::Carried)
    } else {
        Ok(Delivery::Queued)
    }
}

fn history(
    conn: &Connection,
    me: &Me,
    places: &mut Places,
    with: &UserId,
    (handle, sessions): (&str, &[Labelled]),
    n: u32,
    page: &Page,
) -> Result<Notice> {
    let user = find_key(conn, &with.0)?;
    let place = match page {
        Page::Last => None,
        Page::Before(digest) | Page::After(digest) => {
            let place = places.find(conn, digest)?.filter(|place| Some(place.user) == user);
            if place.is_none() {
                return Ok(no_such_message());
            }
            place
        }
    };
    let forwards = matches!(page, Page::After(_));
    let (mut rows, next) = match user {
        Some(user) => page_of(conn, places, user, place.as_ref(), forwards, n.min(MAX_MESSAGES))?,
        None => (Vec::new(), None),
    };
    if !forwards {
        rows.reverse();
    }
    let late = user.map(|user| late(conn, user, &rows)).transpose()?.unwrap_or_default();
    let shown = |(row, late): (MessageRow, bool)| {
        let view = view(row, me, handle, sessions);
        MessageView { late: late && !view.own, ..view }
    };
    let messages = rows.into_iter().zip(late).map(shown).collect();
    Ok(Notice::History { with: handle.to_owned(), messages, next })
}

/// Reads a conversation from a place on, in one direction.
fn page_of(
    conn: &Connection,
    places: &mut Places,
    user: i64,
    place: Option<&Place>,
    forwards: bool,
    n: u32,
) -> Result<(Vec<MessageRow>, Option<MessageId>)> {
    let (than, order) = if forwards { (">", OLDEST_FIRST) } else { ("<", NEWEST_FIRST) };
    let sql = format!(
        "{MESSAGE} WHERE m.user = ?1 AND m.kind = 1
         AND m.lamport {than}= ?2 AND (m.lamport {than} ?2 OR (sa.key, m.arrival) {than} (?3, ?4)) {order} ?5"
    );
    // Without a place all messages: none has such a key.
    let (lamport, author, arrival) = match place {
        Some(place) => (ordered(place.lamport), place.id.stream.author.0.to_vec(), int(place.arrival)),
        None => (i64::MAX, vec![u8::MAX; 33], i64::MAX),
    };
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![user, lamport, author, arrival, n + 1])?;
    cut(places, || rows.next()?.map(message).transpose(), n)
}

/// A page of the whole history of one conversation or of all, oldest first. `None` if there is no message to go on after.
pub fn export(
    conn: &Connection,
    places: &mut Places,
    with: Option<&UserId>,
    after: Option<&MessageDigest>,
) -> Result<Option<(Vec<MessageRow>, Option<MessageId>)>> {
    let from = match after.map(|after| places.find(conn, after)).transpose()? {
        Some(None) => return Ok(None),
        Some(Some(place)) => (ordered(place.lamport), int(place.arrival)),
        None => Direction::OldestFirst.start(),
    };
    // No row has the id 0.
    let user = with.map(|with| find_key(conn, &with.0)).transpose()?.map(|user| user.unwrap_or(0));
    // Nothing is gone between its place and itself.
    let _snapshot = conn.unchecked_transaction()?;
    let mut walk = Walk::begin(conn, user, from, Direction::OldestFirst)?;
    let mut text_at = conn.prepare_cached(&format!("{MESSAGE} WHERE m.arrival = ?1 AND m.kind = 1"))?;
    let next = || {
        while let Some((_, arrival)) = walk.advance()? {
            let row = text_at.query_row([arrival], message).optional()?;
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    };
    cut(places, next, MAX_MESSAGES).map(Some)
}

/// Reads messages until there are `n` of them, or [`MAX_ANSWER_BYTES`] of texts. If there are more, also returns the last message
/// read.
fn cut(
    places: &mut Places,
    mut next: impl FnMut() -> Result<Option<MessageRow>>,
    n: u32,
) -> Result<(Vec<MessageRow>, Option<MessageId>)> {
    let (mut read, mut bytes): (Vec<MessageRow>, usize) = (Vec::new(), 0);
    while let Some(row) = next()? {
        if let Some(last) = read.last().filter(|_| read.len() >= n as usize || bytes >= MAX_ANSWER_BYTES) {
            places.remember(last);
            let next = last.id;
            return Ok((read, Some(next)));
        }
        bytes += row.body.len();
        read.push(row);
    }
    Ok((read, None))
}

/// The answer to a request that names a message which is not stored.
pub fn no_such_message() -> Notice {
    let message = "no message of this conversation has this id; it may have been withdrawn".to_owned();
    Notice::Error { code: ErrorCode::BadArgument, message }
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
        late: false,
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
    // Of a message that does not wait there is nothing to say without a session of the addressee.
    let recent = if of.sessions.is_empty() { 0 } else { recent.min(MAX_MESSAGES) };
    let settled = messages(conn, &settled, params![user, mine, recent])?;
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
    Ok(StatusView { message: row.id, to: of.handle.clone(), sent: row.wall, text: text(row.body), sessions })
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
