//! The network around me as a tree: below each person are those who are reached through them.

use super::people::People;
use crate::screen::cells::width;
use crate::screen::clock::{self, Clock};
use crate::screen::event::Node;
use crate::ui::plain::{counted, inline};

/// How deep the tree may be. Nobody is further than two links and a relay.
const MAX_DEPTH: usize = 4;
/// The column of names.
const NAME: usize = 10;

/// Who is around me, as the node knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    nodes: Vec<Node>,
    edges: Vec<(String, String)>,
    more: u64,
}

/// Who stands in a row of the tree.
struct Place {
    /// The index of the node.
    node: usize,
    /// The lines of the tree before it.
    branch: String,
}

/// A row of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose it is; `None` in the row that counts those without one.
    pub id: Option<String>,
    /// The lines of the tree.
    pub branch: String,
    /// Who it is and how they are reached.
    pub text: String,
}

impl Map {
    pub fn new(nodes: Vec<Node>, edges: Vec<(String, String)>, more: u64) -> Map {
        Map { nodes, edges, more }
    }

    /// Through whom somebody is reached, by name.
    pub fn through(&self, id: &str) -> Option<String> {
        let node = self.nodes.iter().find(|node| node.id == id && node.way == "through")?;
        node.through.as_deref().map(inline)
    }

