//! People who have met before: what one node would have on its disk about another, without the meeting itself.
//!
//! A node is started alone once and asked for its hello, so that everything on the disks was signed by the core of the one
//! it is about.

use std::time::Duration;

use super::net::NodeIndex;
use super::world::Sim;
use crate::id::{BootId, ConnId, SessionId};
use crate::proto::Core;
use crate::proto::event::{Connected, Input, Output};
use crate::proto::persist::{AddressRow, Entry, LinkRow, LinkState, Op, Provenance, SessionRow, Ticket, UserRow};
use crate::wire::control::{Control, Hello};

impl Sim {
    /// What a node says of itself; its disk keeps what it had to store for that. It must be off.
    pub fn hello_of(&mut self, index: NodeIndex) -> Hello {
        let (seed, network, now) = (self.random(), self.settings.network, self.now());
        let node = &mut self.nodes[index];
        node.starts += 1;
        let clock = node.clock(now);
        let mut core = Core::new(node.config(index, network, seed), node.disk.load(), clock);
        core.handle(clock, Input::Interfaces { addrs: vec![node.addr] });
        core.handle(clock, Input::Connected(somebody(node.addr)));
        loop {
            while let Some(output) = core.poll_output() {
                match output {
                    Output::Store { ticket, op } => node.disk.write(ticket, op),
                    Output::Control { message: Control::Hello(hello), .. } => return hello,
                    _ => {}
                }
            }
            let through = node.disk.last_pending().expect("a core that is connected says hello");
            node.disk.commit(through);
            core.handle(clock, Input::Stored { through });
        }
    }

    /// A node remembers another one: who it is and where it was.
    pub fn remember(&mut self, index: NodeIndex, other: NodeIndex, hello: &Hello) {
        self.know(index, other, hello);
        let (now, known) = (self.now(), &self.nodes[other]);
        let (user, session) = (known.user, known.session);
        let address = AddressRow { addr: known.addr, provenance: Provenance::Answered, at: now };
        let met = SessionRow {
            session,
            user,
            declaration: Some(hello.declaration.clone()),
            card: hello.card.clone(),
            card_until: now + crate::proto::limits::CARD_LIFE,
            heard: now,
            addresses: vec![address],
        };
        self.put(index, [Op::Session(Box::new(met))]);
    }

    /// A node knows who another one is, and not where.
    pub fn know(&mut self, index: NodeIndex, other: NodeIndex, hello: &Hello) {
        let (user, name) = (self.nodes[other].user, self.nodes[other].plan.name.clone());
        let roster = Some(hello.roster.clone());
        self.put(index, [Op::User(UserRow { user, roster, pinned: Some(name), verified: false })]);
    }

    /// A node's list and the other's name each other, as the node knows it.
    pub fn befriend(&mut self, index: NodeIndex, other: NodeIndex, auto: bool) {
        let linked = Entry { state: LinkState::Linked, lamport: 1 };
        let mine = Entry { state: if auto { LinkState::Auto } else { LinkState::Linked }, lamport: 1 };
        self.put(index, [Op::Link(LinkRow { user: self.nodes[other].user, mine, theirs: linked })]);
    }

    fn put(&mut self, index: NodeIndex, ops: impl IntoIterator<Item = Op>) {
        let disk = &mut self.nodes[index].disk;
        ops.into_iter().for_each(|op| disk.write(Ticket(0), op));
        disk.last_pending().into_iter().for_each(|through| drop(disk.commit(through)));
    }
}

/// The other side of a meeting that never was.
fn somebody(addr: std::net::SocketAddr) -> Connected {
    let (session, boot) = (SessionId([0; 32]), BootId(0));
    Connected { conn: ConnId(0), session, boot, addr, dial: None, rtt: Duration::ZERO }
}
