//! Puts the rows of the store into bodies of mirrors, as many as fit each.

use std::collections::BTreeMap;

use crate::id::{StreamId, UserId};
use crate::proto::persist::MessageRow;
use crate::proto::ranges::{Numbers, Ranges};
use crate::wire::codec::{Bytes, List};
use crate::wire::content::{
    MAX_BODY, MirrorBody, MirroredLine, MirroredPerson, MirroredRead, MirroredReceipt, MirroredStream, Range, kind,
};

/// The most bytes of an encoded body without its lists' items.
const HEAD: usize = 16;
/// The most bytes of an encoded stream without lines and ranges: three ids and a user, a number, the heads of two lists.
const STREAM: usize = 3 + 4 * 35 + 10 + 8;
/// The most bytes of an encoded line without its body: four numbers and a kind.
const LINE: usize = 1 + 5 * 10 + 4;
/// The most bytes of an encoded range.
const RANGE: usize = 19;
/// The most bytes of an encoded person without the roster.
const PERSON: usize = 1 + 35 + 2 * 2 + 2 + 10 + 80;
/// The most streams, and people, of one body.
const MOST: usize = 64;
/// The most lines of one stream in one body.
const MOST_LINES: usize = 512;
/// The most ranges of one stream in one body.
pub const MOST_RANGES: usize = 128;

/// A body, and the numbers that its receiver has afterwards.
#[derive(Debug, Default)]
pub struct Packed {
    pub body: MirrorBody,
    pub load: Numbers,
    size: usize,
}

/// The bodies for these numbers, newest lines first. `rows` are those that the store has of them; numbers without a row, and
/// statements about links, become void. `unknown` stands for the author's user where no row tells it.
///
/// Returns the bodies, and how many rows are too long for one.
pub fn lines(numbers: Numbers, rows: Vec<MessageRow>, unknown: UserId) -> (Vec<Packed>, usize) {
    let mut by_stream: BTreeMap<StreamId, Vec<MessageRow>> = BTreeMap::new();
    for row in rows {
        by_stream.entry(row.id.stream).or_default().push(row);
    }
    let (mut packed, mut too_long) = (vec![Packed::default()], 0);
    for (stream, ranges) in numbers {
        let mut rows = by_stream.remove(&stream).unwrap_or_default();
        rows.retain(|row| row.kind != kind::LINK && ranges.contains(row.id.n));
        let all = rows.len();
        rows.retain(|row| HEAD + STREAM + LINE + row.body.len() <= MAX_BODY);
        too_long += all - rows.len();
        rows.sort_by_key(|row| std::cmp::Reverse(row.id.n));
        let user = rows.first().map_or(unknown, |row| row.from);
        let mut void = ranges;
        rows.iter().for_each(|row| void.remove_range(row.id.n, row.id.n));
        rows.into_iter().for_each(|row| add_line(&mut packed, stream, user, row));
        let void: Vec<Range> = void.iter().map(|(first, last)| Range(first, last)).collect();
        void.chunks(MOST_RANGES).for_each(|void| add_void(&mut packed, stream, user, void));
    }
    packed.retain(|packed| !packed.load.is_empty());
    (packed, too_long)
}

/// What a mirror brings besides lines.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    Person(MirroredPerson),
    Delivered(MirroredReceipt),
    Read(MirroredRead),
}

impl Part {
    /// The most bytes of its encoding.
    fn size(&self) -> usize {
        match self {
            Part::Person(person) => PERSON + person.roster.as_ref().map_or(0, |roster| roster.0.len()),
            Part::Delivered(receipt) => STREAM + RANGE * receipt.ranges.len(),
            Part::Read(read) => STREAM + RANGE * read.ranges.len(),
        }
    }
}

/// The bodies for these parts, each with the numbers of the changes that are in it. A part without a change has number 0.
pub fn parts(parts: Vec<(u64, Part)>) -> Vec<(MirrorBody, Ranges)> {
    let (mut bodies, mut size, mut count): (Vec<(MirrorBody, Ranges)>, _, _) = (Vec::new(), HEAD, 0);
    for (n, part) in parts {
        if bodies.is_empty() || size + part.size() > MAX_BODY || count == MOST {
            bodies.push(Default::default());
            (size, count) = (HEAD, 0);
        }
        (size, count) = (size + part.size(), count + 1);
        let Some((body, changes)) = bodies.last_mut() else { continue };
        match part {
            Part::Person(person) => body.people.0.push(person),
            Part::Delivered(receipt) => body.delivered.0.push(receipt),
            Part::Read(read) => body.read.0.push(read),
        }
        if n > 0 {
            changes.insert(n);
        }
    }
    bodies
}

fn add_line(packed: &mut Vec<Packed>, stream: StreamId, user: UserId, row: MessageRow) {
    let n = row.id.n;
    let line = MirroredLine { n, kind: row.kind, lamport: row.lamport, wall: row.wall.0, body: Bytes(row.body) };
    let size = LINE + line.body.len();
    let section = section(packed, stream, user, size);
    section.0.lines.0.push(line);
    section.1.insert(n);
}

fn add_void(packed: &mut Vec<Packed>, stream: StreamId, user: UserId, void: &[Range]) {
    let section = section(packed, stream, user, RANGE * void.len());
    section.0.void.0.extend_from_slice(void);
    void.iter().for_each(|range| section.1.insert_range(range.0, range.1));
}

