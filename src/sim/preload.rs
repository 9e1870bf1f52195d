//! Preloads disks: what a node would have stored about another one after meeting it, without simulating the meeting.
//!
//! Each node is run alone once to obtain its hello, so that all preloaded records are signed by the core they are
//! about.

use std::time::Duration;

use super::net::NodeIndex;
use super::world::Sim;
use crate::id::{BootId, ConnId, MessageId, SessionId, StreamId};
use crate::proto::Core;
use crate::proto::event::{Connected, Input, Output};
use crate::proto::persist::{
    AddressRow, Entry, LinkRow, LinkState, MessageRow, Op, Provenance, SessionRow, Ticket, UserRow,
};
use crate::time::{Moment, Wall};
use crate::wire::content::kind;
use crate::wire::control::{Control, Hello};

impl Sim {
    /// Runs a stopped node up to its first hello and returns that. Its disk keeps what the node stored until then.
    pub fn first_hello(&mut self, index: NodeIndex) -> Hello {
        let (seed, network, now) = (self.random(), self.settings.network, self.now());
        let node = &mut self.nodes[index];
        node.starts += 1;
        let clock = node.clock(now);
        let mut core = Core::new(node.config(index, network, seed), node.disk.load(), clock);
        core.handle(clock, Input::Interfaces { addrs: vec![node.addr] });
        core.handle(clock, Input::Connected(stub_peer(node.addr)));
        loop {
            while let Some(output) = core.poll_output() {
                match output {
                    Output::Store { ticket, op } => node.disk.write(ticket, op),
                    Output::Control { message: Control::Hello(hello), .. } => return hello,
                    _ => {}
                }
            }
            let through = node.disk.last_pending().expect("a connected core sends a hello");
            node.disk.commit(through);
            core.handle(clock, Input::Stored { through });
        }
    }

    /// Makes a node know another one and where it was: its user, session and address.
    pub fn preload_session(&mut self, index: NodeIndex, other: NodeIndex, hello: &Hello) {
        self.preload_user(index, other, hello);
        let (now, known) = (self.now(), &self.nodes[other]);
        let (user, session) = (known.user, known.session);
        let address = AddressRow { addr: known.addr, provenance: Provenance::Answered, at: now };
        let row = SessionRow {
            session,
            user,
            declaration: Some(hello.declaration.clone()),
            card: hello.card.clone(),
            card_until: now + crate::proto::limits::CARD_LIFE,
            heard: now,
            addresses: vec![address],
        };
        self.write_durably(index, [Op::Session(Box::new(row))]);
    }

    /// Makes a node know another user, but not their address.
    pub fn preload_user(&mut self, index: NodeIndex, other: NodeIndex, hello: &Hello) {
        let (user, name) = (self.nodes[other].user, self.nodes[other].plan.name.clone());
        let roster = Some(hello.roster.clone());
        self.write_durably(index, [Op::User(UserRow { user, roster, pinned: Some(name), verified: false })]);
    }

    /// Links a node with another one, from the point of view of the former. `auto`: it accepted the other as a
    /// stranger.
    pub fn preload_link(&mut self, index: NodeIndex, other: NodeIndex, auto: bool) {
        let linked = Entry { state: LinkState::Linked, lamport: 1 };
        let mine = Entry { state: if auto { LinkState::Auto } else { LinkState::Linked }, lamport: 1 };
        self.write_durably(index, [Op::Link(LinkRow { user: self.nodes[other].user, mine, theirs: linked })]);
    }

    /// Makes a stopped node hold a conversation of so many lines of `length` bytes, half of them written by the session `author` of
    /// its user and half by another user's session.
    pub fn preload_history(
        &mut self,
        index: NodeIndex,
        author: NodeIndex,
        other: NodeIndex,
        lines: u64,
        length: usize,
    ) {
        let (user, with) = (self.nodes[index].user, self.nodes[other].user);
        let own = StreamId { author: self.nodes[author].session, epoch: 1, to: with.into() };
        let theirs = StreamId { author: self.nodes[other].session, epoch: 1, to: user.into() };
        let sides = [(user, own), (with, theirs)];
        let row = |n: u64| {
            let (from, stream) = sides[n as usize % 2];
            let (id, body) = (MessageId { stream, n: n / 2 + 1 }, format!("{n:x<length$}").into_bytes());
            let (kind, wall, since) = (kind::TEXT, Wall(n as i64), Moment(0));
            MessageRow { arrival: n + 1, id, kind, with: with.into(), from, lamport: n + 1, wall, body, since }
        };
        self.write_durably(index, (0..lines).map(row).map(Op::Received));
    }

    /// Writes to the disk of a stopped node and commits.
    pub(super) fn write_durably(&mut self, index: NodeIndex, ops: impl IntoIterator<Item = Op>) {
        let disk = &mut self.nodes[index].disk;
        ops.into_iter().for_each(|op| disk.write(Ticket(0), op));
        disk.last_pending().into_iter().for_each(|through| drop(disk.commit(through)));
    }
}

/// A connection to a fictitious peer, which makes the core send its hello.
fn stub_peer(addr: std::net::SocketAddr) -> Connected {
    let (session, boot) = (SessionId([0; 32]), BootId(0));
    Connected { conn: ConnId(0), session, boot, addr, exporter: [0; 32], dial: None, rtt: Duration::ZERO }
}
