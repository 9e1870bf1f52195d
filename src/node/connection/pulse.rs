//! Whether what is sent on a connection arrives, from the transport's counts, compared at each check. QUIC itself gives
//! a connection up only after its idle time-out, and never one on which small packets still pass.

use std::time::Duration;

use quinn::Connection;

use crate::node::delivery::{Delivered, delivered};
use crate::proto::event::Flow;
use crate::time::Moment;

/// A connection on which nothing has arrived for this long is stalled, if that is more than twice its round-trip time.
/// At 30 % loss in each direction half of all packets are acknowledged, and several are sent meanwhile.
const STALLED: Duration = Duration::from_secs(3);
/// A connection moves while at least this many bytes a second arrive: less than half of what a link of 9.6 kbit/s
/// carries.
const MOVING: u64 = 500;

/// How much earlier than it is noticed something may have been sent: the probes for a loss soon are two seconds apart.
const UNNOTICED: Duration = Duration::from_secs(2);

/// The state of one connection at the last check.
#[derive(Debug, Default)]
pub struct Pulse {
    asked: Asked,
    delivered: Delivered,
    /// When stream data was sent that may not have arrived, although something did at the same check.
    doubtful: Option<Moment>,
    /// Since when something is under way and too little arrives.
    waiting: Option<Moment>,
    stalled: bool,
}

/// Frames sent that ask for an acknowledgement.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Asked {
    stream: u64,
    /// Keep-alives and probes for losses.
    other: u64,
}

impl Pulse {
    /// Compares with the last check, a second ago. `None` if there is nothing to report.
    pub fn check(&mut self, conn: &Connection, now: Moment) -> Option<Flow> {
        let stats = conn.stats();
        let frames = stats.frame_tx;
        let asked = Asked { stream: frames.stream, other: frames.ping + frames.immediate_ack };
        self.update(asked, delivered(conn), STALLED.max(2 * stats.path.rtt), now)
    }

    fn update(&mut self, asked: Asked, delivered: Delivered, patience: Duration, now: Moment) -> Option<Flow> {
        let asked_before = std::mem::replace(&mut self.asked, asked);
        let before = std::mem::replace(&mut self.delivered, delivered);
        // Counting starts over on a new path.
        let moves = delivered.bytes.checked_sub(before.bytes).unwrap_or(delivered.bytes) >= MOVING;
        // Where only small packets pass, some are acknowledged, but large ones always remain.
        if moves || delivered.drained != before.drained {
            self.waiting = None;
            self.doubtful = (asked.stream > asked_before.stream).then_some(now);
        } else if asked != asked_before {
            let earliest = Moment(now.0.saturating_sub(UNNOTICED.as_millis() as u64));
            let since = self.doubtful.take().unwrap_or(now).max(earliest);
            self.waiting.get_or_insert(since);
        }
        let stalled = self.waiting.is_some_and(|since| now.since(since) >= patience);
        match (std::mem::replace(&mut self.stalled, stalled), stalled) {
            (false, true) => Some(Flow::Stalled),
            (true, false) => Some(Flow::Moving),
            (false, false) if moves => Some(Flow::Moving),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reported second by second of stream frames sent, bytes delivered, and how often nothing was left.
    fn flows(counted: &[(u64, u64, u64)]) -> Vec<Option<Flow>> {
        let mut pulse = Pulse::default();
        let mut report = |second: usize, (stream, bytes, drained): (u64, u64, u64)| {
            let asked = Asked { stream, other: 0 };
            pulse.update(asked, Delivered { bytes, drained }, STALLED, Moment(second as u64 * 1000))
        };
        counted.iter().enumerate().map(|(second, counted)| report(second, *counted)).collect()
    }

    #[test]
    fn a_connection_on_which_nothing_arrives_is_stalled_after_three_seconds_until_everything_has() {
        let counted = [(1, 40, 1), (2, 40, 1), (2, 40, 1), (3, 40, 1), (4, 40, 1), (6, 80, 2)];
        let expected = [None, None, None, Some(Flow::Stalled), None, Some(Flow::Moving)];
        assert_eq!(flows(&counted), expected);
    }

    #[test]
    fn a_connection_is_stalled_where_only_small_packets_arrive() {
        let counted = [(1, 40, 1), (2, 80, 1), (3, 120, 1), (4, 160, 1)];
        assert_eq!(flows(&counted), [None, None, None, Some(Flow::Stalled)]);
    }

    #[test]
    fn an_idle_connection_reports_nothing_and_a_thin_link_moves() {
        assert_eq!(flows(&[(1, 40, 1), (1, 40, 1), (2, 80, 2)]), [None; 3]);
        assert_eq!(flows(&[(1, 1200, 0), (2, 2400, 0)]), [Some(Flow::Moving); 2]);
    }
}
