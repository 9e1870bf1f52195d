//! What a node counts, as a table.

use chrono::Local;

use super::style::{BELOW_TITLE, Style};
use super::text::{counted, minute};
use crate::handle::counts::{Amount, Observed};

pub fn counts(style: Style, observed: &Observed) -> String {
    let Observed { node, clients, .. } = observed;
    let (core, of) = (&node.core, node.core.connections);
    let amount = |amount: Amount, what: &str| {
        format!("{}, {}", counted(amount.items as u64, what), counted(amount.bytes as u64, "byte"))
    };
    let rows = [
        (
            "users",
            format!("{} online, {} offline, {}", core.online, core.offline, counted(core.sessions as u64, "session")),
        ),
        ("peers", format!("{} linked, {} own, {} other, {} pending", of.linked, of.own, of.other, of.pending)),
        ("messages", format!("{} sent, {} received, {}", node.sent, node.received, counted(node.receipts, "receipt"))),
        ("outbox", amount(core.outbox, "line")),
        ("custody", format!("{} of {}", amount(core.custody, "envelope"), core.custody_limit)),
        ("dials", listed(&node.dials, format!("{} open", node.dials_open))),
        ("dropped", listed(&node.drops, String::new())),
        ("store", format!("{}, {} waiting", counted(node.store.bytes, "byte"), node.store.backlog)),
        ("programs", format!("{clients} connected")),
    ];
    let title = style.event(&format!("since {}", minute(node.began, &Local)));
    rows.iter()
        .filter(|(_, text)| !text.is_empty())
        .fold(title, |shown, (name, text)| shown + &style.rows(&format!("    {name:<8} {text}"), BELOW_TITLE))
}

/// Numbers by name, behind what is said first.
fn listed<'a>(all: impl IntoIterator<Item = (&'a &'static str, &'a u64)>, first: String) -> String {
    let text = |(name, number): (&&'static str, &u64)| format!("{number} {}", name.replace('_', " "));
    let first = Some(first).filter(|first| !first.is_empty());
    first.into_iter().chain(all.into_iter().map(text)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::*;
    use crate::handle::counts::{Connections, CoreCounts, Counts, Histogram, StoreCounts};
    use crate::time::Wall;
    use crate::ui::Event;
    use crate::ui::plain::render;
    use crate::ui::plain::tests::PLAIN;

    /// Counts of a node that has done a little of everything.
    pub fn observed() -> Observed {
        const BOUNDS: &[Duration] = &[Duration::from_millis(10)];
        let mut took = Histogram::new(BOUNDS);
        [1, 20].into_iter().for_each(|ms| took.observe(Duration::from_millis(ms)));
        let core = CoreCounts {
            online: 2,
            offline: 5,
            sessions: 8,
            connections: Connections { linked: 2, own: 1, other: 3, pending: 0 },
            outbox: Amount { items: 1, bytes: 20 },
            custody: Amount { items: 14, bytes: 1_200 },
            custody_limit: 64_000,
            delivery: took.clone(),
        };
        let store = StoreCounts { commits: took, backlog: 3, bytes: 40_960, refuses: false };
        let node = Counts {
            began: Wall(1_700_000_000_000),
            core,
            drops: [("bad_hello", 2)].into(),
            sent: 4,
            received: 6,
            receipts: 3,
            dials: [("answered", 5)].into(),
            dials_open: 1,
            store,
            deaf_links: 0,
        };
        Observed { node, clients: 1, gaps: 0 }
    }

    #[test]
    fn counts_are_a_table_without_what_there_is_nothing_of() {
        let text = render(PLAIN, Event::Counts(&observed()));
        let began = minute(Wall(1_700_000_000_000), &Local);
        assert!(
            text.starts_with(&format!("* since {began}\n    users    2 online, 5 offline, 8 sessions\n")),
            "{text}"
        );
        assert!(text.contains("    outbox   1 line, 20 bytes\n"), "{text}");
        assert!(text.contains("    dials    1 open, 5 answered\n    dropped  2 bad hello\n"), "{text}");
        let mut fresh = observed();
        fresh.node.drops.clear();
        assert!(!render(PLAIN, Event::Counts(&fresh)).contains("dropped"));
    }
}
