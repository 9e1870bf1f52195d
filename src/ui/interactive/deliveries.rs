//! What a person is told of their own lines: nothing while they arrive at once, that they wait if they do not, and of many that
//! arrive together in one sentence, which names what arrived.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::id::MessageId;
use crate::proto::notice::{Delivery, Progress};
use crate::ui::macros::truncated;
use crate::ui::plain::{counted, progressed, quoted};

/// How long a line may take without a word about it. With a connection it takes much less.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A pause that ends what is told in one sentence.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the first line of a sentence is held back at most.
const MAX_HELD: Duration = Duration::from_secs(2);
/// Own lines that are remembered. The progress of older ones is told without their text.
const MAX_LINES: usize = 256;

/// An own line that not every session of its addressee has.
#[derive(Debug)]
struct Line {
    message: MessageId,
    to: String,
    text: String,
    typed: Instant,
    /// It was typed on another session of the user, which says that it waits.
    elsewhere: bool,
    /// A session of the addressee has it.
    arrived: bool,
    /// What is to be told of it if it does not arrive at once, beside that it waits.
    carried: Vec<String>,
    /// It was told that it waits, or that others carry it.
    told: bool,
}

/// Lines that are told in one sentence.
#[derive(Debug)]
struct Burst {
    sentence: String,
    lines: u64,
    /// The last of them, if it is known.
    last: Option<String>,
    first: Instant,
    newest: Instant,
}

impl Burst {
    fn due(&self) -> Instant {
        (self.newest + PAUSE).min(self.first + MAX_HELD)
    }

    fn text(&self) -> String {
        let what = match (self.lines, &self.last) {
            (1, Some(text)) => format!("\"{}\"", truncated(text)),
            (n, Some(text)) => format!("{}, the last \"{}\"", counted(n, "line"), truncated(text)),
            (n, None) => format!("{} from before the start", counted(n, "line")),
        };
        format!("{}: {what}", self.sentence)
    }
}

/// Follows own lines.
#[derive(Debug, Default)]
pub struct Deliveries {
    /// In the order in which they were typed.
    lines: VecDeque<Line>,
    bursts: Vec<Burst>,
}

impl Deliveries {
    /// A line was stored.
    pub fn queued(&mut self, message: MessageId, to: &str, text: &str, now: Instant) {
        self.add(message, to, text, false, now);
    }

    /// A line that was typed on another session of the user was shown.
    pub fn shown(&mut self, message: MessageId, to: &str, text: &str, now: Instant) {
        self.add(message, to, text, true, now);
    }

    fn add(&mut self, message: MessageId, to: &str, text: &str, elsewhere: bool, now: Instant) {
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        let (to, text) = (to.to_owned(), text.to_owned());
        let (arrived, carried, told) = (false, Vec::new(), false);
        self.lines.push_back(Line { message, to, text, typed: now, elsewhere, arrived, carried, told });
    }

    /// A line has made progress towards a session of its addressee.
    pub fn progress(&mut self, message: MessageId, to: &str, state: Delivery, progress: &Progress, now: Instant) {
        let sentence = progressed(to, state, progress);
        let at = self.lines.iter().position(|line| line.message == message);
        let line = at.map(|at| &mut self.lines[at]);
        match (state, line) {
            (Delivery::Queued | Delivery::Settled, _) => {}
            (Delivery::Carried, Some(line)) if !line.told => {
                if !line.arrived && !line.carried.contains(&sentence) {
                    line.carried.push(sentence);
                }
            }
            (Delivery::Carried, line) => {
                let text = line.map(|line| line.text.clone());
                self.gather(sentence, text, now);
            }
            (Delivery::Delivered, line) => {
                let in_time = line.as_ref().is_some_and(|line| !line.told && now.duration_since(line.typed) < AT_ONCE);
                let text = line.map(|line| {
                    line.arrived = true;
                    line.text.clone()
                });
                if !in_time {
                    self.gather(sentence, text, now);
                }
                if progress.reached >= progress.of {
                    self.lines.retain(|line| line.message != message);
                }
            }
        }
    }

    /// When [`due`](Self::due) has to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.lines.iter().find(|line| line.waits()).map(|line| line.typed + AT_ONCE);
        self.bursts.iter().map(Burst::due).chain(waiting).min()
    }

    /// The sentences that are due.
    pub fn due(&mut self, now: Instant) -> Vec<String> {
        let mut sentences = Vec::new();
        while let Some(at) = self.lines.iter().position(|line| line.waits() && line.typed + AT_ONCE <= now) {
            self.lines[at].told = true;
            let (to, carried) = (self.lines[at].to.clone(), std::mem::take(&mut self.lines[at].carried));
            let text = self.lines[at].text.clone();
            let told =
                self.lines.iter().enumerate().any(|(n, line)| n != at && line.told && line.is_still_on_the_way_to(&to));
            if carried.is_empty() && !told {
                sentences.push(format!("waits for {}", quoted(&to)));
            }
            carried.into_iter().for_each(|sentence| self.gather(sentence, Some(text.clone()), now));
        }
        let (due, later) = std::mem::take(&mut self.bursts).into_iter().partition(|burst: &Burst| burst.due() <= now);
        self.bursts = later;
        sentences.extend(due.iter().map(Burst::text));
        sentences
    }

    fn gather(&mut self, sentence: String, text: Option<String>, now: Instant) {
        let burst = match self.bursts.iter().position(|burst| burst.sentence == sentence) {
            Some(at) => &mut self.bursts[at],
            None => {
                self.bursts.push(Burst { sentence, lines: 0, last: None, first: now, newest: now });
                self.bursts.last_mut().expect("it was just added")
            }
        };
        burst.lines += 1;
        burst.last = text.or(burst.last.take());
        burst.newest = now;
    }
}

