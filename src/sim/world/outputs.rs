//! Executes the outputs of a core.

use std::hash::Hash;
use std::time::Duration;

use rand_core::Rng;

use super::{Event, Sim};
use crate::id::ConnId;
use crate::proto::Core;
use crate::proto::event::{CloseReason, Input, Output, Query};
use crate::proto::notice::Notice;
use crate::proto::persist::Ticket;
use crate::sim::framing::{Frame, Framer};
use crate::sim::net::{IDLE, NodeIndex, PipeId};
use crate::wire::control::Control;

impl Sim {
    /// Executes all pending outputs of a node.
    pub(super) fn drain(&mut self, index: NodeIndex) {
        let mut framer = Framer::default();
        while let Some(output) = self.nodes[index].core.as_mut().and_then(Core::poll_output) {
            self.execute(index, output, &mut framer);
        }
        self.transmit(index, framer.take_all());
        self.begin_commit(index);
        if !self.nodes[index].committing && !self.nodes[index].queries.is_empty() {
            let starts = self.nodes[index].starts;
            self.plan(self.settings.commit, Event::Commit { node: index, starts, through: Ticket(0) });
            self.nodes[index].committing = true;
        }
        let node = &mut self.nodes[index];
        let wants = node.core.as_ref().and_then(Core::poll_timeout);
        let sooner = wants.filter(|at| node.woken_for.is_none_or(|planned| *at < planned));
        if let Some(at) = sooner {
            let at = at.max(self.now);
            node.woken_for = Some(at);
            self.plan(at.since(self.now), Event::Wake(index));
        }
    }

    /// Schedules the next commit of a node's disk, unless one is under way.
    fn begin_commit(&mut self, index: NodeIndex) {
        let node = &mut self.nodes[index];
        let Some(through) = node.disk.last_pending().filter(|_| !node.committing) else { return };
        node.committing = true;
        let starts = node.starts;
        self.plan(self.settings.commit, Event::Commit { node: index, starts, through });
    }

    fn execute(&mut self, index: NodeIndex, output: Output, framer: &mut Framer) {
        let starts = self.nodes[index].starts;
        self.outputs.iter_mut().for_each(|outputs| outputs.push((self.now, index, output.clone())));
        match output {
            Output::Store { ticket, op } => {
                self.trace.record(self.now, index, 1);
                self.nodes[index].disk.write(ticket, op);
            }
            Output::Control { conn, message } => {
                self.dissemination.iter_mut().for_each(|dissemination| dissemination.sent(index, &message));
                framer.control(conn, &message, &mut self.nodes[index].traffic);
            }
            Output::Chat { conn, item } => framer.chat(conn, &item, &mut self.nodes[index].traffic),
            Output::Dial { dial, addr, expect } => {
                self.nodes[index].unproven_dials.dial(addr, self.now);
                self.trace.record(self.now, index, 2);
                addr.hash(&mut self.trace);
                let (after, until) = (self.delay() * 2, self.now + self.settings.dial_timeout);
                self.nodes[index].nat.iter_mut().for_each(|nat| nat.send(addr, until));
                self.plan(after, Event::Arrive { dialler: index, starts, dial, addr, expect, until });
            }
            Output::Close { conn, reason } => {
                self.trace.record(self.now, index, 3 + reason as u8);
                self.transmit(index, framer.take(conn));
                self.close(index, conn, reason);
            }
            Output::Notice { line, notice } => self.record_notice(index, line, notice),
            Output::Query { query: Query::Lines { sister, wanted, .. }, .. } => {
                let after = self.nodes[index].disk.last_pending().unwrap_or_default();
                self.nodes[index].queries.push((after, sister, wanted));
            }
            Output::Query { .. } => {}
            // No node of the simulator waits to be linked.
            Output::Adopted(_) => {}
            Output::Stop => {
                self.transmit(index, framer.take_all());
                self.switch_off(index);
            }
        }
    }

    fn record_notice(&mut self, index: NodeIndex, line: Option<u64>, notice: Notice) {
        self.trace.record(self.now, index, 0);
        std::mem::discriminant(&notice).hash(&mut self.trace);
        let node = &mut self.nodes[index];
        match &notice {
            Notice::Online { session, .. } => drop(node.shown_online.insert(*session)),
            Notice::Offline { session, .. } => drop(node.shown_online.remove(session)),
            Notice::Nearby { session, .. } => drop(node.shown_nearby.insert(*session)),
            Notice::Away { session, .. } => drop(node.shown_nearby.remove(session)),
            Notice::Message(view) => drop(node.heard_from.insert(view.from_id)),
            _ => {}
        }
        // Answers are few, and the caller waits for them.
        if self.settings.record || line.is_some() {
            node.notices.push((line, notice));
        }
    }

