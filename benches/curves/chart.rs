//! The charts and their axes.

use std::borrow::Cow;

/// A chart, without its curves.
#[derive(Debug)]
pub struct Chart {
    /// The file name without the extension.
    pub name: &'static str,
    pub title: &'static str,
    pub across: Axis,
    pub up: Axis,
}

/// An axis, from its first to its last tick.
#[derive(Debug, Clone)]
pub struct Axis {
    pub about: &'static str,
    /// If empty, the axis goes from zero to the largest value.
    pub ticks: Cow<'static, [f64]>,
    pub scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Logarithmic; values below the first tick are drawn at it.
    Log,
}

/// The scale between the ends of an axis.
const MOST_STEPS: usize = 6;

const CRASHED: Axis = linear("nodes that crash at once, %", &[30.0, 50.0, 70.0, 80.0, 90.0]);
const SHARE: Axis = linear("%", &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
const MOMENTS: &[f64] = &[0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0];
const MINUTES: Axis = linear("minutes since the last change", &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]);
const DEGREES: Axis = linear("links of a node", &[6.0, 10.0, 15.0, 20.0]);

pub const CHARTS: &[Chart] = &[
    Chart {
        name: "crash-piece",
        title: "Survivors in the largest piece of live connections, right after the crash",
        across: CRASHED,
        up: SHARE,
    },
    Chart {
        name: "crash-broadcast",
        title: "Who is told of the first change after the crash, of those it is meant for",
        across: CRASHED,
        up: SHARE,
    },
    Chart {
        name: "crash-messages",
        title: "Messages of each survivor in the two minutes after the crash",
        across: CRASHED,
        up: linear("messages", &[]),
    },
    Chart {
        name: "crash-clustered",
        title: "The largest piece when friends are friends of each other, 300 nodes",
        across: CRASHED,
        up: SHARE,
    },
    Chart {
        name: "partition",
        title: "Two halves joined after an hour: who sees whom they should",
        across: log("seconds since the join", MOMENTS),
        up: SHARE,
    },
    Chart {
        name: "restart",
        title: "Everybody restarts, 20 % of the addresses true, no server: who sees whom they should",
        across: log("seconds since the first one started", MOMENTS),
        up: SHARE,
    },
    Chart {
        name: "coldstart",
        title: "Everybody starts within a second and knows one server: who sees whom they should",
        across: log("seconds since the first one started", MOMENTS),
        up: SHARE,
    },
    Chart {
        name: "coldstart-messages",
        title: "What each node has sent by then",
        across: log("seconds since the first one started", MOMENTS),
        up: linear("messages", &[]),
    },
    Chart {
        name: "change-copies",
        title: "Copies of a changed declaration for each node that is told",
        across: DEGREES,
        up: linear("copies", &[]),
    },
    Chart {
        name: "change-bytes",
        title: "Bytes that all nodes together send for a change, for each node that is told",
        across: DEGREES,
        up: linear("bytes", &[]),
    },
    Chart {
        name: "idle",
        title: "What a node says when nothing happens",
        across: MINUTES,
        up: linear("messages a minute", &[]),
    },
];

const fn linear(about: &'static str, ticks: &'static [f64]) -> Axis {
    Axis { about, ticks: Cow::Borrowed(ticks), scale: Scale::Linear }
}

const fn log(about: &'static str, ticks: &'static [f64]) -> Axis {
    Axis { about, ticks: Cow::Borrowed(ticks), scale: Scale::Log }
}

impl Axis {
    /// Adds ticks up to a value if it has none.
    pub fn reaching(&self, most: f64) -> Axis {
        if !self.ticks.is_empty() {
            return self.clone();
        }
        let steps = (-3..9).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
        let step = steps.into_iter().find(|step| step * MOST_STEPS as f64 >= most).unwrap_or(most);
        let count = (most / step).ceil().max(1.0) as usize;
        Axis { ticks: (0..=count).map(|nth| nth as f64 * step).collect(), ..self.clone() }
    }

    /// The position of a value, from 0 to 1, clamped.
    pub fn place(&self, value: f64) -> f64 {
        let (first, last) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        let value = value.clamp(first, last);
        match self.scale {
            Scale::Linear => (value - first) / (last - first),
            Scale::Log => (value / first).ln() / (last / first).ln(),
        }
    }
}
