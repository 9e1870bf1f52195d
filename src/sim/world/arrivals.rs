//! What reaches a node: frames and dials over the network, announcements on a local link.

use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;

use super::{Event, Sim};
use crate::id::{BootId, DialId, SessionId};
use crate::proto::event::{Connected, DialFailure, Input};
use crate::sim::net::{NodeIndex, PipeId};
use crate::time::Moment;

/// Interval of announcements on a local link with few nodes.
const ANNOUNCE: Duration = Duration::from_secs(7);
/// Interval at which the packets of a dial that a NAT drops are repeated.
const RETRANSMIT: Duration = Duration::from_millis(500);
/// Number of listeners that lengthen the interval by its initial length, as in the shell.
const CROWD: u32 = 8;
/// The longest interval.
const LONGEST: Duration = Duration::from_secs(60);
/// The time until a query is answered (RFC 6762, section 6).
const ANSWERED: Duration = Duration::from_millis(120);
/// Announcements at short intervals at the start of a node, as in the shell.
const FIRST_ANNOUNCEMENTS: u32 = 3;

impl Sim {
    pub(super) fn deliver(&mut self, id: PipeId, end: usize, input: Input) {
        let Some(pipe) = self.net.pipe(id) else { return };
        let (from, to) = (pipe.ends[1 - end], pipe.ends[end]);
        if !pipe.open[end] || pipe.severed {
            return self.fail_undelivered(to, input);
        }
        let waits = !pipe.held[end].is_empty() || self.nodes[to].stalled.is_some() || !self.net.passes(from, to);
        match self.net.pipe_mut(id).filter(|_| waits) {
            Some(pipe) => pipe.held[end].push_back(input),
            None => self.deliver_now(id, end, from, to, input),
        }
    }

    /// A connection that ends before its dialler was notified is a failed dial.
    pub(in crate::sim) fn fail_undelivered(&mut self, node: NodeIndex, input: Input) {
        if let Input::Connected(Connected { dial: Some(dial), .. }) = input {
            self.feed(node, Input::DialFailed { dial, failure: DialFailure::Unreachable });
        }
    }

    fn deliver_now(&mut self, id: PipeId, end: usize, from: NodeIndex, to: NodeIndex, input: Input) {
        if let (Some(dissemination), Input::Control { batch, .. }) = (&mut self.dissemination, &input) {
            dissemination.read(from, to, batch, self.now);
        }
        if matches!(input, Input::Closed { .. }) {
            self.net.release_end(id, end);
        }
        self.feed(to, input);
    }

    pub(super) fn release(&mut self, id: PipeId, end: usize) {
        let Some(pipe) = self.net.pipe(id) else { return };
        let (from, to) = (pipe.ends[1 - end], pipe.ends[end]);
        if self.nodes[to].stalled.is_some() || !self.net.passes(from, to) {
            return;
        }
        while let Some(pipe) = self.net.pipe_mut(id).filter(|pipe| pipe.open[end]) {
            let Some(input) = pipe.held[end].pop_front() else { return };
            self.deliver_now(id, end, from, to, input);
        }
    }

    pub(super) fn arrive(
        &mut self,
        dialler: NodeIndex,
        starts: u64,
        dial: DialId,
        addr: SocketAddr,
        expect: Option<SessionId>,
        until: Moment,
    ) {
        if self.nodes[dialler].starts != starts || !self.nodes[dialler].is_on() {
            return;
        }
        let answers = |node: &NodeIndex| self.nodes[*node].is_on() && self.nodes[*node].stalled.is_none();
        let acceptor = self.net.node_of_session(&addr).filter(answers).filter(|node| self.net.reaches(dialler, *node));
        let Some(acceptor) = acceptor else {
            let input = Input::DialFailed { dial, failure: DialFailure::Unreachable };
            return self.plan(self.settings.dial_timeout, Event::Feed { node: dialler, starts, input });
        };
        if !self.passes_nat(acceptor, dialler) {
            return match self.now + RETRANSMIT < until {
                true => self.plan(RETRANSMIT, Event::Arrive { dialler, starts, dial, addr, expect, until }),
                false => {
                    let input = Input::DialFailed { dial, failure: DialFailure::Unreachable };
                    self.plan(RETRANSMIT, Event::Feed { node: dialler, starts, input })
                }
            };
        }
        let answered_by = self.nodes[acceptor].session;
        if expect.is_some_and(|expected| expected != answered_by) {
            self.nodes[dialler].unproven_dials.allow(addr);
            let input = Input::DialFailed { dial, failure: DialFailure::Met(answered_by) };
            return self.plan(self.settings.delay.1, Event::Feed { node: dialler, starts, input });
        }
        let pipe = self.net.open(dialler, acceptor);
        for (end, from) in [(0, acceptor), (1, dialler)] {
            let connected = Connected {
                conn: pipe.conn(end),
                session: self.nodes[from].session,
                boot: self.nodes[from].boot(from),
                addr: self.nodes[from].addr,
                exporter: pipe.exporter(),
                dial: (end == 0).then_some(dial),
                rtt: self.settings.delay.0 * 2,
            };
            self.send(pipe, end, Input::Connected(connected));
        }
    }

