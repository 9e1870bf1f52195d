//! The key file format: an Ed25519 private key in PKCS#8 (RFC 8410), PEM-encoded (RFC 7468), exactly as `openssl
//! genpkey -algorithm ed25519` writes it.

use data_encoding::BASE64;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// RFC 8410 section 7: a version 0 `PrivateKeyInfo` of algorithm 1.3.101.112, up to the 32 bytes of the seed.
const PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// What is wrong with a key file. The text continues a sentence that starts with the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// No content but white space.
    #[error("is empty")]
    Empty,
    /// An encrypted PKCS#8 key.
    #[error("is encrypted with a passphrase, which darknode does not support")]
    Encrypted,
    /// Not a PEM private key.
    #[error("is not a private key in PEM, or is damaged")]
    NotPem,
    /// The end line is missing.
    #[error("is truncated")]
    Truncated,
    /// A PEM private key of another kind.
    #[error("is not an Ed25519 key, or is damaged")]
    NotEd25519,
}

/// The PKCS#8 DER encoding of the key with this seed.
pub(crate) fn pkcs8(seed: &[u8; 32]) -> Zeroizing<[u8; 48]> {
    let mut der = Zeroizing::new([0; 48]);
    der[..16].copy_from_slice(&PREFIX);
    der[16..].copy_from_slice(seed);
    der
}

/// The text of a key file.
pub fn to_pem(seed: &[u8; 32]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(&*pkcs8(seed)));
    Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", *body))
}

/// Parses a key file and returns the seed. White space around lines is ignored; nothing else may precede or follow
/// the key.
///
/// # Errors
/// See [`BadKey`].
pub fn from_pem(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, BadKey> {
    let text = std::str::from_utf8(bytes).map_err(|_| BadKey::NotPem)?.trim();
    if text.is_empty() {
        return Err(BadKey::Empty);
    }
    if text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        return Err(BadKey::Encrypted);
    }
    if BEGIN.starts_with(text) {
        return Err(BadKey::Truncated);
    }
    let rest = text.strip_prefix(BEGIN).ok_or(BadKey::NotPem)?;
    let body = rest.strip_suffix(END).ok_or(BadKey::Truncated)?;
    let body = Zeroizing::new(body.split_ascii_whitespace().collect::<String>());
    let der = Zeroizing::new(BASE64.decode(body.as_bytes()).map_err(|_| BadKey::NotPem)?);
    let seed = der.strip_prefix(&PREFIX).and_then(|seed| <[u8; 32]>::try_from(seed).ok());
    seed.map(Zeroizing::new).ok_or(BadKey::NotEd25519)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_round_trips_with_any_line_endings() {
        let pem = to_pem(&[7; 32]);
        assert_eq!(*from_pem(pem.as_bytes()).unwrap(), [7; 32]);
        assert_eq!(*from_pem(pem.replace('\n', "\r\n").as_bytes()).unwrap(), [7; 32]);
    }

    #[test]
    fn a_truncated_key_file_is_refused() {
        let pem = to_pem(&[7; 32]);
        for end in 0..pem.trim_end().len() {
            let why = from_pem(&pem.as_bytes()[..end]).unwrap_err();
            assert_eq!(why, if end == 0 { BadKey::Empty } else { BadKey::Truncated }, "{end} bytes");
        }
        for start in 1..pem.len() - 1 {
            assert!(from_pem(&pem.as_bytes()[start..]).is_err());
        }
    }

    #[test]
    fn each_kind_of_wrong_key_file_has_its_own_error() {
        let p256 = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH\n-----END PRIVATE KEY-----\n";
        assert_eq!(from_pem(p256.as_bytes()), Err(BadKey::NotEd25519));
        assert_eq!(from_pem(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), Err(BadKey::Encrypted));
        assert_eq!(from_pem(b"-----BEGIN OPENSSH PRIVATE KEY-----\n"), Err(BadKey::NotPem));
        assert_eq!(from_pem(&[0xff; 100]), Err(BadKey::NotPem));
        let twice = [to_pem(&[1; 32]).as_bytes(), to_pem(&[2; 32]).as_bytes()].concat();
        assert_eq!(from_pem(&twice), Err(BadKey::NotPem));
    }
}
