//! This session's own signed records: roster, declaration, key card and link list. They are signed when something
//! changes and sent as signed.

use std::net::SocketAddr;

use crate::identity::Checked;
use crate::time::Moment;
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster};

/// The newest version of each own record.
#[derive(Debug)]
pub struct Myself {
    /// The own roster with the highest known version.
    pub roster: Checked<Roster>,
    /// The declaration of this session.
    pub declaration: Checked<Declaration>,
    /// The key card of this session.
    pub card: Checked<KeyCard>,
    /// The link list of this session, one record per page.
    pub links: Vec<Checked<LinkList>>,
    /// Roster version and key card seq that neighbours hold: those of the hello or of the last push.
    pub pushed: (u64, u64),
    /// Addresses at which others may dial this node.
    pub addrs: Vec<SocketAddr>,
    /// When the declaration is pushed again.
    pub refresh_at: Moment,
    /// How often a record was shown that this session has signed, but with a seq that this node has not reached.
    pub leaps: u32,
}
