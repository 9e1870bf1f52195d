//! Identifiers: newtypes over bytes and integers, so that a user id cannot be passed where a session id is expected.

use std::cmp::Ordering;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{BitOrder, Encoding, Specification};
use sha2::{Digest, Sha256};

/// RFC 4648 base32 without padding, in lower case: the textual form of keys (52 characters for 32 bytes).
pub static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.bit_order = BitOrder::MostSignificantFirst;
    spec.encoding().expect("the alphabet above has 32 distinct symbols")
});

/// A text that is not an id of the expected kind. Holds the expected number of characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is {0} lower-case base32 characters")]
pub struct BadId(pub usize);

macro_rules! id32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The first six base32 characters: enough to distinguish users of the same name.
            pub fn short(&self) -> String {
                let mut text = BASE32.encode(&self.0[..4]);
                text.truncate(6);
                text
            }
        }

        // The order of the bytes. Unless chosen on purpose, two ids differ in their first eight bytes. Comparing
        // these as integers avoids a call to memcmp, and lookups by id do little else.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let first = |id: &Self| u64::from_be_bytes(id.0[..8].try_into().expect("an id has 32 bytes"));
                first(self).cmp(&first(other)).then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let bytes = BASE32.decode(text.as_bytes()).map_err(|_| BadId(52))?;
                Ok(Self(bytes.try_into().map_err(|_| BadId(52))?))
            }
        }
    };
}

id32!(
    /// A user (a person): the bytes of their Ed25519 user key.
    UserId
);
id32!(
    /// A session (one running node of a user): the bytes of its Ed25519 session key, which is also its TLS key.
    SessionId
);
id32!(
    /// A network, whose members share a key; all zero for the open network.
    NetworkId
);
id32!(
    /// The addressee of an envelope: a user, or one session of a user.
    Address
);
id32!(
    /// SHA-256 of an envelope's bytes, checked by every carrier.
    EnvelopeId
);

impl NetworkId {
    /// The open network: all nodes without a network key.
    pub const OPEN: NetworkId = NetworkId([0; 32]);
}

impl UserId {
    /// The range of all ids that start with these bytes.
    pub fn beginning(short: [u8; 8]) -> RangeInclusive<UserId> {
        let (mut first, mut last) = ([0; 32], [255; 32]);
        first[..8].copy_from_slice(&short);
        last[..8].copy_from_slice(&short);
        UserId(first)..=UserId(last)
    }

    /// The range of all ids whose text starts with these characters; `None` if there are none.
    pub fn starting_with(text: &str) -> Option<RangeInclusive<UserId>> {
        let (mut first, mut last) = ([0; 32], [255; 32]);
        for (n, c) in text.bytes().enumerate() {
            let value = match c {
                b'a'..=b'z' => c - b'a',
                b'2'..=b'7' => c - b'2' + 26,
                _ => return None,
            };
            for bit in n * 5..n * 5 + 5 {
                let (byte, mask, set) = (bit / 8, 128 >> (bit % 8), value & (16 >> (bit % 5)) != 0);
                if byte < 32 {
                    first[byte] |= if set { mask } else { 0 };
                    last[byte] &= if set { 255 } else { !mask };
                } else if set {
                    // The last character of an id has one bit of it and four zeros.
                    return None;
                }
            }
        }
        if text.len() > 52 {
            return None;
        }
        (!text.is_empty()).then_some(UserId(first)..=UserId(last))
    }
}

impl From<UserId> for Address {
    fn from(user: UserId) -> Address {
        Address(user.0)
    }
}

impl From<&UserId> for Address {
    fn from(user: &UserId) -> Address {
        Address(user.0)
    }
}

impl From<&SessionId> for Address {
    fn from(session: &SessionId) -> Address {
        Address(session.0)
    }
}

/// Identifies a start of a node. A connection from a newer start replaces the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub u64);

/// 128 random bits, new at every start of a node. The boot id is derived from it.
pub type BootNonce = [u8; 16];

