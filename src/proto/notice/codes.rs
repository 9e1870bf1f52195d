//! The kinds of warnings and errors.

/// The kind of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WarningCode {
    /// Another key uses a name that is in use, or another user answers at an address.
    NameClash,
    /// Another node uses the key of this session.
    ClonedKey,
    /// There are two rosters of one user that were signed apart.
    RosterFork,
    /// The local user's roster does not list this session.
    Unlisted,
    /// Messages wait because no usable key card of the addressee is known.
    NoKey,
    /// A carrier has no space for more messages of the local user.
    CustodyRefused,
    /// The store cannot be written, or it was damaged.
    Disk,
    /// This node does not receive its own multicast.
    Multicast,
    /// Notices were left out because nothing read them.
    LeftOut,
    /// A node given by `--bootstrap` does not answer, or cannot be used.
    Bootstrap,
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// There is no such macro.
    UnknownMacro,
    /// No known user has this name.
    UnknownUser,
    /// Several users have this name.
    AmbiguousUser,
    /// The text cannot be a name.
    BadName,
    /// The text is not an address, or the address cannot be dialled.
    BadAddress,
    /// An argument is missing, unexpected or out of range.
    BadArgument,
    /// No conversation is open.
    NoConversation,
    /// The line is too long.
    TextTooLong,
    /// Nobody answered, or another user did.
    Unreachable,
    /// The local user has blocked the user.
    Blocked,
    /// The store could not be read or written.
    Disk,
    /// More messages wait than the outbox holds, or there are too many of something else.
    TooMany,
    /// The code of a session that waits to be linked is another one.
    CodeWrong,
    /// The code has expired or was used.
    CodeExpired,
    /// This session does not hold the user key.
    NoUserKey,
    /// It is not a request of the local API.
    BadRequest,
    /// The node has failed.
    Internal,
}
