//! The result of a run: figures by key, and violations.

/// The figures of a run, in the order they were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The figures.
    pub figures: Vec<Figure>,
    /// Violated invariants and expectations, as sentences; at most [`MAX_BROKEN`].
    pub broken: Vec<String>,
    /// The trace hash: equal for equal seeds.
    pub trace: [u8; 32],
}

/// Violations kept in a report. Further ones are only counted.
pub const MAX_BROKEN: usize = 20;

#[derive(Debug, Clone, PartialEq)]
/// A measured figure.
pub struct Figure {
    /// Its key, in snake case; the same in every run of a scenario.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// A description with the unit.
    pub about: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
/// The value of a figure.
pub enum Value {
    /// A number of things.
    Count(u64),
    /// A share, a mean or a rate.
    Ratio(f64),
    /// Milliseconds of simulated time; `None` if it never happened.
    Millis(Option<u64>),
}

impl Report {
    /// The figure of a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| figure.value)
    }

    /// The figure of a key as a number. A time that never came is infinite.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.get(key).map(|value| match value {
            Value::Count(count) => count as f64,
            Value::Ratio(ratio) => ratio,
            Value::Millis(millis) => millis.map_or(f64::INFINITY, |millis| millis as f64),
        })
    }
}
