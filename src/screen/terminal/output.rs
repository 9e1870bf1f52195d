//! What goes to the terminal. A thread of its own writes it: a terminal takes it as slowly as its line is, or not at all while
//! somebody has paused it.
//!
//! A frame is begun only when everything before it was taken. So a slow line shows fewer frames and never an old one, and what is
//! typed is not kept waiting by what is drawn.

use std::io;
use std::sync::mpsc as blocking;

use tokio::sync::mpsc;

/// Bytes that wait behind a frame: its title, and signals. Nobody hears the bells of a terminal that takes no more.
const MAX_WAITING: usize = 4096;

/// The way to the terminal.
#[derive(Debug)]
pub struct Output {
    to_write: blocking::Sender<Vec<u8>>,
    taken: mpsc::UnboundedReceiver<io::Result<()>>,
    is_busy: bool,
    waiting: Vec<u8>,
}

impl Output {
    /// Starts the thread. `write` writes, and returns when the terminal has taken it.
    pub fn start(write: impl Fn(&[u8]) -> io::Result<()> + Send + 'static) -> Output {
        let (to_write, given) = blocking::channel::<Vec<u8>>();
        let (to_us, taken) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for bytes in given {
                if to_us.send(write(&bytes)).is_err() {
                    return;
                }
            }
        });
        Output { to_write, taken, is_busy: false, waiting: Vec::new() }
    }

    /// Whether the terminal has taken everything.
    pub fn is_idle(&self) -> bool {
        !self.is_busy
    }

    /// Writes, behind what the terminal has not taken yet. A short text that finds no room there is dropped.
    pub fn write(&mut self, bytes: Vec<u8>) {
        if !self.is_busy {
            self.is_busy = true;
            // The thread ends with this end of the channel.
            let _ = self.to_write.send(bytes);
        } else if self.waiting.len() + bytes.len() <= MAX_WAITING {
            self.waiting.extend(bytes);
        }
    }

    /// Waits until the terminal has taken what it was given; for ever if that was nothing. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The terminal is gone.
    pub async fn taken(&mut self) -> io::Result<()> {
        if self.is_busy
            && let Some(result) = self.taken.recv().await
        {
            self.is_busy = false;
            let waiting = std::mem::take(&mut self.waiting);
            if !waiting.is_empty() {
                self.write(waiting);
            }
            return result;
        }
        std::future::pending().await
    }
}
