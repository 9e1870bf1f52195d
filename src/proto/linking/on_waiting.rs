//! The side of linking that waits: shows a code and a token, checks the proof of whoever claims to know it, and takes over the
//! identity of a session of that user.

use crate::id::ConnId;
use crate::identity::address::MAX_ADDRS;
use crate::identity::labels::Labels;
use crate::identity::pake::Side;
use crate::identity::{Checked, Name, words};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::event::{Adopted, Output};
use crate::proto::limits::LINK_CODE_LIFE;
use crate::proto::linking::waiting::Proved;
use crate::proto::notice::{Notice, SessionChange};
use crate::proto::peer::Party;
use crate::proto::people::sessions::is_shareable;
use crate::proto::persist::{Counters, Entry, LinkRow, LinkState, Op, Provenance, UserRow};
use crate::wire::codec::{Bytes, Fixed, Text};
use crate::wire::link::{LinkSession, Newcomer, Welcome, link_step, refusal};
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster};
use crate::wire::{decode, encode};

/// The verified records of a welcome, and the name of its user.
type Introduced = (Name, Checked<Roster>, Checked<Declaration>, Checked<KeyCard>, Vec<Checked<LinkList>>);

impl Core {
    /// Draws another code if the present one has expired or was used without success, and shows it. Shows it again when the own
    /// addresses have changed, which are in the token.
    pub(in crate::proto) fn advance_waiting(&mut self) {
        let Some(waiting) = &mut self.linking.waiting else { return };
        let connections = &self.peers.connections;
        let is_broken_off = waiting.forget_unless(|party| match party.relay {
            Some(relay) => connections.get(&relay).is_some(),
            None => connections.up(&party.session).is_some(),
        });
        if is_broken_off || waiting.is_over(self.cx.now.moment) {
            waiting.renew(&mut self.cx.rng, false, self.cx.now.moment);
        }
        self.show_code();
    }

    /// Shows the present code and token unless they were shown.
    fn show_code(&mut self) {
        let Some(waiting) = &mut self.linking.waiting else { return };
        let addrs =
            self.people.myself.addrs.iter().filter(|addr| is_shareable(addr)).take(MAX_ADDRS).copied().collect();
        if let Some((code, token)) = waiting.show(self.cx.me, addrs) {
            // One that follows a wrong guess begins to be valid a little later.
            let expires_s = waiting.next().since(self.cx.now.moment).min(LINK_CODE_LIFE).as_secs();
            self.cx.notice(None, Notice::Code { code: code.to_string(), token: token.to_string(), expires_s });
        }
    }

