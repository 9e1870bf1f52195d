//! Samples from runs, and how several seeds are combined into a curve.

/// One number of one run.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its chart, or its own name in the table.
    pub figure: &'static str,
    pub line: String,
    pub x: f64,
    pub y: f64,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Found {
    pub samples: Vec<Sample>,
    /// Violations of invariants.
    pub broken: Vec<String>,
}

/// A run, to be executed on any thread.
pub struct Job {
    pub about: String,
    pub run: Box<dyn FnOnce() -> Found + Send>,
}

/// A curve of a chart.
#[derive(Debug)]
pub struct Curve {
    pub figure: &'static str,
    pub line: String,
    pub points: Vec<Point>,
}

/// Mean, minimum and maximum over all seeds.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

impl Job {
    pub fn new(about: String, run: impl FnOnce() -> Found + Send + 'static) -> Job {
        Job { about, run: Box::new(run) }
    }
}

impl Found {
    pub fn note(&mut self, figure: &'static str, line: &str, x: f64, y: f64) {
        self.samples.push(Sample { figure, line: line.to_owned(), x, y });
    }

    /// Adds the violations of a run.
    pub fn add_violations(&mut self, run: &str, broken: Vec<String>) {
        self.broken.extend(broken.into_iter().map(|broken| format!("{run}: {broken}")));
    }

    pub fn add(&mut self, more: Found) {
        self.samples.extend(more.samples);
        self.broken.extend(more.broken);
    }
}

/// The curves, in the order of their first sample.
pub fn curves(samples: &[Sample]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for sample in samples {
        let same = |curve: &Curve| curve.figure == sample.figure && curve.line == sample.line;
        if curves.iter().any(same) {
            continue;
        }
        let of_line = samples.iter().filter(|other| other.figure == sample.figure && other.line == sample.line);
        let of_line: Vec<(f64, f64)> = of_line.map(|sample| (sample.x, sample.y)).collect();
        curves.push(Curve { figure: sample.figure, line: sample.line.clone(), points: points(&of_line) });
    }
    curves
}

fn points(samples: &[(f64, f64)]) -> Vec<Point> {
    let mut places: Vec<f64> = samples.iter().map(|(x, _)| *x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let point = |x: f64| {
        let at: Vec<f64> = samples.iter().filter(|(other, _)| *other == x).map(|(_, y)| *y).collect();
        let least = at.iter().copied().fold(f64::INFINITY, f64::min);
        let most = at.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Point { x, y: at.iter().sum::<f64>() / at.len() as f64, low: least, high: most }
    };
    places.into_iter().map(point).collect()
}

/// Prints every number, one point per line.
pub fn print(curves: &[Curve]) {
    println!("{:<22} {:<42} {:>8} {:>10} {:>10} {:>10}", "figure", "line", "x", "mean", "least", "most");
    for curve in curves {
        for Point { x, y, low, high } in &curve.points {
            println!("{:<22} {:<42} {x:>8} {y:>10.3} {low:>10.3} {high:>10.3}", curve.figure, curve.line);
        }
    }
}
