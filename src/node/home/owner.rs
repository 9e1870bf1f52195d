//! Who a data directory belongs to, as text a person can read:
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

/// Who a data directory belongs to. The ids make a damaged or exchanged key file known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub name: Name,
    pub user: UserId,
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

    /// Exactly what [`Owner::to_text`] writes; anything else is damage, or from a newer version.
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
    fn an_owner_reads_back_and_no_part_of_it_does() {
        let text = owner().to_text();
        assert_eq!(Owner::parse(text.as_bytes()), Some(owner()));
        (0..text.len()).for_each(|end| assert_eq!(Owner::parse(&text.as_bytes()[..end]), None));
    }

    #[test]
    fn an_owner_is_read_strictly() {
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
