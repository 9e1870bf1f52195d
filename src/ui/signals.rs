//! SIGINT and SIGTERM: a graceful end within two seconds, whatever hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::exit::Exit;
use super::interactive;

/// Behind the session's own patience, and still within the two seconds of the command line's contract.
const PATIENCE: Duration = Duration::from_millis(1900);

/// Tells of the first signal that asks this process to end. From then on the process ends in time even if its output is
/// stuck: everything typed is in the store by then, or was never acknowledged.
pub fn watch() -> Arc<Notify> {
    let stop = Arc::new(Notify::new());
    let told = stop.clone();
    let signal = signal();
    tokio::spawn(async move {
        signal.await;
        told.notify_one();
        std::thread::spawn(|| {
            std::thread::sleep(PATIENCE);
            interactive::restore_terminal();
            Exit::Success.now();
        });
    });
    stop
}

/// Catches signals from the call on, not from the first poll: nothing may be shown before, or whoever reads it and asks
/// for the end at once would kill the program instead.
#[cfg(unix)]
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = caught else {
            tracing::warn!("signals cannot be caught here; they end the program at once");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
