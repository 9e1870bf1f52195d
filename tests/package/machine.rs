//! A container to install in: this system's files under a temporary overlay, with its systemd as the first process.
//! `systemd-nspawn` creates it; commands are run in it by `nsenter`.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::package::package;
use crate::program::{Node, PATIENCE, TestBed, output_of};

/// A private mount namespace, so that the mounts end with the process. Files are removed that would prevent services from
/// starting or cause an index of all manual pages to be built. The container has only a loopback interface, and starts no
/// service of the host, because `basic.target` precedes them.
const BOOT: &str = r#"
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
rm -f "$1/root/etc/machine-id" "$1/root/usr/sbin/policy-rc.d" "$1/root/var/lib/man-db/auto-update"
exec systemd-nspawn --quiet --directory="$1/root" --machine="$2" --bind-ro="$3":/package.deb --private-network \
    --register=no --keep-unit --notify-ready=yes --console=pipe --boot systemd.unit=basic.target
"#;

/// Whether a container can be created here. If not, prints a message, or fails if `CI` is set.
pub fn allowed() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let needed = "test \"$(id -u)\" = 0 && test -e /lib/systemd/systemd && grep -q overlay /proc/filesystems \
                      && command -v systemd-nspawn unshare nsenter dpkg-buildpackage dh lintian";
        if Command::new("sh").args(["-c", needed]).stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return true;
        }
        let skipped = "SKIPPED: no machine to install on, needs root, systemd-container, debhelper and lintian";
        assert!(std::env::var_os("CI").is_none(), "{skipped}");
        // Not captured by the test harness, so that it is seen.
        writeln!(std::io::stderr(), "{skipped}").ok();
        false
    })
}

pub struct Machine<'a> {
    bed: &'a TestBed,
    nspawn: Child,
    /// The id of its first process, outside its namespace.
    leader: String,
}

impl Machine<'_> {
    /// Boots a machine with the package at `/package.deb`.
    pub fn boot(bed: &TestBed) -> Machine<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("darknode-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (root, ready) = (bed.path("machine"), bed.path("ready"));
        std::fs::create_dir(&root).expect("the directory is empty");
        let notices = UnixDatagram::bind(&ready).expect("the directory is empty");
        notices.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", BOOT, "boot"]);
        command.arg(root).arg(&name).arg(package()).env("NOTIFY_SOCKET", ready);
        let console = std::fs::File::create(bed.path("console")).expect("the directory can be written");
        let errors = console.try_clone().expect("it is open");
        let nspawn = command.stdin(Stdio::null()).stdout(console).stderr(errors).spawn().expect("unshare is there");
        let mut machine = Machine { bed, nspawn, leader: String::new() };
        machine.leader = machine.is_up(&notices);
        machine
    }

    /// Waits until systemd reports that it is ready; returns its process id.
    fn is_up(&self, notices: &UnixDatagram) -> String {
        let (mut leader, mut notice) = (None, [0; 4096]);
        loop {
            let Ok(length) = notices.recv(&mut notice) else {
                let console = std::fs::read(self.bed.path("console")).unwrap_or_default();
                panic!("the machine does not come up:\n{}", String::from_utf8_lossy(&console));
            };
            let notice = String::from_utf8_lossy(&notice[..length]).into_owned();
            for line in notice.lines() {
                if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                    leader = Some(pid.to_owned());
                }
                if line == "READY=1" {
                    return leader.expect("who it is comes before that it is ready");
                }
            }
        }
    }

    /// A command in the container, as root, without this system's environment.
    fn command(&self, command: &[&str]) -> Command {
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]);
        enter.env_clear().args(["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]).args(command);
        enter
    }

    /// Runs a shell command, which must succeed; returns its output without the last line ending.
    pub fn does(&self, line: &str) -> String {
        self.bed.say(format!("machine # {line}"));
        let output = output_of(&mut self.command(&["sh", "-ec", line]), &[]);
        let said = String::from_utf8(output).expect("it is text").trim_end().to_owned();
        self.bed.say(format!("machine > {said}"));
        said
    }

    pub fn writes(&self, path: &str, text: &str) {
        self.does(&format!("mkdir -p \"$(dirname {path})\"; umask 077; cat > {path} <<'END'\n{text}\nEND"));
    }

    /// The journal of the unit from the beginning.
    pub fn journal(&self) -> Node {
        let follow = ["journalctl", "--unit=darknode", "--output=cat", "--no-tail", "--follow"];
        self.bed.run(self.command(&follow), "journal")
    }

    /// Starts a user's node in the container.
    pub fn person(&self, name: &str, more: &[&str]) -> Node {
        let program = ["darknode", "-u", name, "--json", "--no-lan", "--port", "0"];
        let mut node = self.bed.run(self.command(&[&program[..], more].concat()), name);
        node.ready = node.event("ready");
        node
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // Killing the first process ends all others in the container; then nspawn cleans up.
        if !self.leader.is_empty() {
            Command::new("kill").args(["-KILL", &self.leader]).status().ok();
        } else {
            self.nspawn.kill().ok();
        }
        self.nspawn.wait().ok();
    }
}
