//! Linking a session: what the two sides do, and what those who guess, stand between them, replay or flood cannot do.

use std::time::Duration;

use darknode::id::{BootId, ConnId, NetworkId, SessionId};
use darknode::identity::invitation::Invitation;
use darknode::identity::pake::{Binding, Channel, Exchange, Side};
use darknode::proto::Accept;
use darknode::proto::event::{Adopted, Command, Output};
use darknode::proto::limits::{LINK_CODE_LIFE, LINK_GUESS_PAUSE, MAX_LINK_CANDIDATES, MAX_LINK_EXCHANGES};
use darknode::proto::notice::{ErrorCode, Notice, SessionChange};
use darknode::proto::persist::Op;
use darknode::wire::control::Control;
use darknode::wire::link::{LinkSession, WAITING_NAME, Welcome, link_step, refusal};
use darknode::wire::record::{Roster, link_state};
use darknode::wire::{Bytes, Fixed, List, decode, encode};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::adversary::Person;
use crate::sessions::{bring, listed, newest, rosters, sister};
use crate::victim::Victim;

const EXPORTER: [u8; 32] = [7; 32];

/// A connection between the holder of a user key and a session that waits.
struct Wire {
    holder: Victim,
    newcomer: Victim,
    /// The connection at each end, and the outputs that were passed on.
    ends: [ConnId; 2],
    passed: [usize; 2],
}

impl Wire {
    fn new(holder: Victim, newcomer: Victim) -> Wire {
        Wire::with_exporters(holder, newcomer, [EXPORTER; 2])
    }

    /// A connection of which the two ends export different bytes, because somebody stands in between.
    fn with_exporters(holder: Victim, newcomer: Victim, exporters: [[u8; 32]; 2]) -> Wire {
        let passed = [holder.out.len(), newcomer.out.len()];
        let mut wire = Wire { holder, newcomer, ends: [ConnId(0); 2], passed };
        wire.connect(exporters);
        wire
    }

    /// Opens a connection, on which messages are passed from then on. Returns the ends of the last one.
    fn connect(&mut self, [at_holder, at_newcomer]: [[u8; 32]; 2]) -> [ConnId; 2] {
        let boot = |node: &Victim, nonce| BootId::of(&node.session, &[nonce; 16]);
        let (one, other) = (boot(&self.newcomer, 2), boot(&self.holder, 1));
        let ends = [
            self.holder.connect_exporting(self.newcomer.session, one, at_holder),
            self.newcomer.connect_exporting(self.holder.session, other, at_newcomer),
        ];
        let last = std::mem::replace(&mut self.ends, ends);
        self.run();
        last
    }

    /// Passes messages on until there are no more.
    fn run(&mut self) {
        self.run_without(None);
    }

    /// The same, but this step of linking is lost, and what would follow.
    fn run_without(&mut self, lost: Option<u8>) {
        loop {
            let [to_newcomer, to_holder] = [self.new_from(0), self.new_from(1)];
            let is_lost = |message: &Control| matches!(message, Control::LinkSession(step) if Some(step.step) == lost);
            let is_over = to_newcomer.is_empty() && to_holder.is_empty();
            if is_over || to_newcomer.iter().chain(&to_holder).any(is_lost) {
                return;
            }
            to_newcomer.into_iter().for_each(|message| self.newcomer.say(self.ends[1], message));
            to_holder.into_iter().for_each(|message| self.holder.say(self.ends[0], message));
        }
    }

    fn new_from(&mut self, end: usize) -> Vec<Control> {
        let (node, conn) = (if end == 0 { &self.holder } else { &self.newcomer }, self.ends[end]);
        let since = std::mem::replace(&mut self.passed[end], node.out.len());
        let message = |output: &Output| match output {
            Output::Control { conn: on, message } if *on == conn => Some(message.clone()),
            _ => None,
        };
        node.out[since..].iter().filter_map(message).collect()
    }

    fn link(&mut self, code: &str) {
        self.holder.command(link(code));
        self.run();
    }
}

pub fn link(code: &str) -> Command {
    Command::Link { invitation: Invitation::Code(code.parse().expect("three words")) }
}

