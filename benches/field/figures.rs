//! The figures of a run, and tables over many runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The figures of one run, each with its unit in its name. The first one is the main result.
#[derive(Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    pub fn new() -> Figures {
        Figures::default()
    }

    pub fn with(mut self, name: &str, value: f64) -> Figures {
        self.0.push((name.to_owned(), value));
        self
    }

    pub fn seconds(self, name: &str, time: Duration) -> Figures {
        self.with(&format!("{name} s"), time.as_secs_f64())
    }

    /// These figures followed by others.
    pub fn and(mut self, others: Figures) -> Figures {
        self.0.extend(others.0);
        self
    }

    /// Serialized for the parent process.
    pub fn to_line(&self) -> String {
        let pairs: Vec<Value> = self.0.iter().map(|(name, value)| json!([name, value])).collect();
        Value::from(pairs).to_string()
    }

    pub fn from_line(line: &str) -> Option<Figures> {
        serde_json::from_str(line).ok().map(Figures)
    }
}

/// The figures of all runs of a scenario.
pub struct Table {
    scenario: &'static str,
    names: Vec<String>,
    values: BTreeMap<String, Vec<f64>>,
    runs: usize,
    failed: usize,
}

impl Table {
    pub fn new(scenario: &'static str) -> Table {
        Table { scenario, names: Vec::new(), values: BTreeMap::new(), runs: 0, failed: 0 }
    }

    /// Adds a run; `None` if it failed.
    pub fn add(&mut self, outcome: Option<Figures>) {
        self.runs += 1;
        let Some(figures) = outcome else {
            self.failed += 1;
            return;
        };
        for (name, value) in figures.0 {
            if !self.names.contains(&name) {
                self.names.push(name.clone());
            }
            self.values.entry(name).or_default().push(value);
        }
    }

    pub fn head() {
        println!("\n{:10} {:14} {:>9} {:>9} {:>3}", "scenario", "figure", "median", "worst", "n");
    }

    pub fn print(&self, what: &str) {
        println!("{:10} {what}", self.scenario);
        for name in &self.names {
            let (median, worst) = self.of(name);
            println!("{:10} {name:14} {median:9.3} {worst:9.3} {:3}", "", self.values[name].len());
        }
        if self.failed > 0 {
            println!("{:10} {:14} {:9} of {} runs", "", "FAILED", self.failed, self.runs);
        }
    }

    pub fn to_json(&self) -> String {
        let mut figures = Map::new();
        for name in &self.names {
            let (median, worst) = self.of(name);
            figures.insert(name.clone(), json!({ "median": median, "worst": worst }));
        }
        json!({
            "scenario": self.scenario,
            "n": self.runs,
            "failed": self.failed,
            "program": profile(),
            "figures": figures,
        })
        .to_string()
    }

    /// Median and worst. For all figures, less is better.
    fn of(&self, name: &str) -> (f64, f64) {
        let mut sorted = self.values[name].clone();
        sorted.sort_by(f64::total_cmp);
        let (middle, last) = (sorted.len() / 2, sorted.len() - 1);
        let median =
            if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] };
        (median, sorted[last])
    }
}

/// The build profile of the program.
pub fn profile() -> &'static str {
    if env!("CARGO_BIN_EXE_darknode").contains("/release/") { "release" } else { "debug" }
}
