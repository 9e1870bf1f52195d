//! Which messages go to the interface of the process, so that each is printed once.
//!
//! The store keeps a print position: everything up to it was printed. At the start, the messages after it are
//! fetched and shown first. Live messages that arrive meanwhile are not kept: they are in the store, and the next
//! fetch returns them. The same happens when the interface falls behind: beyond [`WINDOW`] unprinted messages nothing
//! more is handed out until half of them are printed; then the rest is fetched from the store. So memory is bounded,
//! and messages are shown in order of arrival in either case.

use std::collections::VecDeque;

/// Messages that the interface may hold unprinted.
pub const WINDOW: usize = 1000;

/// Tracks what the interface was given and what it has printed.
#[derive(Debug)]
pub struct Printer {
    /// Arrivals handed out and not yet printed, ascending.
    unprinted: VecDeque<u64>,
    /// The newest arrival handed out; initially the print position.
    shown: u64,
    /// The newest arrival from before this start. Those may have been printed before a crash.
    before: u64,
    /// The newest arrival known to be in the store, now and at the time of the last fetch.
    newest: u64,
    newest_when_asked: u64,
    source: Source,
    /// The last fetch has failed.
    failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Messages are handed out as they arrive.
    Live,
    /// The store holds messages that the interface lacks.
    Behind,
    /// Like `Behind`, and a fetch is under way.
    Asked,
    /// Like `Behind`, and the store could not be read.
    Failed,
}

/// A request to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    pub after: u64,
    pub limit: u32,
}

impl Printer {
    /// `printed` is the print position in the store; `before` is the newest arrival it holds.
    pub fn new(printed: u64, before: u64) -> Printer {
        Printer {
            unprinted: VecDeque::new(),
            shown: printed,
            before,
            newest: before,
            newest_when_asked: before,
            source: Source::Behind,
            failed: false,
        }
    }

    /// Whether to hand out a message that has just arrived.
    pub fn live(&mut self, arrival: u64) -> bool {
        self.newest = self.newest.max(arrival);
        if self.source != Source::Live || arrival <= self.shown {
            return false;
        }
        if self.unprinted.len() >= WINDOW {
            self.source = Source::Behind;
            return false;
        }
        self.hand_out(arrival);
        true
    }

    /// Whether to hand out a fetched message, and if so, whether it may have been printed before.
    pub fn fetched(&mut self, arrival: u64) -> Option<bool> {
        if arrival <= self.shown {
            return None;
        }
        self.newest = self.newest.max(arrival);
        self.hand_out(arrival);
        Some(arrival <= self.before)
    }

    /// Ends a fetch that returned `rows` rows of at most `limit`.
    pub fn fetch_done(&mut self, rows: usize, limit: u32) {
        self.failed = false;
        let all = rows < limit as usize;
        let nothing_since = self.newest <= self.shown.max(self.newest_when_asked);
        self.source = if all && nothing_since { Source::Live } else { Source::Behind };
    }

    /// Ends a fetch whose messages could not be read. Returns whether it is the first in a row; the next one is due after
    /// [`retry`](Self::retry).
    pub fn fetch_failed(&mut self) -> bool {
        self.source = Source::Failed;
        !std::mem::replace(&mut self.failed, true)
    }

    /// Repeats a fetch that has failed.
    pub fn retry(&mut self) {
        if self.source == Source::Failed {
            self.source = Source::Behind;
        }
    }

    /// Records that everything up to `arrival` was printed.
    pub fn printed(&mut self, arrival: u64) {
        while self.unprinted.front().is_some_and(|first| *first <= arrival) {
            self.unprinted.pop_front();
        }
    }

    /// The next request to the store, if one is due. [`fetch_done`](Self::fetch_done) must be called before the next
    /// one.
    pub fn fetch(&mut self) -> Option<Fetch> {
        if self.source != Source::Behind || self.unprinted.len() > WINDOW / 2 {
            return None;
        }
        self.source = Source::Asked;
        self.newest_when_asked = self.newest;
        Some(Fetch { after: self.shown, limit: (WINDOW - self.unprinted.len()) as u32 })
    }

    fn hand_out(&mut self, arrival: u64) {
        self.shown = arrival;
        self.unprinted.push_back(arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_cannot_be_read_is_fetched_again_and_not_taken_for_the_end() {
        let mut printer = Printer::new(0, 2);
        assert!(printer.fetch().is_some());
        assert!(printer.fetch_failed());
        assert!(!printer.live(3), "the messages before it come first");
        assert_eq!(printer.fetch(), None, "not at once");
        printer.retry();
        assert!(printer.fetch().is_some());
        assert!(!printer.fetch_failed(), "it is said once");
        printer.retry();
        assert_eq!(answer(&mut printer, &[1, 2, 3]), [(1, true), (2, true), (3, false)]);
    }

    /// Answers all fetches from a store that holds messages at these arrivals.
    fn answer(printer: &mut Printer, store: &[u64]) -> Vec<(u64, bool)> {
        let mut shown = Vec::new();
        while let Some(Fetch { after, limit }) = printer.fetch() {
            let rows: Vec<u64> = store.iter().copied().filter(|a| *a > after).take(limit as usize).collect();
            shown.extend(rows.iter().filter_map(|row| printer.fetched(*row).map(|again| (*row, again))));
            printer.fetch_done(rows.len(), limit);
        }
        shown
    }

    #[test]
    fn unprinted_messages_come_first_and_are_flagged_as_possible_repeats() {
        let mut printer = Printer::new(3, 6);
        assert_eq!(answer(&mut printer, &[1, 2, 4, 6]), [(4, true), (6, true)]);
        assert!(printer.live(7));
        assert!(!printer.live(7), "no duplicates");
    }

    #[test]
    fn live_messages_wait_behind_the_fetched_ones() {
        let mut printer = Printer::new(0, 2);
        let Fetch { limit, .. } = printer.fetch().unwrap();
        assert!(!printer.live(3), "a fetch is under way");
        assert_eq!(printer.fetched(1), Some(true));
        printer.fetch_done(1, limit);
        assert_eq!(answer(&mut printer, &[1, 3]), [(3, false)], "it arrived too late for the first fetch");
        assert!(printer.live(4));
    }

    #[test]
    fn a_slow_interface_gets_everything_once_in_order() {
        let mut printer = Printer::new(0, 0);
        assert!(answer(&mut printer, &[]).is_empty());
        let store: Vec<u64> = (1..=5000).collect();
        let mut shown: Vec<u64> = store.iter().copied().filter(|arrival| printer.live(*arrival)).collect();
        assert_eq!(shown.len(), WINDOW);
        while shown.len() < 5000 {
            assert!(answer(&mut printer, &store).is_empty(), "the interface is at its limit");
            printer.printed(*shown.last().unwrap());
            let more = answer(&mut printer, &store);
            assert!(!more.is_empty() && more.iter().all(|(_, again)| !again));
            shown.extend(more.into_iter().map(|(arrival, _)| arrival));
        }
        assert_eq!(shown, store);
    }
}
