//! Several sessions of one user, each a node of its own.

use super::net::NodeIndex;
use super::node::Plan;
use super::world::Sim;
use crate::identity::Checked;
use crate::proto::persist::{Op, UserRow};
use crate::wire::codec::{List, Text};
use crate::wire::record::{Roster, RosterSession};

impl Sim {
    /// Adds a node, not started, that is another session of a node's user. The disks of all sessions of the user then hold one
    /// roster that lists them, so none of them may be running.
    pub fn add_sister(&mut self, of: NodeIndex, plan: Plan) -> NodeIndex {
        let name = self.nodes[of].plan.name.clone();
        let index = self.add_node(Plan { name, ..plan });
        let key = self.nodes[of].user_key.clone();
        self.set_user(index, key);
        self.preload_own_roster(of);
        index
    }

    /// The nodes of a node's user, that one among them.
    pub fn sisters(&self, of: NodeIndex) -> Vec<NodeIndex> {
        (0..self.nodes.len()).filter(|node| self.nodes[*node].user == self.nodes[of].user).collect()
    }

    /// Makes all sessions of a node's user hold one roster that lists them.
    fn preload_own_roster(&mut self, of: NodeIndex) {
        let version = self.nodes[of].clock(self.now()).wall.0 as u64;
        self.sisters(of).into_iter().for_each(|node| self.preload_roster(node, version));
    }

    /// Makes a stopped node hold a roster of this version that lists all sessions of its user and revokes none. Whoever has
    /// the user key could have signed it.
    pub fn preload_roster(&mut self, index: NodeIndex, version: u64) {
        let sessions = self.sisters(index);
        let (user, name) = (self.nodes[index].user, Text(self.nodes[index].plan.name.clone()));
        let entry =
            |node: &NodeIndex| RosterSession { id: self.nodes[*node].session, label: Text(format!("sim{node}")) };
        let roster = Roster {
            user,
            name,
            version,
            sessions: List(sessions.iter().map(entry).collect()),
            revoked: List(Vec::new()),
        };
        let roster = Checked::sign(roster, &self.nodes[index].user_key, &self.settings.network).signed().clone();
        self.write_durably(index, [Op::User(UserRow { user, roster: Some(roster), pinned: None, verified: false })]);
    }
}
