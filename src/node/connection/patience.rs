//! Deadlines that a thin link meets and a peer that trickles does not: they are extended while bytes arrive at a minimum
//! rate.

use std::pin::pin;
use std::time::Duration;

use quinn::Connection;
use tokio::time::timeout;

/// Bytes a second that must arrive to extend a deadline: a tenth of what a link of 9.6 kbit/s carries, because other
/// traffic may be in front.
const LEAST: f64 = 120.0;
/// How often a deadline is extended by itself at most.
const EXTENSIONS: u32 = 2;

/// Waits for `step`. `None` if it takes longer than `deadline`, extended while the peer's packets arrive.
pub async fn while_arriving<T>(conn: &Connection, deadline: Duration, step: impl Future<Output = T>) -> Option<T> {
    let mut step = pin!(step);
    for _ in 0..=EXTENSIONS {
        let before = conn.stats().udp_rx.bytes;
        if let Ok(done) = timeout(deadline, &mut step).await {
            return Some(done);
        }
        let arrived = conn.stats().udp_rx.bytes - before;
        if (arrived as f64) < LEAST * deadline.as_secs_f64() {
            return None;
        }
    }
    None
}
