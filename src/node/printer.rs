//! Which messages go to the face, so that each is printed once (`cli.md`, "Printed once").
//!
//! The store keeps a mark: everything up to it was printed. At the start, what lies behind the mark is fetched and shown
//! first; live messages that come meanwhile are not kept, for they are in the store and the next fetch brings them. The
//! same happens when the face falls behind: beyond [`WINDOW`] unprinted messages nothing more is handed out until half
//! of them are printed, and then the store is asked for the rest. So memory is bounded, and the order is that of arrival
//! in either case.

use std::collections::VecDeque;

/// Messages that the face may have and not yet have printed.
pub const WINDOW: usize = 1000;

/// Where a message comes from does not matter to the face; only what it has and has not.
#[derive(Debug)]
pub struct Printer {
    /// Handed to the face and not printed, ascending.
    unprinted: VecDeque<u64>,
    /// The newest that was handed out; before the first, the mark.
    shown: u64,
    /// The newest from before this start: those may have been printed before a crash.
    before: u64,
    /// The newest we know to be in the store, now and when the store was last asked.
    newest: u64,
    newest_when_asked: u64,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Messages go out as they come.
    Live,
    /// The store has some that the face lacks.
    Behind,
    /// As before, and the store was asked.
    Asked,
}

/// A request to the store: [`Job::Unprinted`](super::store::Job::Unprinted).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    pub after: u64,
    pub limit: u32,
}

impl Printer {
    /// `mark` is what the store says was printed; `before` the newest arrival it holds.
    pub fn new(mark: u64, before: u64) -> Printer {
        Printer {
            unprinted: VecDeque::new(),
            shown: mark,
            before,
            newest: before,
            newest_when_asked: before,
            source: Source::Behind,
        }
    }

    /// Whether a message that just came goes to the face now.
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

    /// Whether a fetched message goes to the face, and if so, whether it may have been printed before.
    pub fn fetched(&mut self, arrival: u64) -> Option<bool> {
        if arrival <= self.shown {
            return None;
        }
        self.newest = self.newest.max(arrival);
        self.hand_out(arrival);
        Some(arrival <= self.before)
    }

    /// The rows of a fetch are through: `rows` of them, of at most `limit`.
    pub fn fetch_done(&mut self, rows: usize, limit: u32) {
        let all = rows < limit as usize;
        let nothing_since = self.newest <= self.shown.max(self.newest_when_asked);
        self.source = if all && nothing_since { Source::Live } else { Source::Behind };
    }

    /// The face has written out everything up to here.
    pub fn printed(&mut self, arrival: u64) {
        while self.unprinted.front().is_some_and(|first| *first <= arrival) {
            self.unprinted.pop_front();
        }
    }

    /// What to ask the store now, if anything. The answer must come before this is asked again.
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

    /// A store that holds texts by others at these arrivals.
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
    fn what_lies_behind_the_mark_comes_first_and_says_again() {
        let mut printer = Printer::new(3, 6);
        assert_eq!(answer(&mut printer, &[1, 2, 4, 6]), [(4, true), (6, true)]);
        assert!(printer.live(7));
        assert!(!printer.live(7), "no doubles");
    }

    #[test]
    fn live_messages_wait_behind_the_fetched_ones() {
        let mut printer = Printer::new(0, 2);
        let Fetch { limit, .. } = printer.fetch().unwrap();
        assert!(!printer.live(3), "the fetch is under way");
        assert_eq!(printer.fetched(1), Some(true));
        printer.fetch_done(1, limit);
        assert_eq!(answer(&mut printer, &[1, 3]), [(3, false)], "it came too late for the first fetch");
        assert!(printer.live(4));
    }

    #[test]
    fn a_face_that_falls_behind_gets_everything_once_in_order() {
        let mut printer = Printer::new(0, 0);
        assert!(answer(&mut printer, &[]).is_empty());
        let store: Vec<u64> = (1..=5000).collect();
        let mut shown: Vec<u64> = store.iter().copied().filter(|arrival| printer.live(*arrival)).collect();
        assert_eq!(shown.len(), WINDOW);
        while shown.len() < 5000 {
            assert!(answer(&mut printer, &store).is_empty(), "the face has its hands full");
            printer.printed(*shown.last().unwrap());
            let more = answer(&mut printer, &store);
            assert!(!more.is_empty() && more.iter().all(|(_, again)| !again));
            shown.extend(more.into_iter().map(|(arrival, _)| arrival));
        }
        assert_eq!(shown, store);
    }
}
