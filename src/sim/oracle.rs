//! A reference model that predicts who should see whom online, from the true links, who is running and who can reach
//! whom. It knows nothing of declarations, seeking or time.

use super::net::NodeIndex;
use super::topology::Graph;

/// The true state of the world at one moment.
pub struct Oracle<'a> {
    /// The links between users.
    pub graph: &'a Graph,
    /// Whether a node is running.
    pub on: &'a dyn Fn(NodeIndex) -> bool,
    /// Whether packets pass between two nodes in both directions.
    pub reaches: &'a dyn Fn(NodeIndex, NodeIndex) -> bool,
}

/// Whether one node should see another online, once everything has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// They are linked and can reach each other, or a common friend is running and can reach both.
    Must,
    /// They are within two links and can reach each other, but no friend between them is available.
    May,
    /// The other one is off, unreachable, or more than two links away.
    MustNot,
}

impl Oracle<'_> {
    /// What to expect of `me` about `other`.
    pub fn expected(&self, me: NodeIndex, other: NodeIndex) -> Expected {
        if me == other || !self.connectable(me, other) {
            return Expected::MustNot;
        }
        if self.graph.is_link(me, other) {
            return Expected::Must;
        }
        let common = || self.graph.close_friends(me).filter(|friend| self.graph.is_close(*friend, other));
        if common().any(|friend| self.connectable(me, friend) && self.connectable(friend, other)) {
            Expected::Must
        } else if common().next().is_some() {
            Expected::May
        } else {
            Expected::MustNot
        }
    }

    fn connectable(&self, me: NodeIndex, other: NodeIndex) -> bool {
        (self.on)(me) && (self.on)(other) && (self.reaches)(me, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 - 1 - 2 - 3, and 4 accepted by 1 as a stranger.
    fn line() -> Graph {
        let mut graph = Graph::empty(5);
        (1..4).for_each(|node| graph.link(node - 1, node));
        graph.link_auto(1, 4);
        graph
    }

    fn expected(on: &dyn Fn(usize) -> bool, reaches: &dyn Fn(usize, usize) -> bool, pair: (usize, usize)) -> Expected {
        Oracle { graph: &line(), on, reaches }.expected(pair.0, pair.1)
    }

    #[test]
    fn users_two_links_away_are_seen_and_three_links_away_are_not() {
        let seen = |pair| expected(&|_| true, &|_, _| true, pair);
        assert_eq!([seen((0, 1)), seen((0, 2)), seen((0, 3))], [Expected::Must, Expected::Must, Expected::MustNot]);
    }

    #[test]
    fn an_accepted_stranger_extends_no_horizon() {
        let seen = |pair| expected(&|_| true, &|_, _| true, pair);
        assert_eq!(
            [seen((1, 4)), seen((4, 1)), seen((0, 4)), seen((4, 2))],
            [Expected::Must, Expected::Must, Expected::MustNot, Expected::MustNot]
        );
    }

    #[test]
    fn nodes_that_are_off_or_unreachable_are_not_seen_and_without_a_friend_between_either_is_allowed() {
        assert_eq!(expected(&|node| node != 2, &|_, _| true, (0, 2)), Expected::MustNot);
        assert_eq!(expected(&|node| node != 1, &|_, _| true, (0, 2)), Expected::May);
        assert_eq!(expected(&|_| true, &|a, b| (a < 2) == (b < 2), (0, 2)), Expected::MustNot);
    }
}
