//! What I say of myself: roster, declaration, key card, link list. Signed when something changes, sent as signed.

use std::net::SocketAddr;

use crate::identity::Checked;
use crate::time::Moment;
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster};

#[derive(Debug)]
pub struct Myself {
    pub roster: Checked<Roster>,
    pub declaration: Checked<Declaration>,
    pub card: Checked<KeyCard>,
    pub links: Vec<Checked<LinkList>>,
    /// Roster version and key card seq that neighbours have: those of the hello, or of the last push.
    pub pushed: (u64, u64),
    /// Where others may dial me.
    pub addrs: Vec<SocketAddr>,
    /// When the declaration is to be pushed again.
    pub refresh_at: Moment,
    /// How often somebody linked knew a higher seq of mine than I did.
    pub seq_jumps: u32,
    /// How often a stranger said so, which proves nothing.
    pub strange_seq_jumps: u32,
}
