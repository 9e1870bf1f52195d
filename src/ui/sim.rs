//! Output of the simulator: its figures as a table or one JSON object, and progress on a terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::plain;
use crate::config::Simulation;
use crate::id::BASE32;
use crate::sim::report::{Report, Value};
use crate::sim::scenario;

/// Events between two updates of the progress line.
const PROGRESS_INTERVAL: u64 = 50_000;

/// One line on standard error, if that is a terminal, which is overwritten as the run advances.
#[derive(Debug, Default)]
pub struct Progress {
    phase: &'static str,
    events: u64,
    shown: bool,
}

impl Progress {
    /// Updates the line if the phase has changed or enough events have passed.
    pub fn show(&mut self, now: scenario::Progress) {
        let changed = now.phase != self.phase || now.events >= self.events + PROGRESS_INTERVAL;
        if !changed || !io::stderr().is_terminal() {
            return;
        }
        (self.phase, self.events, self.shown) = (now.phase, now.events, true);
        let simulated = humantime::format_duration(Duration::from_secs(now.simulated.as_secs()));
        eprint!("\r\x1b[K{}: {simulated} simulated, {} events", now.phase, now.events);
        let _ = io::stderr().flush();
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\x1b[K");
        }
    }
}

/// The report as it is printed.
pub fn render(simulation: &Simulation, report: &Report, elapsed: Duration) -> String {
    let per_second = report.number("events").unwrap_or(0.0) / elapsed.as_secs_f64().max(0.001);
    if simulation.json { object(simulation, report, per_second) } else { table(simulation, report, per_second) }
}

fn table(simulation: &Simulation, report: &Report, per_second: f64) -> String {
    let order = &simulation.order;
    let network = if order.closed { "closed" } else { "open" };
    let mut text = format!(
        "{}: {} nodes, {} links, {network} network, seed {}\n",
        simulation.scenario, order.nodes, simulation.topology, order.seed
    );
    for figure in &report.figures {
        let value = match figure.value {
            Value::Count(count) => count.to_string(),
            Value::Ratio(ratio) => format!("{ratio:.3}"),
            Value::Millis(Some(millis)) => format!("{:.1} s", millis as f64 / 1000.0),
            Value::Millis(None) => "never".to_owned(),
        };
        let _ = writeln!(text, "{:>30}  {value:>12}  {}", figure.key, figure.about);
    }
    let _ = writeln!(text, "{:>30}  {per_second:>12.0}  inputs handled per second on this machine", "events_per_s");
    for broken in &report.broken {
        let _ = writeln!(text, "broken: {}", plain::inline(broken));
    }
    let _ = writeln!(text, "trace {}", BASE32.encode(&report.trace));
    text
}

fn object(simulation: &Simulation, report: &Report, per_second: f64) -> String {
    let order = &simulation.order;
    let mut figures = Map::new();
    for figure in &report.figures {
        let value = match figure.value {
            Value::Count(count) => json!(count),
            Value::Ratio(ratio) => json!(ratio),
            Value::Millis(millis) => json!(millis),
        };
        figures.insert(figure.key.clone(), value);
    }
    figures.insert("events_per_s".to_owned(), json!(per_second.round()));
    let object: Json = json!({
        "scenario": simulation.scenario,
        "nodes": order.nodes,
        "seed": order.seed,
        "topology": simulation.topology,
        "degree": order.degree,
        "closed": order.closed,
        "loss": order.loss,
        "twice": order.twice,
        "figures": figures,
        "broken": report.broken,
        "trace": BASE32.encode(&report.trace),
    });
    format!("{object}\n")
}
