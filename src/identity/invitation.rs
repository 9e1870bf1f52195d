//! What a session that waits to be linked shows, and what is typed where the user key is: a code of three words, which people
//! say to each other, or a token, which they copy or scan.
//!
//! A token is `darklink:SESSION.SECRET@IP:PORT,…`: the waiting session, 16 random bytes in base32, and socket addresses at
//! which it may be reached.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use bip39::Language;
use zeroize::Zeroizing;

use super::address::{parse_addrs, text_of};
use crate::id::{BASE32, SessionId};

/// The prefix of a token.
pub const SCHEME: &str = "darklink:";
/// Words of a code. Each is one of 2,048, so a code has 33 bits.
pub const WORDS: usize = 3;
/// Bytes of the secret of a token.
const SECRET: usize = 16;

/// A code: the numbers of its words in the English BIP-39 list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code([u16; WORDS]);

impl Code {
    /// The code that 33 of these random bits choose.
    pub fn from_random(bits: u64) -> Code {
        Code(std::array::from_fn(|n| (bits >> (11 * n)) as u16 & 0x7ff))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = Language::English.word_list();
        let words: Vec<&str> = self.0.iter().map(|n| list[usize::from(*n)]).collect();
        f.write_str(&words.join(" "))
    }
}

/// Why a text is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// It does not have three words. Holds how many.
    #[error("a code has {WORDS} words, not {0}")]
    Count(usize),
    /// A word is not in the list. Holds it in lower case.
    #[error("{0} is not one of the words")]
    Unknown(String),
}

impl FromStr for Code {
    type Err = BadCode;

    /// Case, white space and hyphens between the words do not matter.
    fn from_str(text: &str) -> Result<Code, BadCode> {
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == '-').filter(|w| !w.is_empty()).collect();
        let words: [&str; WORDS] = words.as_slice().try_into().map_err(|_| BadCode::Count(words.len()))?;
        let mut code = Code([0; WORDS]);
        for (number, word) in code.0.iter_mut().zip(words) {
            *number = Language::English.find_word(word).ok_or_else(|| BadCode::Unknown(word.to_owned()))?;
        }
        Ok(code)
    }
}

/// All words that a code may have.
pub fn word_list() -> &'static [&'static str] {
    Language::English.word_list()
}

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The waiting session.
    pub session: SessionId,
    /// The password of the exchange.
    pub secret: [u8; SECRET],
    /// Where it may be dialled, the most likely first.
    pub addrs: Vec<SocketAddr>,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}.{}@{}", self.session, BASE32.encode(&self.secret), text_of(&self.addrs))
    }
}

/// The text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a whole token; copy all of it, from darklink: to the last port")]
pub struct BadToken;

impl FromStr for Token {
    type Err = BadToken;

    /// Case does not matter: a QR code has it in upper case.
    fn from_str(text: &str) -> Result<Token, BadToken> {
        let text = Zeroizing::new(text.to_lowercase());
        let parts = text.strip_prefix(SCHEME).and_then(|rest| rest.split_once('@'));
        let (who, addrs) = parts.ok_or(BadToken)?;
        let (session, secret) = who.split_once('.').ok_or(BadToken)?;
        let secret = BASE32.decode(secret.as_bytes()).map_err(|_| BadToken)?;
        Ok(Token {
            session: session.parse().map_err(|_| BadToken)?,
            secret: secret.try_into().map_err(|_| BadToken)?,
            addrs: parse_addrs(addrs).ok_or(BadToken)?,
        })
    }
}

/// What was typed to link a session.
#[derive(Clone, PartialEq, Eq)]
pub enum Invitation {
    /// A code. The session that shows it has to be found.
    Code(Code),
    /// A token, which names the session.
    Token(Token),
}

impl Invitation {
    /// The password of the exchange.
    pub fn password(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Invitation::Code(code) => Zeroizing::new(format!("code\0{code}").into_bytes()),
            Invitation::Token(token) => Zeroizing::new([&b"token\0"[..], &token.secret].concat()),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("session", &self.session).field("addrs", &self.addrs).finish_non_exhaustive()
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invitation::Code(code) => code.fmt(f),
            Invitation::Token(token) => token.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_any_case_and_spacing() {
        let code = Code::from_random(0x1_2345_6789);
        let text = code.to_string();
        assert_eq!(text.split(' ').count(), 3);
        for typed in
            [text.clone(), text.to_uppercase(), text.replace(' ', "-"), format!("  {}", text.replace(' ', "  "))]
        {
            assert_eq!(typed.parse(), Ok(code), "{typed}");
        }
    }

    #[test]
    fn all_33_bits_of_the_random_number_count() {
        let codes: std::collections::BTreeSet<String> =
            (0..34).map(|n| Code::from_random(if n == 33 { 0 } else { 1 << n }).to_string()).collect();
        assert_eq!(codes.len(), 34);
    }

    #[test]
    fn a_text_of_other_words_or_another_number_of_words_is_no_code() {
        assert_eq!("zoo zoo".parse::<Code>(), Err(BadCode::Count(2)));
        assert_eq!("zoo zoo zoo zoo".parse::<Code>(), Err(BadCode::Count(4)));
        assert_eq!("zoo Zou zoo".parse::<Code>(), Err(BadCode::Unknown("zou".to_owned())));
    }

    #[test]
    fn a_token_is_read_as_it_was_written_and_a_part_of_it_is_refused() {
        let addrs = vec![([192, 0, 2, 1], 9).into(), "[2001:db8::1]:6".parse().expect("an address")];
        let token = Token { session: SessionId([7; 32]), secret: [8; 16], addrs };
        let text = token.to_string();
        assert_eq!(text.to_uppercase().parse().as_ref(), Ok(&token), "as it is in a QR code");
        assert_eq!(text.parse(), Ok(token));
        let places = text.find('@').expect("places follow");
        for end in 0..=places - 1 {
            assert_eq!(text[..end].parse::<Token>(), Err(BadToken), "{end}");
        }
    }

    #[test]
    fn neither_codes_nor_secrets_are_in_debug_output() {
        let token = Token { session: SessionId([7; 32]), secret: [8; 16], addrs: vec![] };
        let shown = format!("{:?} {:?}", Invitation::Code(Code::from_random(5)), Invitation::Token(token));
        assert!(!shown.contains("abandon") && !shown.contains("8, 8"), "{shown}");
    }
}
