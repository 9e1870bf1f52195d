//! A virtual test network of switches, hosts and cables, made of Linux network namespaces.
//!
//! Every test runs itself again inside namespaces of its own (users, mounts, processes, network). So it needs no
//! privilege, several networks can exist side by side, and nothing outlives the test: when the first process of the
//! namespace exits, all others are killed. A *host* is another network namespace; a *switch* is a bridge; a *cable*
//! is a veth pair, named `HOST-IFACE` at the switch's end. Needs `unshare` and `nsenter` (util-linux), `ip`
//! (iproute2) and `nft` (nftables).
#![allow(dead_code, reason = "the benchmark uses a part of it")]

use std::io::Write;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

use crate::program::{Node, NodeOptions, TestBed};

/// An environment variable, set inside the namespaces.
const INSIDE: &str = "FIELD_INSIDE";
/// The time limit of a test.
const LONGEST: Duration = Duration::from_secs(240);
/// The UDP port of every node; each host has its own ports.
pub const PORT: u16 = 27272;

/// Runs a test in a network of its own. Where the system does not allow it, the test is skipped with a visible
/// message, and fails if `CI` is set.
pub fn in_a_field<F: Fn(&Field)>(test: F) {
    if is_inside() {
        return test(&Field::new());
    }
    let Some(mut command) = myself_inside(LONGEST) else { return };
    let name = std::any::type_name::<F>();
    let name = name.strip_suffix("::{{closure}}").expect("tests give closures");
    let (_, name) = name.split_once("::").expect("tests are in modules");
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    let output = command.output().expect("timeout is there, as unshare is");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "in the field:\n{said}");
    assert!(said.contains("1 passed"), "{name} was not found in the field:\n{said}");
    print!("{said}");
}

/// Whether this process runs inside the namespaces.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// A command that runs this program again inside namespaces, with a time limit; `None` where they are not allowed.
pub fn myself_inside(longest: Duration) -> Option<Command> {
    let flags = allowed()?;
    let mut command = Command::new("timeout");
    let exe = std::env::current_exe().expect("the path of the current program is known");
    command.args(["--signal=KILL", &longest.as_secs().to_string(), "unshare"]);
    command.args(flags).arg(exe).env(INSIDE, "1");
    Some(command)
}

/// The `unshare` flags that work here: as any user, or as root without a user namespace. `None` after reporting why
/// not.
pub fn allowed() -> Option<&'static [&'static str]> {
    const ALL: [&[&str]; 2] = [
        &["--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
        &["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ];
    static ALLOWED: OnceLock<Option<&'static [&'static str]>> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let trial = "mount -t tmpfs none /run && mkdir /run/netns && ip netns add trial \
                     && nsenter --net=/run/netns/trial nft list tables";
        let mut why = String::new();
        for flags in ALL {
            match Command::new("unshare").args(flags).args(["sh", "-c", trial]).output() {
                Ok(output) if output.status.success() => return Some(flags),
                Ok(output) => why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "),
                Err(error) => why = error.to_string(),
            }
        }
        let skipped = format!("SKIPPED: no test network in namespaces, needs unshare, ip and nft: {why}");
        assert!(std::env::var_os("CI").is_none(), "{skipped}");
        // Written past the capture of the test harness, so that it is visible.
        writeln!(std::io::stderr(), "{skipped}").ok();
        None
    })
}

/// The test network.
pub struct Field {
    pub bed: TestBed,
}

impl Field {
    /// An empty network in the namespaces of this process.
    pub fn new() -> Field {
        run(&["mount", "-t", "tmpfs", "none", "/run"]);
        run(&["mkdir", "/run/netns"]);
        Field { bed: TestBed::new() }
    }

    /// Adds a switch.
    pub fn switch(&self, name: &str) {
        run(&["ip", "link", "add", name, "type", "bridge"]);
        run(&["ip", "link", "set", name, "up"]);
    }

    /// Adds a host without interfaces. Duplicate address detection is off, so addresses are usable at once.
    pub fn host(&self, name: &str) {
        run(&["ip", "netns", "add", name]);
        self.on(
            name,
            "ip link set lo up; for of in all default; do echo 0 > /proc/sys/net/ipv6/conf/$of/accept_dad; done",
        );
    }

    /// Connects an interface of a host to a switch. It has only a link-local IPv6 address.
    pub fn plug(&self, host: &str, iface: &str, switch: &str) {
        let end = end(host, iface);
        run(&["ip", "link", "add", &end, "type", "veth", "peer", "name", iface, "netns", host]);
        run(&["ip", "link", "set", &end, "master", switch, "up"]);
        run(&["ip", "-n", host, "link", "set", iface, "up"]);
    }

    /// Removes an interface from its host.
    pub fn unplug(&self, host: &str, iface: &str) {
        run(&["ip", "link", "del", &end(host, iface)]);
    }

    /// Adds a host on a switch, with this IPv4 address in addition to its link-local IPv6 address.
    pub fn desk(&self, host: &str, switch: &str, address: &str) {
        self.host(host);
        self.plug(host, "eth0", switch);
        self.address(host, "eth0", address);
    }

    /// Adds an address.
    pub fn address(&self, host: &str, iface: &str, address: &str) {
        run(&["ip", "-n", host, "addr", "add", address, "dev", iface]);
    }

    /// Replaces the IPv4 addresses of an interface.
    pub fn readdress(&self, host: &str, iface: &str, address: &str) {
        run(&["ip", "-n", host, "-4", "addr", "flush", "dev", iface]);
        self.address(host, iface, address);
    }

    /// Disables IPv6 on a host.
    pub fn without_ipv6(&self, host: &str) {
        self.on(host, "for of in all default; do echo 1 > /proc/sys/net/ipv6/conf/$of/disable_ipv6; done");
    }