impl BootId {
    /// The boot id of a session that has drawn this nonce. It reveals nothing about the session to those who do not know the
    /// nonce. Whoever knows it can verify that the boot id is of this session: to find another session with the same boot id
    /// takes 2^64 attempts.
    pub fn of(session: &SessionId, nonce: &BootNonce) -> BootId {
        let hash =
            Sha256::new().chain_update(b"darknode/boot/1\0").chain_update(session.0).chain_update(nonce).finalize();
        BootId(first_eight(&hash))
    }

    /// The mark by which neighbours tell each other that they know whose a boot id is. It tells nothing to those who do not
    /// know the boot id.
    pub fn mark(self) -> u64 {
        first_eight(&Sha256::new().chain_update(b"darknode/mark/1\0").chain_update(self.0.to_be_bytes()).finalize())
    }
}

fn first_eight(hash: &[u8]) -> u64 {
    u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
}

/// A connection of this process; never sent to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A dial of this process; never sent to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// The message counter of one conversation during one run of one session. Every start uses a new random epoch, so
/// that a restored backup can never use a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The session that numbers the messages.
    pub author: SessionId,
    /// Random per start of the session.
    pub epoch: u64,
    /// The addressee.
    pub to: Address,
}

/// The id of a message, the same on every session that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The stream of the message.
    pub stream: StreamId,
    /// The number in its stream, from 1.
    pub n: u64,
}

impl MessageId {
    /// The message id of `docs/json.md`.
    pub fn token(&self) -> String {
        self.digest().to_string()
    }

    /// What interfaces know of the id.
    pub fn digest(&self) -> MessageDigest {
        let hash = Sha256::new()
            .chain_update(b"darknode/message/1\0")
            .chain_update(self.stream.author.0)
            .chain_update(self.stream.epoch.to_be_bytes())
            .chain_update(self.stream.to.0)
            .chain_update(self.n.to_be_bytes())
            .finalize();
        MessageDigest(hash[..16].try_into().expect("a hash has 32 bytes"))
    }
}

/// The id of a message as interfaces show it and users type it back: the first 128 bits of a SHA-256 hash of all parts of the
/// id, so that nobody can create another message with the same one. Its text has 26 base32 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageDigest(pub [u8; 16]);

impl fmt::Display for MessageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl FromStr for MessageDigest {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = BASE32.decode(text.as_bytes()).map_err(|_| BadId(26))?;
        Ok(MessageDigest(bytes.try_into().map_err(|_| BadId(26))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_52_characters_and_round_trips() {
        let id = UserId([7; 32]);
        assert_eq!(id.to_string().len(), 52);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("alice".parse::<UserId>(), Err(BadId(52)));
    }

    #[test]
    fn a_part_of_an_id_stands_for_all_ids_that_begin_with_it() {
        let id = UserId(std::array::from_fn(|n| (n * 37) as u8));
        let text = id.to_string();
        for length in 1..=52 {
            let range = UserId::starting_with(&text[..length]).expect("a range");
            assert!(range.contains(&id), "{length}");
            assert!(range.start().to_string().starts_with(&text[..length]));
            assert!(range.end().to_string().starts_with(&text[..length]));
        }
        assert_eq!(UserId::starting_with(&text), Some(id..=id));
        for bad in ["", "A", "1", "é", &format!("{text}a"), &"7".repeat(52)] {
            assert_eq!(UserId::starting_with(bad), None, "{bad}");
        }
    }

    #[test]
    fn message_tokens_differ_by_number_and_epoch() {
        let stream = StreamId { author: SessionId([1; 32]), epoch: 9, to: Address([2; 32]) };
        let tokens: std::collections::BTreeSet<String> = (0..1000).map(|n| MessageId { stream, n }.token()).collect();
        assert_eq!(tokens.len(), 1000);
        let other = StreamId { epoch: 10, ..stream };
        assert!(!tokens.contains(&MessageId { stream: other, n: 1 }.token()));
        let id = MessageId { stream, n: 7 };
        assert_eq!(id.token().parse(), Ok(id.digest()));
        assert_eq!("hello".parse::<MessageDigest>(), Err(BadId(26)));
    }
}
