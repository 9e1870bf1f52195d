//! What the process takes, as Linux tells it.

use std::fs;
use std::time::Duration;

/// Ticks a second in `/proc`, the same on all machines.
const TICKS: u64 = 100;

/// What a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Bytes in memory.
    pub resident: u64,
    /// Processor time since its start.
    pub cpu: Duration,
    /// Open files.
    pub files: usize,
}

impl Process {
    /// Of this process; `None` where the system does not tell.
    pub fn read() -> Option<Process> {
        let resident = resident(&fs::read_to_string("/proc/self/status").ok()?)?;
        let cpu = cpu(&fs::read_to_string("/proc/self/stat").ok()?)?;
        // The folder that is being read is one of them.
        let files = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        Some(Process { resident, cpu, files })
    }
}

fn resident(status: &str) -> Option<u64> {
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<u64>().ok()? * 1024)
}

/// The fields 14 and 15. The second is a name in parentheses, which may contain anything.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).map_while(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { return None };
    Some(Duration::from_millis((user + system) * 1000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_whatever_the_program_is_called() {
        let status = "Name:\tdarknode\nVmHWM:\t   99999 kB\nVmRSS:\t   12345 kB\nThreads:\t3\n";
        assert_eq!(resident(status), Some(12_345 * 1024));
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 3 0 100 1000 200";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1750)));
        assert_eq!((resident(""), cpu("7 (a) S 1")), (None, None));
    }
}
