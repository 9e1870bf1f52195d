//! SIGINT, SIGTERM and the end of the terminal (SIGHUP), or their counterparts on Windows, end the process gracefully, and within
//! two seconds in any case.

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
    use std::io::IsTerminal;
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
            return uncaught().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hung_up => {}
        }
    }
}

/// Ctrl-C, Ctrl-Break, and the end of the console, the session or the system, after which the system leaves some seconds.
#[cfg(windows)]
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    let caught = (ctrl_c(), ctrl_break(), ctrl_close(), ctrl_logoff(), ctrl_shutdown());
    async {
        let (Ok(mut interrupt), Ok(mut stop), Ok(mut close), Ok(mut logoff), Ok(mut shutdown)) = caught else {
            return uncaught().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = stop.recv() => {}
            _ = close.recv() => {}
            _ = logoff.recv() => {}
            _ = shutdown.recv() => {}
        }
    }
}

async fn uncaught() {
    tracing::warn!("cannot catch signals; they will end the program without leaving the network gracefully");
    std::future::pending().await
}
