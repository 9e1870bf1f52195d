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
/// Wrong codes in a row after which no code is accepted for [`PAUSE`]. A code has 256 bits; this is against noise.
const MAX_WRONG: u32 = 10;
/// How long no code is accepted.
const PAUSE: Duration = Duration::from_secs(60);

/// What is kept of a code or a token. It is looked up by this hash, so that comparing takes the same time whatever is given.
type Hash = [u8; 32];

/// The codes and the tokens of one run of the node.
#[derive(Debug)]
pub struct Logins {
    random: Random,
    codes: VecDeque<(Hash, Instant)>,
    tokens: VecDeque<Hash>,
    wrong: u32,
    paused_until: Option<Instant>,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The code is wrong, was used, or is too old.
    Wrong,
    /// Too many were wrong.
    TooMany,
}

impl Logins {
    pub fn new(random: Random) -> Logins {
        Logins { random, codes: VecDeque::new(), tokens: VecDeque::new(), wrong: 0, paused_until: None }
    }

    /// A new code.
    pub fn code(&mut self, now: Instant) -> String {
        let code = self.draw();
        self.codes.push_back((hash(&code), now + CODE_LIFE));
        bound(&mut self.codes, MAX_CODES);
        code
    }

    /// Exchanges a code for a token.
    pub fn log_in(&mut self, code: &str, now: Instant) -> Result<String, Refused> {
        if self.paused_until.is_some_and(|until| now < until) {
            return Err(Refused::TooMany);
        }
        self.paused_until = None;
        self.codes.retain(|(_, until)| now < *until);
        let given = hash(code);
        let Some(place) = self.codes.iter().position(|(known, _)| *known == given) else {
            self.wrong += 1;
            if self.wrong >= MAX_WRONG {
                (self.wrong, self.paused_until) = (0, Some(now + PAUSE));
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
        let mut logins = Logins::new(counted);
        let (used, late) = (logins.code(Instant::now()), logins.code(Instant::now()));
        let token = logins.log_in(&used, Instant::now()).expect("it is new");
        assert_eq!(logins.log_in(&used, Instant::now()), Err(Refused::Wrong), "it was used");
        tokio::time::advance(CODE_LIFE).await;
        assert_eq!(logins.log_in(&late, Instant::now()), Err(Refused::Wrong), "it is too old");
        assert!(logins.admits(&token) && !logins.admits(&used) && !logins.admits(""));
        logins.forget();
        assert!(!logins.admits(&token));
    }

    #[tokio::test(start_paused = true)]
    async fn after_ten_wrong_codes_no_code_works_for_a_minute() {
        let mut logins = Logins::new(counted);
        for _ in 0..MAX_WRONG {
            assert_eq!(logins.log_in("guess", Instant::now()), Err(Refused::Wrong));
        }
        let code = logins.code(Instant::now());
        assert_eq!(logins.log_in(&code, Instant::now()), Err(Refused::TooMany));
        tokio::time::advance(PAUSE).await;
        assert!(logins.log_in(&code, Instant::now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn codes_and_tokens_are_bounded_and_the_oldest_go_first() {
        let mut logins = Logins::new(counted);
        let first = logins.code(Instant::now());
        let codes: Vec<String> = (0..MAX_CODES).map(|_| logins.code(Instant::now())).collect();
        assert_eq!(logins.log_in(&first, Instant::now()), Err(Refused::Wrong));
        let tokens: Vec<String> =
            codes.iter().map(|code| logins.log_in(code, Instant::now()).expect("it is new")).collect();
        for _ in MAX_CODES..=MAX_TOKENS {
            let code = logins.code(Instant::now());
            logins.log_in(&code, Instant::now()).expect("it is new");
        }
        assert!(!logins.admits(&tokens[0]) && logins.admits(&tokens[1]));
    }
}
