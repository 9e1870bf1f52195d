//! Who may use the page: a code that works once is exchanged for a token.

use std::collections::VecDeque;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Random;

/// How long a code works: enough to open a browser.
pub const CODE_LIFE: Duration = Duration::from_secs(120);
/// Codes that work at the same time.
const MAX_CODES: usize = 16;
/// Browsers that are logged in. The oldest is logged out for a new one.
const MAX_TOKENS: usize = 64;
/// Wrong codes in a row after which the door stays closed for [`CLOSED`]. A code has 256 bits; this is against noise.
const MAX_WRONG: u32 = 10;
/// How long no code is accepted.
const CLOSED: Duration = Duration::from_secs(60);

/// What is kept of a code or a token. It is looked up by this hash, so that comparing takes the same time whatever is given.
type Hash = [u8; 32];

/// The codes and the tokens of one run of the node.
#[derive(Debug)]
pub struct Door {
    random: Random,
    codes: VecDeque<(Hash, Instant)>,
    tokens: VecDeque<Hash>,
    wrong: u32,
    closed_until: Option<Instant>,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The code is wrong, was used, or is too old.
    Wrong,
    /// Too many were wrong.
    Closed,
}

impl Door {
    pub fn new(random: Random) -> Door {
        Door { random, codes: VecDeque::new(), tokens: VecDeque::new(), wrong: 0, closed_until: None }
    }

    /// A new code.
    pub fn code(&mut self, now: Instant) -> String {
        let code = self.draw();
        self.codes.push_back((hash(&code), now + CODE_LIFE));
        bound(&mut self.codes, MAX_CODES);
        code
    }

    /// Exchanges a code for a token.
    pub fn enter(&mut self, code: &str, now: Instant) -> Result<String, Refused> {
        if self.closed_until.is_some_and(|until| now < until) {
            return Err(Refused::Closed);
        }
        self.closed_until = None;
        self.codes.retain(|(_, until)| now < *until);
        let given = hash(code);
        let Some(place) = self.codes.iter().position(|(known, _)| *known == given) else {
            self.wrong += 1;
            if self.wrong >= MAX_WRONG {
                (self.wrong, self.closed_until) = (0, Some(now + CLOSED));
            }
            return Err(Refused::Wrong);
        };
        self.codes.remove(place);
        self.wrong = 0;
        let token = self.draw();
        self.tokens.push_back(hash(&token));
        bound(&mut self.tokens, MAX_TOKENS);
        Ok(token)
    }

    /// Whether this is a token.
    pub fn admits(&self, token: &str) -> bool {
        self.tokens.contains(&hash(token))
    }

    /// Forgets all codes and tokens.
    pub fn forget(&mut self) {
        (self.codes, self.tokens) = (VecDeque::new(), VecDeque::new());
    }

    fn draw(&self) -> String {
        HEXLOWER.encode(&(self.random)())
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

/// Keeps the newest of a queue.
fn bound<T>(queue: &mut VecDeque<T>, most: usize) {
    queue.drain(..queue.len().saturating_sub(most));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    fn counted() -> [u8; 32] {
        static DRAWN: AtomicU8 = AtomicU8::new(0);
        [DRAWN.fetch_add(1, Ordering::Relaxed); 32]
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_works_once_and_for_two_minutes_and_its_token_as_long_as_the_node() {
        let mut door = Door::new(counted);
        let (used, late) = (door.code(Instant::now()), door.code(Instant::now()));
        let token = door.enter(&used, Instant::now()).expect("it is new");
        assert_eq!(door.enter(&used, Instant::now()), Err(Refused::Wrong), "it was used");
        tokio::time::advance(CODE_LIFE).await;
        assert_eq!(door.enter(&late, Instant::now()), Err(Refused::Wrong), "it is too old");
        assert!(door.admits(&token) && !door.admits(&used) && !door.admits(""));
        door.forget();
        assert!(!door.admits(&token));
    }

    #[tokio::test(start_paused = true)]
    async fn after_ten_wrong_codes_no_code_works_for_a_minute() {
        let mut door = Door::new(counted);
        for _ in 0..MAX_WRONG {
            assert_eq!(door.enter("guess", Instant::now()), Err(Refused::Wrong));
        }
        let code = door.code(Instant::now());
        assert_eq!(door.enter(&code, Instant::now()), Err(Refused::Closed));
        tokio::time::advance(CLOSED).await;
        assert!(door.enter(&code, Instant::now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn codes_and_tokens_are_bounded_and_the_oldest_go_first() {
        let mut door = Door::new(counted);
        let first = door.code(Instant::now());
        let codes: Vec<String> = (0..MAX_CODES).map(|_| door.code(Instant::now())).collect();
        assert_eq!(door.enter(&first, Instant::now()), Err(Refused::Wrong));
        let tokens: Vec<String> =
            codes.iter().map(|code| door.enter(code, Instant::now()).expect("it is new")).collect();
        for _ in MAX_CODES..=MAX_TOKENS {
            let code = door.code(Instant::now());
            door.enter(&code, Instant::now()).expect("it is new");
        }
        assert!(!door.admits(&tokens[0]) && door.admits(&tokens[1]));
    }
}
