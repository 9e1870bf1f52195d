//! The keyboard, between the terminal and the editor.
//!
//! The editor reads a pseudo-terminal instead of the terminal, and a thread passes on what is typed. This is how pasted text
//! gets its marks ([`pastes`](super::pastes)), and how Ctrl-C is noticed while the editor waits for an answer. Where no pseudo-terminal can
//! be had the editor reads the terminal itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// A pause that ends a pasted text. Characters of one follow each other sooner, on a line of 9,600 baud after a millisecond;
/// keys pressed by hand do not.
pub const QUIET: Duration = Duration::from_millis(10);

/// Ctrl-C while the editor waits for an answer, from the keyboard to the session.
#[derive(Debug, Clone, Default)]
pub struct Keys(Arc<Interrupt>);

#[derive(Debug, Default)]
struct Interrupt {
    wakes: Notify,
    /// The line that was edited last.
    line: AtomicU64,
}

impl Keys {
    #[cfg(unix)]
    fn interrupt(&self, line: u64) {
        self.0.line.store(line, Ordering::Release);
        self.0.wakes.notify_one();
    }

    /// Waits for Ctrl-C. Returns the number of the line that was edited last.
    pub async fn interrupted(&self) -> u64 {
        self.0.wakes.notified().await;
        self.0.line.load(Ordering::Acquire)
    }
}

#[cfg(unix)]
pub use unix::{edit_line, read_through, restore, set_editing};