/// The codes and tokens that a session has shown.
pub fn codes(node: &Victim) -> Vec<(String, String)> {
    let code = |notice: &Notice| match notice {
        Notice::Code { code, token, .. } => Some((code.clone(), token.clone())),
        _ => None,
    };
    node.notices().filter_map(code).collect()
}

pub fn code(node: &Victim) -> String {
    codes(node).pop().expect("a code is shown").0
}

pub fn adopted(node: &Victim) -> Option<&Adopted> {
    node.out.iter().find_map(|output| match output {
        Output::Adopted(adopted) => Some(&**adopted),
        _ => None,
    })
}

pub fn errors(node: &Victim) -> Vec<ErrorCode> {
    let code = |notice: &Notice| if let Notice::Error { code, .. } = notice { Some(*code) } else { None };
    node.notices().filter_map(code).collect()
}

pub fn linked(node: &Victim) -> Vec<SessionId> {
    let linked = |notice: &Notice| match notice {
        Notice::Session { session, state: SessionChange::Linked, .. } => Some(*session),
        _ => None,
    };
    node.notices().filter_map(linked).collect()
}

/// The steps of linking that were sent on a connection.
fn steps(node: &Victim, conn: ConnId) -> Vec<LinkSession> {
    let step = |message: &Control| if let Control::LinkSession(step) = message { Some(step.clone()) } else { None };
    node.said(conn).into_iter().filter_map(step).collect()
}

pub fn waiting() -> Victim {
    let mut newcomer = Victim::waiting();
    newcomer.pass(Duration::ZERO);
    newcomer
}

#[test]
fn a_session_is_linked_by_its_code_and_starts_with_roster_links_and_the_place_of_the_other() {
    let bob = Person::new(2, "bob");
    let mut alice = Victim::new(Accept::Auto);
    alice.command(Command::Add { user: bob.user_id().to_string() });
    let mut wire = Wire::new(alice, waiting());
    let code = code(&wire.newcomer);
    wire.link(&code);
    let (alice, pi) = (&wire.holder, &wire.newcomer);
    assert_eq!((linked(alice), linked(pi)), (vec![pi.session], vec![pi.session]));
    assert!(newest(alice).admits(&pi.session));
    let adopted = adopted(pi).expect("it has a user");
    assert_eq!((adopted.user, adopted.name.as_str()), (alice.user, "alice"));
    let roster = adopted.ops.iter().find_map(|op| match op {
        Op::User(row) if row.user == alice.user => row.roster.clone(),
        _ => None,
    });
    assert_eq!(roster, rosters(alice).pop());
    assert!(adopted.ops.iter().any(|op| matches!(op, Op::Link(row) if row.user == bob.user_id())));
    assert!(adopted.ops.iter().any(|op| matches!(op, Op::Session(row) if row.session == alice.session
        && !row.addresses.is_empty() && row.card.is_some())));
    assert!(pi.notices().any(|notice| matches!(notice, Notice::Joined { id, .. } if *id == alice.user)));
}

#[test]
fn a_session_is_linked_by_its_token_and_only_it() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let token = codes(&wire.newcomer).pop().expect("a token is shown").1;
    let other = Person::new(5, WAITING_NAME);
    let stranger = wire.holder.meet(&other);
    wire.holder.command(Command::Link { invitation: Invitation::Token(token.parse().expect("a token")) });
    wire.run();
    assert!(adopted(&wire.newcomer).is_some());
    assert!(steps(&wire.holder, stranger).is_empty());
}

#[test]
fn a_step_that_is_lost_with_one_of_two_connections_is_sent_again_on_the_other() {
    use link_step::{ACCEPT, ANSWER, BY_CODE, CONFIRM, WELCOME};
    for lost in [BY_CODE, ANSWER, CONFIRM, ACCEPT, WELCOME] {
        let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
        wire.holder.command(link(&code(&wire.newcomer)));
        wire.run_without(Some(lost));
        assert!(adopted(&wire.newcomer).is_none());
        let [at_holder, at_newcomer] = wire.connect([[8; 32]; 2]);
        wire.holder.part(at_holder);
        wire.newcomer.part(at_newcomer);
        wire.run();
        let session = wire.newcomer.session;
        assert!(adopted(&wire.newcomer).is_some() && linked(&wire.holder) == [session], "step {lost}");
    }
}

