//! The directed graph of link lists: which user names which. Every user in it has a number, so that an edge takes four
//! bytes instead of 32. A server holds a million edges.

use std::collections::BTreeMap;

use crate::id::UserId;

/// A directed graph of users. A user without edges is not in it.
#[derive(Debug, Default)]
pub struct LinkGraph {
    numbers: BTreeMap<UserId, u32>,
    nodes: Vec<Node>,
    /// Unused numbers.
    free: Vec<u32>,
}

/// A user with the edges in both directions, in the order of ids.
#[derive(Debug)]
struct Node {
    id: UserId,
    listed: Vec<u32>,
    listers: Vec<u32>,
}

impl LinkGraph {
    /// Replaces the users whom `user` names. `listed` is in the order of ids.
    pub fn set(&mut self, user: UserId, listed: &[UserId]) {
        let own = self.number(user);
        let after: Vec<u32> = listed.iter().map(|user| self.number(*user)).collect();
        let before = std::mem::replace(&mut self.nodes[own as usize].listed, after);
        for named in before.iter().map(|number| *number as usize) {
            let place = self.place(&self.nodes[named].listers, &user);
            if let Some(place) = place.ok().filter(|_| listed.binary_search(&self.nodes[named].id).is_err()) {
                self.nodes[named].listers.remove(place);
            }
        }
        for n in 0..listed.len() {
            let named = self.nodes[own as usize].listed[n] as usize;
            if let Err(place) = self.place(&self.nodes[named].listers, &user) {
                self.nodes[named].listers.insert(place, own);
            }
        }
        before.into_iter().chain([own]).for_each(|number| self.release(number));
    }

    /// The users whom a user names, in the order of ids.
    pub fn listed_by(&self, user: &UserId) -> impl Iterator<Item = UserId> + use<'_> {
        self.ids(self.node(user).map(|node| &node.listed))
    }

    /// The users who name a user, in the order of ids.
    pub fn listers_of(&self, user: &UserId) -> impl Iterator<Item = UserId> + use<'_> {
        self.ids(self.node(user).map(|node| &node.listers))
    }

    /// Whether `one` names `other`.
    pub fn has_edge(&self, one: &UserId, other: &UserId) -> bool {
        let both = self.node(one).zip(self.numbers.get(other));
        both.is_some_and(|(node, number)| node.listed.contains(number))
    }

    /// The first user who is named and whose id begins with these bytes.
    pub fn find_listed(&self, short: [u8; 8]) -> Option<UserId> {
        let mut like = self.numbers.range(UserId::beginning(short));
        like.find(|(_, number)| !self.nodes[**number as usize].listers.is_empty()).map(|(user, _)| *user)
    }

    fn node(&self, user: &UserId) -> Option<&Node> {
        self.numbers.get(user).map(|number| &self.nodes[*number as usize])
    }

    fn ids<'a>(&'a self, numbers: Option<&'a Vec<u32>>) -> impl Iterator<Item = UserId> + 'a {
        numbers.into_iter().flatten().map(|number| self.nodes[*number as usize].id)
    }

    /// The position of a user in a list of numbers, or where to insert it.
    fn place(&self, list: &[u32], user: &UserId) -> Result<usize, usize> {
        list.binary_search_by(|number| self.nodes[*number as usize].id.cmp(user))
    }

    /// The number of a user, which is assigned if there is none.
    fn number(&mut self, user: UserId) -> u32 {
        if let Some(number) = self.numbers.get(&user) {
            return *number;
        }
        let node = Node { id: user, listed: Vec::new(), listers: Vec::new() };
        let number = self.free.pop().unwrap_or(self.nodes.len() as u32);
        match self.nodes.get_mut(number as usize) {
            Some(place) => *place = node,
            None => self.nodes.push(node),
        }
        self.numbers.insert(user, number);
        number
    }

    /// Releases the number of a user without edges.
    fn release(&mut self, number: u32) {
        let node = &self.nodes[number as usize];
        if node.listed.is_empty() && node.listers.is_empty() && self.numbers.remove(&node.id).is_some() {
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> UserId {
        UserId([n; 32])
    }

    #[test]
    fn an_edge_is_seen_from_both_sides_until_it_is_removed() {
        let mut graph = LinkGraph::default();
        graph.set(id(5), &[id(1), id(9)]);
        graph.set(id(2), &[id(9)]);
        assert_eq!(graph.listers_of(&id(9)).collect::<Vec<_>>(), [id(2), id(5)]);
        graph.set(id(5), &[id(2), id(9)]);
        assert_eq!(graph.listed_by(&id(5)).collect::<Vec<_>>(), [id(2), id(9)]);
        assert!(graph.has_edge(&id(5), &id(2)) && !graph.has_edge(&id(5), &id(1)) && !graph.has_edge(&id(9), &id(5)));
        assert_eq!((graph.find_listed([9; 8]), graph.find_listed([5; 8])), (Some(id(9)), None));
    }

    #[test]
    fn the_numbers_of_a_thousand_removed_users_are_reused() {
        let mut graph = LinkGraph::default();
        for n in 0..1000u64 {
            let mut user = [7; 32];
            user[..8].copy_from_slice(&n.to_be_bytes());
            graph.set(UserId(user), &[id(1), id(2)]);
            graph.set(UserId(user), &[]);
        }
        assert_eq!((graph.numbers.len(), graph.nodes.len()), (0, 3));
    }
}