    /// Somebody by id.
    pub fn get(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The id of whoever stands so many rows from another one, or at the nearest end. One who is gone stood in the first row.
    pub fn moved(&self, from: Option<&str>, by: isize) -> Option<String> {
        let tree = self.tree();
        let at = tree.iter().position(|place| Some(self.nodes[place.node].id.as_str()) == from).unwrap_or(0);
        let place = tree.get(at.saturating_add_signed(by).min(tree.len().saturating_sub(1)))?;
        Some(self.nodes[place.node].id.clone())
    }

    /// The rows of the tree.
    pub fn rows(&self, people: &People, clock: &Clock) -> Vec<Row> {
        let row = |place: Place| Row {
            id: Some(self.nodes[place.node].id.clone()),
            text: self.text(&place, (people, clock)),
            branch: place.branch,
        };
        let mut rows: Vec<Row> = self.tree().into_iter().map(row).collect();
        if self.more > 0 {
            rows.push(Row { id: None, branch: String::new(), text: format!("and {} more", self.more) });
        }
        rows
    }

    /// Who stands where, from the top. I am the first.
    fn tree(&self) -> Vec<Place> {
        let parents: Vec<Option<usize>> = (0..self.nodes.len()).map(|at| self.parent(at)).collect();
        let Some(me) = self.nodes.iter().position(|node| node.me) else { return Vec::new() };
        let mut tree = vec![Place { node: me, branch: String::new() }];
        push_below(me, &parents, "", &mut tree);
        tree
    }

    /// Below whom somebody stands: whoever reaches them, else a friend of both, else me.
    fn parent(&self, at: usize) -> Option<usize> {
        let node = &self.nodes[at];
        let me = self.nodes.iter().position(|node| node.me)?;
        let is_near = |other: &usize| *other != at && !self.nodes[*other].me && self.nodes[*other].way == "direct";
        let through = node.through.as_ref().filter(|_| node.way == "through");
        let reaches = through.and_then(|name| self.nodes.iter().position(|other| other.name == *name)).filter(is_near);
        let friend = || {
            let other = |(one, two): &(String, String)| match (*one == node.id, *two == node.id) {
                (true, _) => Some(two.clone()),
                (_, true) => Some(one.clone()),
                _ => None,
            };
            let ids = self.edges.iter().filter_map(other);
            let mut places = ids.filter_map(|id| self.nodes.iter().position(|other| other.id == id));
            places.find(|other| self.nodes[*other].distance == Some(1))
        };
        let by_friend = || (node.distance == Some(2)).then(friend).flatten();
        (at != me).then(|| reaches.or_else(by_friend).unwrap_or(me))
    }

    fn text(&self, place: &Place, (people, clock): (&People, &Clock)) -> String {
        let node = &self.nodes[place.node];
        if node.me {
            return format!("{} (you){}", inline(&node.name), what(node));
        }
        let is_stranger = node.nearby && node.distance != Some(1);
        let way = match (node.way.as_str(), node.rtt_ms, &node.through, &node.since) {
            ("direct", Some(rtt), ..) => format!("direct {rtt:.1} ms"),
            ("direct", None, ..) => "direct".to_owned(),
            ("through", _, Some(by), _) => format!("through {}", inline(by)),
            ("through", ..) => "through others".to_owned(),
            _ if is_stranger => "nearby".to_owned(),
            (_, _, _, Some(since)) => format!("away {}", clock.ago(clock::parse(since))),
            _ => "away".to_owned(),
        };
        let columns = (NAME + 2).saturating_sub(width(&place.branch));
        let checked = people.get(&node.id).is_some_and(|person| person.verified);
        let checked = if checked { ", checked" } else { "" };
        let nearby = if is_stranger && node.way != "away" { ", nearby" } else { "" };
        format!("{:columns$} {way}{nearby}{checked}{}", inline(&node.name), what(node))
    }
}

/// Appends everybody below one, each followed by those below them.
fn push_below(of: usize, parents: &[Option<usize>], stem: &str, tree: &mut Vec<Place>) {
    let depth = stem.chars().count() / 2;
    let below: Vec<usize> = (0..parents.len()).filter(|at| parents[*at] == Some(of) && *at != of).collect();
    for (n, node) in below.iter().enumerate() {
        let is_last = n + 1 == below.len();
        tree.push(Place { node: *node, branch: format!("{stem}{} ", if is_last { '└' } else { '├' }) });
        if depth + 1 < MAX_DEPTH {
            let stem = format!("{stem}{} ", if is_last { ' ' } else { '│' });
            push_below(*node, parents, &stem, tree);
        }
    }
}

/// What somebody does for others, and what waits.
fn what(node: &Node) -> String {
    let role = match (node.server, node.relay) {
        (true, _) => Some("server".to_owned()),
        (_, true) => Some("relay".to_owned()),
        _ => None,
    };
    let held = node.held.map(|count| match node.me {
        true if node.relay => format!("keeps {} for others", counted(count, "envelope")),
        true => format!("keeps {} for my other sessions", counted(count, "envelope")),
        false => format!("carries {} of mine", counted(count, "line")),
    });
    let waiting =
        node.waiting.map(|count| format!("{} wait{}", counted(count, "line"), if count == 1 { "s" } else { "" }));
    [role, held, waiting].into_iter().flatten().map(|part| format!(", {part}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, distance: Option<u8>, way: &str, through: Option<&str>) -> Node {
        Node {
            id: name.into(),
            name: name.into(),
            me: distance == Some(0),
            distance,
            relay: name == "pi",
            server: false,
            nearby: name == "frida",
            way: way.into(),
            through: through.map(str::to_owned),
            rtt_ms: (name == "bob").then_some(0.42),
            since: None,
            held: None,
            waiting: None,
        }
    }

    #[test]
    fn whoever_is_reached_through_somebody_stands_below_them() {
        let mut dora = node("dora", Some(1), "away", None);
        (dora.since, dora.waiting) = (Some("1970-01-01T00:00:00Z".into()), Some(1));
        let nodes = vec![
            node("alice", Some(0), "direct", None),
            node("bob", Some(1), "direct", None),
            node("carol", Some(1), "through", Some("pi")),
            dora,
            node("erik", Some(2), "away", None),
            node("pi", None, "direct", None),
            node("frida", None, "away", None),
        ];
        let edges = vec![("alice".into(), "bob".into()), ("bob".into(), "erik".into())];
        let map = Map::new(nodes, edges, 2);
        let rows = map.rows(&People::default(), &Clock::utc(3 * 3_600_000));
        let rows: Vec<String> = rows.iter().map(|row| format!("{}{}", row.branch, row.text)).collect();
        let expected = [
            "alice (you)",
            "├ bob        direct 0.4 ms",
            "│ └ erik     away",
            "├ dora       away 3 h, 1 line waits",
            "├ pi         direct, relay",
            "│ └ carol    through pi",
            "└ frida      nearby",
            "and 2 more",
        ];
        assert_eq!(rows, expected);
        assert_eq!(map.through("carol").as_deref(), Some("pi"));
    }

    #[test]
    fn what_an_ordinary_node_keeps_is_for_other_sessions_of_its_user() {
        let mut alice = Node { held: Some(7), ..node("alice", Some(0), "direct", None) };
        assert_eq!(what(&alice), ", keeps 7 envelopes for my other sessions");
        alice.relay = true;
        assert_eq!(what(&alice), ", relay, keeps 7 envelopes for others");
    }
}
