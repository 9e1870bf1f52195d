//! Parses mDNS packets (RFC 1035, RFC 6762) for questions and records about our service. Everything else is skipped.
//!
//! Packets come from untrusted senders. Parsing does not allocate and does not trust the counts in the header. A name has at
//! most 255 bytes, a compression pointer must point backwards, and at most [`MAX_ITEMS`] items are read.

/// Maximum number of questions and records read from one packet. An announcement has six, a query of this node at most
/// forty.
pub const MAX_ITEMS: usize = 128;
/// The labels of our service type (RFC 6763 §7).
pub(super) const SERVICE: [&str; 3] = ["_darkchat", "_udp", "local"];
/// Maximum length of a name in bytes, without the root label (RFC 1035 §3.1).
const MAX_NAME: usize = 254;
/// Length of the header in bytes.
const HEADER: usize = 12;

/// Record types.
pub(super) mod kind {
    /// Points from a service type to an instance (RFC 6763 §4.1).
    pub const PTR: u16 = 12;
    /// Key-value pairs of an instance (RFC 6763 §6).
    pub const TXT: u16 = 16;
    /// Host and port of an instance (RFC 2782).
    pub const SRV: u16 = 33;
    /// In a question: all types (RFC 1035 §3.2.3).
    pub const ANY: u16 = 255;
}

/// The Internet class (RFC 1035 §3.2.4).
pub(super) const CLASS_IN: u16 = 1;
/// The question class that matches any class (RFC 1035 §3.2.5).
const CLASS_ANY: u16 = 255;
/// The top bit of a class: the cache-flush bit in a record (RFC 6762 §10.2), the unicast-response bit in a question (§5.4).
pub(super) const TOP_BIT: u16 = 0x8000;
/// The header flag of a response (RFC 1035 §4.1.1).
pub(super) const RESPONSE: u16 = 0x8000;
/// The header flag of an authoritative answer (RFC 1035 §4.1.1).
pub(super) const AUTHORITY: u16 = 0x0400;
/// The header bits of the opcode, which must be zero (RFC 6762 §18.3).
const OPCODE: u16 = 0x7800;

/// The error for bytes that are not a well-formed packet, question, or record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed mDNS packet")]
pub struct Malformed;

/// A name, classified. The comparison ignores ASCII case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name<'a> {
    /// Our service type.
    Service {
        /// The case matches [`SERVICE`].
        exact: bool,
    },
    /// An instance of our service type, with its label.
    Instance(&'a [u8]),
    /// Any other name.
    Other,
}

/// A packet with a valid header. Its questions and records are parsed by [`Packet::items`].
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The message id, which a legacy unicast response repeats (RFC 6762 §6.7).
    pub id: u16,
    /// Whether this is a response, not a query.
    pub response: bool,
    bytes: &'a [u8],
    questions: usize,
    answers: usize,
    records: usize,
}

/// A question or record of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Asks for the instances of our service type.
    ServiceQuestion {
        /// The question has type PTR and the name matches in case. mDNS libraries may ignore other forms.
        exact: bool,
    },
    /// Asks for the records of the instance with this label.
    InstanceQuestion(&'a [u8]),
    /// A record of an instance of our service type.
    Record(Record<'a>),
    /// Anything that does not concern our service type.
    Other,
}

/// A record of an instance of our service type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The label of the instance, at most 63 bytes, in the case of the sender.
    pub instance: &'a [u8],
    /// The time to live in seconds. Zero is a goodbye (RFC 6762 §10.1).
    pub ttl: u32,
    /// Whether the record is in the answer section. In a query this section holds the known answers (RFC 6762 §7.1).
    pub answer: bool,
    /// The data, by type.
    pub data: Data<'a>,
}

/// The data of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// PTR: the service type has this instance.
    Ptr,
    /// SRV (RFC 2782). The target host is not used.
    Srv {
        /// The UDP port of QUIC.
        port: u16,
    },
    /// TXT: the key-value pairs as sent, see [`text`].
    Txt(&'a [u8]),
}

