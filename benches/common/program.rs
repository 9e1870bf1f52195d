//! The program in a process of its own, and its resource usage.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use darknode::identity::network::NetworkKey;

/// Killed when dropped.
pub struct Program {
    child: Child,
    pub port: u16,
    /// The user id; empty for raw quinn.
    pub id: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Program {
    /// Starts a relay in this network with two worker threads.
    pub fn start(dir: &Path, key: &NetworkKey, lan: bool) -> Program {
        let key_file = dir.join("network.key");
        let mut private = fs::OpenOptions::new();
        let file = private.write(true).create(true).truncate(true).mode(0o600).open(&key_file);
        file.and_then(|mut file| file.write_all(key.to_text().as_bytes())).expect("the directory can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_darknode"));
        command.args(["-u", "hub", "-p", "0", "-t", "2", "--relay", "--headless", "--json", "--data-dir"]);
        command.arg(dir.join("hub")).arg("--network-key").arg(key_file);
        if !lan {
            command.arg("--no-lan");
        }
        Program::of(command, |ready| {
            let ready: serde_json::Value = serde_json::from_str(ready).expect("the first line is JSON");
            let port = ready["listen"][0].as_str().and_then(|addr| addr.rsplit(':').next()?.parse().ok());
            (port.expect("it listens"), ready["id"].as_str().expect("ready has an id").to_owned())
        })
    }

    /// Starts a program whose first line names its port, and its user if it has one.
    pub fn of(command: Command, read: impl FnOnce(&str) -> (u16, String)) -> Program {
        let (child, line) = first_line(command);
        let (port, id) = read(&line);
        Program { child, port, id }
    }

    /// CPU time of all its threads so far, in seconds.
    pub fn cpu(&self) -> f64 {
        let tasks = fs::read_dir(self.proc("task")).expect("it runs");
        let ran = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).ok();
        let nanos = |stat: String| stat.split(' ').next().and_then(|ran| ran.parse::<f64>().ok());
        tasks.flatten().filter_map(ran).filter_map(nanos).sum::<f64>() / 1e9
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

/// Starts a command and reads its first line. Later output is discarded.
fn first_line(mut command: Command) -> (Child, String) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program was built");
    let mut out = BufReader::new(child.stdout.take().expect("it was asked for"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it speaks");
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    (child, line)
}
