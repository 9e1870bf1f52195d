//! Strangers in a hall: many nodes on one link, none of which knows another.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::field::Field;
use crate::program::Node;

/// How often the output of all nodes is read while something is waited for.
const POLL: Duration = Duration::from_millis(20);

/// The nodes of a hall, each on a host of its own.
pub struct Hall {
    pub nodes: Vec<Node>,
    /// Whom each lists as nearby, by id.
    listed: Vec<BTreeSet<String>>,
    /// The texts that each was shown.
    shown: Vec<Vec<String>>,
}

pub fn name(nth: usize) -> String {
    format!("h{nth}")
}

impl Hall {
    /// Starts this many nodes within a time.
    pub fn open(field: &Field, count: usize, within: Duration) -> Hall {
        field.switch("hall");
        for nth in 0..count {
            field.desk(&name(nth), "hall", &format!("10.0.{}.{}/16", nth / 250, nth % 250 + 1));
        }
        let begin = Instant::now();
        let start = |nth| {
            let due = within * nth as u32 / count as u32;
            field.pass(due.saturating_sub(begin.elapsed()));
            field.node_soon(&name(nth), &name(nth), &[])
        };
        let mut nodes: Vec<Node> = (0..count).map(start).collect();
        nodes.iter_mut().for_each(|node| node.ready = node.event("ready"));
        Hall { nodes, listed: vec![BTreeSet::new(); count], shown: vec![Vec::new(); count] }
    }

    /// Reads what the nodes have printed until `done`, for at most `limit`. Returns how long it took.
    pub fn until(&mut self, limit: Duration, done: impl Fn(&Hall) -> bool) -> Option<Duration> {
        let begin = Instant::now();
        loop {
            for nth in 0..self.nodes.len() {
                self.read(nth);
            }
            if done(self) {
                return Some(begin.elapsed());
            }
            if begin.elapsed() > limit {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    fn read(&mut self, nth: usize) {
        for event in self.nodes[nth].listens(Duration::ZERO) {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            match text("event").as_str() {
                "nearby" => drop(self.listed[nth].insert(text("id"))),
                "away" => drop(self.listed[nth].remove(&text("id"))),
                "message" => self.shown[nth].push(text("text")),
                _ => {}
            }
        }
    }

    /// Whether each lists all others.
    pub fn lists_all(&self) -> bool {
        self.listed.iter().all(|listed| listed.len() == self.nodes.len() - 1)
    }

    /// To whom a node writes first.
    pub fn addressee(&self, nth: usize) -> usize {
        (nth + self.nodes.len() / 2 + 1) % self.nodes.len()
    }

    /// Each writes a line to one other.
    pub fn write(&mut self) {
        for nth in 0..self.nodes.len() {
            let to = self.nodes[self.addressee(nth)].id().to_owned();
            self.nodes[nth].types(&format!(r"\chat {to}"));
            self.nodes[nth].types(&format!("from {nth}"));
        }
    }

    /// Whether the line of a node was shown.
    pub fn has_arrived(&self, from: usize) -> bool {
        self.shown[self.addressee(from)].contains(&format!("from {from}"))
    }
}

#[test]
fn thirty_strangers_list_each_other_and_every_first_line_arrives() {
    crate::field::in_a_field(|field| {
        let mut hall = Hall::open(field, 30, Duration::from_secs(5));
        let limit = Duration::from_secs(60);
        assert!(hall.until(limit, Hall::lists_all).is_some(), "not everybody is listed by everybody");
        hall.write();
        let arrived = hall.until(limit, |hall| (0..30).all(|nth| hall.has_arrived(nth)));
        assert!(arrived.is_some(), "not every line has arrived");
    });
}
