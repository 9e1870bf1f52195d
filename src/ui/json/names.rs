//! The names of the events.

/// Every event of `docs/json.md`, in the order of the page.
pub const EVENTS: &[&str] = &[
    "ready",
    "nearby",
    "away",
    "linked",
    "unlinked",
    "asked",
    "online",
    "path",
    "offline",
    "chat",
    "queued",
    "state",
    "cancelled",
    "message",
    "mirrored",
    "users",
    "requests",
    "pong",
    "bootstrap",
    "exploded",
    "me",
    "whois",
    "status",
    "code",
    "joined",
    "sessions",
    "session",
    "history",
    "found",
    "exported",
    "conversations",
    "read",
    "doctor",
    "map",
    "done",
    "help",
    "counts",
    "warning",
    "error",
    "stopped",
];

/// The event whose name is most like this one, of which only the beginning is compared if it is long.
pub fn nearest_event(name: &str) -> &'static str {
    let name: String = name.chars().take(32).collect();
    let near = |event: &&&str| strsim::damerau_levenshtein(&name, event);
    EVENTS.iter().min_by_key(near).copied().unwrap_or_default()
}
