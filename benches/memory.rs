//! What a server remembers: a hundred thousand sessions of as many users, each with ten links. Prints how long a core takes
//! to start with them and how much memory each costs (from `/proc/self/statm`, so on Linux only).
//!
//! `cargo bench --no-default-features --bench memory`

#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock of its own")]

use std::time::Instant;

use darknode::id::{BootId, NetworkId, SessionId, UserId};
use darknode::identity::record::{Checked, Record};
use darknode::identity::{Name, Scheme, SecretKey};
use darknode::proto::memory::{AddressRow, ListRow, Memory, Provenance, SessionRow, UserRow};
use darknode::proto::{Accept, Config, Core};
use darknode::time::{Moment, Now, Wall};
use darknode::wire::addr::Addr;
use darknode::wire::record::{
    Declaration, KeyCard, LinkEntry, LinkList, Prekey, Roster, RosterSession, Signed, link_state, roles,
};
use darknode::wire::{Fixed, List, Text};

const SESSIONS: u64 = 100_000;
const LINKS: u64 = 10;

fn main() {
    let memory = Memory {
        users: (0..SESSIONS).map(user).collect(),
        sessions: (0..SESSIONS).map(session).collect(),
        lists: (0..SESSIONS).map(list).collect(),
        ..Memory::default()
    };
    let rows = resident();
    let begin = Instant::now();
    let core = Core::new(config(), memory, Now { moment: Moment(SESSIONS), wall: Wall(1_800_000_000_000) });
    let took = begin.elapsed();
    let each = |bytes: u64| bytes / SESSIONS;
    println!("a core starts with {SESSIONS} sessions in {took:.1?}");
    println!("{} bytes each, rows and core together at their peak; rows alone {}", each(resident()), each(rows));
    drop(core);
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells a process its size");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4096
}

fn config() -> Config {
    let user_key = key(SESSIONS, 1);
    Config {
        name: Name::parse("server").expect("a good name"),
        user: UserId(user_key.public()),
        user_key: Some(user_key),
        session_key: key(SESSIONS, 2),
        label: "server".to_owned(),
        network: NetworkId::OPEN,
        roles: roles::SERVER | roles::RELAY,
        accept: Accept::Auto,
        port: 27272,
        agent: "bench".to_owned(),
        boot: BootId(1),
        seed: [1; 32],
    }
}

fn key(n: u64, role: u8) -> SecretKey {
    let mut seed = [role; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(Scheme::Cheap, &seed)
}

fn signed<T: Record>(record: T, key: &SecretKey) -> Signed {
    Checked::sign(record, key, &NetworkId::OPEN).signed().clone()
}

fn ids(n: u64) -> (UserId, SessionId) {
    (UserId(key(n, 1).public()), SessionId(key(n, 2).public()))
}

fn user(n: u64) -> UserRow {
    let (user, id) = ids(n);
    let sessions = List(vec![RosterSession { id, label: Text("laptop".to_owned()) }]);
    let roster = Roster { user, name: Text(format!("user{n}")), version: 1, sessions, revoked: List(Vec::new()) };
    UserRow { user, roster: Some(signed(roster, &key(n, 1))), pinned: None, verified: false }
}

fn session(n: u64) -> SessionRow {
    let (user, session) = ids(n);
    let addr = ([10, (n >> 16) as u8, (n >> 8) as u8, n as u8], 27272).into();
    let declaration =
        Declaration { user, session, seq: n + 1, online: true, addrs: List(vec![Addr(addr); 2]), roles: 0 };
    let prekeys = List(vec![Prekey { id: Fixed([1; 8]), key: Fixed([2; 32]) }]);
    let card = KeyCard { user, session, seq: n + 1, prekeys };
    SessionRow {
        session,
        user,
        declaration: Some(signed(declaration, &key(n, 2))),
        card: Some(signed(card, &key(n, 2))),
        card_heard: Moment(n),
        heard: Moment(n),
        addresses: vec![AddressRow { addr, provenance: Provenance::Observed, at: Moment(n) }],
    }
}

fn list(n: u64) -> ListRow {
    let (user, session) = ids(n);
    let entry = |step| LinkEntry { user: ids((n + step) % SESSIONS).0, state: link_state::LINKED, lamport: 1 };
    let entries = List((1..=LINKS).map(entry).collect());
    let list = LinkList { user, session, version: 1, page: 0, pages: 1, entries };
    ListRow { session, pages: vec![signed(list, &key(n, 2))] }
}
