//! Keys as words (BIP-39 English): recovery words of a user key, and fingerprints that people read to each other.

use crate::id::UserId;

/// The 24 words from which a user key can be made again.
pub fn recovery(_seed: &[u8; 32]) -> String {
    todo!()
}

/// Words that are no recovery words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are not the 24 recovery words of a user: {0}")]
pub struct BadWords(pub String);

/// The seed that 24 words stand for, in any case and spacing.
pub fn restore(_words: &str) -> Result<[u8; 32], BadWords> {
    todo!()
}

/// A user's fingerprint as 12 words: of the first 128 bits of SHA-256 over a domain string and the key.
pub fn fingerprint(_user: &UserId) -> String {
    todo!()
}
