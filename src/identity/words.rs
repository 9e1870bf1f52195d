//! Keys as words (BIP-39 English): recovery words of a user key, and fingerprints that people read to each other.

use bip39::{Language, Mnemonic};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::id::UserId;

/// The 24 words from which a user key can be made again.
pub fn recovery(seed: &[u8; 32]) -> String {
    words(seed)
}

/// Words that are no recovery words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are not the 24 recovery words of a user: {0}")]
pub struct BadWords(pub String);

/// The seed that 24 words stand for, in any case and spacing.
pub fn restore(words: &str) -> Result<[u8; 32], BadWords> {
    let words: Vec<&str> = words.split_whitespace().collect();
    if words.len() != 24 {
        return Err(BadWords(format!("there are {}", words.len())));
    }
    let words = Zeroizing::new(words.join(" ").to_lowercase());
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words).map_err(|error| BadWords(reason(&error)))?;
    let (entropy, _) = mnemonic.to_entropy_array();
    Ok(*entropy.first_chunk().expect("the entropy of 24 words has 32 bytes"))
}

fn reason(error: &bip39::Error) -> String {
    match error {
        bip39::Error::UnknownWord(index) => format!("word {} is none of the BIP-39 list", index + 1),
        bip39::Error::InvalidChecksum => "a word is wrong or in the wrong place".to_owned(),
        other => other.to_string(),
    }
}

/// A user's fingerprint as 12 words: of the first 128 bits of SHA-256 over a domain string and the key.
pub fn fingerprint(user: &UserId) -> String {
    let hash = Sha256::new().chain_update(b"darknode/fingerprint/1\0").chain_update(user.0).finalize();
    words(&hash[..16])
}

fn words(entropy: &[u8]) -> String {
    Mnemonic::from_entropy_in(Language::English, entropy).expect("16 and 32 bytes are lengths of BIP-39").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_words_bring_back_the_seed_in_any_case_and_spacing() {
        let seed: [u8; 32] = std::array::from_fn(|i| i as u8 * 7);
        let words = recovery(&seed);
        assert_eq!(words.split(' ').count(), 24);
        assert_eq!(restore(&words), Ok(seed));
        assert_eq!(restore(&format!("  {}\n", words.to_uppercase().replace(' ', "\n\t"))), Ok(seed));
    }

    #[test]
    fn wrong_words_are_named() {
        let words = recovery(&[1; 32]);
        let unknown = words.replacen(words.split(' ').nth(2).expect("24 words"), "darknode", 1);
        assert!(restore(&unknown).expect_err("an unknown word").to_string().ends_with("is none of the BIP-39 list"));
        assert_eq!(restore("abandon"), Err(BadWords("there are 1".to_owned())));
        assert!(restore(&"abandon ".repeat(24)).expect_err("a wrong checksum").0.contains("wrong"));
    }

    #[test]
    fn fingerprints_are_twelve_words_of_their_user() {
        let fingerprint_of = |byte| fingerprint(&UserId([byte; 32]));
        assert_eq!(fingerprint_of(1).split(' ').count(), 12);
        assert_ne!(fingerprint_of(1), fingerprint_of(2));
    }
}
