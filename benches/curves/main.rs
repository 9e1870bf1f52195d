//! The figures of `docs/horizon.md`: runs scenarios, writes curves as SVG to `docs/figures/`, and prints every
//! number.
//!
//! `cargo bench --no-default-features --bench curves` regenerates the figures of that page. With `-- quick` the
//! worlds are small and the files go to `target/figures/`. Equal seeds produce equal files on any machine.

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

mod chart;
mod cost;
mod crash;
mod published;
mod recovery;
mod samples;
mod svg;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use chart::CHARTS;
use samples::{Curve, Found, Job};

/// The sizes of the worlds, and the number of seeds for each.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub small: (usize, u64),
    /// For scenarios that would take long in a large world.
    pub middle: (usize, u64),
    pub large: (usize, u64),
}

const FULL: Scale = Scale { small: (150, 5), middle: (300, 2), large: (1000, 2) };
const QUICK: Scale = Scale { small: (40, 2), middle: (50, 1), large: (60, 1) };

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let (scale, dir) = if quick { (QUICK, "target/figures") } else { (FULL, "docs/figures") };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    std::fs::create_dir_all(&dir).expect("the directory can be made");
    let mut found = published::figures();
    let jobs = [crash::jobs(scale), recovery::jobs(scale), cost::jobs(scale)].into_iter().flatten().collect();
    run_all(jobs).into_iter().for_each(|more| found.add(more));
    let curves = samples::curves(&found.samples);
    for chart in CHARTS {
        let lines: Vec<&Curve> = curves.iter().filter(|curve| curve.figure == chart.name).collect();
        let file = dir.join(chart.name).with_extension("svg");
        std::fs::write(file, svg::draw(chart, &lines)).expect("the figure can be written");
    }
    samples::print(&curves);
    found.broken.iter().for_each(|broken| println!("broken: {broken}"));
}

/// Runs all jobs on all processors. Returns the results in the order of the jobs.
fn run_all(jobs: Vec<Job>) -> Vec<Found> {
    let count = jobs.len();
    let found: Vec<Mutex<Found>> = jobs.iter().map(|_| Mutex::default()).collect();
    let waiting: Mutex<VecDeque<(usize, Job)>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let next = || waiting.lock().expect("no job panics with it").pop_front();
    let work = || {
        while let Some((nth, job)) = next() {
            let began = Instant::now();
            *found[nth].lock().expect("each job has its own") = (job.run)();
            eprintln!("{:>3} of {count}, {:>3} s: {}", nth + 1, began.elapsed().as_secs(), job.about);
        }
    };
    std::thread::scope(|scope| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        (0..processors).for_each(|_| drop(scope.spawn(work)));
    });
    found.into_iter().map(|found| found.into_inner().expect("each job has its own")).collect()
}