    /// Cuts a cable at the switch: the host keeps its carrier and notices only silence.
    pub fn cut(&self, host: &str) {
        run(&["ip", "link", "set", &end(host, "eth0"), "nomaster"]);
    }

    /// Undoes [`Field::cut`].
    pub fn mend(&self, host: &str, switch: &str) {
        run(&["ip", "link", "set", &end(host, "eth0"), "master", switch]);
    }

    /// Unplugs a host's cable: its interface loses the carrier.
    pub fn pull(&self, host: &str) {
        run(&["ip", "link", "set", &end(host, "eth0"), "down"]);
    }

    /// Undoes [`Field::pull`].
    pub fn put_back(&self, host: &str) {
        run(&["ip", "link", "set", &end(host, "eth0"), "up"]);
    }

    /// Connects two switches.
    pub fn join(&self, one: &str, other: &str) {
        let (near, far) = (format!("{one}-up"), format!("{other}-up"));
        run(&["ip", "link", "add", &near, "type", "veth", "peer", "name", &far]);
        run(&["ip", "link", "set", &near, "master", one, "up"]);
        run(&["ip", "link", "set", &far, "master", other, "up"]);
    }

    /// Drops this percentage of the packets that enter or leave a host.
    pub fn lose(&self, host: &str, percent: u32) {
        self.filter(host, &format!("iifname != \"lo\" numgen random mod 100 < {percent} drop"));
    }

    /// Blocks multicast DNS on a host, in both directions.
    pub fn block_mdns(&self, host: &str) {
        self.filter(host, "udp dport 5353 drop");
    }

    /// Starts counting a host's packets to or from the port of nodes.
    pub fn count_packets(&self, host: &str) {
        self.filter(host, &format!("udp dport {PORT} counter; udp sport {PORT} counter"));
    }

    /// The packets counted since [`Field::count_packets`].
    pub fn packets(&self, host: &str) -> u64 {
        let listing = self.on(host, "nft list table inet field");
        let counted = listing.split("packets ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        counted.sum()
    }

    /// Bytes received and sent on a host's interface so far, as the kernel counts them, including Ethernet headers.
    pub fn bytes(&self, host: &str) -> u64 {
        let table = self.on(host, "cat /proc/net/dev");
        let line = table.lines().find_map(|line| line.trim().strip_prefix("eth0:")).expect("the host is plugged in");
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        numbers[0] + numbers[8]
    }

    /// Drops all packets between two hosts on one switch. Both notice only silence.
    pub fn part(&self, one: &str, other: &str) {
        for (host, from) in [(one, other), (other, one)] {
            let link = self.on(from, "ip -br link show eth0");
            let mac = link.split_whitespace().nth(2).expect("the host is plugged in");
            let chain = format!("chain in {{ type filter hook input priority 0; ether saddr {mac} drop; }}");
            self.on(host, &format!("nft 'table inet {} {{ {chain}; }}'", apart(from)));
        }
    }

    /// Undoes [`Field::part`].
    pub fn reunite(&self, one: &str, other: &str) {
        for (host, from) in [(one, other), (other, one)] {
            self.on(host, &format!("nft delete table inet {}", apart(from)));
        }
    }

    fn filter(&self, host: &str, rule: &str) {
        let table = format!(
            "table inet field {{ chain in {{ type filter hook input priority 0; {rule}; }}; \
             chain out {{ type filter hook output priority 0; {rule}; }}; }}"
        );
        self.on(host, &format!("nft '{table}'"));
    }

    /// Runs a script on a host.
    pub fn on(&self, host: &str, script: &str) -> String {
        run(&["nsenter", &net(host), "sh", "-ec", script])
    }

    /// Starts a node on a host, with mDNS. The user has the host's name.
    pub fn node(&self, host: &str) -> Node {
        self.node_with(host, host, &[])
    }

    /// Starts a node of a user on a host with extra arguments, and waits until it is ready.
    pub fn node_with(&self, host: &str, name: &str, args: &[&str]) -> Node {
        let mut node = self.node_soon(host, name, args);
        node.ready = node.event("ready");
        node
    }

    /// Starts a node without waiting. It uses the usual port if the host has the user's name.
    pub fn node_soon(&self, host: &str, name: &str, args: &[&str]) -> Node {
        let port = if host == name { PORT } else { 0 };
        self.run_on(host, name, self.bed.node(name).port(port).with(args))
    }

    /// Starts a node on a host, with mDNS; tests call it by this name. Does not wait.
    pub fn run_on(&self, host: &str, name: &str, node: NodeOptions) -> Node {
        let command = node.on_the_lan().by_shell(&["nsenter", &net(host), "sh"], r#"exec "$0" "$@""#);
        self.bed.run(command, name)
    }

    /// Runs a thread of this test in the network namespace of a host.
    pub fn stand_on<T: Send + 'static>(&self, host: &str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let place = std::fs::File::open(format!("/run/netns/{host}")).expect("the host is there");
        std::thread::spawn(move || {
            setns(place, CloneFlags::CLONE_NEWNET).expect("the field is ours");
            work()
        })
    }

    /// Lets time pass, where a duration is part of the scenario. Not used to wait for anything.
    pub fn pass(&self, time: Duration) {
        self.bed.say(format!("{time:?} pass"));
        std::thread::sleep(time);
    }
}

fn end(host: &str, iface: &str) -> String {
    format!("{host}-{iface}")
}

/// The table that drops what comes from a host.
fn apart(from: &str) -> String {
    format!("from-{from}")
}

fn net(host: &str) -> String {
    format!("--net=/run/netns/{host}")
}

fn run(command: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(command[0]).args(&command[1..]).output().expect("it starts");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
