//! Queries about conversations: which there are, what is unread in them, and what a message was read up to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::late::past;
use super::places::{Place, Places};
use crate::id::{MessageDigest, MessageId, StreamId, UserId};
use crate::node::store::columns::{id, number, rows};
use crate::node::store::load::{MESSAGE, message};
use crate::node::store::row_ids::find_key;
use crate::node::store::tables::lines::find;
use crate::node::store::{ConversationRow, Me, from_ordered, saturated};
use crate::proto::persist::MessageRow;
use crate::proto::ranges::{Numbers, Ranges};
use crate::wire::content::kind;

/// The most conversations in one answer: more than a person has, and at 16,000 bytes each not more than 16 MB for a moment.
const MAX_CONVERSATIONS: usize = 1_000;

/// Messages that are looked through for conversations whose last message to arrive was not their newest: about 1 ms of reading.
const RECENT: u32 = 1_000;

/// The last text of each conversation to arrive, among the newest messages.
const ARRIVED_LAST: &str = "SELECT user, max(arrival) FROM messages
    WHERE arrival > (SELECT max(arrival) FROM messages) - ?1 AND kind = 1 GROUP BY user";

/// The users with whom something was said. Each is found by a step in the index, not by reading all messages.
const USERS: &str = "WITH RECURSIVE of(user) AS (
        SELECT min(user) FROM messages
        UNION ALL SELECT (SELECT min(user) FROM messages WHERE user > of.user) FROM of WHERE of.user IS NOT NULL)
    SELECT k.id, k.key FROM of JOIN keys k ON k.id = of.user";

/// The user of the conversation in which the last text was typed on this session. Each stream is read from its end.
const TYPED_LAST: &str = "SELECT user FROM messages WHERE arrival = (
        SELECT max((SELECT arrival FROM messages WHERE stream = s.id AND kind = 1 ORDER BY n DESC LIMIT 1))
        FROM keys k JOIN streams s ON s.author = k.id WHERE k.key = ?1)";

/// When something was said in a conversation last, compared with other conversations. That is a question of arrival: of somebody
/// who has heard little, even the newest message has a low Lamport number. Only the history that a new session was given arrived
/// in no meaningful order. It is older than everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Recency {
    /// The Lamport number of the newest text, as stored, and its arrival.
    Past(i64, i64),
    /// The last text to arrive.
    Arrived(i64),
}

/// The conversations, beginning with the one in which a text arrived or was typed last.
pub fn all(conn: &Connection, me: &Me, linked: &[UserId], unread: &Numbers) -> Result<Vec<ConversationRow>> {
    let mut counts = count_unread(conn, unread)?;
    let typed_last = conn.prepare_cached(TYPED_LAST)?.query_row([me.session.0], |row| row.get(0)).optional()?;
    let mut conversations = Vec::new();
    for (newest, user, with) in by_recency(conn)?.into_iter().take(MAX_CONVERSATIONS) {
        let last = Some(at(conn, newest)?);
        let unread = counts.remove(&user).unwrap_or(0);
        conversations.push(ConversationRow { with, unread, last, typed_last: typed_last == Some(user) });
    }
    // With some of them there are messages, and no texts.
    let spoken: BTreeSet<UserId> = conversations.iter().map(|conversation| conversation.with).collect();
    let silent = linked.iter().filter(|user| !spoken.contains(user));
    let left = MAX_CONVERSATIONS - conversations.len();
    let row = |with: &UserId| ConversationRow { with: *with, unread: 0, last: None, typed_last: false };
    conversations.extend(silent.take(left).map(row));
    Ok(conversations)
}

