//! The chat stream: envelopes, releases and reports about envelopes are received here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::{Address, ConnId, EnvelopeId, MessageId, SessionId, StreamId, UserId};
use crate::identity::Checked;
use crate::identity::seal::{Opened, Unopened, envelope_id, open};
use crate::proto::Core;
use crate::proto::chat::inbox::Taken;
use crate::proto::drops::DropReason;
use crate::proto::event::Output;
use crate::proto::limits::{ENVELOPE_LIFE, MAX_EPOCHS_PER_ENVELOPE, MAX_HANDED_BACK, MAX_UNSTORED};
use crate::proto::notice::{MessageView, Notice};
use crate::proto::peer::Peer;
use crate::proto::persist::{Entry, LinkState, MessageRow, Op};
use crate::proto::ranges::Ranges;
use crate::time::{Moment, Wall};
use crate::wire::chat::{Ask, Chat, MAX_OFFERED, Parcel, Release, Unopenable, custody_state};
use crate::wire::codec::{Fixed, List};
use crate::wire::content::{Content, LinkBody, kind};
use crate::wire::decode;
use crate::wire::record::{KeyCard, Roster};

impl Core {
    /// Handles items of a connection's chat stream.
    pub(in crate::proto) fn on_chat(&mut self, conn: ConnId, items: Vec<Chat>) {
        for item in items {
            // An earlier item may have closed the connection.
            if self.peers.connections.get(&conn).is_none() {
                return;
            }
            self.peers.connections.record_use(&conn, self.cx.now.moment);
            match self.peers.connections.peer(&conn) {
                Some(peer) => self.on_item(peer, item),
                None => self.on_early_item(conn, item),
            }
        }
    }

    fn on_item(&mut self, peer: Peer, item: Chat) {
        match item {
            Chat::Parcel(parcel) => self.on_parcel(peer.conn, Some(peer), parcel),
            Chat::Release(release) => self.on_release(peer, release),
            Chat::Unopenable(unopenable) => self.on_unopenable(peer, unopenable),
            Chat::Custody(claim) => self.with_mail(|mail, cx, near| mail.on_custody(cx, near, peer, &claim)),
            Chat::Offer(offer) => self.with_mail(|mail, cx, near| mail.on_offer(cx, near, peer, offer)),
            Chat::Ask(ask) => self.with_mail(|mail, cx, near| mail.on_ask(cx, near, peer, &ask)),
            Chat::Unknown(_) => self.cx.dropped(DropReason::UnknownChatItem),
        }
    }

    /// Handles an item that arrived before the hello. An envelope that can be opened proves its author by itself. Items whose
    /// handling depends on the peer wait for the hello.
    fn on_early_item(&mut self, conn: ConnId, item: Chat) {
        match item {
            Chat::Parcel(parcel) => self.on_parcel(conn, None, parcel),
            Chat::Offer(_) => self.hold_for_hello(conn, item),
            _ => {}
        }
    }

    fn hold_for_hello(&mut self, conn: ConnId, item: Chat) {
        if self.chat.early.put(conn, item).is_err() {
            self.cx.dropped(DropReason::ChatBeforeHello);
        }
    }

    /// Handles the items that waited for a connection's hello.
    pub(in crate::proto) fn take_early(&mut self, conn: ConnId) {
        let early = self.chat.early.take(&conn);
        self.on_chat(conn, early);
    }

