//! Contact addresses: `darkchat:USER@IP:PORT,…` names a user and socket addresses at which they may be reached. People copy
//! them, scan them as QR codes or read them aloud. A session at one of the addresses that belongs to another user is not the
//! one that was meant, and the connection must be closed.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use crate::id::UserId;

/// The prefix of a contact address.
pub const SCHEME: &str = "darkchat:";
/// The maximum number of socket addresses in a contact address: as many as a declaration has.
pub const MAX_ADDRS: usize = 8;

/// A user, and socket addresses at which they may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactAddress {
    /// The user.
    pub user: UserId,
    /// At most [`MAX_ADDRS`], the most likely first. Ports are not 0; addresses are neither unspecified nor multicast.
    pub addrs: Vec<SocketAddr>,
}

/// The text is not a contact address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not an address; \\me shows one: darkchat:USER@IP:PORT")]
pub struct BadAddress;

impl FromStr for ContactAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<ContactAddress, BadAddress> {
        let rest = text.strip_prefix(SCHEME).ok_or(BadAddress)?;
        let (user, addrs) = rest.split_once('@').unwrap_or((rest, ""));
        let user = user.parse().map_err(|_| BadAddress)?;
        Ok(ContactAddress { user, addrs: parse_addrs(addrs).ok_or(BadAddress)? })
    }
}

/// Socket addresses separated by commas, at most [`MAX_ADDRS`], which can all be dialled.
pub(super) fn parse_addrs(text: &str) -> Option<Vec<SocketAddr>> {
    let addrs = text.split(',').filter(|addr| !addr.is_empty());
    let addrs: Vec<SocketAddr> = addrs.map(|addr| addr.parse().ok()).collect::<Option<_>>()?;
    let can_be_dialled =
        |addr: &SocketAddr| addr.port() != 0 && !addr.ip().is_unspecified() && !addr.ip().is_multicast();
    (addrs.len() <= MAX_ADDRS && addrs.iter().all(can_be_dialled)).then_some(addrs)
}

/// What [`parse_addrs`] reads.
pub(super) fn text_of(addrs: &[SocketAddr]) -> String {
    addrs.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

impl fmt::Display for ContactAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}@{}", self.user, text_of(&self.addrs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_can_be_parsed_from_its_text() {
        for addrs in [vec![], vec!["10.0.0.1:5"], vec!["10.0.0.1:5", "[2001:db8::1]:6"]] {
            let addrs = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
            let address = ContactAddress { user: UserId([7; 32]), addrs };
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        let user = UserId([7; 32]);
        for addrs in
            ["10.0.0.1", "10.0.0.1:0", "0.0.0.0:5", "224.0.0.1:5", "host:5", "10.0.0.1:5;", &"10.0.0.1:5,".repeat(9)]
        {
            assert_eq!(format!("darkchat:{user}@{addrs}").parse::<ContactAddress>(), Err(BadAddress), "{addrs}");
        }
        for text in ["", "darkchat:", "darkchat:bob@10.0.0.1:5", &format!("{user}@10.0.0.1:5")] {
            assert_eq!(text.parse::<ContactAddress>(), Err(BadAddress), "{text}");
        }
    }
}
