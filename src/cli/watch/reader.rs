//! Who reads standard output. A command that waits does not learn by writing that nobody does any more.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

/// The program at the other end of standard output.
pub struct Reader {
    gone: Arc<Notify>,
}

impl Reader {
    /// Watches from now on.
    pub fn watch() -> Reader {
        let gone = Arc::new(Notify::new());
        system::watch(gone.clone());
        Reader { gone }
    }

    /// Returns when it is gone, with the error that the next output would fail with.
    pub async fn gone(&self) -> io::Error {
        self.gone.notified().await;
        io::ErrorKind::BrokenPipe.into()
    }
}

#[cfg(unix)]
mod system {
    use std::io::stdout;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use tokio::sync::Notify;

    pub fn watch(gone: Arc<Notify>) {
        std::thread::spawn(move || {
            let stdout = stdout();
            // An error and the end of the reader are reported without being asked for.
            let mut awaited = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
            loop {
                match poll(&mut awaited, PollTimeout::NONE) {
                    Err(Errno::EINTR) => {}
                    Err(_) => return,
                    Ok(_) => return gone.notify_one(),
                }
            }
        });
    }
}

#[cfg(windows)]
mod system {
    use std::sync::Arc;

    use tokio::sync::Notify;

    /// The system does not say.
    pub fn watch(_gone: Arc<Notify>) {}
}