    fn on_parcel(&mut self, conn: ConnId, peer: Option<Peer>, parcel: Parcel) {
        if self.cx.out.unstored() > MAX_UNSTORED {
            return self.cx.dropped(DropReason::EnvelopeWhileDiskBehind);
        }
        let is_own = |address: &Address| {
            *address == Address::from(self.cx.config.user) || *address == Address::from(&self.cx.me)
        };
        match open(&self.cx.config.network, &parcel.envelope, |id| self.people.prekeys.find(id)) {
            // The address decides where an envelope goes, even if a wrap names a prekey of this node.
            Ok(opened) if !is_own(&opened.address) => self.carry_parcel(conn, peer, parcel),
            Ok(_) | Err(Unopened::Broken | Unopened::WrongLock | Unopened::Unsound(_))
                if self.cx.disk_trouble.is_some() =>
            {
                self.cx.dropped(DropReason::EnvelopeWhileDiskRefuses);
            }
            Ok(opened) => self.on_opened(conn, opened, age_of(&parcel)),
            Err(Unopened::NoKey(address)) if !is_own(&address) => self.carry_parcel(conn, peer, parcel),
            Err(Unopened::NoKey(_)) => self.hand_back(conn, &parcel.envelope),
            Err(Unopened::Malformed(_)) => self.strike(conn, DropReason::MalformedEnvelope),
            Err(Unopened::Broken) => self.refuse_sealed(conn, &parcel, DropReason::BrokenSeal),
            Err(Unopened::WrongLock) => self.refuse_sealed(conn, &parcel, DropReason::WrongLock),
            Err(Unopened::Unsound(_)) => self.refuse_sealed(conn, &parcel, DropReason::UnsoundContents),
        }
    }

    /// Carries an envelope to another address, once the peer is known.
    fn carry_parcel(&mut self, conn: ConnId, peer: Option<Peer>, parcel: Parcel) {
        match peer {
            Some(peer) => self.with_mail(|mail, cx, near| mail.carry(cx, near, peer, parcel)),
            None => self.hold_for_hello(conn, Chat::Parcel(parcel)),
        }
    }

    /// Refuses an envelope with invalid contents. It counts against the peer only if the peer must be the author: a carrier
    /// cannot check what is sealed.
    fn refuse_sealed(&mut self, conn: ConnId, parcel: &Parcel, reason: DropReason) {
        if self.may_carry(conn) {
            self.cx.dropped(reason);
            self.decline(conn, envelope_id(&parcel.envelope));
        } else {
            self.strike(conn, reason);
        }
    }

    /// Whether a peer may deliver envelopes of other authors.
    fn may_carry(&self, conn: ConnId) -> bool {
        let peer = self.peers.connections.peer(&conn);
        self.is_carrier(conn) || peer.is_some_and(|peer| self.people.links.is_link(&peer.user))
    }

    /// Tells a carrier that an envelope was not accepted, so that it continues with others.
    fn decline(&mut self, conn: ConnId, envelope: EnvelopeId) {
        if self.may_carry(conn) {
            self.mail.answer(&mut self.cx, conn, envelope, custody_state::NO_CARRIER);
        }
    }

    /// Handles an envelope sealed to no current prekey of this node: the author gets the newest key card, to seal again. After
    /// [`MAX_HANDED_BACK`] such envelopes in a row the peer gets no further card.
    fn hand_back(&mut self, conn: ConnId, envelope: &[u8]) {
        self.cx.dropped(DropReason::EnvelopeToOldKey);
        let Some(neighbour) = self.peers.connections.get_mut(&conn) else { return };
        neighbour.handed_back += 1;
        if neighbour.handed_back > MAX_HANDED_BACK {
            return self.decline(conn, envelope_id(envelope));
        }
        let item = Chat::Unopenable(Unopenable {
            envelope: envelope_id(envelope),
            roster: self.people.myself.roster.signed().clone(),
            card: self.people.myself.card.signed().clone(),
        });
        self.cx.out.after_store(Output::Chat { conn, item });
    }