#[test]
fn a_wrong_code_burns_the_code_and_the_next_is_valid_after_a_pause() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let first = code(&wire.newcomer);
    wire.link("zoo zoo zoo");
    wire.holder.pass(Duration::from_secs(3));
    let second = code(&wire.newcomer);
    assert_ne!(first, second);
    let lasts = |notice: &Notice| if let Notice::Code { expires_s, .. } = notice { Some(*expires_s) } else { None };
    assert!(wire.newcomer.notices().filter_map(lasts).all(|lasts| lasts <= LINK_CODE_LIFE.as_secs()));
    assert_eq!(errors(&wire.holder), [ErrorCode::CodeWrong]);
    wire.link(&second);
    wire.holder.pass(Duration::from_secs(3));
    assert_eq!(errors(&wire.holder), [ErrorCode::CodeWrong, ErrorCode::CodeExpired]);
    wire.newcomer.pass(LINK_GUESS_PAUSE);
    wire.link(&first);
    wire.holder.pass(Duration::from_secs(3));
    assert_eq!(errors(&wire.holder)[2..], [ErrorCode::CodeWrong], "the first code stays burnt");
    assert!(adopted(&wire.newcomer).is_none() && linked(&wire.holder).is_empty());
    assert_eq!(listed(&newest(&wire.holder)).len(), 1);
}

#[test]
fn a_code_expires_after_two_minutes_and_another_one_is_shown() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let first = code(&wire.newcomer);
    wire.newcomer.pass(LINK_CODE_LIFE - Duration::from_secs(1));
    assert_eq!(code(&wire.newcomer), first);
    wire.newcomer.pass(Duration::from_secs(1));
    let second = code(&wire.newcomer);
    assert_ne!(second, first);
    wire.link(&first);
    assert!(adopted(&wire.newcomer).is_none());
    wire.newcomer.pass(LINK_GUESS_PAUSE);
    wire.holder.pass(Duration::from_secs(3));
    let third = code(&wire.newcomer);
    wire.link(&third);
    assert!(adopted(&wire.newcomer).is_some());
}

#[test]
fn a_used_code_is_not_valid_again() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let code = code(&wire.newcomer);
    wire.link(&code);
    wire.link(&code);
    wire.holder.pass(Duration::from_secs(3));
    assert_eq!(errors(&wire.holder), [ErrorCode::CodeExpired]);
    assert_eq!(linked(&wire.holder).len(), 1);
}

#[test]
fn somebody_between_the_two_with_certificates_of_their_own_gets_nothing() {
    let mut wire = Wire::with_exporters(Victim::new(Accept::Auto), waiting(), [[1; 32], [2; 32]]);
    let shown = code(&wire.newcomer);
    wire.link(&shown);
    assert!(adopted(&wire.newcomer).is_none() && linked(&wire.holder).is_empty());
    assert_eq!(newest(&wire.holder).sessions.len(), 1);
    assert_ne!(code(&wire.newcomer), shown, "the code is burnt");
}

#[test]
fn a_stranger_who_does_not_know_the_code_cannot_adopt_a_session() {
    let mut pi = waiting();
    let mallory = Person::new(9, "mallory");
    let conn = pi.connect_exporting(mallory.session_id(), BootId(99), EXPORTER);
    pi.say(conn, Control::Hello(mallory.hello()));
    let (network, newcomer) = (NetworkId::OPEN, pi.session);
    let binding = Binding { network, channel: Channel::Direct(EXPORTER), holder: mallory.session_id(), newcomer };
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let (exchange, share) = Exchange::start(b"code\0zoo zoo zoo", Side::Holder, &binding, &mut rng);
    let roster = mallory.roster_of(9, &[mallory.session_id(), pi.session], &[]);
    let (declaration, card) = (mallory.declaration(1, true, &[]), mallory.card(1));
    let welcome = encode(&Welcome { roster, declaration, card, links: List(vec![]) });
    let say = |pi: &mut Victim, step| pi.say(conn, Control::LinkSession(step));
    let ask = LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(link_step::BY_CODE) };
    say(&mut pi, ask);
    let answer = steps(&pi, conn).pop().and_then(|step| step.share).expect("a share");
    let keys = exchange.finish(&answer.0).expect("a point");
    let welcome = LinkSession { sealed: Some(Bytes(keys.seal(&welcome))), ..LinkSession::empty(link_step::WELCOME) };
    say(&mut pi, welcome.clone());
    let proof = Some(Fixed(keys.confirmation()));
    say(&mut pi, LinkSession { confirmation: proof, ..LinkSession::empty(link_step::CONFIRM) });
    say(&mut pi, welcome);
    assert!(adopted(&pi).is_none());
    assert_eq!(steps(&pi, conn).last().and_then(|step| step.reason), Some(refusal::WRONG));
    assert_eq!((codes(&pi).len(), pi.drops("wrong code guessed")), (2, 1));
}

