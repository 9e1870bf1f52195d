//! Linking over a server, for two sessions that are not connected with each other: what it does, and what a server that lies,
//! replays or changes steps, a third node that guesses, and one that floods cannot do.

use std::time::Duration;

use darknode::id::{BootId, ConnId, NetworkId, SessionId};
use darknode::identity::invitation::Invitation;
use darknode::identity::pake::{Binding, Channel, Exchange, Keys, Side};
use darknode::proto::Accept;
use darknode::proto::event::{Command, Output};
use darknode::proto::limits::{
    LINK_DIRECT, LINK_SEARCH, LINK_STEP, MAX_LINK_CANDIDATES, MAX_LINK_EXCHANGES, MAX_LINK_RELAYS,
    MAX_RELAYED_EXCHANGES_OF_ONE,
};
use darknode::proto::notice::ErrorCode;
use darknode::proto::persist::Op;
use darknode::wire::control::{Control, Hello, features};
use darknode::wire::link::{LinkSession, RelayedStep, WAITING_NAME, Welcome, link_step, refusal};
use darknode::wire::{Bytes, Fixed, List, encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::adversary::Person;
use crate::linking::{adopted, code, codes, errors, link, linked, waiting};
use crate::sessions::{newest, sister};
use crate::victim::Victim;

const EXPORTER: [u8; 32] = [7; 32];

/// The three nodes of a setup, by their places in it.
const HOLDER: usize = 0;
const SERVER: usize = 1;
const NEWCOMER: usize = 2;

/// A connection of two nodes: the place of each and its connection.
type Cable = [(usize, ConnId); 2];

/// A session that holds a user key and one that waits, which are connected with a server.
struct Setup {
    nodes: [Victim; 3],
    cables: Vec<Cable>,
    /// The outputs of each node that were passed on.
    passed: [usize; 3],
}

impl Setup {
    fn new() -> Setup {
        Setup::with(Victim::new(Accept::Auto))
    }

    fn with(holder: Victim) -> Setup {
        let mut setup = Setup { nodes: [holder, Victim::server(), waiting()], cables: Vec::new(), passed: [0; 3] };
        setup.connect(HOLDER, SERVER, EXPORTER);
        setup.connect(NEWCOMER, SERVER, EXPORTER);
        setup
    }

    fn connect(&mut self, one: usize, other: usize, exporter: [u8; 32]) {
        let ends = [(one, other), (other, one)].map(|(at, with)| {
            let session = self.nodes[with].session;
            let boot = BootId::of(&session, &[[1, 3, 2][with]; 16]);
            (at, self.nodes[at].connect_exporting(session, boot, exporter))
        });
        self.cables.push(ends);
        self.run();
    }

    /// Passes messages on until there are no more.
    fn run(&mut self) {
        self.run_with(|_, message| message);
    }

    /// The same, with what the server says changed.
    fn run_with(&mut self, mut change: impl FnMut(usize, Control) -> Control) {
        loop {
            let sent: Vec<(usize, ConnId, Control)> = (0..3).flat_map(|place| self.new_from(place)).collect();
            if sent.is_empty() {
                return;
            }
            for (by, conn, message) in sent {
                let Some((to, conn)) = self.other_end((by, conn)) else { continue };
                let message = if by == SERVER { change(to, message) } else { message };
                self.nodes[to].say(conn, message);
            }
        }
    }

    fn new_from(&mut self, place: usize) -> Vec<(usize, ConnId, Control)> {
        let node = &self.nodes[place];
        let since = std::mem::replace(&mut self.passed[place], node.out.len());
        let message = |output: &Output| match output {
            Output::Control { conn, message } => Some((place, *conn, message.clone())),
            _ => None,
        };
        node.out[since..].iter().filter_map(message).collect()
    }

    fn other_end(&self, end: (usize, ConnId)) -> Option<(usize, ConnId)> {
        self.cables.iter().find_map(|[one, other]| match end {
            end if end == *one => Some(*other),
            end if end == *other => Some(*one),
            _ => None,
        })
    }

    /// The connection of a node with the server.
    fn conn(&self, place: usize) -> ConnId {
        self.cables.iter().flatten().find(|(at, _)| *at == place).expect("it is connected").1
    }

    fn pass(&mut self, span: Duration) {
        self.nodes.iter_mut().for_each(|node| node.pass(span));
    }

    /// Types a code, and waits until no direct connection has come about.
    fn link(&mut self, command: Command) {
        self.nodes[HOLDER].command(command);
        self.run();
        self.pass(LINK_DIRECT);
    }

    fn code(&self) -> String {
        code(&self.nodes[NEWCOMER])
    }

    fn is_linked(&self) -> bool {
        let newcomer = self.nodes[NEWCOMER].session;
        let [holder, _, new] = &self.nodes;
        assert_eq!(adopted(new).is_some(), newest(holder).admits(&newcomer), "both are linked, or neither");
        linked(holder) == [newcomer] && adopted(new).is_some_and(|adopted| adopted.user == holder.user)
    }
}

/// The steps through a relay that a node has sent on a connection, each with the session at the other end.
fn relayed(node: &Victim, conn: ConnId) -> Vec<RelayedStep> {
    let step = |message: &Control| if let Control::RelayedStep(step) = message { Some(step.clone()) } else { None };
    node.said(conn).into_iter().filter_map(step).collect()
}

fn steps(node: &Victim, conn: ConnId) -> Vec<u8> {
    relayed(node, conn).iter().map(|relayed| relayed.step.step).collect()
}

fn passed_on(session: SessionId, step: LinkSession) -> Control {
    Control::RelayedStep(RelayedStep { session, passed_on: true, step })
}

fn to_relay(session: SessionId, step: LinkSession) -> Control {
    Control::RelayedStep(RelayedStep { session, passed_on: false, step })
}

/// Connects as a session that waits to be linked.
fn meet_waiting(node: &mut Victim, person: &Person) -> ConnId {
    let conn = node.connect(person.session_id());
    node.say(conn, Control::Hello(Hello { features: Some(features::WAITS), ..person.hello() }));
    conn
}

/// A first step with a share that is a point.
fn ask() -> LinkSession {
    let share = Some(Fixed(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.to_bytes()));
    LinkSession { share, ..LinkSession::empty(link_step::BY_CODE) }
}

#[test]
fn a_session_is_linked_over_a_server_that_both_are_connected_with() {
    let bob = Person::new(2, "bob");
    let mut alice = Victim::new(Accept::Auto);
    alice.command(Command::Add { user: bob.user_id().to_string() });
    let mut setup = Setup::with(alice);
    let command = link(&setup.code());
    setup.link(command);
    setup.run();
    assert!(setup.is_linked());
    let [holder, server, newcomer] = &setup.nodes;
    let ops = &adopted(newcomer).expect("it has a user").ops;
    assert!(ops.iter().any(|op| matches!(op, Op::Link(row) if row.user == bob.user_id())));
    let knows_holder = |op: &Op| matches!(op, Op::Session(row) if row.session == holder.session && row.card.is_some());
    assert!(ops.iter().any(knows_holder));
    let no_place = |op: &Op| !matches!(op, Op::Session(row) if !row.addresses.is_empty());
    assert!(ops.iter().all(no_place), "the place of the server is not that of the holder");
    assert!(!server.notices().any(|notice| format!("{notice:?}").contains("Session")));
}

#[test]
fn a_session_is_linked_over_a_server_by_its_token() {
    let mut setup = Setup::new();
    let token = codes(&setup.nodes[NEWCOMER]).pop().expect("a token is shown").1;
    setup.link(Command::Link { invitation: Invitation::Token(token.parse().expect("a token")) });
    setup.run();
    assert!(setup.is_linked());
}

#[test]
fn two_who_are_connected_do_not_ask_the_server() {
    let mut setup = Setup::new();
    setup.connect(HOLDER, NEWCOMER, EXPORTER);
    let command = link(&setup.code());
    setup.link(command);
    setup.run();
    assert!(setup.is_linked());
    assert!(relayed(&setup.nodes[HOLDER], setup.conn(HOLDER)).is_empty());
}

#[test]
fn a_wrong_code_over_a_server_burns_the_code() {
    let mut setup = Setup::new();
    let shown = setup.code();
    setup.link(link("zoo zoo zoo"));
    setup.run();
    setup.pass(LINK_SEARCH);
    assert_eq!(errors(&setup.nodes[HOLDER]), [ErrorCode::CodeWrong]);
    let next = setup.code();
    assert_ne!(next, shown);
    setup.run();
    setup.link(link(&next));
    setup.run();
    assert!(setup.is_linked());
}

#[test]
fn a_third_node_that_guesses_over_the_server_burns_the_code() {
    let mut setup = Setup::new();
    let shown = setup.code();
    let (mallory, newcomer) = (Person::new(9, "mallory"), setup.nodes[NEWCOMER].session);
    let conn = setup.nodes[SERVER].meet(&mallory);
    let (exchange, share) = exchange("zoo zoo zoo", mallory.session_id(), newcomer);
    let ask = LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(link_step::BY_CODE) };
    setup.nodes[SERVER].say(conn, to_relay(newcomer, ask));
    setup.run();
    let answer = relayed(&setup.nodes[SERVER], conn).pop().expect("it is answered");
    let keys = exchange.finish(&answer.step.share.expect("a share").0).expect("a point");
    let proof = Some(Fixed(keys.confirmation()));
    let confirm = LinkSession { confirmation: proof, ..LinkSession::empty(link_step::CONFIRM) };
    setup.nodes[SERVER].say(conn, to_relay(newcomer, confirm));
    setup.run();
    let refused = relayed(&setup.nodes[SERVER], conn).pop().expect("it is refused");
    assert_eq!((refused.session, refused.step.reason), (newcomer, Some(refusal::WRONG)));
    assert_ne!(setup.code(), shown);
    setup.link(link(&shown));
    setup.run();
    assert!(!setup.is_linked());
}