    /// Handles an opened envelope: checks its author, accepts its contents, and releases it.
    fn on_opened(&mut self, conn: ConnId, opened: Opened, age: Duration) {
        let Some(carried) = self.peers.connections.get(&conn).map(|by| by.session != opened.session) else { return };
        if !self.may_be_taken(conn, &opened, carried) {
            return;
        }
        if let Err(reason) = self.admit_author(conn, &opened) {
            self.cx.dropped(reason);
            self.decline(conn, opened.id);
            return self.forget_if_unneeded(&opened.user);
        }
        if let Some(neighbour) = self.peers.connections.get_mut(&conn) {
            neighbour.handed_back = 0;
        }
        let written = if carried { age } else { Duration::ZERO };
        let heard = Moment(self.cx.now.moment.0.saturating_sub(written.as_millis() as u64));
        self.people.sessions.record_heard(opened.session, opened.user, heard);
        if let Some(card) = opened.card.as_ref().and_then(|card| Checked::open(card, &self.cx.verifier).ok()) {
            self.learn_author_card(opened.user, &card, age);
        }
        if opened.address == Address::from(&self.cx.me) {
            return self.sisters.ledger.note_mirror(conn, opened);
        }
        let is_complete = self.take_contents(conn, &opened, carried);
        self.forget_if_unneeded(&opened.user);
        // What is held back stays with its author, or with the carrier, which continues with others.
        if is_complete {
            self.release(conn, &opened);
        } else if carried {
            self.decline(conn, opened.id);
        }
        self.chat.sealing.want_receipts();
    }

    /// Leaves an envelope of a blocked user with its carrier, which continues with others.
    fn refuse_blocked_author(&mut self, conn: ConnId, carried: bool, opened: &Opened) {
        let carrier = self.peers.connections.peer(&conn).filter(|_| carried && self.may_carry(conn));
        if let Some(carrier) = carrier {
            self.chat.refused.add(opened.user, opened.id, carrier.session);
            self.decline(conn, opened.id);
        }
    }

    /// Asks carriers for what a user has written who is not blocked any more.
    pub(in crate::proto) fn ask_for_refused(&mut self, author: &UserId) {
        if !self.people.links.is_blocked(author) {
            let refused = self.chat.refused.take(author);
            self.ask_carriers(refused);
        }
    }

    /// Asks carriers for envelopes that this node has declined before.
    pub(in crate::proto) fn ask_carriers(&mut self, envelopes: impl IntoIterator<Item = (EnvelopeId, SessionId)>) {
        let mut wanted: BTreeMap<SessionId, Vec<EnvelopeId>> = BTreeMap::new();
        envelopes.into_iter().for_each(|(envelope, carrier)| wanted.entry(carrier).or_default().push(envelope));
        for (carrier, mut envelopes) in wanted {
            envelopes.truncate(MAX_OFFERED);
            if let Some(conn) = self.peers.connections.up(&carrier) {
                let item = Chat::Ask(Ask { envelopes: List(envelopes) });
                self.cx.out.after_store(Output::Chat { conn, item });
            }
        }
    }

    /// Whether an envelope is signed by its author, whom the local user does not block.
    fn may_be_taken(&mut self, conn: ConnId, opened: &Opened, carried: bool) -> bool {
        if !opened.is_by_author(&self.cx.verifier) {
            if carried && self.may_carry(conn) {
                self.release(conn, opened);
                self.cx.dropped(DropReason::ContentNotSigned);
            } else {
                self.strike(conn, DropReason::ContentNotSigned);
            }
            return false;
        }
        if self.people.links.is_blocked(&opened.user) {
            self.cx.dropped(DropReason::ContentOfBlocked);
            self.refuse_blocked_author(conn, carried, opened);
            return false;
        }
        true
    }

