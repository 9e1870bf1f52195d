//! Who has a name that two users claim, on a session that learns from another one of its user whom the user knows.

use darknode::id::{ConnId, UserId};
use darknode::proto::Accept;
use darknode::proto::event::Command;
use darknode::proto::notice::{Notice, WarningCode};
use darknode::proto::persist::{Entry, LinkRow, LinkState, Memory, UserRow};
use darknode::wire::content::{MirrorBody, MirroredPerson, kind};
use darknode::wire::record::{LinkEntry, LinkList, link_state};
use darknode::wire::{List, encode};

use crate::adversary::{Person, content, known_list, linked};
use crate::sessions::sister;
use crate::unlink::{VERSION, meet_sister};
use crate::victim::Victim;

/// Lamport numbers that the phone has given to its links, in this order.
const EARLY: u64 = 100;
const LATE: u64 = 200;

/// What the session learns, in any order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum News {
    /// Connects, and brings a roster.
    Bob,
    Impostor,
    /// The impostor connects and asks for a link, which is accepted automatically.
    Stranger,
    /// The phone's link list, with both.
    Links,
    /// A mirror of the phone's.
    Mirror,
}

/// A session of alice's, her connected phone, and two users who are called bob.
struct Setup {
    alice: Victim,
    conn: ConnId,
    bob: Person,
    impostor: Person,
}

impl Setup {
    fn new(mut alice: Victim, numbers: [u32; 2]) -> Setup {
        let phone = sister(7);
        let roster = phone.roster_of(VERSION, &[alice.session, phone.session_id()], &[]);
        let conn = meet_sister(&mut alice, &phone, roster);
        let [bob, impostor] = numbers.map(|number| Person::new(number, "bob"));
        Setup { alice, conn, bob, impostor }
    }

    /// Gives the session the phone's link list.
    fn list(&mut self, entries: &[(UserId, u8, u64)]) {
        let (user, session) = (self.alice.user, sister(7).session_id());
        let entries =
            entries.iter().map(|(user, state, lamport)| LinkEntry { user: *user, state: *state, lamport: *lamport });
        let list = LinkList { user, session, version: 9, page: 0, pages: 1, entries: List(entries.collect()) };
        let list = sister(7).by_session(list);
        self.alice.say(self.conn, known_list(user, None, vec![list], vec![]));
    }

    /// Gives the session a mirror of the phone's about one user whose name is pinned there.
    fn mirror(&mut self, user: UserId, verified: bool) {
        let person = MirroredPerson { user, roster: None, pinned: true, verified, state: 0, lamport: 0 };
        let body = MirrorBody { people: List(vec![person]), ..MirrorBody::default() };
        let parcel = sister(7).parcel(
            UserId(self.alice.session.0),
            &self.alice.prekey(),
            vec![content(kind::MIRROR, 0, 0, encode(&body))],
        );
        self.alice.hand(self.conn, parcel);
    }

    fn hear(&mut self, news: News) {
        let [bob, impostor] = [self.bob.user_id(), self.impostor.user_id()];
        match news {
            News::Bob => drop(self.alice.meet(&self.bob)),
            News::Impostor => drop(self.alice.meet(&self.impostor)),
            News::Stranger => {
                let conn = self.alice.meet(&self.impostor);
                let parcel = self.impostor.parcel(self.alice.user, &self.alice.prekey(), vec![linked(1)]);
                self.alice.hand(conn, parcel);
            }
            News::Links => self.list(&[(bob, link_state::LINKED, LATE), (impostor, link_state::AUTO, EARLY)]),
            News::Mirror => self.mirror(bob, false),
        }
    }

    /// Whom the name stands for.
    fn called_bob(&mut self) -> Option<UserId> {
        let before = self.alice.notices().count();
        self.alice.command(Command::Whois { user: "bob".to_owned() });
        let profile = |notice: &Notice| match notice {
            Notice::Whois(profile) => Some(profile.id),
            _ => None,
        };
        self.alice.notices().skip(before).find_map(profile)
    }

    /// The warnings that a name has another owner.
    fn moves(&self) -> usize {
        let moved = |notice: &&Notice| match notice {
            Notice::Warning { code: WarningCode::NameClash, message, .. } => {
                message.contains("now stands for another user")
            }
            _ => false,
        };
        self.alice.notices().filter(moved).count()
    }
}

fn orders(news: &[News]) -> Vec<Vec<News>> {
    let with = |first: &News| {
        let rest: Vec<News> = news.iter().copied().filter(|other| other != first).collect();
        orders(&rest).into_iter().map(|rest| [vec![*first], rest].concat()).collect::<Vec<_>>()
    };
    if news.is_empty() { vec![vec![]] } else { news.iter().flat_map(with).collect() }
}

