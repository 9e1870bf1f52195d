//! The second, stupid model: who should see whom online, from the true links, who is on, and who reaches whom. It knows
//! nothing of declarations, seeking or time.

use super::net::NodeIndex;
use super::topology::Graph;

/// What is so at this moment.
pub struct Truth<'a> {
    pub graph: &'a Graph,
    pub on: &'a dyn Fn(NodeIndex) -> bool,
    /// Both ways.
    pub reaches: &'a dyn Fn(NodeIndex, NodeIndex) -> bool,
}

/// Whether one sees another online, once everything has come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// They are friends and reach each other, or a friend of both is on and reaches both.
    Must,
    /// They are within two steps and reach each other, but who stands between them is away.
    May,
    /// The other one is off, out of reach or beyond two steps.
    MustNot,
}

impl Truth<'_> {
    pub fn sight(&self, me: NodeIndex, other: NodeIndex) -> Sight {
        if me == other || !self.there(me, other) {
            return Sight::MustNot;
        }
        if self.graph.is_link(me, other) {
            return Sight::Must;
        }
        let common = || self.graph.close_friends(me).filter(|friend| self.graph.is_close(*friend, other));
        if common().any(|friend| self.there(me, friend) && self.there(friend, other)) {
            Sight::Must
        } else if common().next().is_some() {
            Sight::May
        } else {
            Sight::MustNot
        }
    }

    fn there(&self, me: NodeIndex, other: NodeIndex) -> bool {
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

    fn sight(on: &dyn Fn(usize) -> bool, reaches: &dyn Fn(usize, usize) -> bool, pair: (usize, usize)) -> Sight {
        Truth { graph: &line(), on, reaches }.sight(pair.0, pair.1)
    }

    #[test]
    fn two_steps_are_seen_and_three_are_not() {
        let seen = |pair| sight(&|_| true, &|_, _| true, pair);
        assert_eq!([seen((0, 1)), seen((0, 2)), seen((0, 3))], [Sight::Must, Sight::Must, Sight::MustNot]);
    }

    #[test]
    fn a_stranger_who_was_accepted_extends_nobodys_horizon() {
        let seen = |pair| sight(&|_| true, &|_, _| true, pair);
        assert_eq!(
            [seen((1, 4)), seen((4, 1)), seen((0, 4)), seen((4, 2))],
            [Sight::Must, Sight::Must, Sight::MustNot, Sight::MustNot]
        );
    }

    #[test]
    fn who_is_off_or_beyond_a_cut_is_not_seen_and_who_stands_between_may_be_missed() {
        assert_eq!(sight(&|node| node != 2, &|_, _| true, (0, 2)), Sight::MustNot);
        assert_eq!(sight(&|node| node != 1, &|_, _| true, (0, 2)), Sight::May);
        assert_eq!(sight(&|_| true, &|a, b| (a < 2) == (b < 2), (0, 2)), Sight::MustNot);
    }
}
