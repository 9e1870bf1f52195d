//! SIGINT, SIGTERM and the end of the terminal (SIGHUP) end the process gracefully, and within two seconds in any case.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::exit::Exit;

/// Later than the session's own time limit, and within the two seconds that `docs/json.md` promises.
const DEADLINE: Duration = Duration::from_millis(1900);

/// Notifies of the first signal that asks this process to end. The process then ends in time even if its output blocks:
/// every line that was acknowledged is in the store. `restore` gives the terminal back before.
pub fn watch(restore: fn()) -> Arc<Notify> {
    let stop = Arc::new(Notify::new());
    let notify = stop.clone();
    let signal = signal();
    tokio::spawn(async move {
        signal.await;
        notify.notify_one();
        std::thread::spawn(move || {
            std::thread::sleep(DEADLINE);
            restore();
            Exit::Success.now();
        });
    });
    stop
}

/// Installs the handlers when called, not when first polled. They must be in place before the first output: a reader may
/// send a signal as soon as it sees `ready`.
#[cfg(unix)]
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let caught = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    // Without a terminal SIGHUP is left as it is: a node that was started with nohup outlives the session of its user.
    let hangup = std::io::stdin().is_terminal().then(|| signal(SignalKind::hangup()).ok()).flatten();
    let hung_up = async {
        match hangup {
            Some(mut hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    };
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = caught else {
            tracing::warn!("cannot catch signals; they will end the program without leaving the network gracefully");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hung_up => {}
        }
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