/// An exchange through a relay, on the side of the holder.
fn exchange(code: &str, holder: SessionId, newcomer: SessionId) -> (Exchange, [u8; 32]) {
    let binding = Binding { network: NetworkId::OPEN, channel: Channel::Relayed, holder, newcomer };
    let password = Invitation::Code(code.parse().expect("three words")).password();
    Exchange::start(&password, Side::Holder, &binding, &mut ChaCha20Rng::from_seed([3; 32]))
}

/// What a server does to a step.
type Change = fn(&mut LinkSession);

#[test]
fn a_server_that_changes_a_step_links_nobody() {
    let changes: [(u8, Change); 5] = [
        (link_step::BY_CODE, |step| step.share = ask().share),
        (link_step::ANSWER, |step| step.share = ask().share),
        (link_step::CONFIRM, |step| step.confirmation = Some(Fixed([1; 32]))),
        (link_step::ACCEPT, |step| step.confirmation = Some(Fixed([1; 32]))),
        (link_step::ACCEPT, |step| step.sealed = Some(Bytes(vec![1; 64]))),
    ];
    for (which, change) in changes {
        let mut setup = Setup::new();
        let command = link(&setup.code());
        setup.link(command);
        setup.run_with(|_, message| match message {
            Control::RelayedStep(mut relayed) if relayed.step.step == which => {
                change(&mut relayed.step);
                Control::RelayedStep(relayed)
            }
            message => message,
        });
        assert!(!setup.is_linked(), "step {which}");
        setup.pass(LINK_STEP + LINK_SEARCH);
        assert_eq!(errors(&setup.nodes[HOLDER]).len(), 1, "step {which}");
    }
}

