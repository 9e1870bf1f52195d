//! The event `map`.

use serde::Serialize;

use super::parts::{Id, Text};
use super::{rfc3339, values};
use crate::proto::notice::map::{Map, MapNode};

#[derive(Serialize)]
pub struct Network<'a> {
    nodes: Vec<Node<'a>>,
    edges: Vec<(Id, Id)>,
    more: usize,
}

#[derive(Serialize)]
struct Node<'a> {
    id: Id,
    name: &'a str,
    me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<u8>,
    linked: bool,
    online: bool,
    relay: bool,
    server: bool,
    nearby: bool,
    way: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "is_none")]
    held: usize,
    #[serde(skip_serializing_if = "is_none")]
    waiting: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

impl<'a> From<&'a Map> for Network<'a> {
    fn from(map: &'a Map) -> Network<'a> {
        Network {
            nodes: map.nodes.iter().map(Node::from).collect(),
            edges: map.edges.iter().map(|(one, other)| (Text(*one), Text(*other))).collect(),
            more: map.more,
        }
    }
}

impl<'a> From<&'a MapNode> for Node<'a> {
    fn from(node: &'a MapNode) -> Node<'a> {
        Node {
            id: Text(node.id),
            name: &node.name,
            me: node.me,
            distance: node.distance,
            linked: node.linked,
            online: node.online,
            relay: node.relay,
            server: node.server,
            nearby: node.nearby,
            way: values::way(node.way),
            through: node.through.as_deref(),
            rtt_ms: node.rtt_ms,
            since: node.since.map(rfc3339),
            held: node.held,
            waiting: node.waiting,
        }
    }
}
