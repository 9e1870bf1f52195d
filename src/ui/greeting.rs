//! What a node says when it has started: to a person, who and where they are; to the operator of a server or relay, what to
//! open in the firewall and what to hand to people. Commands are printed so that they work when copied.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::handle::Ready;
use crate::id::UserId;
use crate::identity::name::escape;
use crate::identity::place::{DEFAULT_PORT, Place};
use crate::identity::words;

/// Words of a fingerprint in a row: with eight letters each, they fit on a terminal of eighty columns.
const FINGERPRINT_ROW: usize = 6;
/// Addresses for which a server shows the command that joins by it.
const MAX_SHOWN: usize = 4;

/// How the node was started, as far as the greeting depends on it.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The data directory, if it is not the default one for the user's name.
    pub data_dir: Option<PathBuf>,
    /// A service manager owns the data directory, so that only root and the service can read it.
    pub as_service: bool,
    /// Nodes on the local link find each other.
    pub lan: bool,
    /// Any port was allowed if the default one is taken.
    pub any_port: bool,
    /// What was given by `--bootstrap`.
    pub bootstrap: Vec<String>,
    /// The session was linked just now.
    pub linked: bool,
}

impl Setup {
    /// Reads it from the configuration and from the environment that systemd gives to units with a `StateDirectory`.
    pub fn of(config: &Config) -> Setup {
        let data_dir = (!config.data.default_dir).then(|| absolute(&config.data.dir));
        let as_service = std::env::var_os("STATE_DIRECTORY").is_some();
        let bootstrap = config.bootstrap.iter().map(ToString::to_string).collect();
        Setup { data_dir, as_service, lan: config.lan, any_port: config.port.is_none(), bootstrap, linked: false }
    }
}

/// What a node says that waits to be linked.
pub fn waiting(ready: &Ready) -> String {
    let network = match ready.network {
        Some(network) => format!("the closed network {network}"),
        None => "the open network".to_owned(),
    };
    format!("this is a new session, {}, in {network}; it waits to be linked with yours", ready.session.short())
}

/// What kind of node this is and where: the first line, and those below it with line endings, for servers, relays and sessions
/// that were linked just now.
pub fn ready(ready: &Ready, setup: &Setup) -> (String, String) {
    let addresses: Vec<String> = useful(ready).map(ToString::to_string).collect();
    let at = match (addresses.is_empty(), ready.link_local.first()) {
        (false, _) => format!(", at {}", addresses.join(", ")),
        (true, Some(place)) => format!(", at {} on this link", place.short()),
        (true, None) => String::new(),
    };
    let (user, role) = (&ready.user, ready.roles.last().copied());
    let network = match (ready.network, role) {
        (None, _) => "the open network".to_owned(),
        (Some(_), None) => "a closed network".to_owned(),
        (Some(id), Some(_)) => format!("the closed network {id}"),
    };
    let help = if role == Some("server") { "" } else { r"; \help lists the macros" };
    let again = setup.linked.then(|| format!("    start it from now on with: {}\n", start_command(ready, setup)));
    let again = again.unwrap_or_default();
    match role {
        None => (format!("you are {user} in {network}{at}{help}"), again),
        Some(role) => (format!("{user} is a {role} of {network}{at}{help}"), again + &instructions(ready, role, setup)),
    }
}

/// What the operator of a server or relay has to do and to tell others.
fn instructions(ready: &Ready, role: &str, setup: &Setup) -> String {
    let port = ready.listen.first().map_or(DEFAULT_PORT, SocketAddr::port);
    let mut lines = Vec::new();
    if setup.any_port && port != DEFAULT_PORT {
        lines.push(format!(
            "UDP port {DEFAULT_PORT}, which others assume, is taken by another program; this node has port {port}"
        ));
    }
    lines.push(format!("open UDP port {port} in the firewall"));
    if setup.lan {
        lines.push(format!("people on the same link find this {role} by themselves"));
    }
    let key = if ready.network.is_some() { " --network-key FILE" } else { "" };
    let join = |place: &Place| format!("    darknode -u NAME{key} --bootstrap {}", quoted(&place.short()));
    let places: Vec<Place> = useful(ready).take(MAX_SHOWN).map(|addr| Place::from(*addr)).collect();
    match (places.is_empty(), ready.link_local.is_empty()) {
        (false, _) => {
            lines.push("people elsewhere start with one of these; a host name can replace the address:".to_owned());
            lines.extend(places.iter().map(join));
        }
        (true, false) => {
            lines.push(
                "there are only link-local addresses; people on the same link may start with one of these, with the \
                 name of their own interface behind the %:"
                    .to_owned(),
            );
            lines.extend(ready.link_local.iter().take(MAX_SHOWN).map(join));
        }
        (true, true) => lines.push(r"there is no network yet; \me shows the addresses once there is".to_owned()),
    }
    lines.iter().fold(String::new(), |text, line| text + "    " + line + "\n")
}

