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

/// The event that was probably meant by a name which is none: at most a third of it is different. Only the beginning of a long
/// name is compared.
pub fn nearest_event(name: &str) -> Option<&'static str> {
    let name: String = name.chars().take(32).collect();
    let most = (name.chars().count() / 3).max(1);
    let near = EVENTS.iter().map(|event| (strsim::damerau_levenshtein(&name, event), *event));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, event)| event)
}