    /// Checks that the author's session is on their roster, and that they may write: nothing is learned of a stranger too many.
    fn admit_author(&mut self, conn: ConnId, opened: &Opened) -> Result<(), DropReason> {
        let user = opened.user;
        let roster = opened.roster.as_ref().and_then(|roster| Checked::<Roster>::open(roster, &self.cx.verifier).ok());
        let roster = roster.filter(|roster| roster.user == user);
        let known = self.people.users.version(&user);
        let is_listed = match &roster {
            Some(roster) if known.is_none_or(|known| roster.version > known) => roster.admits(&opened.session),
            _ => self.people.users.admits(&user, &opened.session),
        };
        if is_listed && self.refuses_author(conn, opened) {
            return Err(DropReason::ContentOfStranger);
        }
        roster.into_iter().for_each(|roster| self.learn_roster(roster));
        // Another session may have revoked one of the local user's own.
        if !self.people.users.admits(&user, &opened.session) {
            return Err(DropReason::ContentOfUnlistedSession);
        }
        self.remember_author(conn, opened);
        Ok(())
    }

    /// Keeps the author's key card, so that a stranger can be answered as well.
    fn learn_author_card(&mut self, author: UserId, card: &Checked<KeyCard>, age: Duration) {
        let authentic =
            card.user == author && self.people.users.admits(&author, &card.session) && card.session != self.cx.me;
        if authentic && self.people.sessions.update_card(card, age, self.cx.now.moment) {
            self.people.save_session(&mut self.cx, &card.session);
        }
    }

    /// Releases an envelope once its contents are durable.
    pub(in crate::proto) fn release(&mut self, conn: ConnId, opened: &Opened) {
        let release = Release { envelope: opened.id, r: Fixed(opened.r) };
        self.cx.out.after_store(Output::Chat { conn, item: Chat::Release(release) });
    }

    /// Accepts contents: new ones are stored, and receipts become owed for all that are numbered. False if some of them are
    /// held back.
    fn take_contents(&mut self, conn: ConnId, opened: &Opened, carried: bool) -> bool {
        let mut touched = BTreeMap::new();
        let mut is_complete = true;
        for content in &opened.contents {
            if content.kind == kind::RECEIPT {
                self.on_receipt(opened, content);
                continue;
            }
            let stream = StreamId { author: opened.session, epoch: content.epoch, to: opened.address };
            let is_new = content.n > 0 && !self.chat.inbox.has(&stream, content.n);
            if is_new && self.holds_back(conn, opened, &stream, content) {
                is_complete = false;
                continue;
            }
            if touched.len() >= MAX_EPOCHS_PER_ENVELOPE && !touched.contains_key(&stream) {
                self.cx.dropped(DropReason::TooManyEpochs);
                continue;
            }
            let taken = if content.n > 0 { self.chat.inbox.receive(stream, content.n) } else { Taken::Known };
            if taken == Taken::Refused {
                self.cx.dropped(DropReason::ContentBeyondBounds);
            }
            let numbers = touched.entry(stream).or_insert_with(Ranges::new);
            if taken == Taken::New {
                numbers.insert(content.n);
                self.take_content(opened.user, MessageId { stream, n: content.n }, content);
            }
        }
        for (stream, new) in touched {
            if !new.is_empty() {
                self.cx.out.store(Op::Seen { stream, ranges: self.chat.inbox.seen(&stream) });
                self.sisters.ledger.note_held(stream, new, None);
            }
            // On a direct connection the author sends again what was lost. Mail is not sent again before the receipt comes.
            if carried || self.peers.connections.up(&opened.session).is_none() {
                self.owe_by_mail(opened.user, opened.session);
            }
            self.chat.inbox.owe(opened.user, stream, self.cx.out.issued());
        }
        is_complete
    }

    /// Stores a new content and shows it. It keeps the Lamport number that its author signed; the counter of this node moves
    /// by a bounded step.
    fn take_content(&mut self, from: UserId, id: MessageId, content: &Content) {
        self.cx.count.observe_lamport(content.lamport);
        let row = MessageRow {
            arrival: self.cx.count.next_arrival(),
            id,
            kind: content.kind,
            with: Address::from(from),
            from,
            lamport: content.lamport,
            wall: Wall(content.wall),
            body: content.body.0.clone(),
            since: self.cx.now.moment,
        };
        self.cx.save_counters();
        self.people.keep(&mut self.cx, from);
        if row.kind == kind::LINK {
            return self.take_link(from, &row.body);
        }
        let view = (row.kind == kind::TEXT).then(|| self.view_message(&row, false));
        self.cx.out.store(Op::Received(row));
        if let Some(view) = view {
            self.cx.notice_after_store(None, Notice::Message(Box::new(view)));
        }
    }

