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
        let sessions = self.sisters(of);
        let (user, name) = (self.nodes[of].user, Text(self.nodes[of].plan.name.clone()));
        let entry =
            |node: &NodeIndex| RosterSession { id: self.nodes[*node].session, label: Text(format!("sim{node}")) };
        let roster = Roster {
            user,
            name,
            version: self.nodes[of].clock(self.now()).wall.0 as u64,
            sessions: List(sessions.iter().map(entry).collect()),
            revoked: List(Vec::new()),
        };
        let roster = Checked::sign(roster, &self.nodes[of].user_key, &self.settings.network).signed().clone();
        for node in sessions {
            let row = UserRow { user, roster: Some(roster.clone()), pinned: None, verified: false };
            self.write_durably(node, [Op::User(row)]);
        }
    }
}
