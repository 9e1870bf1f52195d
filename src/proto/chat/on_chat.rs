//! The chat stream: sealed contents come and go, are released and receipted.

use std::time::Duration;

use crate::id::{Address, ConnId, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::Checked;
use crate::identity::seal::{Opened, Unopened, envelope_id, open};
use crate::proto::Core;
use crate::proto::chat::inbox::Taken;
use crate::proto::event::Output;
use crate::proto::limits::{ENVELOPE_LIFE, MAX_EPOCHS_PER_ENVELOPE, MAX_HANDED_BACK, MAX_UNSTORED};
use crate::proto::notice::{Delivery, MessageView, Notice};
use crate::proto::persist::{Entry, MessageRow, Op};
use crate::proto::ranges::Ranges;
use crate::time::{Moment, Wall};
use crate::wire::chat::{Chat, Parcel, Release, Unopenable, custody_state};
use crate::wire::codec::Fixed;
use crate::wire::content::{Content, LinkBody, ReceiptBody, kind};
use crate::wire::decode;
use crate::wire::record::{KeyCard, Roster};

impl Core {
    pub(in crate::proto) fn on_chat(&mut self, conn: ConnId, items: Vec<Chat>) {
        for item in items {
            // Not that of a connection that was closed here, however much of it had come before.
            if self.neighbours.get(&conn).is_none() {
                return;
            }
            self.on_item(conn, item);
        }
    }

    fn on_item(&mut self, conn: ConnId, item: Chat) {
        match item {
            Chat::Parcel(parcel) => self.on_parcel(conn, parcel),
            Chat::Release(release) => self.on_release(conn, release),
            Chat::Unopenable(unopenable) => self.on_unopenable(conn, unopenable),
            Chat::Custody(said) => self.on_custody(conn, said),
            Chat::Offer(offer) => self.on_offer(conn, offer),
            Chat::Ask(ask) => self.on_ask(conn, ask),
            Chat::Unknown(_) => self.drop_counted("chat item of an unknown kind"),
        }
    }

    /// The chat stream may overtake the hello. What it takes a name to judge waits for it.
    pub(in crate::proto) fn wait_for_hello(&mut self, conn: ConnId, item: Chat) {
        if self.early.put(conn, item).is_err() {
            self.drop_counted("chat item before the hello");
        }
    }

    /// The hello has come.
    pub(in crate::proto) fn take_early(&mut self, conn: ConnId) {
        let early = self.early.take(&conn);
        self.on_chat(conn, early);
    }

    fn on_parcel(&mut self, conn: ConnId, parcel: Parcel) {
        if self.out.unstored() > MAX_UNSTORED {
            return self.drop_counted("envelope while the disk is behind");
        }
        match open(&self.config.network, &parcel.envelope, |id| self.prekeys.find(id)) {
            // Whatever its wraps name, it is to be brought to where its address says.
            Ok(opened) if opened.address != Address::from(self.config.user) => self.carry(conn, parcel),
            Ok(_) | Err(Unopened::Broken | Unopened::WrongLock | Unopened::Unsound(_))
                if self.disk_trouble.is_some() =>
            {
                self.drop_counted("envelope while the disk refuses");
            }
            Ok(opened) => self.on_opened(conn, opened, age_of(&parcel)),
            Err(Unopened::NoKey(address)) if address != Address::from(self.config.user) => self.carry(conn, parcel),
            Err(Unopened::NoKey(_)) => self.hand_back(conn, &parcel.envelope),
            Err(Unopened::Malformed(_)) => self.strike(conn, "malformed envelope"),
            Err(Unopened::Broken) => self.refuse_sealed(conn, &parcel, "envelope with a broken seal"),
            Err(Unopened::WrongLock) => self.refuse_sealed(conn, &parcel, "envelope with a wrong lock"),
            Err(Unopened::Unsound(_)) => self.refuse_sealed(conn, &parcel, "envelope with unsound contents"),
        }
    }

    /// What is wrong inside a seal is the author's fault, and who carried it could not know.
    fn refuse_sealed(&mut self, conn: ConnId, parcel: &Parcel, reason: &'static str) {
        if self.may_carry(conn) {
            self.drop_counted(reason);
            self.decline(conn, envelope_id(&parcel.envelope));
        } else {
            self.strike(conn, reason);
        }
    }

    /// Whether somebody may bring what others have sealed.
    fn may_carry(&self, conn: ConnId) -> bool {
        self.is_super_client(conn) || self.speaker(conn).is_some_and(|(_, user)| self.links.is_link(&user))
    }

    /// A carrier is told that an envelope was not taken, so that it goes on with the others.
    fn decline(&mut self, conn: ConnId, envelope: EnvelopeId) {
        if self.may_carry(conn) {
            self.answer(conn, envelope, custody_state::NO_CARRIER);
        }
    }

    /// Sealed to none of my prekeys: the author gets my newest key card and seals anew. Who goes on without using it is not
    /// told again.
    fn hand_back(&mut self, conn: ConnId, envelope: &[u8]) {
        self.drop_counted("envelope to an old key");
        let Some(neighbour) = self.neighbours.get_mut(&conn) else { return };
        neighbour.handed_back += 1;
        if neighbour.handed_back > MAX_HANDED_BACK {
            return self.decline(conn, envelope_id(envelope));
        }
        let item = Chat::Unopenable(Unopenable {
            envelope: envelope_id(envelope),
            roster: self.myself.roster.signed().clone(),
            card: self.myself.card.signed().clone(),
        });
        self.out.after_store(Output::Chat { conn, item });
    }

    fn on_opened(&mut self, conn: ConnId, opened: Opened, age: Duration) {
        let Some(carried) = self.neighbours.get(&conn).map(|by| by.session != opened.session) else { return };
        if !opened.is_by_author(&self.verifier) {
            if carried && self.may_carry(conn) {
                self.release(conn, &opened);
                return self.drop_counted("content not signed by its author");
            }
            return self.strike(conn, "content not signed by its author");
        }
        if self.links.is_blocked(&opened.user) {
            if carried {
                self.release(conn, &opened);
            }
            return self.drop_counted("content of somebody blocked");
        }
        if !self.may_keep(&opened.user) {
            self.drop_counted("content of one stranger too many");
            return self.decline(conn, opened.id);
        }
        if let Some(roster) = &opened.roster
            && let Ok(roster) = Checked::<Roster>::open(roster, &self.verifier)
            && roster.user == opened.user
        {
            self.learn_roster(roster);
        }
        if !self.users.admits(&opened.user, &opened.session) {
            self.drop_counted("content of no session of its user");
            self.decline(conn, opened.id);
            return self.forget_if_strange(&opened.user);
        }
        if let Some(neighbour) = self.neighbours.get_mut(&conn) {
            neighbour.handed_back = 0;
        }
        let written = if carried { age } else { Duration::ZERO };
        let heard = Moment(self.now.moment.0.saturating_sub(written.as_millis() as u64));
        self.sessions.hear(opened.session, opened.user, heard);
        if let Some(card) = opened.card.as_ref().and_then(|card| Checked::open(card, &self.verifier).ok()) {
            self.take_authors_card(opened.user, &card, age);
        }
        self.take_contents(&opened, carried);
        self.forget_if_strange(&opened.user);
        self.release(conn, &opened);
        self.sealing.want_receipts();
    }

    /// Whoever writes can be answered, known before or not.
    fn take_authors_card(&mut self, author: UserId, card: &Checked<KeyCard>, age: Duration) {
        let theirs = card.user == author && self.users.admits(&author, &card.session) && card.session != self.session;
        if theirs && self.sessions.take_card(card, age, self.now.moment) {
            self.save_session(&card.session);
        }
    }

    /// Shows that an envelope was opened, once what was in it is durable.
    fn release(&mut self, conn: ConnId, opened: &Opened) {
        let release = Release { envelope: opened.id, r: Fixed(opened.r) };
        self.out.after_store(Output::Chat { conn, item: Chat::Release(release) });
    }

    fn take_contents(&mut self, opened: &Opened, carried: bool) {
        let mut touched = std::collections::BTreeMap::new();
        for content in &opened.contents {
            if content.kind == kind::RECEIPT {
                self.on_receipt(opened, content);
                continue;
            }
            let stream = StreamId { author: opened.session, epoch: content.epoch, to: opened.address };
            if touched.len() >= MAX_EPOCHS_PER_ENVELOPE && !touched.contains_key(&stream) {
                self.drop_counted("content of too many epochs at once");
                continue;
            }
            let taken = if content.n > 0 { self.inbox.receive(stream, content.n) } else { Taken::Known };
            if taken == Taken::Refused {
                self.drop_counted("content beyond the bounds of its stream");
            }
            let new = taken == Taken::New;
            *touched.entry(stream).or_insert(false) |= new;
            if new {
                self.take_content(opened.user, MessageId { stream, n: content.n }, content);
            }
        }
        for (stream, news) in touched {
            if news {
                self.out.store(Op::Seen { stream, ranges: self.inbox.seen(&stream) });
            }
            // What was lost of a direct connection the author sends again; for mail it waits until the receipt comes.
            if carried || self.neighbours.up(&opened.session).is_none() {
                self.owe_by_mail(opened.user, opened.session);
            }
            self.inbox.owe(opened.user, stream, self.out.issued());
        }
    }

    /// A content seen for the first time.
    fn take_content(&mut self, from: UserId, id: MessageId, content: &Content) {
        let lamport = self.count.hear_lamport(content.lamport);
        let arrival = self.count.next_arrival();
        self.save_counters();
        self.keep(from);
        if content.kind == kind::LINK {
            return self.take_link(from, content);
        }
        let row = MessageRow {
            arrival,
            id,
            kind: content.kind,
            with: from,
            from,
            lamport,
            wall: Wall(content.wall),
            body: content.body.0.clone(),
        };
        let text = (content.kind == kind::TEXT).then(|| String::from_utf8_lossy(&content.body).into_owned());
        self.out.store(Op::Received(row));
        if let Some(text) = text {
            let handle = self.users.handle(&from);
            let view = MessageView {
                arrival,
                message: id,
                from: handle.clone(),
                from_id: from,
                with: handle,
                text,
                sent: Wall(content.wall),
                order: lamport,
                own: false,
                again: false,
            };
            self.notice_after_store(None, Notice::Message(Box::new(view)));
        }
    }

    fn take_link(&mut self, from: UserId, content: &Content) {
        let Ok(body) = decode::<LinkBody>(&content.body) else { return self.drop_counted("malformed link content") };
        let Some(state) = crate::proto::people::links::from_wire(body.state) else {
            return self.drop_counted("unknown link state");
        };
        self.hear_link(from, Entry { state, lamport: body.lamport });
    }

    /// A session of the addressee says what it has of my streams to it.
    fn on_receipt(&mut self, opened: &Opened, content: &Content) {
        let Ok(body) = decode::<ReceiptBody>(&content.body) else { return self.drop_counted("malformed receipt") };
        let audience = self.users.audience(&opened.user);
        let me = self.session;
        // Epochs are shared by all addresses: numbers of another one would be taken for lines to this user.
        for said in body.streams.0.iter().filter(|said| said.author == me && said.address.is_none()) {
            let stream = StreamId { author: me, epoch: said.epoch, to: Address::from(opened.user) };
            let ranges: Ranges = said.ranges.iter().map(|range| (range.0, range.1)).collect();
            let result = self.outbox.receipt(&opened.user, opened.session, stream, &ranges, &audience);
            let Some(has) = result.ranges else { continue };
            self.out.store(Op::Delivered { stream, session: opened.session, ranges: has });
            if !result.settled.is_empty() {
                self.out.store(Op::Settled { stream, ranges: result.settled });
            }
            let to = self.users.handle(&opened.user);
            for message in result.delivered {
                let (to, session, state) = (to.clone(), opened.session, Delivery::Delivered);
                self.notice_after_store(
                    None,
                    Notice::State { message, holder: to.clone(), to, session, state, by: session },
                );
            }
        }
        self.withdraw_mail(&opened.user);
    }

    fn on_release(&mut self, conn: ConnId, release: Release) {
        let Some((session, user)) = self.speaker(conn) else { return };
        if self.outbox.released(&user, &session, &release, self.now.moment) {
            self.sealing.want_lines(user);
        } else if !self.release_mail(session, &release) && !self.is_receipt_released(conn) {
            self.drop_counted("release that fits no lock");
        }
    }

    /// Receipts on their way are counted and not remembered: of each the release is expected once.
    fn is_receipt_released(&mut self, conn: ConnId) -> bool {
        let Some(neighbour) = self.neighbours.get_mut(&conn).filter(|neighbour| neighbour.receipts > 0) else {
            return false;
        };
        neighbour.receipts -= 1;
        let (left, session, user) = (neighbour.receipts, neighbour.session, neighbour.user);
        if left == 0 && user.is_some_and(|user| !self.inbox.owes(&user, &session)) {
            self.receipt_is_sent(&session);
        }
        true
    }

    fn on_unopenable(&mut self, conn: ConnId, unopenable: Unopenable) {
        let Some((session, user)) = self.speaker(conn) else { return };
        if !self.outbox.is_on_its_way(&user, &session, &unopenable.envelope) {
            return self.unopenable_mail(conn, unopenable);
        }
        let before = self.sessions.prekey(&session, self.now.moment);
        self.take_card(conn, &unopenable.card, Duration::ZERO);
        let news = self.sessions.prekey(&session, self.now.moment) != before;
        if self.outbox.unopenable(&user, &session, &unopenable.envelope) && news {
            self.sealing.want_lines(user);
        }
    }

    pub(in crate::proto) fn speaker(&self, conn: ConnId) -> Option<(SessionId, UserId)> {
        let neighbour = self.neighbours.get(&conn)?;
        Some((neighbour.session, neighbour.user?))
    }
}

/// How long ago an envelope was sealed, by the life it has left: the key card in it is as old.
fn age_of(parcel: &Parcel) -> Duration {
    ENVELOPE_LIFE.saturating_sub(Duration::from_millis(parcel.life_ms))
}
