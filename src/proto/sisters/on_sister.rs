//! Sisters come, go, and compare what they hold.

use std::collections::BTreeSet;

use crate::id::{Address, EnvelopeId, SessionId, StreamId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::limits::{COMPARISON_REFILL, MIRROR_MAIL_PAUSE};
use crate::proto::peer::Peer;
use crate::proto::persist::{LinkState, Subject};
use crate::proto::ranges::{Numbers, Ranges};
use crate::proto::sisters::ledger::Note;
use crate::proto::sisters::sister::Phase;
use crate::proto::sisters::summary;
use crate::wire::codec::List;
use crate::wire::control::{BUCKETS, Compare, Control, HeldStream, Holdings};

impl Core {
    /// Handles what other modules have noted, and changes of the own roster.
    pub(in crate::proto) fn attend_sisters(&mut self) {
        self.follow_own_roster();
        while let Some(note) = self.sisters.ledger.notes.pop_front() {
            match note {
                Note::Held { stream, numbers, by } => self.on_held(stream, &numbers, by),
                Note::Mirror { conn, opened } => self.on_envelope(conn, &opened),
                Note::Up(peer) => self.sister_up(peer),
                Note::Down(session) => self.sister_down(&session),
            }
            // A mirror may have brought a newer roster.
            self.follow_own_roster();
        }
    }

    /// Follows the own roster: the sessions on it are the sisters.
    pub(in crate::proto) fn follow_own_roster(&mut self) {
        let version = self.people.myself.roster.version;
        if self.sisters.ledger.version == version {
            return;
        }
        let mut sessions = self.people.users.audience(&self.cx.config.user);
        sessions.retain(|session| *session != self.cx.me);
        let added = self.sisters.ledger.follow(version, &sessions);
        // A session that was unlinked may have been the last one to be told of some changes.
        let all = self.sisters.ledger.changes.all();
        self.sisters.ledger.forget_told(&mut self.cx, &all);
        for (session, was_told) in added {
            if !was_told {
                self.owe_everything(&session);
            }
            self.derive_lacks(&session);
            let under_way: Vec<Numbers> = self.mail_to(&session).into_iter().map(|(_, load)| load).collect();
            for (stream, ranges) in under_way.into_iter().flatten() {
                let order = self.sisters.ledger.ordinal(&stream);
                if let Some(sister) = self.sisters.ledger.get_mut(&session) {
                    sister.set_under_way(stream, order, &ranges);
                }
            }
            // A session that is added while it is connected has exchanged nothing yet.
            let up = self.peers.connections.up_peer(&session);
            if let Some(peer) = up.filter(|peer| !self.sisters.ledger.is_noted_up(peer)) {
                self.sister_up(peer);
            }
        }
    }

    /// A sister who has never been told anything is to know of everybody, and what was read.
    fn owe_everything(&mut self, session: &SessionId) {
        let people = self.known_people().into_iter().map(Subject::Person);
        let read: Vec<Subject> = self.chat.reads.iter().map(|(stream, _)| Subject::Read(*stream)).collect();
        self.sisters.ledger.owe(&mut self.cx, session, people.chain(read));
    }

    /// Own mail to a sister: the envelopes, and the numbers in each.
    fn mail_to(&self, session: &SessionId) -> Vec<(EnvelopeId, Numbers)> {
        let own = self.mail.custody.own_to(&Address::from(session));
        let load = own.filter_map(|held| Some((held.row.envelope, held.row.mine.as_ref()?.load.clone())));
        load.collect()
    }

    /// All streams of which messages are held, and the numbers.
    pub(in crate::proto::sisters) fn held_streams(&self) -> Numbers {
        let received = self.chat.inbox.streams().filter(|(stream, _)| stream.author != self.cx.me);
        let all = received.chain(self.sisters.ledger.written());
        all.map(|(stream, ranges)| (*stream, ranges.clone())).collect()
    }

    /// Derives anew what a sister lacks.
    fn derive_lacks(&mut self, session: &SessionId) {
        for (stream, held) in self.held_streams() {
            let order = self.sisters.ledger.ordinal(&stream);
            if let Some(sister) = self.sisters.ledger.get_mut(session) {
                sister.derive(stream, order, &held);
            }
        }
        let now = self.cx.now.moment;
        if let Some(sister) = self.sisters.ledger.get_mut(session) {
            sister.want(now + MIRROR_MAIL_PAUSE);
        }
    }

    /// A session of the local user has connected: a comparison begins.
    fn sister_up(&mut self, peer: Peer) {
        if peer.user != self.cx.config.user {
            return;
        }
        let held = self.held_streams();
        let (people, read) = (self.hash_of_people(), self.hashes_of_read());
        let is_new = self.sisters.ledger.is_new && held.is_empty();
        self.sisters.ledger.is_new = is_new;
        let Some(sister) = self.sisters.ledger.get_mut(&peer.session) else { return };
        sister.connected();
        let buckets = List(summary::buckets(held.iter().map(|(stream, ranges)| (stream, ranges))));
        self.cx.send(peer.conn, Control::Compare(Compare { buckets, people, read }));
    }

    /// A session has disconnected. What was under way to it is lacking again.
    fn sister_down(&mut self, session: &SessionId) {
        let now = self.cx.now.moment;
        let Some(sister) = self.sisters.ledger.get_mut(session) else { return };
        sister.disconnected(now + MIRROR_MAIL_PAUSE);
        let lost = sister.end_flights();
        lost.into_iter().for_each(|load| self.sisters.ledger.lose(session, load));
    }

    /// Handles a sister's summaries: tells her the numbers held in the buckets that differ.
    pub(in crate::proto) fn on_compare(&mut self, peer: Peer, compare: Compare) {
        // The frame that brought the roster may hold the comparison, too.
        self.follow_own_roster();
        let now = self.cx.now.moment;
        let Some(sister) = self.sisters.ledger.get_mut(&peer.session) else {
            return self.cx.dropped(DropReason::ComparisonOfStranger);
        };
        if !self.sisters.comparisons.draw(peer.session, now) {
            // Without an answer she would give nothing on this connection.
            if sister.defer(peer, compare, now + COMPARISON_REFILL) {
                self.cx.dropped(DropReason::ComparisonOverBudget);
            }
            return;
        }
        let held = self.held_streams();
        let own = summary::buckets(held.iter().map(|(stream, ranges)| (stream, ranges)));
        let differs = |stream: &StreamId| {
            let bucket = summary::bucket(stream);
            compare.buckets.get(bucket) != own.get(bucket)
        };
        let (differing, equal): (Numbers, Numbers) = held.into_iter().partition(|(stream, _)| differs(stream));
        for (stream, _) in &differing {
            if let Some(sister) = self.sisters.ledger.get_mut(&peer.session) {
                sister.reset(stream);
            }
        }
        for claimed in equal {
            self.sisters.ledger.record_claimed(&mut self.cx, &peer.session, claimed, true);
        }
        if compare.people != self.hash_of_people() {
            let people = self.known_people().into_iter().map(Subject::Person);
            self.sisters.ledger.owe(&mut self.cx, &peer.session, people);
        } else {
            let people = self.sisters.ledger.changes.numbers_of(|subject| matches!(subject, Subject::Person(_)));
            self.sisters.ledger.record_told(&mut self.cx, &peer.session, &people);
        }
        self.compare_read(&peer.session, &compare.read);
        // Of two connections the sister may have closed the other one already. She has asked on each that she takes for hers.
        self.send_holdings(peer.conn, differing, true);
    }

    /// The hash of each bucket of what was read.
    fn hashes_of_read(&self) -> List<u64, BUCKETS> {
        let hashes = summary::buckets(self.chat.reads.iter());
        List(if hashes.iter().all(|hash| *hash == 0) { Vec::new() } else { hashes })
    }

    /// Compares what was read here with a sister's hashes. She is to be told of the buckets that differ.
    fn compare_read(&mut self, session: &SessionId, theirs: &[u64]) {
        let own = self.hashes_of_read();
        let hash_in = |hashes: &[u64], bucket: usize| hashes.get(bucket).copied().unwrap_or_default();
        let differs = |stream: &StreamId| {
            let bucket = summary::bucket(stream);
            hash_in(&own, bucket) != hash_in(theirs, bucket)
        };
        let is_equal = |subject: &Subject| matches!(subject, Subject::Read(stream) if !differs(stream));
        let equal = self.sisters.ledger.changes.numbers_of(is_equal);
        self.sisters.ledger.record_told(&mut self.cx, session, &equal);
        let differing = self.chat.reads.iter().map(|(stream, _)| *stream).filter(differs).map(Subject::Read);
        self.sisters.ledger.owe(&mut self.cx, session, differing);
    }

    /// Handles what a sister says that she holds.
    pub(in crate::proto) fn on_holdings(&mut self, peer: Peer, holdings: Holdings) {
        if !self.sisters.ledger.contains(&peer.session) {
            return self.cx.dropped(DropReason::ComparisonOfStranger);
        }
        for claimed in holdings.streams.0.into_iter().map(numbers_of) {
            let is_held = !self.held_of(&claimed.0).is_empty();
            self.sisters.ledger.record_claimed(&mut self.cx, &peer.session, claimed, is_held);
        }
        if !holdings.complete {
            return;
        }
        self.withdraw_mirrors(&peer.session);
        self.derive_lacks(&peer.session);
        let now = self.cx.now.moment;
        if let Some(sister) = self.sisters.ledger.get_mut(&peer.session) {
            sister.phase = Phase::Ready;
            sister.want(now);
        }
        self.report_history(&peer.session);
    }

    /// Withdraws the mail to a sister who is connected now.
    fn withdraw_mirrors(&mut self, session: &SessionId) {
        for (envelope, _) in self.mail_to(session) {
            self.withdraw(&envelope);
        }
    }

    /// The users of whom a session knows something that its sisters are to know.
    fn known_people(&self) -> BTreeSet<UserId> {
        let decided = |user: &UserId| self.people.users.is_decided(user) || self.people.users.is_verified(user);
        let said = |user: &UserId| self.people.links.row(user).is_some_and(|row| row.theirs.state != LinkState::None);
        let me = self.cx.config.user;
        let all = self.people.users.iter().filter(decided).chain(self.people.links.users().filter(said));
        all.filter(|user| *user != me).collect()
    }

    fn hash_of_people(&self) -> u64 {
        let hash = |user: UserId| {
            let row = self.people.links.row(&user).map(|row| row.theirs).unwrap_or_default();
            let flags = [
                u8::from(self.people.users.is_decided(&user)),
                u8::from(self.people.users.is_verified(&user)),
                row.state.to_wire(),
            ];
            summary::hash_of_person(&[&user.0, &flags, &row.lamport.to_be_bytes()])
        };
        self.known_people().into_iter().map(hash).fold(0, u64::wrapping_add)
    }
}

fn numbers_of(held: HeldStream) -> (StreamId, Ranges) {
    let stream = StreamId { author: held.author, epoch: held.epoch, to: held.address };
    (stream, held.ranges.iter().map(|range| (range.0, range.1)).collect())
}
