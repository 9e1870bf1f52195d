//! Keeps texts from being printed between the Enter that ends a line and the answer of the session.
//!
//! The editor knows where the line stands that it has just read only as long as nothing is printed below it. While it edits, texts
//! are printed by the editor itself; afterwards the printing thread writes to the terminal directly.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a text may take to be handed to the editor. If it takes longer, the thread waits for the editor, or was not scheduled
/// for that long.
const HANDED_OVER_WITHIN: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct State {
    holding: bool,
    printing: bool,
}

/// Shared by the editor and the printing thread.
#[derive(Debug, Clone, Default)]
pub struct Hold(Arc<(Mutex<State>, Condvar)>);

impl Hold {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints, once nothing is held back.
    pub fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        let state = self.0.1.wait_while(self.lock(), |state| state.holding);
        state.unwrap_or_else(PoisonError::into_inner).printing = true;
        let printed = print();
        self.lock().printing = false;
        self.0.1.notify_all();
        printed
    }

    /// Holds back what is printed, until [`release`](Self::release). Called while the editor still edits. Returns whether it is
    /// certain that nothing is written to the terminal directly: a text of which that is not known was about to be printed.
    pub fn begin(&self) -> bool {
        let mut state = self.lock();
        state.holding = true;
        let waited = self.0.1.wait_timeout_while(state, HANDED_OVER_WITHIN, |state| state.printing);
        !waited.unwrap_or_else(PoisonError::into_inner).0.printing
    }

    /// Prints again.
    pub fn release(&self) {
        self.lock().holding = false;
        self.0.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn what_is_held_back_is_printed_afterwards() {
        let (hold, (sender, printed)) = (Hold::default(), mpsc::channel());
        assert!(hold.begin(), "nothing is being printed");
        let printing = std::thread::spawn({
            let hold = hold.clone();
            move || hold.print(|| sender.send(()))
        });
        assert!(printed.recv_timeout(HANDED_OVER_WITHIN).is_err());
        hold.release();
        printed.recv_timeout(PATIENCE).expect("it is printed");
        printing.join().expect("it does not panic").expect("it is received");
    }

    #[test]
    fn a_text_that_is_being_printed_is_not_waited_for_for_ever() {
        let (hold, (begun, begins), (end, ended)) = (Hold::default(), mpsc::channel(), mpsc::channel::<()>());
        let printing = std::thread::spawn({
            let hold = hold.clone();
            move || {
                hold.print(|| {
                    begun.send(()).expect("the test runs");
                    // An error says that the test has dropped the other end.
                    ended.recv().is_err()
                })
            }
        });
        begins.recv_timeout(PATIENCE).expect("it is being printed");
        assert!(!hold.begin());
        drop(end);
        assert!(printing.join().expect("it does not panic"));
        assert!(hold.begin(), "it was printed");
    }
}
