//! Keys as BIP-39 English words: recovery words of a user key, and fingerprints that people compare.

use bip39::{Language, Mnemonic};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::id::UserId;

/// The 24 recovery words that encode the seed of a user key.
pub fn recovery(seed: &[u8; 32]) -> String {
    words(seed)
}

/// The text is not 24 valid recovery words. Holds the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are not the 24 recovery words of a user: {0}")]
pub struct BadWords(pub String);

/// Restores a seed from its 24 recovery words. Case and white space do not matter.
pub fn restore(words: &str) -> Result<[u8; 32], BadWords> {
    let words: Vec<&str> = words.split_whitespace().collect();
    if words.len() != 24 {
        return Err(BadWords(format!("there are {}", words.len())));
    }
    let words = Zeroizing::new(words.join(" ").to_lowercase());
    let mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &words).map_err(|error| BadWords(reason(&error)))?;
    let (entropy, _) = mnemonic.to_entropy_array();
    Ok(*entropy.first_chunk().expect("the entropy of 24 words has 32 bytes"))
}

fn reason(error: &bip39::Error) -> String {
    match error {
        bip39::Error::UnknownWord(index) => format!("word {} is not in the BIP-39 list", index + 1),
        bip39::Error::InvalidChecksum => "a word is wrong or in the wrong place".to_owned(),
        other => other.to_string(),
    }
}

/// The fingerprint of a user: the first 128 bits of SHA-256 over a domain string and the user key, as 12 words.
pub fn fingerprint(user: &UserId) -> String {
    let hash = Sha256::new().chain_update(b"darknode/fingerprint/1\0").chain_update(user.0).finalize();
    words(&hash[..16])
}

fn words(entropy: &[u8]) -> String {
    Mnemonic::from_entropy_in(Language::English, entropy).expect("BIP-39 encodes 16 and 32 bytes").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_words_restore_the_seed_in_any_case_and_spacing() {
        let seed: [u8; 32] = std::array::from_fn(|i| i as u8 * 7);
        let words = recovery(&seed);
        assert_eq!(words.split(' ').count(), 24);
        assert_eq!(restore(&words), Ok(seed));
        assert_eq!(restore(&format!("  {}\n", words.to_uppercase().replace(' ', "\n\t"))), Ok(seed));
    }

    #[test]
    fn invalid_words_are_refused_with_the_reason() {
        let words = recovery(&[1; 32]);
        let unknown = words.replacen(words.split(' ').nth(2).expect("24 words"), "darknode", 1);
        assert!(restore(&unknown).expect_err("an unknown word").to_string().ends_with("is not in the BIP-39 list"));
        assert_eq!(restore("abandon"), Err(BadWords("there are 1".to_owned())));
        assert!(restore(&"abandon ".repeat(24)).expect_err("a wrong checksum").0.contains("wrong"));
    }

    #[test]
    fn fingerprints_have_twelve_words_and_differ_between_users() {
        let fingerprint_of = |byte| fingerprint(&UserId([byte; 32]));
        assert_eq!(fingerprint_of(1).split(' ').count(), 12);
        assert_ne!(fingerprint_of(1), fingerprint_of(2));
    }
}
