//! The owner record of a data directory, as human-readable text:
//!
//! ```text
//! darknode owner 1
//! name alice
//! user <52 base32 characters>
//! session <52 base32 characters>
//! user-key yes
//! ```

use crate::id::{SessionId, UserId};
use crate::identity::Name;

const FIRST_LINE: &str = "darknode owner 1";

/// The owner of a data directory. The ids reveal damaged or exchanged key files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The user's name.
    pub name: Name,
    /// The user's id.
    pub user: UserId,
    /// The session's id.
    pub session: SessionId,
    /// Whether this session holds the user key.
    pub user_key: bool,
}

impl Owner {
    pub(super) fn to_text(&self) -> String {
        let user_key = if self.user_key { "yes" } else { "no" };
        format!(
            "{FIRST_LINE}\nname {}\nuser {}\nsession {}\nuser-key {user_key}\n",
            self.name.as_str(),
            self.user,
            self.session
        )
    }

    /// Parses exactly what [`Owner::to_text`] writes; anything else is damaged or from a newer version.
    pub(super) fn parse(bytes: &[u8]) -> Option<Owner> {
        let mut lines = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split('\n');
        let mut value = |key: &str| lines.next()?.strip_prefix(key);
        value(FIRST_LINE).filter(|rest| rest.is_empty())?;
        let name = value("name ")?;
        let owner = Owner {
            name: Name::parse(name).ok().filter(|parsed| parsed.as_str() == name)?,
            user: value("user ")?.parse().ok()?,
            session: value("session ")?.parse().ok()?,
            user_key: match value("user-key ")? {
                "yes" => true,
                "no" => false,
                _ => return None,
            },
        };
        lines.next().is_none().then_some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            name: Name::parse("alice").unwrap(),
            user: UserId([1; 32]),
            session: SessionId([2; 32]),
            user_key: false,
        }
    }

    #[test]
    fn an_owner_round_trips_and_a_truncated_one_is_refused() {
        let text = owner().to_text();
        assert_eq!(Owner::parse(text.as_bytes()), Some(owner()));
        (0..text.len()).for_each(|end| assert_eq!(Owner::parse(&text.as_bytes()[..end]), None));
    }

    #[test]
    fn owner_records_are_parsed_strictly() {
        let text = owner().to_text();
        for damaged in [
            format!("{text}x\n"),
            text.replace("owner 1", "owner 2"),
            text.replace("user-key no", "user-key maybe"),
            text.replace("name alice", "Name alice"),
            text.replace('\n', "\r\n"),
        ] {
            assert_eq!(Owner::parse(damaged.as_bytes()), None, "{damaged}");
        }
        assert_eq!(Owner::parse(&[0xff, b'\n']), None);
    }
}