/// Shown after a new identity was created; without a line ending at the end.
pub fn new_identity(ready: &Ready, setup: &Setup) -> String {
    format!(
        "Created a new identity. Its fingerprint, for others to verify:\n{}\nThe keys exist only in the data directory. To print \
         the recovery words: {}",
        fingerprint(&ready.id),
        words_command(&ready.user, setup)
    )
}

/// A fingerprint in indented rows that fit on a terminal of eighty columns; without a line ending at the end.
pub fn fingerprint(user: &UserId) -> String {
    let words = words::fingerprint(user);
    let words: Vec<&str> = words.split(' ').collect();
    let rows: Vec<String> = words.chunks(FINGERPRINT_ROW).map(|row| format!("    {}", row.join(" "))).collect();
    rows.join("\n")
}

/// The command that starts a session that was linked.
fn start_command(ready: &Ready, setup: &Setup) -> String {
    let role = ready.roles.last().map(|role| format!(" --{role}")).unwrap_or_default();
    let key = if ready.network.is_some() { " --network-key FILE" } else { "" };
    let dir = setup.data_dir.as_ref().map(|dir| format!(" --data-dir {}", quoted(&dir.to_string_lossy())));
    let bootstrap: String = setup.bootstrap.iter().map(|target| format!(" --bootstrap {}", quoted(target))).collect();
    format!("darknode -u {}{role}{key}{}{bootstrap}", quoted(&ready.user), dir.unwrap_or_default())
}

/// The command that prints the recovery words.
fn words_command(user: &str, setup: &Setup) -> String {
    let sudo = if setup.as_service { "sudo " } else { "" };
    match &setup.data_dir {
        Some(dir) => format!("{sudo}darknode identity words --data-dir {}", quoted(&dir.to_string_lossy())),
        None => format!("{sudo}darknode identity words -u {}", quoted(user)),
    }
}

/// The addresses that can be of use on other machines.
fn useful(ready: &Ready) -> impl Iterator<Item = &SocketAddr> {
    ready.listen.iter().filter(|addr| match addr.ip() {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    })
}

fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// A word for a POSIX shell, in quotes if it needs them. Control characters are escaped as elsewhere on the screen.
fn quoted(word: &str) -> String {
    let word = escape(word).replace(['\n', '\t'], " ");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NetworkId, SessionId, UserId};

    fn node(listen: &[&str], roles: &[&'static str]) -> Ready {
        Ready {
            user: "alice".into(),
            id: UserId([3; 32]),
            session: SessionId([1; 32]),
            listen: listen.iter().map(|addr| addr.parse().expect("an address")).collect(),
            link_local: vec!["fe80::1%eth0".parse().expect("a place")],
            network: None,
            roles: roles.to_vec(),
            fresh: true,
        }
    }

    fn shown(node: &Ready, setup: &Setup) -> String {
        let (first, below) = ready(node, setup);
        format!("{first}\n{below}")
    }

    #[test]
    fn the_first_line_shows_where_others_can_reach_me() {
        let node = node(&["192.0.2.2:1", "[fd00::2]:1", "[fe80::1%4]:1", "127.0.0.1:1", "[::1]:1"], &[]);
        let line = "you are alice in the open network, at 192.0.2.2:1, [fd00::2]:1; \\help lists the macros\n";
        assert_eq!(shown(&node, &Setup::default()), line);
    }

    #[test]
    fn the_first_line_names_the_interface_of_a_link_local_address_if_there_is_no_other() {
        let node = node(&["[fe80::1%4]:27272", "[::1]:27272"], &[]);
        let shown = shown(&node, &Setup::default());
        assert!(shown.contains("at fe80::1%eth0 on this link; "), "{shown}");
    }

    #[test]
    fn a_server_shows_its_port_and_what_people_type() {
        let node = node(&["192.0.2.2:27272", "[fd00::2]:27272", "127.0.0.1:27272"], &["relay", "server"]);
        let expected = "alice is a server of the open network, at 192.0.2.2:27272, [fd00::2]:27272\n    \
                        open UDP port 27272 in the firewall\n    \
                        people elsewhere start with one of these; a host name can replace the address:\n        \
                        darknode -u NAME --bootstrap 192.0.2.2\n        \
                        darknode -u NAME --bootstrap fd00::2\n";
        assert_eq!(shown(&node, &Setup::default()), expected);
    }

    #[test]
    fn a_relay_of_a_closed_network_on_another_port_shows_all_of_that() {
        let node = Ready { network: Some(NetworkId([4; 32])), ..node(&["192.0.2.2:9", "[fd00::2]:9"], &["relay"]) };
        let shown = shown(&node, &Setup { any_port: true, lan: true, ..Setup::default() });
        for part in [
            &format!("alice is a relay of the closed network {}, at", NetworkId([4; 32])),
            "UDP port 27272, which others assume, is taken",
            "open UDP port 9",
            "people on the same link find this relay",
            "darknode -u NAME --network-key FILE --bootstrap 192.0.2.2:9\n",
            "--bootstrap '[fd00::2]:9'\n",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn a_server_with_only_link_local_addresses_shows_how_to_use_them() {
        let shown = shown(&node(&["[fe80::1%4]:27272"], &["relay", "server"]), &Setup::default());
        assert!(shown.contains("--bootstrap fe80::1%eth0\n"), "{shown}");
        assert!(shown.contains("their own interface"), "{shown}");
    }

    #[test]
    fn a_session_that_was_linked_shows_the_command_that_starts_it() {
        let setup = Setup { linked: true, data_dir: Some(PathBuf::from("/home/a/alice-2")), ..Setup::default() };
        let line = "\n    start it from now on with: darknode -u alice --data-dir /home/a/alice-2\n";
        assert!(shown(&node(&[], &[]), &setup).contains(line));
        let relay = Ready { network: Some(NetworkId([4; 32])), ..node(&[], &["relay"]) };
        let line = "\n    start it from now on with: darknode -u alice --relay --network-key FILE --bootstrap example.net:27272\n";
        let bootstrap = vec!["example.net:27272".to_owned()];
        assert!(shown(&relay, &Setup { linked: true, bootstrap, ..Setup::default() }).contains(line));
        assert!(!shown(&relay, &Setup::default()).contains("from now on"));
    }

    #[test]
    fn the_command_for_the_recovery_words_works_when_copied() {
        let command = |dir: Option<&str>, as_service| {
            words_command("John Smith", &Setup { data_dir: dir.map(PathBuf::from), as_service, ..Setup::default() })
        };
        assert_eq!(command(None, false), "darknode identity words -u 'John Smith'");
        assert_eq!(command(Some("/srv/it's here"), false), r"darknode identity words --data-dir '/srv/it'\''s here'");
        assert_eq!(command(Some("/var/lib/x"), true), "sudo darknode identity words --data-dir /var/lib/x");
        assert!(new_identity(&node(&[], &[]), &Setup::default()).ends_with("darknode identity words -u alice"));
    }

    #[test]
    fn the_words_of_a_fingerprint_are_whole_in_eighty_columns() {
        for number in 0..100 {
            let (user, most) = (UserId([number; 32]), 80);
            let shown = fingerprint(&user);
            assert!(shown.lines().all(|row| row.starts_with("    ") && row.len() < most), "{shown}");
            assert_eq!(shown.split_whitespace().collect::<Vec<_>>().join(" "), words::fingerprint(&user));
        }
    }
}
