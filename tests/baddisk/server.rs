//! The process that serves the disk, and the protocol by which a test controls it.
//!
//! A file system served by the process that uses it would eventually deadlock: a page of mapped memory is read while
//! the memory map is locked. So the test program is started once more for each disk, as a single test that only
//! serves.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::medium::{Fault, Medium, Stop};
use super::mounted::{lock, mount};

/// The environment variable with the mount point for the serving process. The control socket is beside it.
const SERVES: &str = "BAD_DISK_SERVES";
const SOCKET: &str = "commands";
const MOUNT: &str = "disk";

/// A disk mounted on a temporary directory.
pub struct BadDisk {
    at: TempDir,
    commands: Mutex<BufReader<UnixStream>>,
    server: Child,
}

impl BadDisk {
    pub fn new() -> BadDisk {
        let at = TempDir::new().expect("a temporary directory");
        std::fs::create_dir(at.path().join(MOUNT)).expect("a directory");
        let listener = UnixListener::bind(at.path().join(SOCKET)).expect("a socket");
        let test = module_path!().split_once("::").expect("tests are in modules").1.to_owned() + "::tests::" + SERVER;
        let server = Command::new(std::env::current_exe().expect("the path of the current program is known"))
            .args(["--exact", &test, "--test-threads=1"])
            .env(SERVES, at.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let (stream, _) = listener.accept().expect("it calls back");
        let disk = BadDisk { at, commands: Mutex::new(BufReader::new(stream)), server };
        disk.command("hello");
        disk
    }

    /// A path on the disk.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.at.path().join(MOUNT).join(name)
    }

    /// The same as text, for a program argument.
    pub fn home(&self, name: &str) -> String {
        self.dir(name).to_str().expect("paths of tests are text").to_owned()
    }

    pub fn fails(&self, fault: Fault) {
        let (what, room) = match fault {
            Fault::None => ("none", 0),
            Fault::Full(room) => ("full", room),
            Fault::ReadOnly => ("read-only", 0),
            Fault::Writes => ("writes", 0),
            Fault::Syncs => ("syncs", 0),
        };
        self.command(&format!("fails {what} {room}"));
    }

    /// Number of changing or syncing operations since the last power cut.
    pub fn done(&self) -> u64 {
        self.command("done")
    }

    /// Makes the disk stop after this many more operations. A process that attempts another one is then killed, or
    /// gets `EIO`.
    pub fn stop_after(&self, more: u64, kills: bool) {
        self.command(&format!("stop {more} {}", u64::from(kills)));
    }

    pub fn has_stopped(&self) -> bool {
        self.stops_within(Duration::ZERO)
    }

    /// Waits until it stops, for at most `time`. Returns whether it has.
    pub fn stops_within(&self, time: Duration) -> bool {
        self.command(&format!("await {}", time.as_millis())) == 1
    }

    /// A power cut. No process may use the disk meanwhile.
    pub fn cut(&self, seed: u64) {
        self.command(&format!("cut {seed}"));
    }

    /// The process that used it was killed: all writes are kept.
    pub fn settle(&self) {
        self.command("settle");
    }

    fn command(&self, command: &str) -> u64 {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(commands.get_mut(), "{command}").expect("the disk's process runs");
        let mut answer = String::new();
        commands.read_line(&mut answer).expect("the disk's process runs");
        answer.trim().parse().expect("it answers with a number")
    }
}

impl Drop for BadDisk {
    fn drop(&mut self) {
        let commands = self.commands.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have exited already.
        let _ = commands.get_mut().shutdown(std::net::Shutdown::Both);
        let _ = self.server.wait();
    }
}

/// Mounts the disk and executes commands until the connection ends.
fn serve(at: &Path) {
    let stream = UnixStream::connect(at.join(SOCKET)).expect("the test listens");
    let (medium, session) = mount(&at.join(MOUNT));
    let mut answers = stream.try_clone().expect("a socket");
    for command in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = match command.strip_prefix("await ") {
            Some(millis) => stops_within(&medium, Duration::from_millis(millis.parse().expect("a number"))),
            None => execute(&mut lock(&medium), &command),
        };
        if writeln!(answers, "{answer}").is_err() {
            break;
        }
    }
    // After a failed test some process may still have a file open.
    let _ = session.umount_and_join();
}

fn stops_within(medium: &Mutex<Medium>, time: Duration) -> u64 {
    let died = lock(medium).died.clone();
    let (medium, _) =
        died.wait_timeout_while(lock(medium), time, |medium| !medium.dead).unwrap_or_else(PoisonError::into_inner);
    medium.dead.into()
}

fn execute(medium: &mut Medium, command: &str) -> u64 {
    let words: Vec<&str> = command.split(' ').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).expect("a number");
    match words[0] {
        "hello" => {}
        "done" => return medium.done,
        "settle" => medium.settle(),
        "cut" => medium.cut(number(1)),
        "stop" => medium.stop = Some(Stop { after: medium.done + number(1), kills: number(2) == 1 }),
        "fails" => {
            medium.fault = match words[1] {
                "none" => Fault::None,
                "full" => Fault::Full(number(2)),
                "read-only" => Fault::ReadOnly,
                "writes" => Fault::Writes,
                "syncs" => Fault::Syncs,
                other => panic!("no fault {other}"),
            };
        }
        other => panic!("no command {other}"),
    }
    0
}

/// The name of the test below that serves.
const SERVER: &str = "a_power_cut_keeps_synced_data_and_any_part_of_the_rest";

mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::baddisk::alone;

    #[test]
    fn a_power_cut_keeps_synced_data_and_any_part_of_the_rest() {
        if let Some(at) = std::env::var_os(SERVES) {
            return serve(Path::new(&at));
        }
        alone(|| {
            let disk = BadDisk::new();
            let synced = |name: &str| {
                fs::write(disk.dir(name), name).unwrap();
                File::open(disk.dir(name)).unwrap().sync_all().unwrap();
            };
            synced("old");
            synced("kept");
            File::open(disk.dir("")).unwrap().sync_all().unwrap();
            let mut lost = 0;
            for seed in 0..20 {
                fs::write(disk.dir("kept"), "never synced").unwrap();
                fs::rename(disk.dir("old"), disk.dir("new")).unwrap();
                assert_eq!(fs::read_to_string(disk.dir("new")).unwrap(), "old", "it is visible until then");
                disk.cut(seed);
                let name = if disk.dir("old").exists() { "old" } else { "new" };
                assert_eq!(fs::read_to_string(disk.dir(name)).unwrap(), "old", "a rename is whole");
                lost += u32::from(fs::read_to_string(disk.dir("kept")).unwrap() == "kept");
                synced("kept");
                fs::rename(disk.dir(name), disk.dir("old")).unwrap();
                File::open(disk.dir("")).unwrap().sync_all().unwrap();
            }
            assert!((1..20).contains(&lost), "lost {lost} times of 20");
        });
    }
}