#[test]
fn a_welcome_is_not_used_unless_its_roster_lists_both_sessions() {
    let mallory = Person::new(9, "mallory");
    for sessions in [vec![mallory.session_id()], vec![Victim::waiting().session]] {
        let mut pi = waiting();
        let conn = pi.connect_exporting(mallory.session_id(), BootId(99), EXPORTER);
        pi.say(conn, Control::Hello(mallory.hello()));
        let binding = Binding {
            network: NetworkId::OPEN,
            channel: Channel::Direct(EXPORTER),
            holder: mallory.session_id(),
            newcomer: pi.session,
        };
        let password = Invitation::Code(code(&pi).parse().expect("three words")).password();
        let (exchange, share) =
            Exchange::start(&password, Side::Holder, &binding, &mut ChaCha20Rng::from_seed([3; 32]));
        let say = |pi: &mut Victim, step| pi.say(conn, Control::LinkSession(step));
        say(&mut pi, LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(link_step::BY_CODE) });
        let answer = steps(&pi, conn).pop().and_then(|step| step.share).expect("a share");
        let keys = exchange.finish(&answer.0).expect("a point");
        let proof = Some(Fixed(keys.confirmation()));
        say(&mut pi, LinkSession { confirmation: proof, ..LinkSession::empty(link_step::CONFIRM) });
        assert_eq!(steps(&pi, conn).last().map(|step| step.step), Some(link_step::ACCEPT));
        let roster = mallory.roster_of(9, &sessions, &[]);
        let (declaration, card) = (mallory.declaration(1, true, &[]), mallory.card(1));
        let welcome = encode(&Welcome { roster, declaration, card, links: List(vec![]) });
        say(
            &mut pi,
            LinkSession { sealed: Some(Bytes(keys.seal(&welcome))), ..LinkSession::empty(link_step::WELCOME) },
        );
        assert!(adopted(&pi).is_none());
        assert_eq!(codes(&pi).len(), 2, "another code is shown");
    }
}

#[test]
fn recorded_steps_link_no_other_session() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let code = code(&wire.newcomer);
    wire.link(&code);
    let recorded = steps(&wire.holder, wire.ends[0]);
    assert_eq!(recorded.len(), 3);
    // The same session with the same code, on another connection.
    let mut pi = waiting();
    let mallory = Person::new(9, "mallory");
    let conn = pi.connect_exporting(mallory.session_id(), BootId(99), [8; 32]);
    pi.say(conn, Control::Hello(mallory.hello()));
    recorded.into_iter().for_each(|step| pi.say(conn, Control::LinkSession(step)));
    assert!(adopted(&pi).is_none());
}

#[test]
fn an_exchange_that_is_broken_off_before_its_proof_costs_no_guess() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let shown = code(&wire.newcomer);
    let mallory = Person::new(9, "mallory");
    for exporter in 1..4 {
        let conn = wire.newcomer.connect_exporting(mallory.session_id(), BootId(99), [exporter; 32]);
        wire.newcomer.say(conn, Control::Hello(mallory.hello()));
        let share = Some(Fixed(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.to_bytes()));
        let ask = LinkSession { share, ..LinkSession::empty(link_step::BY_CODE) };
        wire.newcomer.say(conn, Control::LinkSession(ask));
        wire.newcomer.part(conn);
    }
    wire.link(&shown);
    assert!(adopted(&wire.newcomer).is_some());
}

