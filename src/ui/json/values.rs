//! The strings for values that are one of a few.

use crate::proto::notice::map::Way;
use crate::proto::notice::{Absence, By, Delivery, ErrorCode, Filter, SessionChange, Via, WarningCode};

pub fn by(by: By) -> &'static str {
    match by {
        By::Me => "me",
        By::Them => "them",
    }
}

pub fn via(via: Via) -> &'static str {
    match via {
        Via::Direct => "direct",
        Via::Relayed => "relayed",
    }
}

pub fn way(way: Way) -> &'static str {
    match way {
        Way::Direct => "direct",
        Way::Through => "through",
        Way::Away => "away",
    }
}

pub fn absence(reason: Absence) -> &'static str {
    match reason {
        Absence::Declared => "declared",
        Absence::Lost | Absence::Unlinked => "lost",
    }
}

pub fn session_change(state: SessionChange) -> &'static str {
    match state {
        SessionChange::Linked => "linked",
        SessionChange::Unlinked => "unlinked",
    }
}

/// The name of a state of delivery.
pub fn delivery(state: Delivery) -> &'static str {
    match state {
        Delivery::Queued => "queued",
        Delivery::Carried => "carried",
        Delivery::Delivered => "delivered",
        Delivery::Settled => "settled",
    }
}

pub fn status(online: bool) -> &'static str {
    if online { "online" } else { "offline" }
}

pub fn filter(filter: Filter) -> &'static str {
    match filter {
        Filter::All => "all",
        Filter::Online => "online",
        Filter::Offline => "offline",
    }
}

pub fn warning_code(code: WarningCode) -> &'static str {
    match code {
        WarningCode::NameClash => "name-clash",
        WarningCode::ClonedKey => "cloned-key",
        WarningCode::RosterFork => "roster-fork",
        WarningCode::Unlisted => "unlisted",
        WarningCode::NoKey => "no-key",
        WarningCode::CustodyRefused => "custody-refused",
        WarningCode::Disk => "disk",
        WarningCode::Multicast => "multicast",
        WarningCode::LeftOut => "left-out",
        WarningCode::Bootstrap => "bootstrap",
    }
}

pub fn error_code(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownMacro => "unknown-macro",
        ErrorCode::UnknownUser => "unknown-user",
        ErrorCode::AmbiguousUser => "ambiguous-user",
        ErrorCode::BadName => "bad-name",
        ErrorCode::BadAddress => "bad-address",
        ErrorCode::BadArgument => "bad-argument",
        ErrorCode::NoConversation => "no-conversation",
        ErrorCode::TextTooLong => "text-too-long",
        ErrorCode::Unreachable => "unreachable",
        ErrorCode::Blocked => "blocked",
        ErrorCode::Disk => "disk",
        ErrorCode::TooMany => "too-many",
        ErrorCode::CodeWrong => "code-wrong",
        ErrorCode::CodeExpired => "code-expired",
        ErrorCode::BadRequest => "bad-request",
        ErrorCode::NoUserKey => "no-user-key",
        ErrorCode::Internal => "internal",
    }
}
