//! Tells sisters what they are to know besides lines: people, deliveries, and what was read.

use std::collections::BTreeSet;

use crate::id::{Address, SessionId, StreamId, UserId};
use crate::proto::Core;
use crate::proto::limits::MAX_CHANGES_AT_ONCE;
use crate::proto::persist::{ChangeRow, LinkState, MessageRow, Subject};
use crate::proto::ranges::{Numbers, Ranges};
use crate::proto::sisters::pack::{self, Part};
use crate::wire::codec::List;
use crate::wire::content::{MirrorBody, MirroredPerson, MirroredRead, MirroredReceipt, Range};

impl Core {
    /// Sends a sister the changes that she lacks, as far as there is a way to her.
    pub(in crate::proto::sisters) fn send_changes(&mut self, session: SessionId) {
        while self.way_to(&session).is_some() {
            let untold = self.untold(&session);
            let rows = self.sisters.ledger.changes.within(&untold).take(MAX_CHANGES_AT_ONCE).cloned();
            let rows: Vec<ChangeRow> = rows.collect();
            let Some(last) = rows.last().map(|row| row.n) else {
                return self.sisters.ledger.skip_void(&session, &untold);
            };
            let mut void = untold;
            void.remove_range(last, u64::MAX);
            rows.iter().for_each(|row| void.remove_range(row.n, row.n));
            self.sisters.ledger.skip_void(&session, &void);
            let parts = rows.iter().flat_map(|row| self.parts_of(&session, row)).collect();
            for (body, changes) in pack::parts(parts) {
                if !self.send_to(session, &body, changes) {
                    return;
                }
            }
        }
    }

    /// The changes of which a sister has not been told, and which are not under way to her.
    fn untold(&self, session: &SessionId) -> Ranges {
        let Some(sister) = self.sisters.ledger.get(session) else { return Ranges::new() };
        let mut untold = self.sisters.ledger.changes.all();
        untold.remove(&sister.told);
        sister.changes_in_flight().for_each(|changes| untold.remove(changes));
        untold.remove(&self.mail.custody.changes_to(&Address::from(session)));
        untold
    }

    /// What the sister is told of a change; several parts if one has too many ranges, none if nothing is known any more.
    fn parts_of(&mut self, session: &SessionId, row: &ChangeRow) -> Vec<(u64, Part)> {
        let parts: Vec<Part> = match &row.subject {
            Subject::Person(user) => self.mirrored_person(session, user).map(Part::Person).into_iter().collect(),
            Subject::Delivered(stream, holder) => mirrored_receipt(stream, holder, &row.ranges),
            Subject::Read(stream) => self.mirrored_read(stream),
        };
        if parts.is_empty() {
            let nothing = [(row.n, row.n)].into_iter().collect();
            self.sisters.ledger.record_told(&mut self.cx, session, &nothing);
        }
        parts.into_iter().map(|part| (row.n, part)).collect()
    }

    /// Sends a sister what is known of the people without whom she cannot show these lines.
    pub(in crate::proto::sisters) fn introduce_people(&mut self, session: &SessionId, rows: &[MessageRow]) {
        let Some(sister) = self.sisters.ledger.get(session) else { return };
        let users = rows.iter().map(|row| UserId(row.with.0)).filter(|user| !sister.introduced.contains(user));
        let users: BTreeSet<UserId> = users.collect();
        let people = users.iter().filter_map(|user| self.mirrored_person(session, user));
        let parts = people.map(|person| (0, Part::Person(person))).collect();
        for (body, _) in pack::parts(parts) {
            if !self.send_to(*session, &body, Ranges::new()) {
                return;
            }
        }
    }

    /// Sends a mirror without lines. False if it cannot be sent.
    fn send_to(&mut self, session: SessionId, body: &MirrorBody, changes: Ranges) -> bool {
        let way = self.way_to(&session);
        let is_sent = way.is_some_and(|way| self.send_mirror(session, way, body, Numbers::new(), changes).is_ok());
        if !is_sent && let Some(sister) = self.sisters.ledger.get_mut(&session) {
            sister.introduced.clear();
        }
        is_sent
    }

    /// What this session knows of a user.
    fn mirrored_person(&mut self, session: &SessionId, user: &UserId) -> Option<MirroredPerson> {
        if *user == self.cx.config.user {
            return None;
        }
        let sister = self.sisters.ledger.get_mut(session)?;
        let is_new = sister.introduced.insert(*user);
        let theirs = self.people.links.row(user).map(|row| row.theirs).unwrap_or_default();
        Some(MirroredPerson {
            user: *user,
            roster: is_new.then(|| self.people.users.signed_roster(user)).flatten(),
            pinned: self.people.users.is_decided(user),
            verified: self.people.users.is_verified(user),
            state: if theirs.state == LinkState::None { 0 } else { theirs.state.to_wire() },
            lamport: theirs.lamport,
        })
    }

    /// What was read of a stream.
    fn mirrored_read(&self, stream: &StreamId) -> Vec<Part> {
        let Some((user, read)) = self.chat.reads.get(stream) else { return Vec::new() };
        let (author, epoch, user) = (stream.author, stream.epoch, *user);
        let of = |ranges: &[Range]| Part::Read(MirroredRead { author, epoch, user, ranges: List(ranges.to_vec()) });
        pairs(read).chunks(pack::MOST_RANGES).map(of).collect()
    }
}

/// Which lines of a stream a session of the addressee has.
fn mirrored_receipt(stream: &StreamId, holder: &SessionId, has: &Ranges) -> Vec<Part> {
    let StreamId { author, epoch, to: address } = *stream;
    let of = |ranges: &[Range]| {
        let ranges = List(ranges.to_vec());
        Part::Delivered(MirroredReceipt { author, epoch, address, session: *holder, ranges })
    };
    pairs(has).chunks(pack::MOST_RANGES).map(of).collect()
}

fn pairs(ranges: &Ranges) -> Vec<Range> {
    ranges.iter().map(|(first, last)| Range(first, last)).collect()
}