#[test]
fn a_server_that_changes_the_welcome_leaves_the_new_session_waiting() {
    let mut setup = Setup::new();
    let command = link(&setup.code());
    setup.link(command);
    setup.run_with(|_, message| match message {
        Control::RelayedStep(mut relayed) if relayed.step.step == link_step::WELCOME => {
            relayed.step.sealed = Some(Bytes(vec![1; 64]));
            Control::RelayedStep(relayed)
        }
        message => message,
    });
    assert!(adopted(&setup.nodes[NEWCOMER]).is_none());
    assert_eq!(codes(&setup.nodes[NEWCOMER]).len(), 2, "another code is shown");
}

#[test]
fn a_server_that_names_other_sessions_than_those_of_the_two_links_nobody() {
    let mallory = Person::new(9, "mallory").session_id();
    let mut setup = Setup::new();
    let (holder, command) = (setup.nodes[HOLDER].session, link(&setup.code()));
    setup.link(command);
    setup.run_with(|to, message| match message {
        Control::RelayedStep(relayed) if to == NEWCOMER => {
            Control::RelayedStep(RelayedStep { session: mallory, ..relayed })
        }
        message => message,
    });
    // What the new session answers is for mallory, whom the server does not know. It plays that part too.
    let at_newcomer = setup.conn(NEWCOMER);
    let answer = relayed(&setup.nodes[NEWCOMER], at_newcomer).pop().expect("it answers").step;
    let (newcomer, at_holder) = (setup.nodes[NEWCOMER].session, setup.conn(HOLDER));
    setup.nodes[HOLDER].say(at_holder, passed_on(newcomer, answer));
    let confirm = relayed(&setup.nodes[HOLDER], at_holder).pop().expect("it proves").step;
    assert_eq!(confirm.step, link_step::CONFIRM);
    setup.nodes[NEWCOMER].say(at_newcomer, passed_on(holder, confirm.clone()));
    setup.nodes[NEWCOMER].say(at_newcomer, passed_on(mallory, confirm));
    assert!(!setup.is_linked());
    assert_eq!(codes(&setup.nodes[NEWCOMER]).len(), 2, "the code is burnt");
}