    /// Stops a node gracefully: its connections and its announcement end at once. Where that is not heard, the announcement expires.
    fn switch_off(&mut self, index: NodeIndex) {
        let node = &mut self.nodes[index];
        node.core = None;
        // The shell also waits for its store before it ends.
        node.disk.commit(Ticket(u64::MAX));
        let (boot, addr, links) = (node.boot(index), node.addr, node.plan.links());
        self.stop_announcing(index);
        for pipe in self.net.of_node(index).collect::<Vec<_>>() {
            let ends = self.net.pipe(pipe).map(|pipe| pipe.ends);
            let own = ends.into_iter().flatten().position(|node| node == index);
            own.into_iter().for_each(|end| self.close(index, pipe.conn(end), CloseReason::Bye));
        }
        for other in links.into_iter().flat_map(|link| self.listeners(index, link)).collect::<Vec<_>>() {
            let (starts, input) = (self.nodes[other].starts, Input::Unsighted { boot, addr });
            self.plan(self.settings.delay.1, Event::Feed { node: other, starts, input });
        }
    }

    /// Closes one end of a connection. Frames sent earlier still arrive before the close.
    fn close(&mut self, index: NodeIndex, conn: ConnId, reason: CloseReason) {
        let (pipe, end) = PipeId::of(conn);
        let starts = self.nodes[index].starts;
        let Some(mends) = self.net.pipe(pipe).filter(|pipe| pipe.open[end]).map(|pipe| pipe.mends) else { return };
        self.send(pipe, 1 - end, Input::Closed { conn: pipe.conn(1 - end), reason: Some(reason) });
        self.net.release_end(pipe, end);
        self.plan(Duration::ZERO, Event::Feed { node: index, starts, input: Input::Closed { conn, reason: None } });
        self.plan(IDLE, Event::Idle { pipe, mends });
    }

    fn transmit(&mut self, index: NodeIndex, frames: Vec<(ConnId, Frame)>) {
        for (conn, frame) in frames {
            let (pipe, end) = PipeId::of(conn);
            if self.net.pipe(pipe).is_none_or(|pipe| !pipe.open[end]) {
                continue;
            }
            self.trace.record(self.now, index, u8::MAX);
            std::hash::Hasher::write(&mut self.trace, frame.bytes());
            let node = &mut self.nodes[index];
            node.sent_frames += 1;
            node.sent_bytes += frame.len() as u64;
            node.traffic.frame(frame.len());
            self.send(pipe, 1 - end, frame.read(pipe.conn(1 - end)));
        }
    }

    /// Sends an input over a connection, in order.
    pub(in crate::sim) fn send(&mut self, pipe: PipeId, end: usize, input: Input) {
        let delay = self.delay();
        let now = self.now;
        let Some(open) = self.net.pipe_mut(pipe) else { return };
        let arrival = (now + delay).max(open.busy_until[end]);
        open.busy_until[end] = arrival;
        if self.is_duplicated(&input) {
            self.plan(arrival.since(now), Event::Deliver { pipe, end, input: input.clone() });
        }
        self.plan(arrival.since(now), Event::Deliver { pipe, end, input });
    }

    fn is_duplicated(&mut self, input: &Input) -> bool {
        let may = match input {
            Input::Chat { .. } => true,
            Input::Control { batch, .. } => !batch.iter().any(|message| matches!(message, Control::Hello(_))),
            _ => false,
        };
        may && self.settings.twice > 0 && self.rng.next_u64() % 100 < u64::from(self.settings.twice)
    }

    /// A random one-way delay. Lost packets are retransmitted after 100 ms, 200 ms, and so on up to 2 s.
    fn delay(&mut self) -> Duration {
        let (least, most) = self.settings.delay;
        let spread = (most - least).as_millis().max(1) as u64;
        let mut delay = least + Duration::from_millis(self.rng.next_u64() % spread);
        let mut again = Duration::from_millis(100);
        while self.settings.loss > 0 && self.rng.next_u64() % 100 < u64::from(self.settings.loss.min(95)) {
            delay += again;
            again = (again * 2).min(Duration::from_secs(2));
        }
        delay
    }
}
