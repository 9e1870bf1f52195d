//! The memory use of a server: a hundred thousand sessions of as many users, first without and then with a list of
//! ten links each. Prints the CPU time a core needs to start with them, and the memory per session (from
//! `/proc/self/schedstat` and `statm`, so Linux only).
//!
//! `cargo bench --no-default-features --bench memory`

use std::process::Command;
use std::time::Duration;

use darknode::id::{NetworkId, SessionId, UserId};
use darknode::identity::record::{Checked, Record};
use darknode::identity::{Name, Scheme, SecretKey};
use darknode::proto::persist::{AddressRow, ListRow, Memory, Provenance, SessionRow, UserRow};
use darknode::proto::{Accept, Config, Core};
use darknode::time::{Moment, Now, Wall};
use darknode::wire::addr::Addr;
use darknode::wire::record::{
    Declaration, KeyCard, LinkEntry, LinkList, Prekey, Roster, RosterSession, Signed, link_state, roles,
};
use darknode::wire::{Fixed, List, Text};

const SESSIONS: usize = 100_000;
const LINKS: usize = 10;
/// Set to the number of links in the processes that measure.
const INNER: &str = "DARKNODE_BENCH_LINKS";

fn main() {
    // Each measurement runs in a process of its own, as memory used before would distort it.
    match std::env::var(INNER).map(|links| links.parse()) {
        Ok(links) => measure(links.expect("a number")),
        Err(_) => [0, LINKS].into_iter().for_each(run),
    }
}

fn run(links: usize) {
    let me = std::env::current_exe().expect("this program");
    let status = Command::new(me).env(INNER, links.to_string()).status().expect("it is started again");
    assert!(status.success());
}

/// A user with one session.
struct Person {
    user_key: SecretKey,
    key: SecretKey,
    user: UserId,
    session: SessionId,
}

fn measure(links: usize) {
    let people: Vec<Person> = (0..SESSIONS).map(Person::new).collect();
    let before = resident();
    let lists = (0..SESSIONS).filter(|_| links > 0).map(|n| list(&people, n, links));
    let memory = Memory {
        users: people.iter().enumerate().map(|(n, person)| user(person, n)).collect(),
        sessions: people.iter().enumerate().map(|(n, person)| session(person, n)).collect(),
        lists: lists.collect(),
        ..Memory::default()
    };
    let rows = resident() - before;
    let begin = processor_time();
    let core = Core::new(config(), memory, Now { moment: Moment(SESSIONS as u64), wall: Wall(1_800_000_000_000) });
    let took = processor_time() - begin;
    let each = |bytes: usize| bytes / SESSIONS;
    println!("with {links} links each, a core starts with {SESSIONS} sessions in {took:.1?}");
    println!("{} bytes each; the rows it started from {}", each(resident() - before), each(rows));
    drop(core);
}

fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells a process its time");
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("the first number"))
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells a process its size");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4096
}

fn config() -> Config {
    let Person { user_key, key, user, .. } = Person::new(SESSIONS);
    Config {
        name: Name::parse("server").expect("a good name"),
        user,
        user_key: Some(user_key),
        session_key: key,
        label: "server".to_owned(),
        network: NetworkId::OPEN,
        roles: roles::SERVER | roles::RELAY,
        waits: false,
        accept: Accept::Auto,
        agent: "bench".to_owned(),
        is_new_user: true,
        boot_nonce: [1; 16],
        seed: [1; 32],
    }
}

impl Person {
    fn new(n: usize) -> Person {
        let [user_key, key] = [1, 2].map(|role| {
            let mut seed = [role; 32];
            seed[..8].copy_from_slice(&n.to_be_bytes());
            SecretKey::from_seed(Scheme::Cheap, &seed)
        });
        Person { user: UserId(user_key.public()), session: SessionId(key.public()), user_key, key }
    }
}

fn signed<T: Record>(record: T, key: &SecretKey) -> Signed {
    Checked::sign(record, key, &NetworkId::OPEN).signed().clone()
}

fn user(person: &Person, n: usize) -> UserRow {
    let Person { user, session: id, .. } = *person;
    let sessions = List(vec![RosterSession { id, label: Text("laptop".to_owned()) }]);
    let roster = Roster { user, name: Text(format!("user{n}")), version: 1, sessions, revoked: List(Vec::new()) };
    UserRow { user, roster: Some(signed(roster, &person.user_key)), pinned: None, verified: false }
}

fn session(person: &Person, n: usize) -> SessionRow {
    let Person { user, session, ref key, .. } = *person;
    let (seq, heard) = (n as u64 + 1, Moment(n as u64));
    let addr = ([10, (n >> 16) as u8, (n >> 8) as u8, n as u8], 27272).into();
    let declaration =
        Declaration { user, session, seq, online: true, addrs: List(vec![Addr(addr); 2]), roles: 0, boot_nonce: None };
    let prekeys = List(vec![Prekey { id: Fixed([1; 8]), key: Fixed([2; 32]) }]);
    let card = KeyCard { user, session, seq, prekeys };
    SessionRow {
        session,
        user,
        declaration: Some(signed(declaration, key)),
        card: Some(signed(card, key)),
        card_until: heard,
        heard,
        addresses: vec![AddressRow { addr, provenance: Provenance::Observed, at: heard }],
    }
}

fn list(people: &[Person], n: usize, links: usize) -> ListRow {
    let Person { user, session, ref key, .. } = people[n];
    let entry =
        |step: usize| LinkEntry { user: people[(n + step) % SESSIONS].user, state: link_state::LINKED, lamport: 1 };
    let entries = List((1..=links).map(entry).collect());
    let list = LinkList { user, session, version: 1, page: 0, pages: 1, entries };
    ListRow { session, pages: vec![signed(list, key)] }
}