#[test]
fn steps_that_a_server_has_recorded_link_no_other_session() {
    let mut setup = Setup::new();
    let command = link(&setup.code());
    setup.link(command);
    setup.run();
    let recorded = relayed(&setup.nodes[HOLDER], setup.conn(HOLDER));
    assert_eq!(recorded.len(), 3);
    let holder = setup.nodes[HOLDER].session;
    // The same session with the same code draws another share.
    let mut pi = Victim::waiting();
    pi.pass(Duration::from_millis(1));
    let other = Person::new(4, "x");
    let (warm_up, conn) = (pi.meet(&other), pi.meet_relay(&Person::new(9, "mallory")));
    pi.say(warm_up, Control::LinkSession(ask()));
    recorded.into_iter().for_each(|relayed| pi.say(conn, passed_on(holder, relayed.step)));
    assert!(adopted(&pi).is_none());
    assert_eq!(pi.drops("wrong code guessed"), 1);
}

#[test]
fn a_server_that_does_not_know_the_code_cannot_adopt_a_session_in_the_name_of_another() {
    let mut pi = waiting();
    let (mallory, alice) = (Person::new(9, "mallory"), sister(7));
    let conn = pi.meet_relay(&mallory);
    let (exchange, share) = exchange("zoo zoo zoo", alice.session_id(), pi.session);
    let say = |pi: &mut Victim, step| pi.say(conn, passed_on(alice.session_id(), step));
    say(&mut pi, LinkSession { share: Some(Fixed(share)), ..LinkSession::empty(link_step::BY_CODE) });
    let answer = relayed(&pi, conn).pop().and_then(|relayed| relayed.step.share).expect("a share");
    let keys = exchange.finish(&answer.0).expect("a point");
    let roster = alice.roster_of(9, &[alice.session_id(), pi.session], &[]);
    let (declaration, card) = (alice.declaration(1, true, &[]), alice.card(1));
    let welcome = welcome(&keys, &Welcome { roster, declaration, card, links: List(vec![]) });
    say(
        &mut pi,
        LinkSession { confirmation: Some(Fixed(keys.confirmation())), ..LinkSession::empty(link_step::CONFIRM) },
    );
    say(&mut pi, welcome);
    assert!(adopted(&pi).is_none());
}

fn welcome(keys: &Keys, welcome: &Welcome) -> LinkSession {
    LinkSession { sealed: Some(Bytes(keys.seal(&encode(welcome)))), ..LinkSession::empty(link_step::WELCOME) }
}