impl Line {
    /// Whether it is still to be told that it waits.
    fn waits(&self) -> bool {
        !self.arrived && !self.told && !self.elsewhere
    }

    fn is_still_on_the_way_to(&self, to: &str) -> bool {
        !self.arrived && self.to == to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Address, SessionId, StreamId};

    fn id(n: u64) -> MessageId {
        MessageId { stream: StreamId { author: SessionId([1; 32]), epoch: 1, to: Address([2; 32]) }, n }
    }

    fn reached(reached: usize, of: usize) -> Progress {
        Progress { label: "phone".into(), reached, of, holder: "dora".into() }
    }

    fn typed(lines: u64, now: Instant) -> Deliveries {
        let mut deliveries = Deliveries::default();
        (1..=lines).for_each(|n| deliveries.queued(id(n), "bob", &format!("line {n}"), now));
        deliveries
    }

    /// Everything that is told from now on, each at its time.
    fn told(deliveries: &mut Deliveries) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(at) = deliveries.deadline() {
            told.extend(deliveries.due(at));
        }
        told
    }

    #[test]
    fn a_line_that_arrives_at_once_is_not_mentioned() {
        let now = Instant::now();
        let mut deliveries = typed(3, now);
        for n in 1..=3 {
            deliveries.progress(id(n), "bob", Delivery::Carried, &reached(0, 1), now);
            deliveries.progress(id(n), "bob", Delivery::Delivered, &reached(1, 1), now + AT_ONCE / 2);
        }
        assert_eq!(told(&mut deliveries), Vec::<String>::new());
        assert!(deliveries.lines.is_empty(), "nothing is kept");
    }

    #[test]
    fn lines_that_do_not_arrive_at_once_wait_and_arrive_in_one_sentence() {
        let now = Instant::now();
        let mut deliveries = typed(3, now);
        assert_eq!(deliveries.deadline(), Some(now + AT_ONCE));
        assert_eq!(told(&mut deliveries), ["waits for bob"], "once for all of them");
        let later = now + AT_ONCE * 30;
        for n in 1..=3 {
            deliveries.progress(id(n), "bob", Delivery::Delivered, &reached(1, 1), later + PAUSE / 2 * n as u32);
        }
        assert_eq!(told(&mut deliveries), ["delivered to bob: 3 lines, the last \"line 3\""]);
        deliveries.queued(id(4), "bob", "and another", later);
        assert_eq!(told(&mut deliveries), ["waits for bob"]);
        deliveries.progress(id(4), "bob", Delivery::Delivered, &reached(1, 1), later);
        assert_eq!(told(&mut deliveries), ["delivered to bob: \"and another\""]);
    }

    #[test]
    fn a_stream_of_deliveries_is_told_in_parts() {
        let now = Instant::now();
        let mut deliveries = typed(40, now);
        deliveries.due(now + AT_ONCE);
        let mut sentences = Vec::new();
        for n in 1..=40 {
            let at = now + AT_ONCE + PAUSE / 2 * n as u32;
            deliveries.progress(id(n), "bob", Delivery::Delivered, &reached(1, 1), at);
            sentences.extend(deliveries.due(at));
        }
        sentences.extend(told(&mut deliveries));
        assert!((2..=4).contains(&sentences.len()), "{sentences:?}");
    }

    #[test]
    fn a_line_that_others_carry_does_not_wait_silently() {
        let now = Instant::now();
        let mut deliveries = typed(2, now);
        for n in 1..=2 {
            deliveries.progress(id(n), "bob", Delivery::Carried, &reached(0, 1), now);
        }
        assert_eq!(told(&mut deliveries), ["carried for bob by dora: 2 lines, the last \"line 2\""]);
    }

    #[test]
    fn the_other_sessions_of_somebody_may_get_a_line_later() {
        let now = Instant::now();
        let mut deliveries = typed(1, now);
        deliveries.progress(id(1), "bob", Delivery::Delivered, &reached(1, 2), now);
        assert_eq!(told(&mut deliveries), Vec::<String>::new(), "bob has it");
        deliveries.progress(id(1), "bob", Delivery::Delivered, &reached(2, 2), now + AT_ONCE);
        assert_eq!(told(&mut deliveries), ["delivered 2 of 2 to bob (phone): \"line 1\""]);
    }

    #[test]
    fn lines_of_an_earlier_run_arrive_without_their_text() {
        let now = Instant::now();
        let mut deliveries = Deliveries::default();
        for n in 1..=2 {
            deliveries.progress(id(n), "bob", Delivery::Delivered, &reached(1, 1), now);
        }
        assert_eq!(told(&mut deliveries), ["delivered to bob: 2 lines from before the start"]);
    }

    #[test]
    fn only_so_many_lines_are_remembered() {
        let now = Instant::now();
        let mut deliveries = typed(MAX_LINES as u64 + 10, now);
        assert_eq!(deliveries.lines.len(), MAX_LINES);
        assert_eq!(told(&mut deliveries), ["waits for bob"]);
    }

    #[test]
    fn a_line_from_another_session_of_the_user_is_named_when_it_is_delivered_late() {
        let (mut deliveries, now) = (Deliveries::default(), Instant::now());
        deliveries.shown(id(1), "bob", "from the pi", now);
        assert_eq!(deliveries.due(now + AT_ONCE), Vec::<String>::new(), "the pi says that it waits");
        let later = now + AT_ONCE * 2;
        deliveries.progress(id(1), "bob", Delivery::Delivered, &reached(1, 1), later);
        assert_eq!(deliveries.due(later + MAX_HELD), ["delivered to bob: \"from the pi\""]);
    }
}