    /// A message as the interfaces show it. `past`: it is part of the history that this session gets from another own one.
    pub(in crate::proto) fn view_message(&self, row: &MessageRow, past: bool) -> MessageView {
        let own = row.from == self.cx.config.user;
        MessageView {
            arrival: row.arrival,
            message: row.id,
            from: self.people.users.handle(&row.from),
            from_id: row.from,
            with: self.people.handle(&row.with),
            text: String::from_utf8_lossy(&row.body).into_owned(),
            sent: row.wall,
            order: row.lamport,
            own,
            again: false,
            past,
            late: false,
            by: own.then(|| self.people.label_of(&row.from, &row.id.stream.author)),
        }
    }

    /// Applies contents at start that were stored by a version that did not know their kind.
    pub(in crate::proto) fn replay(&mut self, rows: &[MessageRow]) {
        for row in rows.iter().filter(|row| row.kind == kind::LINK) {
            self.take_link(row.from, &row.body);
        }
        if !rows.is_empty() {
            self.cx.out.store(Op::Learned { kinds: kind::KNOWN.to_vec() });
        }
    }

    fn take_link(&mut self, from: UserId, body: &[u8]) {
        let Ok(body) = decode::<LinkBody>(body) else { return self.cx.dropped(DropReason::MalformedLink) };
        let Some(state) = LinkState::from_wire(body.state) else {
            return self.cx.dropped(DropReason::UnknownLinkState);
        };
        self.receive_link(from, Entry { state, lamport: body.lamport });
    }

    fn on_release(&mut self, peer: Peer, release: Release) {
        if self.sisters.ledger.record_release(&mut self.cx, &peer.session, &release) {
            return;
        }
        let to = Address::from(peer.user);
        if self.chat.outbox.record_release(&to, &peer.session, &release, self.cx.now.moment) {
            self.chat.sealing.want_lines(to);
        } else if !self.with_mail(|mail, cx, near| mail.on_release(cx, near, peer.session, &release))
            && !self.record_receipt_release(peer.conn)
        {
            self.cx.dropped(DropReason::ReleaseFitsNoLock);
        }
    }

    fn on_unopenable(&mut self, peer: Peer, unopenable: Unopenable) {
        let to = Address::from(peer.user);
        let is_mirror = self.sisters.ledger.is_in_flight(&peer.session, &unopenable.envelope);
        if !is_mirror && !self.chat.outbox.is_in_flight(&to, &peer.session, &unopenable.envelope) {
            return self.with_mail(|mail, cx, near| mail.on_unopenable(cx, near, peer, unopenable));
        }
        let before = self.people.sessions.prekey(&peer.session, self.cx.now.moment);
        self.receive_card(peer.conn, &unopenable.card, Duration::ZERO);
        let news = self.people.sessions.prekey(&peer.session, self.cx.now.moment) != before;
        if is_mirror {
            // Without a new card it stays in flight, and is sent again after a pause that grows.
            if news {
                self.sisters.ledger.record_unopenable(&peer.session, &unopenable.envelope, self.cx.now.moment);
            }
        } else if self.chat.outbox.record_unopenable(&to, &peer.session, &unopenable.envelope) && news {
            self.chat.sealing.want_lines(to);
        }
    }
}

/// The age of an envelope and of the key card in it, from the life it has left.
fn age_of(parcel: &Parcel) -> Duration {
    ENVELOPE_LIFE.saturating_sub(Duration::from_millis(parcel.life_ms))
}
