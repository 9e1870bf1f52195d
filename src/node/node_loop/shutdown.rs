//! The end of a node. It takes at most [`STOPS_WITHIN`]: connections flush their queues, the store commits, and mDNS sends
//! its goodbye, all concurrently.

use std::time::Duration;

use tokio::time::timeout;

use super::{Background, Node};
use crate::handle::STOPS_WITHIN;
use crate::node::connection::code;
use crate::node::store::Job;
use crate::proto::event::CloseReason;

/// Time for connections to flush: their own farewell limit, and a little more for the close packets.
const FAREWELL: Duration = Duration::from_millis(1200);
/// Time for the close packets after the endpoint was closed.
const LAST_CLOSES: Duration = Duration::from_millis(300);
/// Time for the store's last commit and the mDNS goodbye.
const LAST_COMMIT: Duration = Duration::from_millis(1500);
const _: () = assert!(LAST_COMMIT.as_millis() < STOPS_WITHIN.as_millis());
const _: () = assert!(FAREWELL.as_millis() + LAST_CLOSES.as_millis() < STOPS_WITHIN.as_millis());

impl Node {
    pub(super) async fn stop(mut self, mut background: Background) {
        self.log_counts();
        self.connections.close_all(CloseReason::Bye);
        background.tasks.abort_all();
        self.store.send(Job::Alive(self.shared.clock.now())).ok();
        self.store.send(Job::Stop).ok();
        let stored = tokio::task::spawn_blocking(move || background.store_thread.join().ok());
        let endpoint = self.endpoint;
        let connections = async {
            timeout(FAREWELL, endpoint.wait_idle()).await.ok();
            endpoint.close(code(CloseReason::Bye), b"");
            timeout(LAST_CLOSES, endpoint.wait_idle()).await.ok();
        };
        let lan = async {
            if let Some((leave, task)) = background.lan {
                leave.send(()).ok();
                timeout(LAST_COMMIT, task).await.ok();
            }
        };
        let (_, stored, ()) = tokio::join!(connections, timeout(LAST_COMMIT, stored), lan);
        if stored.is_err() {
            tracing::error!(
                "the disk did not take the last changes in time; typed messages are safe, some receipts may be requested again"
            );
        }
    }
}
