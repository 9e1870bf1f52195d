//! Counts of what arrives on a connection. QUIC's statistics count acknowledgements, but not what they acknowledge, and
//! a peer whose path is dead in one direction repeats the last one. Congestion control is told of every packet.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use quinn::Connection;
use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;

/// What has been acknowledged on the current path of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Bytes of acknowledged packets.
    pub bytes: u64,
    /// How often an acknowledgement left nothing under way.
    pub drained: u64,
}

/// What has been acknowledged on a connection with a [`Counting`] congestion control.
pub fn delivered(conn: &Connection) -> Delivered {
    let counting = conn.congestion_state().into_any().downcast::<Counted>();
    counting.map(|counted| counted.delivered).unwrap_or_default()
}

/// Cubic congestion control that also counts.
#[derive(Debug, Default)]
pub struct Counting {
    inner: Arc<CubicConfig>,
}

impl ControllerFactory for Counting {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = self.inner.clone().build(now, current_mtu);
        Box::new(Counted { inner, delivered: Delivered::default(), has_acked: false })
    }
}

struct Counted {
    inner: Box<dyn Controller>,
    delivered: Delivered,
    /// The acknowledgement at hand is of something that was under way.
    has_acked: bool,
}

impl Controller for Counted {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.delivered.bytes += bytes;
        self.has_acked = true;
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.delivered.drained += u64::from(std::mem::take(&mut self.has_acked) && in_flight == 0);
        self.inner.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.inner.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Counted { inner: self.inner.clone_box(), delivered: self.delivered, has_acked: self.has_acked })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
