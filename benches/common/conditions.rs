//! The conditions under which figures were measured.

/// Prints the load of the machine: figures measured on a busy machine are upper bounds.
pub fn conditions() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".to_owned());
    println!("{cores} cores, load {}", load.split(' ').next().unwrap_or("unknown"));
}