    /// Handles the share of somebody who claims to know the code, or the token, that came on this connection.
    pub(super) fn on_asked(&mut self, party: Party, conn: ConnId, by_token: bool, share: &[u8; 32]) {
        let now = self.cx.now.moment;
        let Some(binding) = self.binding(party, conn, Side::Newcomer) else { return };
        let Some(addr) = self.peers.connections.get(&conn).map(|neighbour| neighbour.addr) else { return };
        let Some(waiting) = &mut self.linking.waiting else {
            self.cx.dropped(DropReason::LinkStepUnasked);
            return self.refuse_link(party, refusal::EXPIRED);
        };
        if !self.linking.asks.draw(addr.ip(), now) {
            self.cx.dropped(DropReason::LinkOverBudget);
            return self.refuse_link(party, refusal::BUSY);
        }
        match waiting.answer(party, by_token, share, &binding, &mut self.cx.rng, now) {
            Err(reason) => self.refuse_link(party, reason),
            Ok(share) => {
                let answer = LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(link_step::ANSWER) };
                self.send_link_step(party, answer);
            }
        }
    }

    /// Checks the proof of the other side. If it does not hold, the code is burnt.
    pub(super) fn on_proof(&mut self, party: Party, confirmation: &[u8; 32]) {
        let Some(waiting) = &mut self.linking.waiting else { return self.cx.dropped(DropReason::LinkStepUnasked) };
        match waiting.prove(party, confirmation, self.cx.now.moment) {
            Proved::Nothing => self.cx.dropped(DropReason::LinkStepUnasked),
            Proved::Wrong => {
                waiting.renew(&mut self.cx.rng, true, self.cx.now.moment);
                self.cx.dropped(DropReason::LinkGuess);
                self.refuse_link(party, refusal::WRONG);
            }
            Proved::Holds(keys) => {
                let newcomer = encode(&Newcomer { label: Text(self.cx.config.label.clone()) });
                let accept = LinkSession {
                    confirmation: Some(Fixed(keys.confirmation())),
                    sealed: Some(Bytes(keys.seal(&newcomer))),
                    ..LinkSession::empty(link_step::ACCEPT)
                };
                self.send_link_step(party, accept);
            }
        }
    }

    /// Takes over the identity of a session of the user who has signed it into the roster.
    pub(super) fn on_welcome(&mut self, party: Party, sealed: &[u8]) {
        let Some(keys) = self.linking.waiting.as_ref().and_then(|waiting| waiting.accepted(party)) else {
            return self.cx.dropped(DropReason::LinkStepUnasked);
        };
        let welcome = keys.open(sealed).and_then(|payload| decode::<Welcome>(&payload).ok());
        let Some(welcome) = welcome.and_then(|welcome| self.checked_welcome(party, &welcome)) else {
            self.cx.dropped(DropReason::UnsoundRecord);
            self.linking
                .waiting
                .iter_mut()
                .for_each(|waiting| waiting.renew(&mut self.cx.rng, false, self.cx.now.moment));
            return self.refuse_link(party, 0);
        };
        self.linking.waiting = None;
        self.adopt(party, welcome);
    }

    /// Verifies the records of a welcome: the roster lists both sessions, and the others are those of the other side.
    fn checked_welcome(&self, party: Party, welcome: &Welcome) -> Option<Introduced> {
        let verifier = &self.cx.verifier;
        let roster: Checked<Roster> = Checked::open(&welcome.roster, verifier).ok()?;
        let declaration: Checked<Declaration> = Checked::open(&welcome.declaration, verifier).ok()?;
        let card: Checked<KeyCard> = Checked::open(&welcome.card, verifier).ok()?;
        let links: Vec<Checked<LinkList>> =
            welcome.links.iter().map(|page| Checked::open(page, verifier).ok()).collect::<Option<_>>()?;
        let is_theirs = |user, session| user == roster.user && session == party.session;
        let consistent = roster.admits(&self.cx.me)
            && roster.admits(&party.session)
            && is_theirs(declaration.user, declaration.session)
            && is_theirs(card.user, card.session)
            && links.iter().all(|page| is_theirs(page.user, page.session));
        Some((roster.name().filter(|_| consistent)?, roster, declaration, card, links))
    }

    fn adopt(&mut self, party: Party, (name, roster, declaration, card, links): Introduced) {
        let (user, now) = (roster.user, self.cx.now.moment);
        let mut ops = vec![Op::User(UserRow { roster: Some(roster.signed().clone()), ..unknown(user) })];
        for entry in links.iter().flat_map(|page| page.entries.iter()).filter(|entry| entry.user != user) {
            let Some(state) = LinkState::from_wire(entry.state) else { continue };
            self.cx.count.observe_lamport(entry.lamport);
            let mine = Entry { state, lamport: entry.lamport };
            ops.push(Op::User(unknown(entry.user)));
            ops.push(Op::Link(LinkRow { user: entry.user, mine, theirs: Entry::default() }));
        }
        let holder = party.session;
        self.people.sessions.record_heard(holder, user, now);
        self.people.sessions.update_declaration(&declaration, now);
        self.people.sessions.update_card(&card, std::time::Duration::ZERO, now);
        let direct = self.peers.connections.up(&holder).and_then(|conn| self.peers.connections.get(&conn));
        if let Some(neighbour) = direct {
            let provenance = if neighbour.dialled { Provenance::Answered } else { Provenance::Observed };
            self.people.sessions.add_address(&holder, neighbour.addr, provenance, now);
        }
        ops.extend(self.people.sessions.row(&holder).map(|row| Op::Session(Box::new(row))));
        ops.push(Op::Counters(Counters { arrival: 0, ..self.cx.count.current() }));
        let (shown, words) = (name.as_str().to_owned(), words::fingerprint(&user));
        self.cx.notice(None, Notice::Joined { user: shown, id: user, words });
        let (label, session) = (Labels::of(&roster).label(&self.cx.me), self.cx.me);
        self.cx.notice(None, Notice::Session { label, session, state: SessionChange::Linked });
        self.cx.out.push(Output::Adopted(Box::new(Adopted { user, name, ops })));
    }

    pub(super) fn refuse_link(&mut self, party: Party, reason: u8) {
        let refuse = LinkSession { reason: Some(reason), ..LinkSession::empty(link_step::REFUSE) };
        self.send_link_step(party, refuse);
    }
}

/// A user of whom nothing is known but the id.
fn unknown(user: crate::id::UserId) -> UserRow {
    UserRow { user, roster: None, pinned: None, verified: false }
}
