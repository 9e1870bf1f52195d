//! The prekeys of this session: a new one every day, the newest three on the key card. Private halves are deleted after
//! 29 days, so that a stolen device cannot open older recorded traffic.

use rand_core::CryptoRng;

use crate::identity::seal::PrekeySecret;
use crate::proto::limits::{PREKEY_LIFE, PREKEY_ROTATION};
use crate::time::Moment;
use crate::wire::record::Prekey;

/// Prekeys on a key card.
const OFFERED: usize = 3;

/// The private halves that are still held, oldest first.
#[derive(Debug)]
pub struct Prekeys {
    alive: Vec<PrekeySecret>,
}

impl Prekeys {
    /// Starts from the stored prekeys, in any order.
    pub fn new(mut alive: Vec<PrekeySecret>) -> Prekeys {
        alive.sort_by_key(|prekey| prekey.made);
        Prekeys { alive }
    }

    /// Makes a new prekey if the newest is a day old, and returns it.
    pub fn rotate(&mut self, rng: &mut impl CryptoRng, now: Moment) -> Option<&PrekeySecret> {
        if self.alive.last().is_some_and(|newest| now < newest.made + PREKEY_ROTATION) {
            return None;
        }
        Some(self.replace(rng, now))
    }

    /// Makes a new prekey, which is the newest from now on, and returns it.
    pub fn replace(&mut self, rng: &mut impl CryptoRng, now: Moment) -> &PrekeySecret {
        self.alive.push_mut(PrekeySecret::generate(rng, now))
    }

    /// Removes the expired prekeys and returns their ids.
    pub fn expire(&mut self, now: Moment) -> Vec<[u8; 8]> {
        self.alive.extract_if(.., |prekey| now >= prekey.made + PREKEY_LIFE).map(|prekey| prekey.id).collect()
    }

    /// The public halves for the key card, newest first.
    pub fn offered(&self) -> Vec<Prekey> {
        self.alive.iter().rev().take(OFFERED).map(PrekeySecret::public).collect()
    }

    /// The private half with this id.
    pub fn find(&self, id: &[u8; 8]) -> Option<&PrekeySecret> {
        self.alive.iter().rev().find(|prekey| prekey.id == *id)
    }

    /// When the next rotation or deletion is due.
    pub fn next(&self) -> Option<Moment> {
        let rotation = self.alive.last().map(|newest| newest.made + PREKEY_ROTATION);
        let expiry = self.alive.first().map(|oldest| oldest.made + PREKEY_LIFE);
        rotation.into_iter().chain(expiry).min()
    }
}