    /// Whether a NAT lets a dial through to the node behind it.
    fn passes_nat(&self, acceptor: NodeIndex, dialler: NodeIndex) -> bool {
        let from = self.nodes[dialler].addr;
        self.nodes[acceptor].nat.as_ref().is_none_or(|nat| nat.passes(&from, self.now))
    }

    /// Starts a new series of announcements, which ends any earlier one.
    pub(in crate::sim) fn restart_announcements(&mut self, index: NodeIndex) {
        let node = &mut self.nodes[index];
        node.announcing += 1;
        node.announced = 0;
        if !node.plan.links().is_empty() && node.is_on() {
            let round = node.announcing;
            self.plan(Duration::from_millis(300), Event::Announce { node: index, round });
        }
    }

    /// Announces a node to all others on its links, and schedules the next announcement.
    pub(super) fn announce(&mut self, index: NodeIndex, round: u64) {
        let node = &self.nodes[index];
        if !node.is_on() || node.announcing != round {
            return;
        }
        let (boot, addr, links) = (node.boot(index), node.addr, node.plan.links());
        let listeners: Vec<NodeIndex> = links.into_iter().flat_map(|link| self.listeners(index, link)).collect();
        for other in &listeners {
            if !self.is_sighting_lost() {
                self.feed(*other, Input::Sighted { boot, addr });
            }
        }
        let first = self.nodes[index].announced < FIRST_ANNOUNCEMENTS;
        if first {
            self.query_link(index, &listeners);
        }
        self.nodes[index].announced += 1;
        let crowded = (ANNOUNCE + ANNOUNCE * listeners.len() as u32 / CROWD).min(LONGEST);
        self.plan(if first { Duration::from_secs(1) } else { crowded }, Event::Announce { node: index, round });
    }

    /// A node that has just started also asks who is there, and all answer.
    fn query_link(&mut self, index: NodeIndex, listeners: &[NodeIndex]) {
        let starts = self.nodes[index].starts;
        for other in listeners.iter().filter(|other| self.nodes[**other].is_on()).copied().collect::<Vec<_>>() {
            if !self.is_sighting_lost() {
                let input = Input::Sighted { boot: self.nodes[other].boot(other), addr: self.nodes[other].addr };
                self.plan(ANSWERED, Event::Feed { node: index, starts, input });
            }
        }
    }

    /// Whether an announcement is lost both over IPv4 and over IPv6.
    fn is_sighting_lost(&mut self) -> bool {
        let lost = u64::from(self.settings.sightings_lost);
        lost > 0 && (0..2).all(|_| self.rng.next_u64() % 100 < lost)
    }

    /// Expires an announcement that was not renewed. Each listener does so on its own, whatever passes between the two by now.
    pub(super) fn expire_announcement(&mut self, index: NodeIndex, boot: BootId, addr: SocketAddr, segment: u32) {
        let node = &self.nodes[index];
        let announced = (node.boot(index), node.addr) == (boot, addr) && node.plan.links().contains(&segment);
        let renewed = node.is_on() && announced;
        if !renewed {
            let listeners: Vec<NodeIndex> = self.segments.get(&segment).into_iter().flatten().copied().collect();
            for other in listeners.into_iter().filter(|other| *other != index) {
                let starts = self.nodes[other].starts;
                self.plan(Duration::ZERO, Event::Feed { node: other, starts, input: Input::Unsighted { boot, addr } });
            }
        }
    }

    /// The nodes that receive a node's announcements on a local link.
    pub(super) fn listeners(&self, index: NodeIndex, segment: u32) -> Vec<NodeIndex> {
        let hears = |other: &NodeIndex| *other != index && self.net.passes(index, *other);
        let awake = |other: &NodeIndex| self.nodes[*other].stalled.is_none();
        self.segments.get(&segment).into_iter().flatten().copied().filter(hears).filter(awake).collect()
    }
}