/// The section of a stream in the last body, or in a new one if `size` more bytes do not fit.
fn section(
    packed: &mut Vec<Packed>,
    stream: StreamId,
    user: UserId,
    size: usize,
) -> (&mut MirroredStream, &mut Ranges) {
    let continues = |packed: &Packed| packed.load.last().is_some_and(|(last, _)| *last == stream);
    let fits = packed.last().is_some_and(|last| {
        let has_room = last.body.streams.len() < MOST || continues(last);
        let is_full = |section: &MirroredStream| section.lines.len() == MOST_LINES || !section.void.is_empty();
        let full = continues(last) && last.body.streams.last().is_some_and(is_full);
        has_room && !full && last.size + HEAD + STREAM + size <= MAX_BODY
    });
    if !fits {
        packed.push(Packed::default());
    }
    let last = packed.last_mut().expect("there is always a body");
    if !continues(last) {
        let StreamId { author, epoch, to: address } = stream;
        let (lines, void) = (List(Vec::new()), List(Vec::new()));
        last.body.streams.0.push(MirroredStream { author, epoch, address, user, lines, void });
        last.load.push((stream, Ranges::new()));
        last.size += STREAM;
    }
    last.size += size;
    let section = last.body.streams.0.last_mut().expect("it was just added");
    (section, &mut last.load.last_mut().expect("it was just added").1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Address, MessageId, SessionId};
    use crate::time::{Moment, Wall};
    use crate::wire::encode;

    const BOB: UserId = UserId([2; 32]);

    fn stream(epoch: u64) -> StreamId {
        StreamId { author: SessionId([9; 32]), epoch, to: Address([255; 32]) }
    }

    fn row(epoch: u64, n: u64, kind: u64, length: usize) -> MessageRow {
        MessageRow {
            arrival: n,
            id: MessageId { stream: stream(epoch), n },
            kind,
            with: Address([1; 32]),
            from: BOB,
            lamport: u64::MAX,
            wall: Wall(i64::MIN),
            body: vec![b'x'; length],
            since: Moment(0),
        }
    }

    fn numbers(epoch: u64, last: u64) -> (StreamId, Ranges) {
        (stream(u64::MAX - epoch), [(1, last)].into_iter().collect())
    }

    #[test]
    fn bodies_fit_their_limit_and_contain_every_number_once() {
        for length in [0, 1, 100, 1_000, 16_000] {
            let epochs = 0..80;
            let asked: Numbers = epochs.clone().map(|epoch| numbers(epoch, 20)).collect();
            let rows = epochs.flat_map(|epoch| (1..=20).map(move |n| row(u64::MAX - epoch, n, kind::TEXT, length)));
            let (packed, too_long) = lines(asked.clone(), rows.collect(), BOB);
            assert_eq!(too_long, 0);
            let mut loaded: BTreeMap<StreamId, Ranges> = BTreeMap::new();
            for Packed { body, load, .. } in &packed {
                assert!(encode(body).len() <= MAX_BODY, "{length}: {}", encode(body).len());
                assert!(body.streams.len() <= MOST);
                load.iter().for_each(|(stream, ranges)| assert!(loaded.entry(*stream).or_default().merge(ranges)));
            }
            assert_eq!(loaded, asked.into_iter().collect());
        }
    }

    #[test]
    fn what_was_read_and_delivered_fits_its_bodies_whole_and_each_knows_its_changes() {
        let ranges = || List((0..128).map(|n| Range(u64::MAX - n, u64::MAX - n)).collect());
        let (author, session, address) = (SessionId([9; 32]), SessionId([8; 32]), Address([7; 32]));
        let part = |n: u64| match n % 2 {
            0 => Part::Read(MirroredRead { author, epoch: u64::MAX - n, user: BOB, ranges: ranges() }),
            _ => Part::Delivered(MirroredReceipt { author, epoch: u64::MAX - n, address, session, ranges: ranges() }),
        };
        let all: Vec<(u64, Part)> = (0..70).map(|n| (n, part(n))).collect();
        let bodies = parts(all.clone());
        assert!(bodies.iter().all(|(body, _)| encode(body).len() <= MAX_BODY));
        let mut found = Vec::new();
        for (body, changes) in bodies {
            let epochs = body.read.iter().map(|read| read.epoch).chain(body.delivered.iter().map(|part| part.epoch));
            let numbers: Ranges = epochs.map(|epoch| u64::MAX - epoch).filter(|n| *n > 0).map(|n| (n, n)).collect();
            assert_eq!(changes, numbers);
            found.extend(body.read.0.into_iter().map(Part::Read));
            found.extend(body.delivered.0.into_iter().map(Part::Delivered));
        }
        assert_eq!(found.len(), all.len());
        assert!(all.iter().all(|(_, part)| found.contains(part)));
    }

    #[test]
    fn numbers_without_a_line_and_statements_about_links_are_void() {
        let rows = vec![row(u64::MAX, 2, kind::LINK, 9), row(u64::MAX, 3, kind::TEXT, 9)];
        let (packed, _) = lines(vec![numbers(0, 4)], rows, BOB);
        let section = &packed[0].body.streams[0];
        assert_eq!(section.lines.iter().map(|line| line.n).collect::<Vec<_>>(), [3]);
        assert_eq!(section.void.0, [Range(1, 2), Range(4, 4)]);
    }

    #[test]
    fn a_row_that_no_body_holds_becomes_void_and_is_counted() {
        let (packed, too_long) = lines(vec![numbers(0, 1)], vec![row(u64::MAX, 1, 99, MAX_BODY)], BOB);
        assert_eq!((too_long, packed[0].body.streams[0].void.0.clone()), (1, vec![Range(1, 1)]));
    }
}
