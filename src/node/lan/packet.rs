//! Packets of mDNS (RFC 1035, RFC 6762): as much of them as discovery needs.
//!
//! Anybody on the link writes them, so a packet is walked, not built: nothing is allocated by a count it claims, names are
//! copied one at a time and end after 255 bytes, a pointer leads only backwards, and after [`MAX_ITEMS`] the rest is not
//! looked at.

/// Questions and records read of one packet: an announcement has six, a question of ours at most forty.
pub const MAX_ITEMS: usize = 128;
/// Bytes of a packet that we write: fits an Ethernet frame with either IP.
pub const MAX_WRITTEN: usize = 1440;
/// Bytes of a name without its root (RFC 1035).
const MAX_NAME: usize = 254;
const MAX_LABEL: usize = 63;
const HEADER: usize = 12;

/// Types of records.
pub mod kind {
    pub const A: u16 = 1;
    pub const PTR: u16 = 12;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const ANY: u16 = 255;
}

/// The class of the Internet, and in a question any class.
const IN: u16 = 1;
const ANY_CLASS: u16 = 255;
/// The top bit of a class: in a record "this is all there is", in a question "answer me alone".
const TOP: u16 = 0x8000;
/// An answer, and one with authority.
const RESPONSE: u16 = 0x8000;
const AUTHORITY: u16 = 0x0400;
const OPCODE: u16 = 0x7800;

/// Bytes that are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("garbled")]
pub struct Garbled;

/// A name as it travels, without its root: each label behind its length. Case does not matter.
#[derive(Debug, Clone)]
pub struct Name(Vec<u8>);

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Name {
    /// Of labels that are ours: none is empty, too long or has a dot.
    pub fn new(dotted: &str) -> Name {
        let mut bytes = Vec::new();
        for label in dotted.split('.').map(str::as_bytes) {
            debug_assert!((1..=MAX_LABEL).contains(&label.len()));
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label);
        }
        Name(bytes)
    }

    /// The first label, if what follows it is this name.
    pub fn label_under(&self, parent: &Name) -> Option<&[u8]> {
        let len = usize::from(*self.0.first()?);
        let (label, rest) = self.0.get(1..)?.split_at_checked(len)?;
        rest.eq_ignore_ascii_case(&parent.0).then_some(label)
    }
}

/// A packet whose header is whole.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    pub id: u16,
    pub response: bool,
    bytes: &'a [u8],
    questions: usize,
    answers: usize,
    records: usize,
}

/// One thing in a packet.
#[derive(Debug)]
pub enum Item<'a> {
    Question(Question),
    Record(Record<'a>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub name: Name,
    pub kind: u16,
    class: u16,
}

impl Question {
    pub fn new(name: Name, kind: u16) -> Question {
        Question { name, kind, class: IN }
    }

    /// Whether it is about the Internet, as everything here.
    pub fn is_ours(&self) -> bool {
        matches!(self.class & !TOP, IN | ANY_CLASS)
    }
}

#[derive(Debug)]
pub struct Record<'a> {
    pub name: Name,
    /// Seconds.
    pub ttl: u32,
    /// In the section of answers: in a question these are what the asker knows.
    pub answer: bool,
    pub data: Data<'a>,
}

#[derive(Debug)]
pub enum Data<'a> {
    Ptr(Name),
    Srv {
        port: u16,
    },
    Txt(&'a [u8]),
    /// Anything else.
    Other,
}

impl<'a> Packet<'a> {
    /// Reads the header.
    pub fn read(bytes: &'a [u8]) -> Result<Packet<'a>, Garbled> {
        let mut cursor = Cursor { bytes, at: 0 };
        let mut next = || cursor.u16().ok_or(Garbled);
        let (id, flags) = (next()?, next()?);
        let [questions, answers, authorities, more] = [next()?, next()?, next()?, next()?].map(usize::from);
        if flags & OPCODE != 0 {
            return Err(Garbled);
        }
        let records = answers + authorities + more;
        Ok(Packet { id, response: flags & RESPONSE != 0, bytes, questions, answers, records })
    }

    /// What is in it, up to [`MAX_ITEMS`] or to the first thing that makes no sense, which is an error.
    pub fn items(self) -> impl Iterator<Item = Result<Item<'a>, Garbled>> {
        let mut cursor = Cursor { bytes: self.bytes, at: HEADER };
        let total = (self.questions + self.records).min(MAX_ITEMS);
        let mut garbled = false;
        (0..total).map_while(move |n| {
            if garbled {
                return None;
            }
            let item = if n < self.questions {
                cursor.question().map(Item::Question)
            } else {
                cursor.record(n - self.questions < self.answers).map(Item::Record)
            };
            garbled = item.is_none();
            Some(item.ok_or(Garbled))
        })
    }
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Every pointer leads before the place where the last one led, so there is an end.
    fn name(&mut self) -> Option<Name> {
        let mut name = Vec::new();
        let (mut at, mut before, mut end) = (self.at, self.at, None);
        loop {
            let first = *self.bytes.get(at)?;
            match first {
                0 => break,
                1..=63 => {
                    let label = self.bytes.get(at..=at + usize::from(first))?;
                    if name.len() + label.len() > MAX_NAME {
                        return None;
                    }
                    name.extend_from_slice(label);
                    at += label.len();
                }
                0xc0.. => {
                    let target = usize::from(first & 0x3f) << 8 | usize::from(*self.bytes.get(at + 1)?);
                    if target >= before {
                        return None;
                    }
                    end.get_or_insert(at + 2);
                    (at, before) = (target, target);
                }
                _ => return None,
            }
        }
        self.at = end.unwrap_or(at + 1);
        Some(Name(name))
    }

