//! The terminal: taken over, drawn on, and given back as it was, however the program ends.
//!
//! A release aborts on a panic, so nothing may depend on destructors: a panic hook restores the terminal.

use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, mpsc};
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange};
use crossterm::queue;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    SetTitle, disable_raw_mode, enable_raw_mode, size,
};
use ratatui_core::backend::Backend;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_crossterm::CrosstermBackend;

use super::model::Size;
use super::render::Frame;

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

/// What was drawn last.
#[derive(Debug, Default)]
pub struct Terminal {
    shown: Option<Buffer>,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It is none, or gone.
    pub fn take() -> io::Result<Terminal> {
        HOOK.call_once(restore_on_panic);
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::Release);
        let mut bytes = PUSH_TITLE.as_bytes().to_vec();
        queue!(bytes, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, Clear(ClearType::All))?;
        bytes.extend_from_slice(EXPLICIT_ORDER.as_bytes());
        write(&bytes)?;
        Ok(Terminal::default())
    }

    /// Its size.
    pub fn size() -> io::Result<Size> {
        let (columns, rows) = size()?;
        Ok(Size { columns, rows })
    }

    /// Draws what has changed. A terminal that knows synchronized output shows it at once.
    pub fn draw(&mut self, frame: Frame) -> io::Result<()> {
        let mut bytes = Vec::new();
        queue!(bytes, BeginSynchronizedUpdate, Hide)?;
        let Frame { buffer, cursor } = frame;
        let shown = match self.shown.take().filter(|shown| shown.area == buffer.area) {
            Some(shown) => shown,
            None => {
                queue!(bytes, Clear(ClearType::All))?;
                Buffer::empty(Rect { ..buffer.area })
            }
        };
        CrosstermBackend::new(&mut bytes).draw(shown.diff(&buffer).into_iter())?;
        if let Some((x, y)) = cursor {
            queue!(bytes, MoveTo(x, y), Show)?;
        }
        queue!(bytes, EndSynchronizedUpdate)?;
        self.shown = Some(buffer);
        write(&bytes)
    }

    /// The next frame is drawn whole.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// Shows how much is unread.
    pub fn set_title(&self, unread: u64) -> io::Result<()> {
        let title = if unread > 0 { format!("({unread}) darknode") } else { "darknode".to_owned() };
        let mut bytes = Vec::new();
        queue!(bytes, SetTitle(title))?;
        write(&bytes)
    }

    /// Writes a sequence that draws nothing.
    pub fn signal(&self, sequence: &str) -> io::Result<()> {
        write(sequence.as_bytes())
    }
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

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(bytes)?;
    out.flush()
}

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
