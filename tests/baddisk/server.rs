//! The disk's own process, and how a test commands it.
//!
//! A file system in the process that uses it would sooner or later wait for itself: a page of mapped memory is read
//! while the memory map is locked. So the test's program runs once more for each disk, as one test that only serves.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::medium::{Fault, Medium, Stop};
use super::mounted::{lock, mount};

/// Where the process that serves is to mount. Beside it is the socket on which it is commanded.
const SERVES: &str = "BAD_DISK_SERVES";
const SOCKET: &str = "commands";
const MOUNT: &str = "disk";

/// A disk on a directory of its own.
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
        let test = module_path!().split_once("::").expect("tests stand in modules").1.to_owned() + "::tests::" + SERVER;
        let server = Command::new(std::env::current_exe().expect("a program knows itself"))
            .args(["--exact", &test, "--test-threads=1"])
            .env(SERVES, at.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let (stream, _) = listener.accept().expect("it calls back");
        let disk = BadDisk { at, commands: Mutex::new(BufReader::new(stream)), server };
        disk.tells("hello");
        disk
    }

    /// A place on it.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.at.path().join(MOUNT).join(name)
    }

    /// The same as text, for a program's argument.
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
        self.tells(&format!("fails {what} {room}"));
    }

    /// How many operations have changed or saved something since the last power cut.
    pub fn done(&self) -> u64 {
        self.tells("done")
    }

    /// It stops after this many operations from now. Then whoever asks for more is killed, or gets `EIO`.
    pub fn stop_after(&self, more: u64, kills: bool) {
        self.tells(&format!("stop {more} {}", u64::from(kills)));
    }

    pub fn has_stopped(&self) -> bool {
        self.stops_within(Duration::ZERO)
    }

    /// Waits until it stops, at most so long; whether it has.
    pub fn stops_within(&self, time: Duration) -> bool {
        self.tells(&format!("await {}", time.as_millis())) == 1
    }

    /// The power fails and comes back. Nobody may use the disk meanwhile.
    pub fn cut(&self, seed: u64) {
        self.tells(&format!("cut {seed}"));
    }

    /// Whoever used it was killed, and all that was written is there.
    pub fn settle(&self) {
        self.tells("settle");
    }

    fn tells(&self, command: &str) -> u64 {
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
        // It may be gone already.
        let _ = commands.get_mut().shutdown(std::net::Shutdown::Both);
        let _ = self.server.wait();
    }
}

/// Mounts and obeys until nobody commands any more.
fn serve(at: &Path) {
    let stream = UnixStream::connect(at.join(SOCKET)).expect("the test listens");
    let (medium, session) = mount(&at.join(MOUNT));
    let mut answers = stream.try_clone().expect("a socket");
    for command in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = match command.strip_prefix("await ") {
            Some(millis) => stops_within(&medium, Duration::from_millis(millis.parse().expect("a number"))),
            None => obey(&mut lock(&medium), &command),
        };
        if writeln!(answers, "{answer}").is_err() {
            break;
        }
    }
    // Where a test died, somebody may still have a file open.
    let _ = session.umount_and_join();
}

fn stops_within(medium: &Mutex<Medium>, time: Duration) -> u64 {
    let died = lock(medium).died.clone();
    let (medium, _) =
        died.wait_timeout_while(lock(medium), time, |medium| !medium.dead).unwrap_or_else(PoisonError::into_inner);
    medium.dead.into()
}

fn obey(medium: &mut Medium, command: &str) -> u64 {
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

/// The test below that serves.
const SERVER: &str = "a_disk_keeps_what_was_synced_and_of_the_rest_any_part";

mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::baddisk::alone;

    #[test]
    fn a_disk_keeps_what_was_synced_and_of_the_rest_any_part() {
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
                assert_eq!(fs::read_to_string(disk.dir("new")).unwrap(), "old", "it is shown meanwhile");
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
