//! Published measurements for comparison: the crash test of iroh-gossip 2ce78af (HyParView 5/30 and Plumtree) in its
//! own simulator. Latency 10 to 50 ms, shuffle every 10 s, failures known at once, a random sender; 5 seeds of 1,000
//! nodes, 10 of 150. Largest component of live connections after the crash, and reliability of the first broadcast to
//! all: mean and minimum.

use super::samples::Found;

/// Name; percentage that crashes, share of the largest component, mean and minimum of the reliability.
const HYPARVIEW: [(&str, &[[f64; 4]]); 2] = [
    (
        "HyParView, 1,000 nodes",
        &[
            [30.0, 0.99, 1.0, 1.0],
            [50.0, 0.90, 0.998, 0.996],
            [70.0, 0.20, 0.777, 0.0],
            [80.0, 0.05, 0.373, 0.0],
            [90.0, 0.05, 0.024, 0.0],
        ],
    ),
    ("HyParView, 150 nodes", &[[50.0, 0.91, 0.897, 0.0], [90.0, 0.18, 0.057, 0.0]]),
];

pub fn figures() -> Found {
    let mut found = Found::default();
    for (line, rows) in HYPARVIEW {
        for [crash, piece, mean, least] in rows {
            found.note("crash-piece", line, *crash, 100.0 * piece);
            found.note("crash-broadcast", line, *crash, 100.0 * mean);
            found.note("crash-broadcast, least", line, *crash, 100.0 * least);
        }
    }
    found
}
