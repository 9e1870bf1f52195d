//! What a node counts: the numbers that `--metrics` tells.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::rfc3339;
use crate::handle::counts::{self, Observed};
use crate::proto::notice::Drops;

/// Numbers by what they count.
type Numbers = BTreeMap<&'static str, u64>;

/// The keys of the event.
#[derive(Serialize)]
pub struct Counts<'a> {
    began: String,
    users: Numbers,
    sessions: usize,
    connections: Numbers,
    messages: Numbers,
    receipts: u64,
    delivery: Durations,
    outbox: Numbers,
    custody: Numbers,
    dials: &'a Numbers,
    dials_open: usize,
    drops: &'a Drops,
    store: Numbers,
    commits: Durations,
    disk_refuses: bool,
    deaf_links: usize,
    clients: usize,
    gaps: u64,
}

#[derive(Serialize)]
struct Durations {
    sum_s: f64,
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
struct Bucket {
    longest_s: Option<f64>,
    count: u64,
}

impl<'a> From<&'a Observed> for Counts<'a> {
    fn from(observed: &'a Observed) -> Counts<'a> {
        let Observed { node, clients, gaps } = observed;
        let (core, of) = (&node.core, node.core.connections);
        Counts {
            began: rfc3339(node.began),
            users: numbers([("online", core.online), ("offline", core.offline)]),
            sessions: core.sessions,
            connections: numbers([
                ("linked", of.linked),
                ("own", of.own),
                ("other", of.other),
                ("pending", of.pending),
            ]),
            messages: [("sent", node.sent), ("received", node.received)].into(),
            receipts: node.receipts,
            delivery: (&core.delivery).into(),
            outbox: numbers([("lines", core.outbox.items), ("bytes", core.outbox.bytes)]),
            custody: numbers([
                ("envelopes", core.custody.items),
                ("bytes", core.custody.bytes),
                ("limit_bytes", core.custody_limit),
            ]),
            dials: &node.dials,
            dials_open: node.dials_open,
            drops: &node.drops,
            store: [("backlog", node.store.backlog), ("bytes", node.store.bytes)].into(),
            commits: (&node.store.commits).into(),
            disk_refuses: node.store.refuses,
            deaf_links: node.deaf_links,
            clients: *clients,
            gaps: *gaps,
        }
    }
}

fn numbers<const N: usize>(all: [(&'static str, usize); N]) -> Numbers {
    all.into_iter().map(|(name, number)| (name, number as u64)).collect()
}

impl From<&counts::Histogram> for Durations {
    fn from(histogram: &counts::Histogram) -> Durations {
        let bucket = |(longest, count): (Option<Duration>, u64)| Bucket {
            longest_s: longest.map(|longest| longest.as_secs_f64()),
            count,
        };
        Durations { sum_s: histogram.sum().as_secs_f64(), buckets: histogram.buckets().map(bucket).collect() }
    }
}
