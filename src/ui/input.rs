//! Lines from standard input. Any input is accepted: lines are bounded, and invalid ones are reported, not fatal.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

/// The longest line that is kept. Every valid line is shorter.
const MAX_LINE: usize = 64 * 1024;
/// Lines that may wait for the session, at most 16 MiB.
const WAITING: usize = 256;

/// One line of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Without its line ending.
    Text(String),
    /// Longer than 64 KiB. The line was skipped.
    TooLong,
    /// Not UTF-8.
    NotText,
    /// There are no more lines.
    End,
}

/// Reads standard input in its own thread, so that a blocked read delays nothing, not even the end of the process.
pub fn stdin() -> mpsc::Receiver<Line> {
    let (lines, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let line = next(&mut input);
            let end = line == Line::End;
            if lines.blocking_send(line).is_err() || end {
                break;
            }
        }
    });
    receiver
}

/// The next line. A read error counts as the end of the input.
pub fn next(input: &mut impl BufRead) -> Line {
    let mut bytes = Vec::new();
    match input.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes) {
        Ok(0) | Err(_) => return Line::End,
        Ok(_) => {}
    }
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    } else if bytes.len() > MAX_LINE {
        return if input.skip_until(b'\n').is_ok() { Line::TooLong } else { Line::End };
    }
    String::from_utf8(bytes).map_or(Line::NotText, Line::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while lines.last() != Some(&Line::End) {
            lines.push(next(&mut bytes));
        }
        lines
    }

    #[test]
    fn lines_end_with_or_without_a_carriage_return_or_a_line_end() {
        let text = |text: &str| Line::Text(text.into());
        assert_eq!(all(b"one\r\n\ntwo"), [text("one"), text(""), text("two"), Line::End]);
        assert_eq!(all(b""), [Line::End]);
    }

    #[test]
    fn a_line_of_many_megabytes_is_one_line_that_is_too_long() {
        let mut bytes = vec![b'x'; 5 << 20];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(all(&bytes), [Line::TooLong, Line::Text("next".into()), Line::End]);
        assert_eq!(all(&vec![b'x'; 5 << 20]), [Line::TooLong, Line::End]);
    }

    #[test]
    fn a_line_that_is_not_utf_8_does_not_affect_the_next() {
        assert_eq!(all(b"\xff\xfe\nnext\n"), [Line::NotText, Line::Text("next".into()), Line::End]);
    }
}