    fn question(&mut self) -> Option<Question> {
        Some(Question { name: self.name()?, kind: self.u16()?, class: self.u16()? })
    }

    fn record(&mut self, answer: bool) -> Option<Record<'a>> {
        let (name, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let mut inside = *self;
        let data = self.take(len)?;
        let data = match kind {
            _ if class & !TOP != IN => Data::Other,
            kind::PTR => Data::Ptr(inside.name()?),
            kind::SRV => Data::Srv { port: u16::from_be_bytes(data.get(4..6)?.try_into().ok()?) },
            kind::TXT => Data::Txt(data),
            _ => Data::Other,
        };
        Some(Record { name, ttl, answer, data })
    }
}

/// The value of a key in the data of a TXT record, as far as the data make sense. The first one counts (RFC 6763).
pub fn text<'a>(mut data: &'a [u8], key: &str) -> Option<&'a [u8]> {
    while let Some((len, rest)) = data.split_first() {
        let (pair, rest) = rest.split_at_checked(usize::from(*len))?;
        if let Some((name, value)) = pair.split_at_checked(key.len())
            && name.eq_ignore_ascii_case(key.as_bytes())
            && let Some(value) = value.strip_prefix(b"=")
        {
            return Some(value);
        }
        data = rest;
    }
    None
}

/// A packet being written. Never longer than [`MAX_WRITTEN`] but by the last record.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    /// Questions, answers, authorities, more: in this order they must come.
    counts: [u16; 4],
    /// Ends of names that were written, and where.
    written: Vec<(Vec<u8>, u16)>,
}

impl Writer {
    pub fn question() -> Writer {
        Writer { bytes: vec![0; HEADER], counts: [0; 4], written: Vec::new() }
    }

    pub fn response(id: u16) -> Writer {
        let mut writer = Writer::question();
        writer.bytes[..2].copy_from_slice(&id.to_be_bytes());
        writer.bytes[2..4].copy_from_slice(&(RESPONSE | AUTHORITY).to_be_bytes());
        writer
    }

    pub fn ask(&mut self, question: &Question) {
        self.counts[0] += 1;
        self.name(&question.name);
        self.u16(question.kind);
        self.u16(question.class);
    }

    /// Whether something is in it.
    pub fn is_empty(&self) -> bool {
        self.counts == [0; 4]
    }

    /// Whether it is full enough that a record more might be too much.
    pub fn is_full(&self) -> bool {
        self.bytes.len() + 2 * MAX_LABEL > MAX_WRITTEN
    }

    /// Adds a record: an answer, or one that comes along. `flush`: nobody else has records of this name.
    pub fn record(
        &mut self,
        more: bool,
        name: &Name,
        kind: u16,
        flush: bool,
        ttl: u32,
        data: impl FnOnce(&mut Writer),
    ) {
        self.counts[if more { 3 } else { 1 }] += 1;
        self.name(name);
        self.u16(kind);
        self.u16(if flush { IN | TOP } else { IN });
        self.bytes(&ttl.to_be_bytes());
        let before = self.bytes.len();
        self.u16(0);
        data(self);
        let len = (self.bytes.len() - before - 2) as u16;
        self.bytes[before..before + 2].copy_from_slice(&len.to_be_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes a name; where its end was written before, a pointer to there.
    pub fn name(&mut self, name: &Name) {
        let mut rest = &name.0[..];
        while let Some(len) = rest.first() {
            if let Some((_, at)) = self.written.iter().find(|(end, _)| end == rest) {
                return self.u16(0xc000 | at);
            }
            self.written.push((rest.to_vec(), self.bytes.len() as u16));
            let (label, after) = rest.split_at(1 + usize::from(*len));
            self.bytes.extend_from_slice(label);
            rest = after;
        }
        self.bytes.push(0);
    }

    /// Writes a name in full, as old resolvers want it in SRV.
    pub fn whole_name(&mut self, name: &Name) {
        self.bytes(&name.0);
        self.bytes.push(0);
    }

    pub fn finish(mut self) -> Vec<u8> {
        for (n, count) in self.counts.iter().enumerate() {
            self.bytes[4 + 2 * n..6 + 2 * n].copy_from_slice(&count.to_be_bytes());
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests;
