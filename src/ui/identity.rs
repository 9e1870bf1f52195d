//! Recovery words, shown and asked for.

use std::io::{self, BufRead, IsTerminal, Read};

use super::plain;
use crate::id::UserId;
use crate::identity::words;

/// More than 24 words of eight letters and a space; what is longer is something else.
const MAX_WORDS: u64 = 4096;

/// Prints the recovery words of a user key, on one line.
pub fn show_words(seed: &[u8; 32]) {
    super::print(&format!("{}\n", words::recovery(seed)));
}

/// Tells who was restored.
pub fn welcome_back(name: &str, user: &UserId) {
    eprintln!("{} is restored; the fingerprint is: {}", plain::inline(name), words::fingerprint(user));
}

/// The user key's seed from recovery words on standard input, on one line or many; the error is one line.
pub fn ask_words() -> Result<[u8; 32], String> {
    if io::stdin().is_terminal() {
        eprintln!("Type the 24 recovery words, then Enter:");
    }
    let text = read_words(&mut io::stdin().lock()).map_err(|error| format!("the words cannot be read: {error}"))?;
    words::restore(&text).map_err(|wrong| format!("{wrong}; type them as `darknode identity words` printed them"))
}

/// Reads lines until there are 24 words or no more lines.
fn read_words(input: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    let mut input = input.take(MAX_WORDS);
    while text.split_whitespace().count() < 24 && input.read_line(&mut text)? > 0 {}
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_stand_on_one_line_or_many_and_nothing_behind_them_is_read() {
        let words = ["zoo"; 24].join("\n") + "\nrest\n";
        let mut input = words.as_bytes();
        assert_eq!(read_words(&mut input).unwrap().split_whitespace().count(), 24);
        assert_eq!(input, b"rest\n");
        assert_eq!(read_words(&mut &b"too few"[..]).unwrap(), "too few");
    }

    #[test]
    fn input_without_end_is_not_kept() {
        let mut input = io::BufReader::new(io::repeat(b'x'));
        assert_eq!(read_words(&mut input).unwrap().len() as u64, MAX_WORDS);
    }
}
