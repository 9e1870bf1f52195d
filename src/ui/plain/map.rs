//! The map as a list.

use super::style::{BELOW_ITEM, Style};
use super::{counted, quoted};
use crate::proto::notice::map::{Map, MapNode, Way};

/// A row for each user, with how they are reached, and what waits.
pub fn network(style: Style, map: &Map) -> String {
    let at = |distance| map.nodes.iter().filter(|node| node.distance == Some(distance)).count();
    let title = format!("{}, {} two links away", counted(at(1) as u64, "linked user"), at(2));
    let more = match map.more {
        0 => String::new(),
        n => format!("    and {n} more\n"),
    };
    let row = |node: &MapNode| {
        let name = style.name(&node.name);
        style.rows(&format!("{:indent$}{name}  {}", "", described(node).join(", "), indent = 4), BELOW_ITEM)
    };
    map.nodes.iter().fold(style.event(&title), |text, node| text + &row(node)) + &more
}

/// How a user is reached, what they are, and what waits for them or is with them.
fn described(node: &MapNode) -> Vec<String> {
    let role = if node.server { "server" } else { "relay" };
    let held = |n: usize| match node.me {
        true if node.relay => format!("holds {} for others", counted(n as u64, "envelope")),
        true => format!("holds {} for your other sessions", counted(n as u64, "envelope")),
        false => format!("carries {} of yours", counted(n as u64, "line")),
    };
    let parts = [
        Some(way(node)),
        (node.nearby && !node.linked && node.way != Way::Away).then(|| "nearby".to_owned()),
        (node.distance == Some(2)).then(|| "two links away".to_owned()),
        node.relay.then(|| role.to_owned()),
        (node.held > 0).then(|| held(node.held)),
        (node.waiting > 0).then(|| format!("{} waiting", counted(node.waiting as u64, "line"))),
    ];
    parts.into_iter().flatten().collect()
}

/// How a user is reached.
fn way(node: &MapNode) -> String {
    match (node.way, &node.through, node.rtt_ms) {
        _ if node.me => "you".to_owned(),
        (Way::Direct, _, Some(rtt_ms)) => format!("direct, {rtt_ms:.1} ms"),
        (Way::Direct, _, None) => "direct".to_owned(),
        (Way::Through, Some(by), _) => format!("through {}", quoted(by)),
        (Way::Through, None, _) => "through others".to_owned(),
        (Way::Away, ..) if node.nearby && !node.linked => "nearby".to_owned(),
        (Way::Away, ..) => "away".to_owned(),
    }
}