#[test]
fn a_server_that_is_asked_in_vain_is_not_asked_again_and_costs_no_guess() {
    let mut alice = Victim::new(Accept::Auto);
    let conns: Vec<ConnId> = (20..50).map(|n| alice.meet_relay(&Person::new(n, "relay"))).collect();
    let token = format!("darklink:{}.{}@192.0.2.1:9", Person::new(5, WAITING_NAME).session_id(), "a".repeat(26));
    alice.command(Command::Link { invitation: Invitation::Token(token.parse().expect("a token")) });
    alice.pass(LINK_DIRECT);
    for _ in 0..40 {
        for conn in &conns {
            let absent = LinkSession { reason: Some(refusal::ABSENT), ..LinkSession::empty(link_step::REFUSE) };
            alice.say(*conn, passed_on(Person::new(5, WAITING_NAME).session_id(), absent));
        }
    }
    let asked: Vec<usize> = conns.iter().map(|conn| steps(&alice, *conn).len()).collect();
    assert_eq!((asked.iter().sum::<usize>(), asked.iter().max()), (MAX_LINK_RELAYS, Some(&1)));
    alice.pass(LINK_SEARCH);
    assert_eq!(errors(&alice), [ErrorCode::Unreachable]);
}

#[test]
fn one_command_proves_to_a_few_sessions_behind_servers_only() {
    let mut alice = Victim::new(Accept::Auto);
    let server = alice.meet_relay(&Person::new(9, "mallory"));
    let waiting: Vec<Person> = (100..120).map(|n| Person::new(n, WAITING_NAME)).collect();
    for person in &waiting {
        let conn = alice.meet(person);
        alice.part(conn);
    }
    alice.command(link("zoo zoo zoo"));
    alice.pass(LINK_DIRECT);
    for _ in 0..20 {
        for person in &waiting {
            let answer = LinkSession { step: link_step::ANSWER, ..ask() };
            alice.say(server, passed_on(person.session_id(), answer));
            let wrong = LinkSession { reason: Some(refusal::WRONG), ..LinkSession::empty(link_step::REFUSE) };
            alice.say(server, passed_on(person.session_id(), wrong));
        }
    }
    let proofs = steps(&alice, server).into_iter().filter(|step| *step == link_step::CONFIRM);
    assert!(proofs.count() <= MAX_LINK_CANDIDATES);
}

#[test]
fn a_flood_of_steps_passes_a_few_and_the_others_are_counted() {
    let mut server = Victim::server();
    let newcomer = Person::new(5, WAITING_NAME);
    let conn = meet_waiting(&mut server, &newcomer);
    let mallory = server.meet(&Person::new(9, "mallory"));
    for _ in 0..100 {
        server.say(mallory, to_relay(newcomer.session_id(), ask()));
        for step in [link_step::CONFIRM, link_step::WELCOME, link_step::ANSWER, link_step::REFUSE, 9] {
            server.say(mallory, to_relay(newcomer.session_id(), LinkSession::empty(step)));
        }
    }
    assert_eq!(steps(&server, conn).len(), MAX_LINK_EXCHANGES, "{:?}", steps(&server, conn));
    assert!(server.drops("exchange for linking over the budget of its address") >= 90);
    assert!(server.drops("step of linking that was not asked for") >= 400);
}

#[test]
fn one_neighbour_has_a_few_exchanges_at_once() {
    let mut server = Victim::server();
    let mallory = server.meet(&Person::new(9, "mallory"));
    for number in 100..108 {
        let newcomer = Person::new(number, WAITING_NAME);
        meet_waiting(&mut server, &newcomer);
        server.say(mallory, to_relay(newcomer.session_id(), ask()));
    }
    let refused = relayed(&server, mallory);
    assert_eq!(refused.len(), 8 - MAX_RELAYED_EXCHANGES_OF_ONE);
    assert!(refused.iter().all(|relayed| relayed.step.reason == Some(refusal::BUSY)));
}

#[test]
fn nothing_is_passed_on_to_who_does_not_wait_nor_by_who_is_no_relay() {
    let bob = Person::new(6, "bob");
    for mut node in [Victim::server(), Victim::new(Accept::Auto)] {
        let (at_bob, newcomer) = (node.meet(&bob), Person::new(5, WAITING_NAME));
        let at_newcomer = meet_waiting(&mut node, &newcomer);
        let mallory = node.meet(&Person::new(9, "mallory"));
        let is_server = node.session != Victim::new(Accept::Auto).session;
        for session in [bob.session_id(), newcomer.session_id(), Person::new(7, "x").session_id()] {
            node.say(mallory, to_relay(session, ask()));
        }
        assert!(steps(&node, at_bob).is_empty());
        assert_eq!(steps(&node, at_newcomer).len(), usize::from(is_server));
        assert_eq!(steps(&node, mallory).len(), 3 - usize::from(is_server));
    }
}