/// The users with whom texts were exchanged, those of the last one first: the arrival of their newest text, their row ids and ids.
fn by_recency(conn: &Connection) -> Result<Vec<(i64, i64, UserId)>> {
    let past = past(conn)?;
    let recent = arrived_last(conn)?;
    let mut found = Vec::new();
    for (user, with) in users(conn)? {
        let Some((lamport, newest)) = newest(conn, user)? else { continue };
        let arrived = recent.get(&user).copied().unwrap_or_default().max(newest);
        let recency = if arrived > past { Recency::Arrived(arrived) } else { Recency::Past(lamport, newest) };
        found.push((Reverse(recency), (newest, user, with)));
    }
    found.sort_by_key(|(recency, _)| *recency);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// The users with whom something was said, with their row ids.
pub fn users(conn: &Connection) -> Result<Vec<(i64, UserId)>> {
    rows(conn, USERS, |row| Ok((row.get(0)?, UserId(id(row, 1)?))))
}

/// The arrival of the last text in each conversation that arrived lately.
fn arrived_last(conn: &Connection) -> Result<BTreeMap<i64, i64>> {
    let mut statement = conn.prepare_cached(ARRIVED_LAST)?;
    statement.query_map([RECENT], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The place of the last text with a user: its Lamport number as stored, and its arrival.
fn newest(conn: &Connection, user: i64) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT lamport, arrival FROM messages WHERE user = ?1 AND kind = 1 ORDER BY lamport DESC, arrival DESC";
    conn.prepare_cached(sql)?.query_row([user], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// The message with this number in the order of arrival.
pub fn at(conn: &Connection, arrival: i64) -> Result<MessageRow> {
    conn.prepare_cached(&format!("{MESSAGE} WHERE m.arrival = ?1"))?.query_row([arrival], message)
}

/// The number of texts among these numbers, by conversation.
fn count_unread(conn: &Connection, unread: &Numbers) -> Result<BTreeMap<i64, u64>> {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for (stream, ranges) in unread {
        let Some((stream, user)) = conversation_of(conn, stream)? else { continue };
        let sql = "SELECT count(*) FROM messages WHERE stream = ?1 AND n BETWEEN ?2 AND ?3 AND kind = 1";
        for (first, last) in ranges.iter() {
            let values = params![stream, saturated(first), saturated(last)];
            let count = conn.prepare_cached(sql)?.query_row(values, |row| number(row, 0))?;
            *counts.entry(user).or_default() += count;
        }
    }
    Ok(counts)
}

/// The row ids of a stream and of the other side of its conversation; `None` if no message of it is stored.
fn conversation_of(conn: &Connection, stream: &StreamId) -> Result<Option<(i64, i64)>> {
    let Some(stream) = find(conn, stream)? else { return Ok(None) };
    let user = conn
        .prepare_cached("SELECT user FROM messages WHERE stream = ?1 LIMIT 1")?
        .query_row([stream], |row| row.get(0))
        .optional()?;
    Ok(user.map(|user| (stream, user)))
}

/// The message with this digest in a conversation, and which of these numbers are at or before it in the order of history.
/// Numbers of that conversation without a text count as well: there is nothing to read.
pub fn read_through(
    conn: &Connection,
    places: &Places,
    with: &UserId,
    through: &MessageDigest,
    among: &Numbers,
) -> Result<Option<(MessageId, Numbers)>> {
    let (Some(user), Some(end)) = (find_key(conn, &with.0)?, places.find(conn, through)?) else { return Ok(None) };
    if end.user != user {
        return Ok(None);
    }
    let mut read = Numbers::new();
    for (stream, ranges) in among {
        if let Some((id, of)) = conversation_of(conn, stream)?
            && of == user
        {
            let after = numbers_after(conn, id, stream, ranges, &end)?;
            read.push((*stream, ranges.without(&after)));
        }
    }
    Ok(Some((end.id, read)))
}

/// Which of these numbers are of texts after a place, or of messages of kinds that a later version may show.
fn numbers_after(conn: &Connection, id: i64, stream: &StreamId, ranges: &Ranges, end: &Place) -> Result<Ranges> {
    let sql = "SELECT n, kind, lamport, arrival FROM messages WHERE stream = ?1 AND n BETWEEN ?2 AND ?3";
    let mut statement = conn.prepare_cached(sql)?;
    let mut after = Ranges::new();
    for (first, last) in ranges.iter() {
        let mut rows = statement.query(params![id, saturated(first), saturated(last)])?;
        while let Some(row) = rows.next()? {
            let kind = number(row, 1)?;
            let place = (from_ordered(row.get(2)?), stream.author, number(row, 3)?);
            if kind != kind::LINK && (kind != kind::TEXT || place > end.order()) {
                after.insert(number(row, 0)?);
            }
        }
    }
    Ok(after)
}