#[test]
fn an_address_begins_a_few_exchanges_at_once() {
    let mut pi = waiting();
    let share = Some(Fixed(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.to_bytes()));
    let ask = LinkSession { share, ..LinkSession::empty(link_step::BY_CODE) };
    let conns: Vec<ConnId> = (100..140).map(|n| pi.meet(&Person::new(n, "mallory"))).collect();
    conns.iter().for_each(|conn| pi.say(*conn, Control::LinkSession(ask.clone())));
    let answered = conns.iter().flat_map(|conn| steps(&pi, *conn)).filter(|step| step.step == link_step::ANSWER);
    assert_eq!(answered.count(), MAX_LINK_EXCHANGES);
    assert!(pi.drops("exchange for linking over the budget of its address") > 0);
}

#[test]
fn a_link_command_tries_a_few_sessions_and_each_guesses_once() {
    let mut alice = Victim::new(Accept::Auto);
    let conns: Vec<ConnId> = (100..120).map(|n| alice.meet(&Person::new(n, WAITING_NAME))).collect();
    alice.command(link("zoo zoo zoo"));
    for _ in 0..20 {
        for conn in &conns {
            let refuse = LinkSession { reason: Some(refusal::WRONG), ..LinkSession::empty(link_step::REFUSE) };
            alice.say(*conn, Control::LinkSession(refuse));
        }
    }
    alice.pass(Duration::from_secs(3));
    assert_eq!(conns.iter().map(|conn| steps(&alice, *conn).len()).sum::<usize>(), MAX_LINK_CANDIDATES);
    assert_eq!(errors(&alice), [ErrorCode::CodeWrong]);
}

#[test]
fn a_session_that_answers_with_a_false_proof_is_not_linked() {
    let mut alice = Victim::new(Accept::Auto);
    let mallory = Person::new(9, WAITING_NAME);
    let conn = alice.meet(&mallory);
    alice.command(link("zoo zoo zoo"));
    let share = Some(Fixed(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.to_bytes()));
    alice.say(conn, Control::LinkSession(LinkSession { share, ..LinkSession::empty(link_step::ANSWER) }));
    assert_eq!(steps(&alice, conn).last().map(|step| step.step), Some(link_step::CONFIRM));
    let (confirmation, sealed) = (Some(Fixed([1; 32])), Some(Bytes(vec![0; 64])));
    let accept = LinkSession { confirmation, sealed, ..LinkSession::empty(link_step::ACCEPT) };
    alice.say(conn, Control::LinkSession(accept));
    alice.pass(Duration::from_secs(3));
    assert_eq!((linked(&alice), errors(&alice)), (vec![], vec![ErrorCode::CodeWrong]));
    assert_eq!(newest(&alice).sessions.len(), 1);
}

#[test]
fn linking_is_refused_where_it_cannot_work() {
    let sister = sister(7);
    let error = |mut node: Victim, command| {
        node.command(command);
        errors(&node)
    };
    let roster = sister.roster_of(5, &[Victim::new(Accept::Auto).session, sister.session_id()], &[]);
    assert_eq!(error(Victim::without_user_key(roster), link("zoo zoo zoo")), [ErrorCode::NoUserKey]);

    let mut full = Victim::new(Accept::Auto);
    let others: Vec<SessionId> = (20..35).map(|number| Person::new(number, "x").session_id()).collect();
    let all = [vec![full.session], others].concat();
    bring(&mut full, sister.roster_of(u64::MAX / 2, &all, &[]));
    assert_eq!(error(full, link("zoo zoo zoo")), [ErrorCode::TooMany]);

    let token = |session: SessionId| {
        let text = format!("darklink:{session}.{}@192.0.2.1:9", "a".repeat(26));
        Command::Link { invitation: Invitation::Token(text.parse().expect("a token")) }
    };
    let alice = Victim::new(Accept::Auto);
    let own = token(alice.session);
    assert_eq!(error(alice, own), [ErrorCode::BadArgument]);

    let mut busy = Victim::new(Accept::Auto);
    busy.command(link("zoo zoo zoo"));
    assert_eq!(error(busy, link("zoo zoo abandon")), [ErrorCode::TooMany]);
}

#[test]
fn without_a_session_that_waits_a_link_command_is_given_up() {
    let mut alice = Victim::new(Accept::Auto);
    alice.meet(&Person::new(2, "bob"));
    alice.command(link("zoo zoo zoo"));
    alice.pass(Duration::from_secs(14));
    assert!(errors(&alice).is_empty());
    alice.pass(Duration::from_secs(1));
    assert_eq!(errors(&alice), [ErrorCode::Unreachable]);
}

