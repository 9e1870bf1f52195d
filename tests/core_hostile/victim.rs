//! A core under attack, with a disk that commits at once, and a record of its outputs.

// A counting allocator needs unsafe code.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use darknode::id::{BootId, ConnId, DialId, EnvelopeId, NetworkId, SessionId, UserId};
use darknode::identity::{Checked, Name, Scheme, SecretKey};
use darknode::proto::event::{CloseReason, Command, Connected, Input, Output, Request};
use darknode::proto::notice::{Delivery, Filter, Notice, UserView};
use darknode::proto::persist::{CustodyRow, Memory, Op, UserRow};
use darknode::proto::{Accept, Config, Core};
use darknode::time::{Moment, Now, Wall};
use darknode::wire::chat::Chat;
use darknode::wire::control::{Control, Hello};
use darknode::wire::link::WAITING_NAME;
use darknode::wire::record::{Declaration, KeyCard, Prekey, Signed, roles};
use darknode::wire::{List, decode};

use crate::adversary::Person;

/// The user key of a session.
#[derive(Clone, Copy, PartialEq)]
enum UserKey {
    New,
    Old,
    Absent,
}

pub struct Victim {
    pub core: Core,
    pub user: UserId,
    pub session: SessionId,
    /// All outputs so far, except stores.
    pub out: Vec<Output>,
    pub ops: Vec<Op>,
    /// Switched off where recording outputs would distort a measurement of memory.
    pub keeps: bool,
    now: Now,
    conns: u64,
}

impl Victim {
    pub fn new(accept: Accept) -> Victim {
        Victim::with_roles(accept, 0)
    }

    pub fn with_roles(accept: Accept, roles: u32) -> Victim {
        Victim::start(accept, roles, 0xa2, Memory::default(), UserKey::New)
    }

    /// Another session of the same user, which also holds the user key.
    pub fn twin(session: u8) -> Victim {
        Victim::start(Accept::Auto, 0, session, Memory::default(), UserKey::New)
    }

    /// A session of a user who was restored from recovery words: it holds the user key and remembers nothing.
    pub fn restored() -> Victim {
        Victim::start(Accept::Auto, 0, 0xa4, Memory::default(), UserKey::Old)
    }

    /// A session that does not hold the user key, with the roster that lists it.
    pub fn without_user_key(roster: Signed) -> Victim {
        let user = UserId(SecretKey::from_seed(Scheme::Ed25519, &[0xa1; 32]).public());
        let users = vec![UserRow { user, roster: Some(roster), pinned: None, verified: false }];
        Victim::start(Accept::Auto, 0, 0xa2, Memory { users, ..Memory::default() }, UserKey::Absent)
    }

    /// A victim that starts from this memory.
    pub fn remembering(memory: Memory) -> Victim {
        Victim::start(Accept::Auto, 0, 0xa2, memory, UserKey::New)
    }

    /// A session that waits to be linked.
    pub fn waiting() -> Victim {
        Victim::run(Victim::another(0xb1, WAITING_NAME, "pi", 2), Memory::default())
    }

    /// A server of another user.
    pub fn server() -> Victim {
        let config = Victim::another(0xc1, "server", "server", 3);
        Victim::run(Config { roles: roles::SERVER, ..config }, Memory::default())
    }

    /// The only session of another user, whose keys are made of this byte and the next.
    fn another(key: u8, name: &str, label: &str, boot: u8) -> Config {
        let [user_key, session_key] = [key, key + 1].map(|byte| SecretKey::from_seed(Scheme::Ed25519, &[byte; 32]));
        Config {
            name: Name::parse(name).unwrap(),
            user: UserId(user_key.public()),
            user_key: Some(user_key),
            session_key,
            label: label.to_owned(),
            network: NetworkId::OPEN,
            roles: 0,
            waits: name == WAITING_NAME,
            accept: Accept::Auto,
            agent: "darknode test".to_owned(),
            is_new_user: true,
            boot_nonce: [boot; 16],
            seed: [boot + 7; 32],
        }
    }

    fn start(accept: Accept, roles: u32, session: u8, memory: Memory, holds: UserKey) -> Victim {
        let key = |byte| SecretKey::from_seed(Scheme::Ed25519, &[byte; 32]);
        let session_key = key(session);
        let config = Config {
            name: Name::parse("alice").unwrap(),
            user_key: (holds != UserKey::Absent).then(|| key(0xa1)),
            user: UserId(key(0xa1).public()),
            session_key,
            label: "laptop".to_owned(),
            network: NetworkId::OPEN,
            roles,
            waits: false,
            accept,
            agent: "darknode test".to_owned(),
            is_new_user: holds == UserKey::New,
            boot_nonce: [1; 16],
            seed: [8; 32],
        };
        Victim::run(config, memory)
    }

    fn run(config: Config, memory: Memory) -> Victim {
        let (user, session) = (config.user, SessionId(config.session_key.public()));
        let now = Now { moment: Moment(1_000), wall: Wall(1_800_000_000_000) };
        let core = Core::new(config, memory, now);
        let (out, ops) = (Vec::new(), Vec::new());
        let mut victim = Victim { core, user, session, out, ops, keeps: true, now, conns: 0 };
        victim.drain();
        victim
    }

