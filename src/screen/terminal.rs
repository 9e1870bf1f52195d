//! The terminal: taken over, drawn on, and given back as it was, however the program ends.
//!
//! A release aborts on a panic, so nothing may depend on destructors: a panic hook restores the terminal.

pub(super) mod job;
pub(super) mod notify;
mod output;
pub(super) mod typing;
pub(super) mod update;

use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, mpsc};
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange};
use crossterm::queue;
use crossterm::terminal::{
    Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode,
    enable_raw_mode, size,
};
use ratatui_core::buffer::Buffer;

use super::model::Size;
use super::render::Frame;
use output::Output;
use update::update;

/// How long the last output may take: a terminal that is paused takes none.
const LAST_OUTPUT: Duration = Duration::from_millis(100);
/// The terminal does not reorder right-to-left text: it was reordered.
const EXPLICIT_ORDER: &str = "\x1b[8l";
/// The terminal may do so again.
const IMPLICIT_ORDER: &str = "\x1b[8h";
/// The terminal remembers its title, and shows it again.
const PUSH_TITLE: &str = "\x1b[22;2t";
const POP_TITLE: &str = "\x1b[23;2t";

/// The terminal is taken over.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal, and what it shows.
#[derive(Debug)]
pub struct Terminal {
    output: Output,
    shown: Option<Buffer>,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It is none, or gone.
    pub fn take() -> io::Result<Terminal> {
        HOOK.call_once(restore_on_panic);
        let mut terminal = Terminal { output: Output::start(write_if_taken), shown: None };
        terminal.retake()?;
        Ok(terminal)
    }

    /// Takes it over again after it was given back, or used by others.
    ///
    /// # Errors
    /// It is gone.
    pub fn retake(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        let mut bytes = Vec::new();
        if !TAKEN.swap(true, Ordering::AcqRel) {
            bytes.extend_from_slice(PUSH_TITLE.as_bytes());
        }
        queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, Clear(ClearType::All))?;
        bytes.extend_from_slice(EXPLICIT_ORDER.as_bytes());
        self.output.write(bytes);
        self.shown = None;
        Ok(())
    }

    /// Its size.
    pub fn size() -> io::Result<Size> {
        let (columns, rows) = size()?;
        Ok(Size { columns, rows })
    }

    /// Whether it shows the last frame, and so can be given the next.
    pub fn is_ready(&self) -> bool {
        is_taken() && self.output.is_idle()
    }

    /// Waits until it shows the last frame; for ever if it does so already.
    ///
    /// # Errors
    /// It is gone.
    pub async fn shows(&mut self) -> io::Result<()> {
        self.output.taken().await
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// None: it is written later.
    pub fn draw(&mut self, frame: Frame) -> io::Result<()> {
        self.output.write(update(self.shown.take(), &frame)?);
        self.shown = Some(frame.buffer);
        Ok(())
    }

    /// The next frame is drawn whole.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// Shows how much is unread.
    ///
    /// # Errors
    /// None: it is written later.
    pub fn set_title(&mut self, unread: u64) -> io::Result<()> {
        let title = if unread > 0 { format!("({unread}) darknode") } else { "darknode".to_owned() };
        let mut bytes = Vec::new();
        queue!(bytes, SetTitle(title))?;
        self.output.write(bytes);
        Ok(())
    }

    /// Writes a sequence that draws nothing.
    pub fn signal(&mut self, sequence: &str) {
        self.output.write(sequence.as_bytes().to_vec());
    }
}

/// Whether it was taken over and not given back.
pub fn is_taken() -> bool {
    TAKEN.load(Ordering::Acquire)
}

/// Whether the terminal is gone.
#[cfg(unix)]
pub fn has_hung_up() -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    let stdin = io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_err()
        || fds[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
}

/// Whether the terminal is gone.
#[cfg(not(unix))]
pub fn has_hung_up() -> bool {
    false
}

/// Writes, unless the terminal was given back. Whoever gives it back writes behind this.
fn write_if_taken(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    if is_taken() {
        out.write_all(bytes)?;
        out.flush()?;
        drop(out);
        drain();
    }
    Ok(())
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Waits until the output has left a serial line, of which the system takes some seconds' worth at once.
#[cfg(unix)]
fn drain() {
    // What cannot say when needs no waiting.
    let _ = nix::sys::termios::tcdrain(stdout());
}

#[cfg(not(unix))]
fn drain() {}

/// Gives the terminal back as it was, if it was taken over. It does not wait for one that is paused.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    // It may be gone.
    let _ = disable_raw_mode();
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = last_output().and_then(|bytes| write(&bytes));
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(LAST_OUTPUT);
}

fn last_output() -> io::Result<Vec<u8>> {
    let mut bytes = IMPLICIT_ORDER.as_bytes().to_vec();
    queue!(bytes, EndSynchronizedUpdate, DisableFocusChange, DisableBracketedPaste, LeaveAlternateScreen, Show)?;
    bytes.extend_from_slice(POP_TITLE.as_bytes());
    Ok(bytes)
}

fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        before(panic);
    }));
}
