//! What a packet of mDNS (RFC 1035, RFC 6762) says about our service. Everything else in it is stepped over.
//!
//! Anybody on the link writes packets, so a packet is walked, not built: nothing is allocated, no count it claims is
//! trusted, a name ends after 255 bytes, a pointer leads only backwards, and after [`MAX_ITEMS`] the rest is not looked at.

/// Questions and records read of one packet: an announcement has six, a question of ours at most forty.
pub const MAX_ITEMS: usize = 128;
/// Our service, label by label.
pub const SERVICE: [&str; 3] = ["_darkchat", "_udp", "local"];
/// Bytes of a name without its root (RFC 1035).
const MAX_NAME: usize = 254;
const HEADER: usize = 12;

/// Types of records.
pub mod kind {
    pub const PTR: u16 = 12;
    pub const TXT: u16 = 16;
    pub const SRV: u16 = 33;
    pub const ANY: u16 = 255;
}

/// The class of the Internet, and in a question any class.
pub const IN: u16 = 1;
const ANY_CLASS: u16 = 255;
/// The top bit of a class: in a record "this is all there is", in a question "answer me alone".
pub const TOP: u16 = 0x8000;
/// Flags: an answer, and one with authority.
pub const RESPONSE: u16 = 0x8000;
pub const AUTHORITY: u16 = 0x0400;
const OPCODE: u16 = 0x7800;

/// Bytes that are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("garbled")]
pub struct Garbled;

/// A name, as far as it concerns us. Case does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name<'a> {
    /// Our service; `plain` if it is spelled as [`SERVICE`] is.
    Service {
        plain: bool,
    },
    /// An instance of our service, by its label.
    Instance(&'a [u8]),
    Other,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Which instances of the service are there?
    WhoIsThere {
        /// Asked for as the RFC has it. mDNS libraries overlook other spellings.
        plain: bool,
    },
    /// What about this instance?
    WhatOf(&'a [u8]),
    Record(Record<'a>),
    /// Nothing about our service.
    Other,
}

/// A record of one instance of our service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The label of the instance.
    pub instance: &'a [u8],
    /// Seconds.
    pub ttl: u32,
    /// In the section of answers: in a question these are what the asker knows.
    pub answer: bool,
    pub data: Data<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    Ptr,
    Srv { port: u16 },
    Txt(&'a [u8]),
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

    /// The bytes of its first question, if that names our service in full.
    pub fn first_question(&self) -> Option<&'a [u8]> {
        let mut cursor = Cursor { bytes: self.bytes, at: HEADER };
        let asked = matches!(cursor.question()?, Item::WhoIsThere { .. }) && self.questions > 0;
        let question = self.bytes.get(HEADER..cursor.at)?;
        let len: usize = SERVICE.iter().map(|label| 1 + label.len()).sum();
        (asked && question.len() == len + 5).then_some(question)
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
            let item =
                if n < self.questions { cursor.question() } else { cursor.record(n - self.questions < self.answers) };
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
    fn name(&mut self) -> Option<Name<'a>> {
        let mut labels: [&[u8]; SERVICE.len() + 1] = Default::default();
        let (mut count, mut len) = (0, 0);
        let (mut at, mut before, mut end) = (self.at, self.at, None);
        loop {
            let first = *self.bytes.get(at)?;
            match first {
                0 => break,
                1..=63 => {
                    let label = self.bytes.get(at + 1..=at + usize::from(first))?;
                    at += 1 + label.len();
                    len += 1 + label.len();
                    if len > MAX_NAME {
                        return None;
                    }
                    if let Some(place) = labels.get_mut(count) {
                        *place = label;
                    }
                    count += 1;
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
        Some(Name::of(labels.get(..count).unwrap_or_default()))
    }

    fn question(&mut self) -> Option<Item<'a>> {
        let (name, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        Some(match name {
            _ if !matches!(class & !TOP, IN | ANY_CLASS) => Item::Other,
            Name::Service { plain } if matches!(kind, kind::PTR | kind::ANY) => {
                Item::WhoIsThere { plain: plain && kind == kind::PTR }
            }
            Name::Instance(label) if matches!(kind, kind::SRV | kind::TXT | kind::ANY) => Item::WhatOf(label),
            _ => Item::Other,
        })
    }

    fn record(&mut self, answer: bool) -> Option<Item<'a>> {
        let (name, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let mut inside = *self;
        let data = self.take(len)?;
        let (of, data) = match kind {
            _ if class & !TOP != IN => (Name::Other, Data::Ptr),
            kind::PTR => {
                let target = inside.name()?;
                (if matches!(name, Name::Service { .. }) { target } else { Name::Other }, Data::Ptr)
            }
            kind::SRV => (name, Data::Srv { port: u16::from_be_bytes(data.get(4..6)?.try_into().ok()?) }),
            kind::TXT => (name, Data::Txt(data)),
            _ => (Name::Other, Data::Ptr),
        };
        Some(match of {
            Name::Instance(instance) => Item::Record(Record { instance, ttl, answer, data }),
            _ => Item::Other,
        })
    }
}

impl<'a> Name<'a> {
    fn of(labels: &[&'a [u8]]) -> Name<'a> {
        let is_service = |labels: &[&[u8]]| {
            labels.len() == SERVICE.len()
                && labels.iter().zip(SERVICE).all(|(label, ours)| label.eq_ignore_ascii_case(ours.as_bytes()))
        };
        match labels {
            labels if is_service(labels) => {
                Name::Service { plain: labels.iter().zip(SERVICE).all(|(label, ours)| *label == ours.as_bytes()) }
            }
            [instance, service @ ..] if is_service(service) => Name::Instance(instance),
            _ => Name::Other,
        }
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

#[cfg(test)]
pub mod tests;
