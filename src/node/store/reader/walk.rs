//! Walks the messages of one conversation or of all, of every kind, in the order of their Lamport numbers and arrivals.
//!
//! The index `history` has this order within each conversation. Those of all conversations are merged from it, a batch of
//! each at a time: an index across conversations would be written with every message, and only searches and exports need it.

use std::collections::{BinaryHeap, VecDeque};

use rusqlite::{Connection, Result, params};

use super::conversations::users;

/// Places that are read at once of a conversation, 16 bytes each.
const BATCH: i64 = 64;

const BEFORE: &str = "SELECT lamport, arrival FROM messages WHERE user = ?1
    AND lamport <= ?2 AND (lamport < ?2 OR arrival < ?3) ORDER BY lamport DESC, arrival DESC LIMIT ?4";
const AFTER: &str = "SELECT lamport, arrival FROM messages WHERE user = ?1
    AND lamport >= ?2 AND (lamport > ?2 OR arrival > ?3) ORDER BY lamport, arrival LIMIT ?4";

/// Lamport number, as stored, and arrival.
pub type At = (i64, i64);

/// Which messages come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    NewestFirst,
    OldestFirst,
}

impl Direction {
    /// A place before all messages in this direction.
    pub fn start(self) -> At {
        match self {
            Direction::NewestFirst => (i64::MAX, i64::MAX),
            Direction::OldestFirst => (i64::MIN, i64::MIN),
        }
    }

    /// Of two places the one that comes first has the higher rank. Its own inverse.
    fn rank(self, (lamport, arrival): At) -> At {
        match self {
            Direction::NewestFirst => (lamport, arrival),
            Direction::OldestFirst => (!lamport, !arrival),
        }
    }
}

/// A walk. It is valid as long as the transaction of its connection.
pub struct Walk<'a> {
    conn: &'a Connection,
    direction: Direction,
    strands: Vec<Strand>,
    /// The rank of the next place of each strand that is not at its end, and the strand.
    next: BinaryHeap<(At, usize)>,
}

/// The places of one conversation that were read and not yet passed.
struct Strand {
    user: i64,
    batch: VecDeque<At>,
}

impl<'a> Walk<'a> {
    /// Begins behind a place, in one conversation, by the row id of its other side, or in all.
    pub fn begin(conn: &'a Connection, with: Option<i64>, from: At, direction: Direction) -> Result<Walk<'a>> {
        let users = match with {
            Some(user) => vec![user],
            None => users(conn)?.into_iter().map(|(user, _)| user).collect(),
        };
        let strands = users.into_iter().map(|user| Strand { user, batch: VecDeque::new() }).collect();
        let mut walk = Walk { conn, direction, strands, next: BinaryHeap::new() };
        for strand in 0..walk.strands.len() {
            walk.read(strand, from)?;
        }
        Ok(walk)
    }

    /// The next place; `None` at the end.
    pub fn advance(&mut self) -> Result<Option<At>> {
        let Some((rank, strand)) = self.next.pop() else { return Ok(None) };
        let at = self.direction.rank(rank);
        match self.strands[strand].batch.pop_front() {
            Some(next) => self.next.push((self.direction.rank(next), strand)),
            None => self.read(strand, at)?,
        }
        Ok(Some(at))
    }

    /// Reads the next batch of a strand.
    fn read(&mut self, strand: usize, from: At) -> Result<()> {
        let sql = match self.direction {
            Direction::NewestFirst => BEFORE,
            Direction::OldestFirst => AFTER,
        };
        let Strand { user, batch } = &mut self.strands[strand];
        let user = *user;
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![user, from.0, from.1, BATCH])?;
        while let Some(row) = rows.next()? {
            batch.push_back((row.get(0)?, row.get(1)?));
        }
        if let Some(next) = batch.pop_front() {
            self.next.push((self.direction.rank(next), strand));
        }
        Ok(())
    }
}
