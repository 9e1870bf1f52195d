//! Many strangers on one link, as real nodes in network namespaces: how long until each lists all others, whether a first
//! line after a minute of rest arrives, and what a node costs at rest.
//!
//! `cargo bench --bench hall [-- COUNT…]` (10, 30 and 100). All namespaces share the kernel's tables of neighbours, which
//! hold 1,024 entries by default; the benchmark raises that limit if it may.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "common/conditions.rs"]
mod conditions;
#[path = "../tests/netns/field.rs"]
mod field;
#[path = "../tests/netns/hall.rs"]
mod hall;
#[path = "../tests/program/mod.rs"]
mod program;

use std::time::{Duration, Instant};

use field::Field;
use hall::Hall;

const COUNTS: [usize; 3] = [10, 30, 100];
const STARTS: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_secs(60);
const GIVE_UP: Duration = Duration::from_secs(120);
/// The time limit of one hall.
const LONGEST: Duration = Duration::from_secs(900);
const TABLES: [&str; 2] = ["ipv4", "ipv6"];

fn main() {
    let counts: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    if field::is_inside() {
        return measure(&Field::new(), counts[0]);
    }
    raise_neighbour_tables();
    conditions::conditions();
    for count in if counts.is_empty() { COUNTS.to_vec() } else { counts } {
        let Some(mut command) = field::myself_inside(LONGEST) else { return };
        let status = command.arg(count.to_string()).status().expect("timeout is there, as unshare is");
        assert!(status.success(), "a hall of {count}: {status}");
    }
    conditions::conditions();
}

fn raise_neighbour_tables() {
    for family in TABLES {
        for nth in 1..=3 {
            let path = format!("/proc/sys/net/{family}/neigh/default/gc_thresh{nth}");
            if std::fs::write(&path, "65536").is_err() {
                println!("{path} cannot be raised: with more than about 30 nodes packets are lost");
            }
        }
    }
}

fn measure(field: &Field, count: usize) {
    let mut hall = Hall::open(field, count, STARTS);
    let listed = hall.until(GIVE_UP, Hall::lists_all);
    hall.until(REST, |_| false);
    print(count, "after the last start until each lists all others", seconds(listed));
    rest(field, &hall);
    lines(&mut hall, count);
}

/// The cost of a node at rest, as the kernel counts it on its interface and for its process.
fn rest(field: &Field, hall: &Hall) {
    let (all, count) = (|| hall.nodes.iter(), hall.nodes.len());
    let (bytes, cpu): (Vec<u64>, Vec<Duration>) = all().map(|node| (field.bytes(&node.name), node.cpu_time())).unzip();
    let begin = Instant::now();
    std::thread::sleep(REST);
    let passed = begin.elapsed().as_secs_f64();
    let mut rates: Vec<f64> =
        all().zip(bytes).map(|(node, before)| (field.bytes(&node.name) - before) as f64 / passed).collect();
    let mut shares: Vec<f64> =
        all().zip(cpu).map(|(node, before)| (node.cpu_time() - before).as_secs_f64() / passed * 100.0).collect();
    let mut memory: Vec<f64> = all().map(|node| node.memory("VmRSS") as f64 / 1024.0).collect();
    for (what, unit, values) in
        [("traffic", "B/s", &mut rates), ("processor", "% of a core", &mut shares), ("memory", "MiB", &mut memory)]
    {
        values.sort_by(f64::total_cmp);
        let (median, most) = (values[count / 2], values[count - 1]);
        print(count, &format!("{what} of a node at rest: median, most"), format!("{median:.2}, {most:.2} {unit}"));
    }
}

fn lines(hall: &mut Hall, count: usize) {
    let begin = Instant::now();
    hall.write();
    let typed = begin.elapsed();
    let mut delays = Vec::new();
    let mut open: Vec<usize> = (0..count).collect();
    while !open.is_empty() && begin.elapsed() < GIVE_UP {
        let before = open.clone();
        hall.until(GIVE_UP, |hall| before.iter().any(|from| hall.has_arrived(*from)));
        open.retain(|from| !hall.has_arrived(*from));
        delays.extend(std::iter::repeat_n(begin.elapsed(), before.len() - open.len()));
    }
    let at = |nth: usize| seconds(delays.get(nth).copied());
    print(count, "first lines that arrived", format!("{} of {count}", delays.len()));
    let text = format!("{}, {}", at(delays.len() / 2), at(delays.len().saturating_sub(1)));
    print(count, "after the first was typed until half, all had arrived", text);
    print(count, "of these, time to type them all", seconds(Some(typed)));
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("never".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()))
}

fn print(count: usize, what: &str, value: String) {
    println!("{count:4} nodes  {what:60} {value}");
}
