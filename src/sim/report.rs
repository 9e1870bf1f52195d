//! What a run found: figures by key, and everything that should not have been.

/// The figures of a run, in the order they were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub figures: Vec<Figure>,
    /// What broke an invariant, or a promise of the scenario; at most [`MAX_BROKEN`].
    pub broken: Vec<String>,
    /// Equal for equal seeds.
    pub trace: [u8; 32],
}

/// More are counted, not kept.
pub const MAX_BROKEN: usize = 20;

#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// In lower case with underscores; the same in every run of a scenario.
    pub key: String,
    pub value: Value,
    /// For people, with the unit.
    pub about: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Count(u64),
    /// A share, a mean or a rate.
    Ratio(f64),
    /// Milliseconds of simulated time; `None` if it did not come to pass.
    Millis(Option<u64>),
}

impl Report {
    /// The figure of a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| figure.value)
    }

    /// The figure of a key as a number; a time that did not come to pass is infinite.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.get(key).map(|value| match value {
            Value::Count(count) => count as f64,
            Value::Ratio(ratio) => ratio,
            Value::Millis(millis) => millis.map_or(f64::INFINITY, |millis| millis as f64),
        })
    }
}