#[test]
fn in_whatever_order_a_session_learns_of_two_namesakes_the_linked_one_has_the_name() {
    let all = [News::Bob, News::Impostor, News::Links, News::Mirror];
    let without_mirror = [News::Bob, News::Impostor, News::Links];
    let of_a_stranger = [News::Bob, News::Stranger, News::Links];
    for news in [&all[..], &without_mirror, &of_a_stranger] {
        for (order, numbers) in orders(news).into_iter().flat_map(|order| [(order.clone(), [2, 3]), (order, [3, 2])]) {
            for alice in [Victim::new(Accept::Auto), Victim::restored()] {
                let mut setup = Setup::new(alice, numbers);
                order.iter().for_each(|news| setup.hear(*news));
                assert_eq!(setup.called_bob(), Some(setup.bob.user_id()), "{order:?} {numbers:?}");
            }
        }
    }
}

#[test]
fn a_name_pinned_on_another_session_is_taken_from_a_stranger_who_wrote_here_and_that_is_said_once() {
    let [bob, stranger, mirror] = [News::Bob, News::Stranger, News::Mirror];
    let (moved, not) =
        ([[bob, stranger, mirror], [stranger, bob, mirror], [stranger, mirror, bob]], [bob, mirror, stranger]);
    for (order, moves) in moved.into_iter().map(|order| (order, 1)).chain([(not, 0)]) {
        let mut setup = Setup::new(Victim::new(Accept::Auto), [3, 2]);
        order.iter().for_each(|news| setup.hear(*news));
        assert_eq!((setup.called_bob(), setup.moves()), (Some(setup.bob.user_id()), moves), "{order:?}");
    }
}

#[test]
fn a_stranger_to_whom_the_store_has_pinned_a_name_loses_it_to_whom_another_session_knows() {
    let stranger = Person::new(2, "bob");
    let user = stranger.user_id();
    let users =
        vec![UserRow { user, roster: Some(stranger.roster()), pinned: Some("bob".to_owned()), verified: false }];
    let mine = Entry { state: LinkState::Auto, lamport: EARLY };
    let links = vec![LinkRow { user, mine, theirs: Entry::default() }];
    let mut setup = Setup::new(Victim::remembering(Memory { users, links, ..Memory::default() }), [3, 2]);
    assert_eq!(setup.called_bob(), Some(user));
    [News::Bob, News::Mirror].into_iter().for_each(|news| setup.hear(news));
    assert_eq!((setup.called_bob(), setup.moves()), (Some(setup.bob.user_id()), 1));
}

/// Who is called bob on two sessions, of which each has linked another one and then hears of the other's pin and links.
fn settle(verified: [bool; 2], is_list_first: bool) -> [Option<UserId>; 2] {
    [[2, 3], [3, 2]].map(|[here, there]| {
        let mut setup = Setup::new(Victim::new(Accept::Auto), [here, there]);
        let (mine, other) = (setup.bob.user_id(), setup.impostor.user_id());
        let is_verified = |number: u32| verified[number as usize - 2];
        [News::Bob, News::Impostor].into_iter().for_each(|news| setup.hear(news));
        setup.alice.command(Command::Add { user: mine.to_string() });
        if is_verified(here) {
            setup.alice.command(Command::Verify { user: mine.to_string() });
        }
        assert_eq!(setup.called_bob(), Some(mine));
        let lamport = |number: u32| if number == 3 { EARLY } else { LATE };
        let entries = [(mine, link_state::LINKED, lamport(here)), (other, link_state::LINKED, lamport(there))];
        if is_list_first {
            setup.list(&entries);
        }
        setup.mirror(other, is_verified(there));
        if !is_list_first {
            setup.list(&entries);
        }
        setup.called_bob()
    })
}

#[test]
fn two_sessions_that_have_pinned_a_name_for_different_users_come_to_the_same() {
    let [second, third] = [2, 3].map(|number| Some(Person::new(number, "bob").user_id()));
    for is_list_first in [true, false] {
        assert_eq!(settle([false, false], is_list_first), [third, third], "the older link counts");
        assert_eq!(settle([true, false], is_list_first), [second, second], "the verified one counts");
        assert_eq!(settle([true, true], is_list_first), [third, third], "of two verified ones the older link counts");
    }
}

#[test]
fn the_name_of_the_local_user_is_given_up_to_nobody() {
    let mut setup = Setup::new(Victim::new(Accept::Auto), [2, 3]);
    let namesake = Person::new(4, "alice");
    setup.alice.meet(&namesake);
    setup.mirror(namesake.user_id(), true);
    let (me, users) = (setup.alice.user, setup.alice.users());
    assert!(
        users.iter().any(|user| user.id == namesake.user_id() && user.user.starts_with("alice#")),
        "{me} {users:?}"
    );
}