    pub fn feed(&mut self, input: Input) {
        self.core.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            let mut through = None;
            while let Some(output) = self.core.poll_output() {
                match output {
                    Output::Store { ticket, op } => {
                        through = Some(ticket);
                        self.keeps.then(|| self.ops.push(op));
                    }
                    output if self.keeps => self.out.push(output),
                    _ => {}
                }
            }
            match through {
                Some(through) => self.core.handle(self.now, Input::Stored { through }),
                None => return,
            }
        }
    }

    /// Closes a connection from the peer's side.
    pub fn part(&mut self, conn: ConnId) {
        self.feed(Input::Closed { conn, reason: None });
    }

    pub fn pass(&mut self, span: Duration) {
        self.now.moment = self.now.moment + span;
        self.feed(Input::Timeout);
    }

    pub fn command(&mut self, command: Command) {
        self.feed(Input::Request(Request { line: Some(1), command }));
    }

    /// Opens a proved connection of this session, without a hello.
    pub fn connect(&mut self, session: SessionId) -> ConnId {
        self.connect_from(session, ([192, 0, 2, 1], 1000).into(), BootId(99))
    }

    /// The same from this address, with this boot id.
    pub fn connect_from(&mut self, session: SessionId, addr: SocketAddr, boot: BootId) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let rtt = Duration::from_millis(1);
        self.feed(Input::Connected(Connected { conn, session, boot, addr, exporter: [0; 32], dial: None, rtt }));
        conn
    }

    /// Opens a proved connection of this session, of which both ends export these bytes, without a hello.
    pub fn connect_exporting(&mut self, session: SessionId, boot: BootId, exporter: [u8; 32]) -> ConnId {
        self.conns += 1;
        let (conn, addr, rtt) = (ConnId(self.conns), ([192, 0, 2, 1], 1000).into(), Duration::from_millis(1));
        self.feed(Input::Connected(Connected { conn, session, boot, addr, exporter, dial: None, rtt }));
        conn
    }

    /// Connects from this address and sends a valid hello.
    pub fn meet_from(&mut self, person: &Person, addr: SocketAddr) -> ConnId {
        let conn = self.connect_from(person.session_id(), addr, BootId(99));
        self.say(conn, Control::Hello(person.hello()));
        conn
    }

    /// Connects from this address, with a hello that names the boot id of the connection.
    pub fn meet_on_link(&mut self, person: &Person, addr: SocketAddr) -> ConnId {
        let conn = self.connect_from(person.session_id(), addr, person.boot());
        self.say(conn, Control::Hello(Hello { declaration: person.declaration_at_boot(1), ..person.hello() }));
        conn
    }

    /// Connects and sends a valid hello.
    pub fn meet(&mut self, person: &Person) -> ConnId {
        let conn = self.connect(person.session_id());
        self.say(conn, Control::Hello(person.hello()));
        conn
    }

    /// Answers a dial as this person.
    pub fn answer(&mut self, person: &Person, dial: DialId, addr: SocketAddr) {
        self.conns += 1;
        let (conn, session, boot) = (ConnId(self.conns), person.session_id(), person.boot());
        let rtt = Duration::from_millis(1);
        self.feed(Input::Connected(Connected { conn, session, boot, addr, exporter: [0; 32], dial: Some(dial), rtt }));
        self.say(conn, Control::Hello(Hello { declaration: person.declaration_at_boot(1), ..person.hello() }));
    }

    /// Connects with the declared role of a relay.
    pub fn meet_relay(&mut self, person: &Person) -> ConnId {
        self.meet_relay_from(person, ([192, 0, 2, 1], 1000).into())
    }

    /// The same from this address.
    pub fn meet_relay_from(&mut self, person: &Person, addr: SocketAddr) -> ConnId {
        let conn = self.connect_from(person.session_id(), addr, BootId(99));
        let (user, session) = (person.user_id(), person.session_id());
        let (addrs, roles) = (List(vec![]), roles::RELAY);
        let declaration = Declaration { user, session, seq: 1, online: true, addrs, roles, boot_nonce: None };
        let declaration = person.by_session(declaration);
        self.say(conn, Control::Hello(Hello { declaration, ..person.hello() }));
        conn
    }

    /// Connects and links with a person.
    pub fn befriend(&mut self, person: &Person) -> ConnId {
        let conn = self.meet(person);
        self.command(Command::Add { user: person.user_id().to_string() });
        let prekey = self.prekey();
        self.hand(conn, person.parcel(self.user, &prekey, vec![crate::adversary::linked(1)]));
        conn
    }

    pub fn say(&mut self, conn: ConnId, message: Control) {
        self.feed(Input::Control { conn, batch: vec![message] });
    }

    pub fn hand(&mut self, conn: ConnId, item: Chat) {
        self.feed(Input::Chat { conn, items: vec![item] });
    }

    /// The last hello sent.
    pub fn hello(&self) -> Hello {
        let hello = |output: &Output| match output {
            Output::Control { message: Control::Hello(hello), .. } => Some(hello.clone()),
            _ => None,
        };
        self.out.iter().rev().find_map(hello).expect("a hello was said")
    }

    /// A declaration that the victim has signed in an earlier life, with this sequence number.
    pub fn declared_before(&self, seq: u64) -> Signed {
        let (user, session) = (self.user, self.session);
        let declaration =
            Declaration { user, session, seq, online: true, addrs: List(vec![]), roles: 0, boot_nonce: None };
        let key = SecretKey::from_seed(Scheme::Ed25519, &[0xa2; 32]);
        Checked::sign(declaration, &key, &NetworkId::OPEN).signed().clone()
    }

    /// The victim's current prekey.
    pub fn prekey(&self) -> Prekey {
        let card = self.hello().card.expect("a hello brings a key card");
        decode::<KeyCard>(&card.0).unwrap().prekeys[0].clone()
    }

    /// The sequence number of the last declaration.
    pub fn seq(&self) -> u64 {
        let declaration = |output: &Output| match output {
            Output::Control { message: Control::DeclareOnline(declare), .. } => Some(declare.declaration.clone()),
            Output::Control { message: Control::Hello(hello), .. } => Some(hello.declaration.clone()),
            _ => None,
        };
        let signed = self.out.iter().rev().find_map(declaration).expect("something was declared");
        decode::<Declaration>(&signed.0).unwrap().seq
    }

    pub fn drops(&self, reason: &str) -> u64 {
        self.core.drops().get(reason).copied().unwrap_or(0)
    }

    pub fn closed(&self, conn: ConnId) -> Option<CloseReason> {
        self.out.iter().find_map(|output| match output {
            Output::Close { conn: closed, reason } if *closed == conn => Some(*reason),
            _ => None,
        })
    }

    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.out.iter().filter_map(|output| match output {
            Output::Notice { notice, .. } => Some(notice),
            _ => None,
        })
    }

    /// Texts shown, with their senders.
    pub fn shown(&self) -> Vec<(UserId, String)> {
        let message = |notice: &Notice| match notice {
            Notice::Message(view) => Some((view.from_id, view.text.clone())),
            _ => None,
        };
        self.notices().filter_map(message).collect()
    }

    pub fn delivered(&self) -> usize {
        self.notices().filter(|notice| matches!(notice, Notice::State { state: Delivery::Delivered, .. })).count()
    }

    /// Chat items sent on a connection.
    pub fn items(&self, to: ConnId) -> Vec<&Chat> {
        let item = |output| match output {
            &Output::Chat { conn, ref item } if conn == to => Some(item),
            _ => None,
        };
        self.out.iter().filter_map(item).collect()
    }

    /// Control messages sent on a connection.
    pub fn said(&self, to: ConnId) -> Vec<&Control> {
        let message = |output| match output {
            &Output::Control { conn, ref message } if conn == to => Some(message),
            _ => None,
        };
        self.out.iter().filter_map(message).collect()
    }

    /// Envelopes on its disk.
    pub fn held(&self) -> BTreeMap<EnvelopeId, CustodyRow> {
        let mut held = BTreeMap::new();
        for op in &self.ops {
            match op {
                Op::Custody(row) => drop(held.insert(row.envelope, (**row).clone())),
                Op::ForgetCustody(id) => drop(held.remove(id)),
                _ => {}
            }
        }
        held
    }

    /// Custody answers sent on a connection, in order.
    pub fn states(&self, to: ConnId) -> Vec<u8> {
        let state = |item: &Chat| if let Chat::Custody(said) = item { Some(said.state) } else { None };
        self.items(to).into_iter().filter_map(state).collect()
    }

    /// Addresses dialled.
    pub fn dialled(&self) -> Vec<SocketAddr> {
        let addr = |output: &Output| match output {
            Output::Dial { addr, .. } => Some(*addr),
            _ => None,
        };
        self.out.iter().filter_map(addr).collect()
    }

    pub fn parcels(&self, to: ConnId) -> Vec<&Chat> {
        self.items(to).into_iter().filter(|item| matches!(item, Chat::Parcel(_))).collect()
    }

    /// What `\users` shows of others.
    pub fn users(&mut self) -> Vec<UserView> {
        self.command(Command::Users { filter: Filter::All });
        let users = |notice: &Notice| match notice {
            Notice::Users { users, .. } => Some(users.clone()),
            _ => None,
        };
        let all: Vec<_> = self.notices().filter_map(users).collect();
        let me = self.user;
        all.into_iter().last().expect("users are told").into_iter().filter(|user| user.id != me).collect()
    }
}

/// The system's allocator, with a count of the memory in use by this thread.
struct Counting;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

/// Bytes in use by this thread, relative to an arbitrary zero.
pub fn memory() -> isize {
    IN_USE.get()
}

fn count(change: isize) {
    IN_USE.with(|cell| cell.set(cell.get() + change));
}

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
