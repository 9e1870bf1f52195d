//! Tells pasted text from typed lines where the terminal does not mark it.
//!
//! Most terminals put marks around pasted text. Others send its lines as if they were typed: serial consoles, some clients of
//! ssh, multiplexers. Then each line would be sent for itself, and one that looks like a macro would be obeyed. Nobody types
//! within [`QUIET`](super::keyboard::QUIET) of an Enter, so an Enter that is followed that soon is part of a pasted text, which gets the marks here. If
//! the text ends with an Enter, that one comes after the marks and submits it.

/// The marks of terminals around pasted text.
const BEGIN: &[u8] = b"\x1b[200~";
const END: &[u8] = b"\x1b[201~";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Typing,
    /// After an Enter that was not passed on yet.
    Entered,
    /// In a pasted text without marks of the terminal.
    Pasting {
        /// Its last byte was an Enter that was not passed on yet.
        entered: bool,
    },
    /// In a pasted text with marks of the terminal.
    Marked,
}

/// Passes on what a terminal sends, with marks around pasted text.
#[derive(Debug, Default)]
pub struct Pastes {
    state: State,
    /// The last byte.
    last: u8,
    /// How many bytes of a mark were just seen.
    matched: usize,
}

impl Pastes {
    /// Takes bytes of the terminal and appends to `out` what is known to be passed on.
    pub fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            // Some terminals send both for one Enter.
            let is_same_enter = self.last == b'\r' && *byte == b'\n';
            if self.state == State::Marked || !is_same_enter {
                self.take_byte(*byte, out);
            }
            self.last = *byte;
        }
    }

    /// Whether it has to be told when nothing came for [`QUIET`](super::keyboard::QUIET).
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Entered | State::Pasting { .. })
    }

    /// Nothing came for [`QUIET`](super::keyboard::QUIET).
    pub fn quiet(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Entered => out.push(b'\r'),
            State::Pasting { entered } => {
                out.extend_from_slice(END);
                out.extend(entered.then_some(b'\r'));
            }
            State::Typing | State::Marked => return,
        }
        (self.state, self.last) = (State::Typing, 0);
    }

    fn take_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_enter = matches!(byte, b'\r' | b'\n');
        // A key such as Ctrl-C or an arrow: it is no text.
        if byte.is_ascii_control() && byte != b'\t' && !is_enter {
            self.quiet(out);
        }
        match self.state {
            State::Typing if is_enter => self.state = State::Entered,
            State::Typing => {
                out.push(byte);
                if self.completes(BEGIN, byte) {
                    self.state = State::Marked;
                }
            }
            State::Marked => {
                out.push(byte);
                if self.completes(END, byte) {
                    self.state = State::Typing;
                }
            }
            State::Entered | State::Pasting { .. } => {
                match self.state {
                    State::Entered => out.extend_from_slice(&[BEGIN, b"\r"].concat()),
                    State::Pasting { entered } => out.extend(entered.then_some(b'\r')),
                    State::Typing | State::Marked => {}
                }
                out.extend((!is_enter).then_some(byte));
                self.state = State::Pasting { entered: is_enter };
            }
        }
    }

    /// Whether a byte is the last one of `mark`.
    fn completes(&mut self, mark: &[u8], byte: u8) -> bool {
        if mark[self.matched] != byte {
            self.matched = 0;
        }
        self.matched += usize::from(mark[self.matched] == byte);
        let complete = self.matched == mark.len();
        if complete {
            self.matched = 0;
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on of these chunks, each of which is followed by a pause.
    fn passed(chunks: &[&str]) -> String {
        let (mut pastes, mut out) = (Pastes::default(), Vec::new());
        for chunk in chunks {
            pastes.take(chunk.as_bytes(), &mut out);
            pastes.quiet(&mut out);
        }
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn typed_lines_are_passed_on_as_they_are() {
        assert_eq!(passed(&["h", "i", "\r", "\\quit", "\r"]), "hi\r\\quit\r");
        assert_eq!(passed(&["a whole line\r", "and another\r"]), "a whole line\rand another\r");
        assert_eq!(passed(&["one\r\n", "two\n"]), "one\rtwo\r", "both bytes are one Enter");
    }

    #[test]
    fn an_enter_that_is_followed_at_once_is_part_of_a_pasted_text() {
        assert_eq!(passed(&["one\rtwo\r\\quit\r"]), "one\x1b[200~\rtwo\r\\quit\x1b[201~\r");
        assert_eq!(passed(&["one\r\ntwo"]), "one\x1b[200~\rtwo\x1b[201~");
        assert_eq!(passed(&["one\r\n\r\ntwo\tx"]), "one\x1b[200~\r\rtwo\tx\x1b[201~");
    }

    #[test]
    fn a_slow_line_brings_a_pasted_text_byte_by_byte() {
        let (mut pastes, mut out) = (Pastes::default(), Vec::new());
        "one\r\\chat bob\rtwo\r".bytes().for_each(|byte| pastes.take(&[byte], &mut out));
        assert!(pastes.waits());
        pastes.quiet(&mut out);
        assert_eq!(String::from_utf8(out).expect("it is text"), "one\x1b[200~\r\\chat bob\rtwo\x1b[201~\r");
    }

    #[test]
    fn text_that_the_terminal_marks_is_not_marked_again() {
        let marked = "x\x1b[200~one\rtwo\r\nthree\x1b[201~";
        assert_eq!(passed(&[marked, "\r"]), format!("{marked}\r"));
        let (first, second) = marked.split_at(4);
        assert_eq!(passed(&[first, second, "y\r"]), format!("{marked}y\r"));
    }

    #[test]
    fn a_key_that_is_no_text_ends_a_pasted_text() {
        assert_eq!(passed(&["one\rtwo\r\x03"]), "one\x1b[200~\rtwo\x1b[201~\r\x03");
        assert_eq!(passed(&["one\r\x1b[A"]), "one\r\x1b[A", "an arrow");
        assert_eq!(passed(&["one\r\x1b[200~a\rb\x1b[201~"]), "one\r\x1b[200~a\rb\x1b[201~");
    }
}
