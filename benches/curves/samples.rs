//! What runs find, and how several seeds become one curve.

/// One number of one run.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The chart it is in, or a name of its own in the table.
    pub figure: &'static str,
    pub line: String,
    pub x: f64,
    pub y: f64,
}

/// All that a run found.
#[derive(Debug, Default)]
pub struct Found {
    pub samples: Vec<Sample>,
    /// What should not have been.
    pub broken: Vec<String>,
}

/// A run, to be played on any thread.
pub struct Job {
    pub about: String,
    pub play: Box<dyn FnOnce() -> Found + Send>,
}

/// A line of a chart.
#[derive(Debug)]
pub struct Curve {
    pub figure: &'static str,
    pub line: String,
    pub points: Vec<Point>,
}

/// Of all seeds: their mean, the least and the most of them.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub low: f64,
    pub high: f64,
}

impl Job {
    pub fn new(about: String, play: impl FnOnce() -> Found + Send + 'static) -> Job {
        Job { about, play: Box::new(play) }
    }
}

impl Found {
    pub fn note(&mut self, figure: &'static str, line: &str, x: f64, y: f64) {
        self.samples.push(Sample { figure, line: line.to_owned(), x, y });
    }

    /// What should not have been in a run.
    pub fn blame(&mut self, run: &str, broken: Vec<String>) {
        self.broken.extend(broken.into_iter().map(|broken| format!("{run}: {broken}")));
    }

    pub fn add(&mut self, more: Found) {
        self.samples.extend(more.samples);
        self.broken.extend(more.broken);
    }
}

/// Curves in the order in which their first sample was found.
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

/// Every number, one point a line.
pub fn print(curves: &[Curve]) {
    println!("{:<22} {:<42} {:>8} {:>10} {:>10} {:>10}", "figure", "line", "x", "mean", "least", "most");
    for curve in curves {
        for Point { x, y, low, high } in &curve.points {
            println!("{:<22} {:<42} {x:>8} {y:>10.3} {low:>10.3} {high:>10.3}", curve.figure, curve.line);
        }
    }
}