#[test]
fn a_node_that_neither_links_nor_waits_answers_no_step() {
    let mut alice = Victim::new(Accept::Auto);
    let conn = alice.meet(&Person::new(2, "bob"));
    let share = Some(Fixed([5; 32]));
    alice.say(conn, Control::LinkSession(LinkSession { share, ..LinkSession::empty(link_step::BY_CODE) }));
    for step in [link_step::ANSWER, link_step::CONFIRM, link_step::ACCEPT, link_step::WELCOME, 8] {
        alice.say(conn, Control::LinkSession(LinkSession { share, ..LinkSession::empty(step) }));
    }
    assert!(steps(&alice, conn).iter().all(|step| step.step == link_step::REFUSE));
    assert_eq!(alice.closed(conn), None);
}

#[test]
fn a_session_that_waits_is_not_shown_as_somebody_nearby() {
    let mut alice = Victim::new(Accept::Auto);
    let here = ([127, 0, 0, 1], 9).into();
    alice.meet_from(&Person::new(5, WAITING_NAME), here);
    assert!(!alice.notices().any(|notice| matches!(notice, Notice::Nearby { .. })));
    alice.meet_from(&Person::new(6, "bob"), here);
    assert!(alice.notices().any(|notice| matches!(notice, Notice::Nearby { .. })));
}

#[test]
fn a_second_session_on_a_machine_of_the_same_name_gets_a_label_of_its_own() {
    let mut wire = Wire::new(Victim::new(Accept::Auto), waiting());
    let other = Person::new(4, "x").session_id();
    let mut roster: Roster = newest(&wire.holder);
    roster.version += 1;
    roster
        .sessions
        .0
        .push(darknode::wire::record::RosterSession { id: other, label: darknode::wire::Text("pi".into()) });
    bring(&mut wire.holder, sister(7).by_user(roster));
    let code = code(&wire.newcomer);
    wire.link(&code);
    let labels: Vec<String> = newest(&wire.holder).sessions.iter().map(|entry| entry.label.0.clone()).collect();
    assert!(labels.contains(&"pi".to_owned()) && labels.contains(&"pi-2".to_owned()), "{labels:?}");
}

#[test]
fn links_of_the_user_are_those_of_the_holder() {
    let mut alice = Victim::new(Accept::Auto);
    let (bob, carol) = (Person::new(2, "bob"), Person::new(3, "carol"));
    alice.command(Command::Add { user: bob.user_id().to_string() });
    alice.meet(&carol);
    alice.command(Command::Block { user: carol.user_id().to_string() });
    let mut wire = Wire::new(alice, waiting());
    let code = code(&wire.newcomer);
    wire.link(&code);
    let state = |op: &Op| if let Op::Link(row) = op { Some((row.user, row.mine.state.to_wire())) } else { None };
    let states: Vec<_> = adopted(&wire.newcomer).expect("it has a user").ops.iter().filter_map(state).collect();
    assert!(states.contains(&(bob.user_id(), link_state::LINKED)), "{states:?}");
    assert!(states.contains(&(carol.user_id(), link_state::BLOCKED)), "{states:?}");
}

fn any_step() -> impl Strategy<Value = LinkSession> {
    let fixed = || proptest::option::of(any::<[u8; 32]>().prop_map(Fixed));
    let sealed = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes));
    (0..9u8, fixed(), fixed(), sealed, proptest::option::of(any::<u8>())).prop_map(
        |(step, share, confirmation, sealed, reason)| LinkSession { step, share, confirmation, sealed, reason },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_series_of_steps_links_anybody(series in proptest::collection::vec(any_step(), 1..40)) {
        let mut pi = waiting();
        let mut alice = Victim::new(Accept::Auto);
        let at_pi = pi.meet(&Person::new(9, "mallory"));
        let at_alice = alice.meet(&Person::new(9, WAITING_NAME));
        alice.command(link("zoo zoo zoo"));
        for step in series {
            let message = Control::LinkSession(decode(&encode(&step)).expect("it is encoded as it is read"));
            pi.say(at_pi, message.clone());
            alice.say(at_alice, message);
        }
        prop_assert!(adopted(&pi).is_none());
        prop_assert!(linked(&alice).is_empty());
    }
}
