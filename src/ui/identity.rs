//! Printing and reading recovery words.

use std::io::{self, BufRead, IsTerminal, Read};

use super::{greeting, plain};
use crate::id::UserId;
use crate::identity::words;

/// Bytes read at most: 24 words of up to eight letters are shorter.
const MAX_BYTES: u64 = 4096;

/// Prints the recovery words of a user key, on one line.
pub fn show_words(seed: &[u8; 32]) {
    super::print(&format!("{}\n", words::recovery(seed)));
}

/// Reports who was restored.
pub fn report_restored(name: &str, user: &UserId) {
    eprintln!("restored {}, whose fingerprint is:\n{}", plain::inline(name), greeting::fingerprint(user));
}

/// Reads the user key's seed as recovery words from standard input, on one line or several. The error is one line.
pub fn ask_words() -> Result<[u8; 32], String> {
    if io::stdin().is_terminal() {
        eprintln!("Type the 24 recovery words, then press Enter:");
    }
    let text = read_words(&mut io::stdin().lock()).map_err(|error| format!("cannot read the words: {error}"))?;
    words::restore(&text).map_err(|error| format!("{error}; type them as printed by `darknode identity words`"))
}

/// Reads lines until there are 24 words or the input ends.
fn read_words(input: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    let mut input = input.take(MAX_BYTES);
    while text.split_whitespace().count() < 24 && input.read_line(&mut text)? > 0 {}
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_on_one_line_or_several_and_nothing_after_them_is_read() {
        let words = ["zoo"; 24].join("\n") + "\nrest\n";
        let mut input = words.as_bytes();
        assert_eq!(read_words(&mut input).unwrap().split_whitespace().count(), 24);
        assert_eq!(input, b"rest\n");
        assert_eq!(read_words(&mut &b"too few"[..]).unwrap(), "too few");
    }

    #[test]
    fn endless_input_is_cut_off() {
        let mut input = io::BufReader::new(io::repeat(b'x'));
        assert_eq!(read_words(&mut input).unwrap().len() as u64, MAX_BYTES);
    }
}
