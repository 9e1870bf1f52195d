//! `-sip IP` and `-sp PORT`: the spelling of one `--bootstrap` in DarkChat (Griffith and Aktay, 2010). They are rewritten
//! before the option parser runs, which would read `-sp` as `-s -p`.

use std::ffi::OsString;

use super::{ConfigError, refuse};
use crate::identity::name::escape;
use crate::identity::place::{Host, Place, parse_port};

/// `argv` with `-sip IP` and `-sp PORT` replaced by one `--bootstrap IP:PORT`.
pub fn merge_bootstrap_parts(argv: Vec<OsString>) -> Result<Vec<OsString>, ConfigError> {
    let (mut rest, mut ip, mut port) = (Vec::with_capacity(argv.len()), None, None);
    let mut argv = argv.into_iter();
    while let Some(arg) = argv.next() {
        let text = arg.to_str().unwrap_or_default();
        if text == "--" {
            rest.push(arg);
            rest.extend(argv);
            break;
        }
        let Some((option, attached)) = bootstrap_part(text) else {
            rest.push(arg);
            continue;
        };
        let value = match attached {
            Some(value) => value.to_owned(),
            None => argv.next().and_then(|value| value.into_string().ok()).unwrap_or_default(),
        };
        let (slot, what) = if option == "-sip" { (&mut ip, "an IP address") } else { (&mut port, "a port") };
        if value.is_empty() || value.starts_with('-') {
            return Err(refuse(format!("{option} needs {what}, as in `-sip 192.0.2.1 -sp 27272`")));
        }
        if slot.replace(value).is_some() {
            return Err(refuse(format!("{option} was given twice; add further nodes with --bootstrap")));
        }
    }
    match (ip, port) {
        (None, None) => {}
        (None, Some(_)) => return Err(refuse("-sp PORT requires -sip IP; the port of this node is -p PORT")),
        (Some(ip), port) => {
            // After the program's name, before any subcommand.
            let at = rest.len().min(1);
            rest.insert(at, bootstrap_of(&ip, port.as_deref())?.into());
            rest.insert(at, "--bootstrap".into());
        }
    }
    Ok(rest)
}

/// Whether an argument is one of the two, and the value attached to it (`-sp=1`, `-sp1`).
fn bootstrap_part(text: &str) -> Option<(&'static str, Option<&str>)> {
    let (option, behind) = ["-sip", "-sp"].into_iter().find_map(|option| {
        let behind = text.strip_prefix(option);
        let long = text.strip_prefix('-').and_then(|text| text.strip_prefix(option));
        let long = long.filter(|behind| behind.is_empty() || behind.starts_with('='));
        behind.or(long).map(|behind| (option, behind))
    })?;
    Some((option, (!behind.is_empty()).then(|| behind.strip_prefix('=').unwrap_or(behind))))
}

fn bootstrap_of(ip: &str, port: Option<&str>) -> Result<String, ConfigError> {
    let is_ip = |place: &Place| !matches!(place.host, Host::Name(_)) && place.port.is_none();
    let place = ip.parse().ok().filter(is_ip).ok_or_else(|| {
        refuse(format!("-sip `{}` is not an IP address; give a host name with --bootstrap HOST:PORT", escape(ip)))
    })?;
    let parsed = |port| {
        let error = || refuse(format!("-sp `{}` is not a port; a port is a number from 1 to 65535", escape(port)));
        parse_port(port).ok_or_else(error)
    };
    Ok(Place { port: port.map(parsed).transpose()?, ..place }.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(args: &[&str]) -> Result<Vec<String>, String> {
        let argv = std::iter::once("darknode").chain(args.iter().copied()).map(OsString::from).collect();
        merge_bootstrap_parts(argv)
            .map(|argv| argv.into_iter().skip(1).map(|arg| arg.into_string().unwrap()).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_two_parts_become_one_bootstrap_in_every_spelling() {
        let one = Ok(["--bootstrap", "192.0.2.1:5", "-u", "a"].map(String::from).to_vec());
        assert_eq!(rewritten(&["-u", "a", "-sip", "192.0.2.1", "-sp", "5"]), one);
        assert_eq!(rewritten(&["-sp", "5", "-u", "a", "--sip", "192.0.2.1"]), one);
        assert_eq!(rewritten(&["-sp=5", "-u", "a", "--sip=192.0.2.1"]), one);
        assert_eq!(rewritten(&["-sp5", "-u", "a", "-sip192.0.2.1"]), one);
        assert_eq!(rewritten(&["-sip", "::1"]), Ok(["--bootstrap", "[::1]:27272"].map(String::from).to_vec()));
    }

    #[test]
    fn other_options_are_not_changed() {
        for args in [&["-s", "-p", "5"][..], &["--server"], &["--spread"], &["-u", "x", "--", "-sp", "1"]] {
            assert_eq!(rewritten(args).unwrap(), args);
        }
    }

    #[test]
    fn invalid_parts_are_refused() {
        for args in [&["-sp", "5"][..], &["-sip"], &["-sip", "1.2.3.4", "-sp", "0"], &["-sip", "-sp", "5"]] {
            assert!(rewritten(args).is_err(), "{args:?}");
        }
        assert!(rewritten(&["-sip", "1.1.1.1", "-sip", "1.1.1.2"]).unwrap_err().contains("--bootstrap"));
        assert!(rewritten(&["-sip", "host.example"]).unwrap_err().contains("--bootstrap"));
    }
}
