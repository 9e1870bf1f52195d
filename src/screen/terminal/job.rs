//! The process as a job of a shell, which stops it and lets it go on.
//!
//! SIGTSTP comes from the key and from other programs. It must not stop the process before the terminal was given back, and after
//! that it is to do what it does to every program: nothing, where no shell could let it go on. So it keeps its action, but is
//! blocked in all threads. One of them waits for it, asks the screen to give the terminal back, and then lets it act.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

/// Changes that may wait. They come one at a time.
const CHANGES: usize = 4;

/// What the shell does.
#[derive(Debug)]
pub enum Change {
    /// The process is to stop, as soon as this says so.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only shells of Unix stop a process"))]
    Stops(oneshot::Sender<()>),
    /// It goes on, or was not stopped.
    GoesOn,
}

/// What the shell does to the process.
pub struct Job {
    changes: mpsc::Receiver<Change>,
    /// Also after SIGSTOP, which nobody can wait for.
    #[cfg(unix)]
    continued: Option<tokio::signal::unix::Signal>,
}

/// The screen that is told, if there is one.
static SCREEN: Mutex<Option<mpsc::Sender<Change>>> = Mutex::new(None);

fn screen() -> Option<mpsc::Sender<Change>> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The changes from now on. Nobody else is told of them.
fn changes() -> mpsc::Receiver<Change> {
    let (to_us, changes) = mpsc::channel(CHANGES);
    *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(to_us);
    changes
}

#[cfg(unix)]
mod unix {
    use std::sync::Once;

    use nix::sys::signal::{SigSet, Signal, kill};
    use nix::unistd::Pid;
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    static HELD: Once = Once::new();

    /// Keeps SIGTSTP from stopping the process while a screen has the terminal. Threads that were started before this do not know
    /// of it.
    pub fn hold_stops() {
        HELD.call_once(|| {
            // It fails only for a wrong argument.
            let _ = SigSet::from(Signal::SIGTSTP).thread_block();
            std::thread::spawn(wait_for_stops);
        });
    }

    /// Asks for the stop of all of the job, as the key does without raw mode: the program may have been started by another one.
    pub fn ask_to_stop() {
        // The process itself is one of them.
        let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    }

    fn wait_for_stops() -> nix::Result<()> {
        let stop = SigSet::from(Signal::SIGTSTP);
        loop {
            stop.wait()?;
            let (granted, is_granted) = oneshot::channel();
            if screen().is_some_and(|screen| screen.blocking_send(Change::Stops(granted)).is_ok()) {
                // A screen that ends meanwhile has given the terminal back.
                let _ = is_granted.blocking_recv();
            }
            stop.thread_unblock()?;
            kill(Pid::this(), Signal::SIGTSTP)?;
            stop.thread_block()?;
            screen().map(|screen| screen.blocking_send(Change::GoesOn));
        }
    }

    impl Job {
        /// Watches for changes; the last one that does so is told.
        pub fn watch() -> Job {
            hold_stops();
            Job { changes: changes(), continued: signal(SignalKind::from_raw(Signal::SIGCONT as i32)).ok() }
        }

        /// The next change. Cancelling it loses nothing.
        pub async fn next(&mut self) -> Change {
            let continued = async {
                match &mut self.continued {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(change) = self.changes.recv() => change,
                () = continued => Change::GoesOn,
            }
        }
    }
}

#[cfg(unix)]
pub use unix::{ask_to_stop, hold_stops};

#[cfg(not(unix))]
mod other {
    use super::*;

    /// Nothing stops a process here.
    pub fn hold_stops() {}

    /// No shell could let it go on, so it does so at once.
    pub fn ask_to_stop() {
        // A screen with changes that wait takes the terminal over anyway.
        let _ = screen().map(|screen| screen.try_send(Change::GoesOn));
    }

    impl Job {
        /// Watches for changes; the last one that does so is told.
        pub fn watch() -> Job {
            Job { changes: changes() }
        }

        /// The next change. Cancelling it loses nothing.
        pub async fn next(&mut self) -> Change {
            match self.changes.recv().await {
                Some(change) => change,
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(not(unix))]
pub use other::{ask_to_stop, hold_stops};
