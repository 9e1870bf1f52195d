//! The code and the token that a session shows while it waits to be linked, and the exchanges that others have begun with it.
//!
//! A code admits one guess: whoever proves knowledge of another one burns it. An exchange that ends before its proof reveals
//! nothing about the code, so several may be open at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand_core::CryptoRng;

use crate::id::SessionId;
use crate::identity::invitation::{Code, Invitation, Token};
use crate::identity::pake::{Binding, Exchange, Keys, Side};
use crate::proto::limits::{LINK_CODE_LIFE, LINK_GUESS_PAUSE, LINK_STEP, MAX_LINK_EXCHANGES};
use crate::proto::peer::Party;
use crate::time::Moment;
use crate::wire::link::refusal;

/// The present code and token.
#[derive(Debug)]
pub struct Waiting {
    code: Code,
    secret: [u8; 16],
    /// They are not valid before: the last ones were guessed wrongly.
    from: Moment,
    /// They are not valid from then on.
    until: Moment,
    /// Exchanges that were answered and whose proof has not come, and until when it must.
    open: BTreeMap<Party, (Keys, Moment)>,
    /// The addresses with which the token was shown; `None` if it was not.
    shown: Option<Vec<SocketAddr>>,
    /// The exchange whose proof holds, and until when its last step must come.
    accepted: Option<(Party, Keys, Moment)>,
}

/// What a proof has shown.
#[derive(Debug)]
pub enum Proved<'a> {
    /// No exchange with this session awaits one.
    Nothing,
    /// The other side does not know the code. It is burnt.
    Wrong,
    /// The other side knows the code. Nobody else may use it.
    Holds(&'a Keys),
}

impl Waiting {
    /// Draws the first code and token.
    pub fn new(rng: &mut impl CryptoRng, now: Moment) -> Waiting {
        let (code, secret) = draw(rng);
        let (from, until) = (now, now + LINK_CODE_LIFE);
        Waiting { code, secret, from, until, open: BTreeMap::new(), shown: None, accepted: None }
    }

    /// The code, and the token of this session at these addresses; `None` if they were shown like that.
    pub fn show(&mut self, session: SessionId, addrs: Vec<SocketAddr>) -> Option<(Code, Token)> {
        if self.shown.as_ref() == Some(&addrs) {
            return None;
        }
        self.shown = Some(addrs.clone());
        Some((self.code, Token { session, secret: self.secret, addrs }))
    }

    /// Draws others. After a wrong guess they are valid a little later, so that guesses cannot follow each other quickly.
    pub fn renew(&mut self, rng: &mut impl CryptoRng, after_guess: bool, now: Moment) {
        let from = if after_guess { now + LINK_GUESS_PAUSE } else { now };
        *self = Waiting { from, until: from + LINK_CODE_LIFE, ..Waiting::new(rng, now) };
    }

    /// Whether the code has expired, or the exchange whose proof held was not completed.
    pub fn is_over(&self, now: Moment) -> bool {
        self.next() <= now
    }

    /// When that is the case.
    pub fn next(&self) -> Moment {
        self.accepted.as_ref().map_or(self.until, |(_, _, until)| *until)
    }

    /// Answers the share of another side that claims to know the code, or the token. Returns the own share, or why not. An
    /// exchange that it has begun before ends.
    pub fn answer(
        &mut self,
        party: Party,
        by_token: bool,
        share: &[u8; 32],
        binding: &Binding,
        rng: &mut impl CryptoRng,
        now: Moment,
    ) -> Result<[u8; 32], u8> {
        if self.accepted.is_some() || now < self.from || self.until <= now {
            return Err(refusal::EXPIRED);
        }
        self.open.retain(|_, (_, until)| now < *until);
        if self.open.len() >= MAX_LINK_EXCHANGES && !self.open.contains_key(&party) {
            return Err(refusal::BUSY);
        }
        let (session, secret, addrs) = (binding.newcomer, self.secret, Vec::new());
        let token = || Invitation::Token(Token { session, secret, addrs });
        let invitation = if by_token { token() } else { Invitation::Code(self.code) };
        let (exchange, own) = Exchange::start(&invitation.password(), Side::Newcomer, binding, rng);
        self.open.insert(party, (exchange.finish(share).ok_or(refusal::WRONG)?, now + LINK_STEP));
        Ok(own)
    }

    /// Checks the proof of a session, also one that holds and comes again. If it does not hold, the caller must
    /// [`renew`](Waiting::renew).
    pub fn prove(&mut self, party: Party, confirmation: &[u8; 32], now: Moment) -> Proved<'_> {
        if !self.accepted(party).is_some_and(|keys| keys.confirms(confirmation)) {
            let Some((keys, _)) = self.open.remove(&party) else { return Proved::Nothing };
            if !keys.confirms(confirmation) {
                return Proved::Wrong;
            }
            self.open.clear();
            self.accepted = Some((party, keys, now + LINK_STEP));
        }
        self.accepted.as_ref().map_or(Proved::Nothing, |(_, keys, _)| Proved::Holds(keys))
    }

    /// The keys of the exchange whose proof holds, if it is the one with this session.
    pub fn accepted(&self, by: Party) -> Option<&Keys> {
        self.accepted.as_ref().filter(|(party, _, _)| *party == by).map(|(_, keys, _)| keys)
    }

    /// Ends the exchanges with sessions to which there is no way any more. Returns true if the proof of one had held, so that
    /// the code is used up.
    pub fn forget_unless(&mut self, is_there: impl Fn(&Party) -> bool) -> bool {
        self.open.retain(|party, _| is_there(party));
        self.accepted.as_ref().is_some_and(|(party, _, _)| !is_there(party))
    }
}

fn draw(rng: &mut impl CryptoRng) -> (Code, [u8; 16]) {
    let code = Code::from_random(rng.next_u64());
    let mut secret = [0; 16];
    rng.fill_bytes(&mut secret);
    (code, secret)
}
