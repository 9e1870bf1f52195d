//! Values that are one of a few.

/// Which users are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// All known users.
    All,
    /// Users with at least one session online.
    Online,
    /// Users without a session online.
    Offline,
}

/// One side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The local user.
    Me,
    /// The other user.
    Them,
}

/// What happened to a session of the local user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionChange {
    /// The list of the user's sessions contains it now.
    Linked,
    /// It was revoked.
    Unlinked,
}

/// How a session is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// It is connected with this node.
    Direct,
    /// It is connected with a neighbour of this node.
    Relayed,
}

/// Why a session counts as offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It declared itself offline.
    Declared,
    /// It is unreachable.
    Lost,
    /// Its user has unlinked it.
    Unlinked,
}

/// How far a message has come towards one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// On the disk of this node only.
    Queued,
    /// On the disk of a carrier.
    Carried,
    /// On the disk of the session.
    Delivered,
    /// On the disk of another session of the addressee, which passes it on to this one. This node sends it no more.
    Settled,
}