#[cfg(not(unix))]
pub use other::{edit_line, read_through, restore, set_editing};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read, Write, stdin, stdout};
    use std::os::fd::AsFd;
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::libc::SIGCONT;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::pty::openpty;
    use nix::sys::termios::{
        ControlFlags, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
    };
    use nix::unistd::dup2_stdin;
    use tokio::signal::unix::{SignalKind, signal};

    use super::super::pastes::Pastes;
    use super::{Keys, QUIET};

    /// The terminal as it was before, for whoever ends the program.
    static BEFORE: Mutex<Option<Terminal>> = Mutex::new(None);
    /// What the editor does and the number of its line, and wakes the keyboard when that changes.
    static EDITING: (Mutex<(Editing, u64)>, Condvar) = (Mutex::new((Editing::No, 0)), Condvar::new());
    /// How long keys wait for what becomes of the Enter before them. Not every Enter ends or refuses a line: one can be quoted,
    /// or answer the editor's own question.
    const DECIDED_WITHIN: Duration = Duration::from_secs(1);

    /// Whether the editor reads a line.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Editing {
        Yes,
        /// An Enter was passed on that may end the line.
        Entered,
        No,
    }

    fn editing() -> MutexGuard<'static, (Editing, u64)> {
        EDITING.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[derive(Debug)]
    struct Terminal {
        device: File,
        /// Its mode.
        mode: Termios,
    }

    impl Terminal {
        fn try_clone(&self) -> io::Result<Terminal> {
            Ok(Terminal { device: self.device.try_clone()?, mode: self.mode.clone() })
        }

        fn restore(&self) {
            // The terminal may be gone.
            let _ = tcsetattr(&self.device, SetArg::TCSANOW, &self.mode);
        }

        fn set_raw(&self) -> nix::Result<()> {
            tcsetattr(&self.device, SetArg::TCSADRAIN, &raw(&self.mode))
        }

        fn key(&self, which: SpecialCharacterIndices) -> u8 {
            self.mode.control_chars[which as usize]
        }
    }

    /// A mode in which every key is passed on as it is and not shown.
    fn raw(mode: &Termios) -> Termios {
        let mut raw = mode.clone();
        raw.input_flags &=
            !(InputFlags::BRKINT | InputFlags::ICRNL | InputFlags::INPCK | InputFlags::ISTRIP | InputFlags::IXON);
        raw.control_flags |= ControlFlags::CS8;
        raw.local_flags &= !(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN | LocalFlags::ISIG);
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        raw
    }

    /// Remembers the mode of the terminal, which is standard input, and puts the thread between it and the editor. `redraw` is
    /// called when the program goes on after it was stopped. Must be called in a tokio runtime.
    pub fn read_through(keys: Keys, redraw: impl Fn() + Send + 'static) {
        let terminal = stdin().as_fd().try_clone_to_owned().and_then(|device| {
            let mode = tcgetattr(&device)?;
            Ok(Terminal { device: File::from(device), mode })
        });
        let Ok(terminal) = terminal else { return };
        if let Err(error) = terminal.try_clone().and_then(|terminal| put_between(terminal, keys, redraw)) {
            tracing::warn!("pasted text is not told from typed lines: {error}");
        }
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(terminal);
    }

    fn put_between(terminal: Terminal, keys: Keys, redraw: impl Fn() + Send + 'static) -> io::Result<()> {
        let pair = openpty(None, Some(&raw(&terminal.mode)))?;
        let mut continued = signal(SignalKind::from_raw(SIGCONT))?;
        dup2_stdin(&pair.slave)?;
        terminal.set_raw()?;
        let same = terminal.try_clone()?;
        tokio::spawn(async move {
            // The editor stops the program when it is asked to (Ctrl-Z). It may have drawn the prompt before the program stood
            // still.
            while continued.recv().await.is_some() {
                let _ = same.set_raw();
                if editing().0 != Editing::No {
                    redraw();
                }
            }
        });
        let between = Between { terminal, editor: File::from(pair.master), pastes: Pastes::default(), keys };
        std::thread::spawn(move || between.run());
        Ok(())
    }

    /// Between the terminal and the editor.
    struct Between {
        terminal: Terminal,
        editor: File,
        pastes: Pastes,
        keys: Keys,
    }

    impl Between {
        /// Passes on what is typed until the terminal is gone.
        fn run(mut self) -> Option<()> {
            let mut buffer = [0; 4096];
            loop {
                let quiet = PollTimeout::try_from(QUIET).expect("it is short");
                let timeout = if self.pastes.waits() { quiet } else { PollTimeout::NONE };
                match poll(&mut [PollFd::new(self.terminal.device.as_fd(), PollFlags::POLLIN)], timeout) {
                    Ok(0) => self.on_quiet()?,
                    Ok(_) => {
                        let count = self.terminal.device.read(&mut buffer).ok().filter(|count| *count > 0)?;
                        self.on_typed(&buffer[..count])?;
                    }
                    Err(Errno::EINTR) => {}
                    Err(_) => return None,
                }
            }
        }

        fn on_typed(&mut self, typed: &[u8]) -> Option<()> {
            let interrupt = self.terminal.key(SpecialCharacterIndices::VINTR);
            let suspend = self.terminal.key(SpecialCharacterIndices::VSUSP);
            for part in typed.split_inclusive(|byte| [interrupt, suspend].contains(byte)) {
                let (last, before) = part.split_last()?;
                if ![interrupt, suspend].contains(last) {
                    self.pass(part)?;
                    continue;
                }
                self.pass(before)?;
                // Whom the key is for depends on the Enter before it. The line may have been answered meanwhile.
                let (_, line) = *editing();
                self.on_quiet()?;
                let (state, edited) = *editing();
                if state != Editing::No && edited == line {
                    if *last == suspend {
                        self.terminal.restore();
                    }
                    self.pass(&[*last])?;
                } else if *last == interrupt {
                    self.keys.interrupt(line);
                }
            }
            Some(())
        }

        fn pass(&mut self, typed: &[u8]) -> Option<()> {
            let mut out = Vec::new();
            self.pastes.take(typed, &mut out);
            self.editor.write_all(&out).ok()
        }

        /// Ends a pasted text, or passes on an Enter. If that may end the line, waits until the editor has said whether it does.
        fn on_quiet(&mut self) -> Option<()> {
            let mut out = Vec::new();
            self.pastes.quiet(&mut out);
            let mut state = editing();
            if out.ends_with(b"\r") && state.0 == Editing::Yes {
                state.0 = Editing::Entered;
            }
            drop(state);
            self.editor.write_all(&out).ok()?;
            let waited = EDITING.1.wait_timeout_while(editing(), DECIDED_WITHIN, |state| state.0 == Editing::Entered);
            let (mut state, undecided) = waited.unwrap_or_else(PoisonError::into_inner);
            if undecided.timed_out() {
                state.0 = Editing::Yes;
            }
            Some(())
        }
    }

    /// Tells that the editor reads the line of this number.
    pub fn edit_line(number: u64) {
        *editing() = (Editing::Yes, number);
    }

    /// Tells whether the editor reads on: when it takes or refuses an Enter, and at the end of the line.
    pub fn set_editing(reads: bool) {
        editing().0 = if reads { Editing::Yes } else { Editing::No };
        EDITING.1.notify_all();
    }

    /// Restores the mode that the terminal had before [`read_through`].
    pub fn restore() {
        if let Some(terminal) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            terminal.restore();
            if editing().0 != Editing::No {
                // Leaves the edited line, and turns off bracketed paste. The terminal may be gone.
                let _ = stdout().write_all(b"\x1b[?2004l\n").and_then(|()| stdout().flush());
            }
        }
    }
}

#[cfg(not(unix))]
mod other {
    pub fn read_through(_keys: super::Keys, _redraw: impl Fn() + Send + 'static) {}
    pub fn edit_line(_number: u64) {}
    pub fn set_editing(_reads: bool) {}
    pub fn restore() {}
}