impl<'a> Packet<'a> {
    /// Parses the header.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the header is incomplete or the opcode is not zero.
    pub fn read(bytes: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let mut cursor = Cursor { bytes, at: 0 };
        let mut next = || cursor.u16().ok_or(Malformed);
        let (id, flags) = (next()?, next()?);
        let [questions, answers, authorities, additional] = [next()?, next()?, next()?, next()?].map(usize::from);
        if flags & OPCODE != 0 {
            return Err(Malformed);
        }
        let records = answers + authorities + additional;
        Ok(Packet { id, response: flags & RESPONSE != 0, bytes, questions, answers, records })
    }

    /// The bytes of the first question, if it asks for our service type without name compression.
    pub fn first_question(&self) -> Option<&'a [u8]> {
        let mut cursor = Cursor { bytes: self.bytes, at: HEADER };
        let is_ours = matches!(cursor.question()?, Item::ServiceQuestion { .. }) && self.questions > 0;
        let question = self.bytes.get(HEADER..cursor.at)?;
        let len: usize = SERVICE.iter().map(|label| 1 + label.len()).sum();
        (is_ours && question.len() == len + 5).then_some(question)
    }

    /// The first [`MAX_ITEMS`] questions and records. A malformed one yields [`Malformed`] and ends the iteration.
    pub fn items(self) -> impl Iterator<Item = Result<Item<'a>, Malformed>> {
        let mut cursor = Cursor { bytes: self.bytes, at: HEADER };
        let total = (self.questions + self.records).min(MAX_ITEMS);
        let mut malformed = false;
        (0..total).map_while(move |n| {
            if malformed {
                return None;
            }
            let item =
                if n < self.questions { cursor.question() } else { cursor.record(n - self.questions < self.answers) };
            malformed = item.is_none();
            Some(item.ok_or(Malformed))
        })
    }
}

/// A position in a packet. Its methods return `None` at malformed input.
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

    /// Reads a name. Each pointer must point before the target of the last one, so the loop terminates.
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
            _ if !matches!(class & !TOP_BIT, CLASS_IN | CLASS_ANY) => Item::Other,
            Name::Service { exact } if matches!(kind, kind::PTR | kind::ANY) => {
                Item::ServiceQuestion { exact: exact && kind == kind::PTR }
            }
            Name::Instance(label) if matches!(kind, kind::SRV | kind::TXT | kind::ANY) => Item::InstanceQuestion(label),
            _ => Item::Other,
        })
    }

    fn record(&mut self, answer: bool) -> Option<Item<'a>> {
        let (name, kind, class) = (self.name()?, self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let mut data_cursor = *self;
        let data = self.take(len)?;
        let (owner, data) = match kind {
            _ if class & !TOP_BIT != CLASS_IN => (Name::Other, Data::Ptr),
            kind::PTR => {
                let target = data_cursor.name()?;
                (if matches!(name, Name::Service { .. }) { target } else { Name::Other }, Data::Ptr)
            }
            kind::SRV => (name, Data::Srv { port: u16::from_be_bytes(data.get(4..6)?.try_into().ok()?) }),
            kind::TXT => (name, Data::Txt(data)),
            _ => (Name::Other, Data::Ptr),
        };
        Some(match owner {
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
                Name::Service { exact: labels.iter().zip(SERVICE).all(|(label, ours)| *label == ours.as_bytes()) }
            }
            [instance, service @ ..] if is_service(service) => Name::Instance(instance),
            _ => Name::Other,
        }
    }
}

/// The value of a key in the data of a TXT record (RFC 6763 §6.4). The comparison ignores ASCII case, and the first pair
/// that has a value counts.
///
/// Returns `None` if there is no such pair before the end or before malformed data.
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
pub(super) mod tests;
