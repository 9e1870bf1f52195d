//! Line numbers with the asker in their upper bits, so that the hub need not remember what was asked.
//!
//! The interface of the process has number 0: its lines pass unchanged.

/// Bits of a client's own line number. A client that sends a million lines a second reaches their end in twelve days.
const LINE_BITS: u32 = 40;

/// The number of the interface of the process.
pub const PRIMARY: u32 = 0;
/// The highest number of a client.
pub const MAX_CLIENT: u32 = (1 << (64 - LINE_BITS)) - 1;

/// The number under which the node knows a client's line.
pub fn of(client: u32, line: u64) -> u64 {
    u64::from(client) << LINE_BITS | line & ((1 << LINE_BITS) - 1)
}

/// The client and its own number for the line.
pub fn parts(tagged: u64) -> (u32, u64) {
    ((tagged >> LINE_BITS) as u32, tagged & ((1 << LINE_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_to_the_client_that_sent_it() {
        for (client, line) in [(PRIMARY, 7), (1, 0), (MAX_CLIENT, (1 << LINE_BITS) - 1)] {
            assert_eq!(parts(of(client, line)), (client, line));
        }
        assert_eq!(of(PRIMARY, 7), 7);
    }
}
