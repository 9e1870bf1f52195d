//! The text that monitors read: [OpenMetrics](https://prometheus.io/docs/specs/om/open_metrics_spec/).

use std::collections::BTreeMap;
use std::fmt::{Error, Result};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::process::Process;
use crate::handle::counts::{CoreCounts, Counts, Observed, StoreCounts};
use crate::proto::histogram::Histogram;

/// The type of its content.
pub const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is told.
#[derive(Debug)]
pub struct Snapshot {
    /// The roles of the session, with commas between; `None` if it has none.
    pub roles: Option<String>,
    /// What node and hub count.
    pub counts: Observed,
    /// What the process takes, if the system tells.
    pub process: Option<Process>,
}

/// The text of all metrics.
pub fn render(snapshot: Snapshot) -> String {
    let (mut registry, mut text) = (Registry::default(), String::new());
    registry.register_collector(Box::new(snapshot));
    encode(&mut text, &registry).expect("a string takes everything");
    text
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let mut page = Page(encoder);
        let roles = self.roles.as_deref().unwrap_or("none");
        let info = [("version", env!("CARGO_PKG_VERSION")), ("roles", roles)];
        page.describe("darknode", "What runs", MetricType::Info)?.encode_info(&info)?;
        let Observed { node, clients, gaps } = &self.counts;
        page.gauge("darknode_start_time_seconds", "When it began, since 1970", node.began.0 as f64 / 1000.0)?;
        page.core(&node.core)?;
        page.traffic(node)?;
        page.store(&node.store)?;
        page.gauges("darknode_faces", "Programs connected to the node", "kind", [("socket", *clients)])?;
        page.counter("darknode_face_gaps", "Times that one of them fell behind and missed events", *gaps)?;
        self.process.as_ref().map_or(Ok(()), |process| page.process(process))
    }
}

/// Writes metrics. A name ends in its unit; that of a counter gets `_total`.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn core(&mut self, core: &CoreCounts) -> Result {
        let users = [("online", core.online), ("offline", core.offline)];
        self.gauges("darknode_users", "Known users but the own one", "state", users)?;
        self.gauge("darknode_sessions_known", "Known sessions", core.sessions)?;
        let of = core.connections;
        let connections = [("linked", of.linked), ("own", of.own), ("other", of.other), ("pending", of.pending)];
        self.gauges("darknode_connections", "Connections, by who is at the other end", "kind", connections)?;
        self.histogram("darknode_delivery_seconds", "Time from a line to its first receipt", &core.delivery)?;
        self.gauge("darknode_outbox_lines", "Own lines that wait for receipts", core.outbox.items)?;
        self.gauge("darknode_outbox_bytes", "Bytes of these lines", core.outbox.bytes)?;
        self.gauge("darknode_custody_envelopes", "Envelopes held for others", core.custody.items)?;
        self.gauge("darknode_custody_bytes", "Bytes of these envelopes", core.custody.bytes)?;
        self.gauge("darknode_custody_limit_bytes", "The most bytes that they may take", core.custody_limit)
    }

    fn traffic(&mut self, counts: &Counts) -> Result {
        let messages = BTreeMap::from([("sent", counts.sent), ("received", counts.received)]);
        self.counters("darknode_messages", "Lines", "direction", &messages)?;
        self.counter("darknode_receipts", "Receipts for own lines, by line and session", counts.receipts)?;
        self.counters("darknode_dials", "Dials that have ended", "outcome", &counts.dials)?;
        self.gauge("darknode_dials_open", "Dials under way", counts.dials_open)?;
        self.counters("darknode_dropped", "What was dropped, refused or cut off", "reason", &counts.drops)?;
        self.gauge("darknode_multicast_deaf", "Local links on which the node does not hear itself", counts.deaf_links)
    }

    fn store(&mut self, store: &StoreCounts) -> Result {
        self.histogram("darknode_commit_seconds", "Time of a commit of the store", &store.commits)?;
        self.gauge("darknode_store_backlog", "Changes that are not on the disk yet", store.backlog)?;
        self.gauge("darknode_store_bytes", "Size of the store and its log", store.bytes)?;
        self.gauge("darknode_disk_refuses", "1 while the disk refuses writes", u32::from(store.refuses))
    }

    fn process(&mut self, process: &Process) -> Result {
        self.gauge("process_resident_memory_bytes", "Bytes in memory", process.resident)?;
        self.counter("process_cpu_seconds", "Processor time", process.cpu.as_secs_f64())?;
        self.gauge("process_open_fds", "Open files", process.files)
    }

    fn describe(
        &mut self,
        name: &'static str,
        help: &str,
        kind: MetricType,
    ) -> std::result::Result<MetricEncoder<'_>, Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl EncodeGaugeValue) -> Result {
        self.describe(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        label: &str,
        values: [(&str, usize); N],
    ) -> Result {
        let mut metric = self.describe(name, help, MetricType::Gauge)?;
        values.iter().try_for_each(|(kind, value)| metric.encode_family(&[(label, *kind)])?.encode_gauge(value))
    }

    fn counter(&mut self, name: &'static str, help: &str, value: impl EncodeCounterValue) -> Result {
        self.describe(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn counters(&mut self, name: &'static str, help: &str, label: &str, values: &BTreeMap<&str, u64>) -> Result {
        let mut metric = self.describe(name, help, MetricType::Counter)?;
        values.iter().try_for_each(|(kind, value)| {
            metric.encode_family(&[(label, *kind)])?.encode_counter::<NoLabelSet, _, f64>(value, None)
        })
    }

    fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) -> Result {
        let bound = |longest: Option<Duration>| longest.map_or(f64::INFINITY, |longest| longest.as_secs_f64());
        let buckets: Vec<(f64, u64)> = histogram.buckets().map(|(longest, count)| (bound(longest), count)).collect();
        let (sum, count) = (histogram.sum().as_secs_f64(), buckets.iter().map(|(_, count)| count).sum());
        self.describe(name, help, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}
