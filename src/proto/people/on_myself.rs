//! Making what I say of myself, and pushing it to those it concerns when it changes.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::Checked;
use crate::proto::counters::Count;
use crate::proto::event::Output;
use crate::proto::limits::REFRESH;
use crate::proto::people::links::Links;
use crate::proto::people::myself::Myself;
use crate::proto::people::prekeys::Prekeys;
use crate::proto::people::users::Users;
use crate::proto::persist::Op;
use crate::proto::presence::on_presence::short;
use crate::proto::{Config, Core};
use crate::time::Now;
use crate::wire::addr::Addr;
use crate::wire::codec::{List, Text};
use crate::wire::control::{Control, Declare, DeliverKnownList, Hello, KnownUser, ShortId};
use crate::wire::record::{Declaration, KeyCard, LinkList, Roster, RosterSession};

/// Entries of one page of a link list.
const PAGE: usize = 64;
/// Users that a declaration says it was sent to (`wire::control`).
const MAX_TOLD: usize = 64;

/// The statements a node starts with: its roster as it was unless something in it changed, everything else new.
pub fn first(
    config: &Config,
    count: &mut Count,
    users: &mut Users,
    prekeys: &Prekeys,
    links: &Links,
    now: Now,
) -> Myself {
    let roster = roster(config, count, users, now);
    let seq = count.next_seq(now.wall);
    let card_seq = count.next_seq(now.wall);
    let roster_version = roster.version;
    Myself {
        roster,
        declaration: declaration(config, seq, &[], true),
        card: card(config, card_seq, prekeys),
        links: link_pages(config, count.next_link_version(now.wall), links),
        pushed: (roster_version, card_seq),
        addrs: Vec::new(),
        refresh_at: now.moment + REFRESH,
        seq_jumps: 0,
        strange_seq_jumps: 0,
    }
}

fn roster(config: &Config, count: &mut Count, users: &mut Users, now: Now) -> Checked<Roster> {
    let session = SessionId(config.session_key.public());
    let known = users.roster(&config.user);
    if let Some(known) = &known {
        count.know_roster_version(known.version);
        let same_name = &*known.name == config.name.as_str();
        let signs = config.user_key.is_some();
        if !signs || (same_name && known.admits(&session)) {
            return known.clone();
        }
    }
    sign_above(config, count, users, &[], now)
}

/// A new roster with this session and `others` on it, above every one that is known. The user key must be here.
fn sign_above(
    config: &Config,
    count: &mut Count,
    users: &mut Users,
    others: &[RosterSession],
    now: Now,
) -> Checked<Roster> {
    let session = SessionId(config.session_key.public());
    let known = users.roster(&config.user);
    let mut sessions = known.as_ref().map(|known| known.sessions.0.clone()).unwrap_or_default();
    others.iter().for_each(|other| add_session(&mut sessions, other.clone()));
    add_session(&mut sessions, RosterSession { id: session, label: Text(config.label.clone()) });
    let value = Roster {
        user: config.user,
        name: Text(config.name.as_str().to_owned()),
        version: count.next_roster_version(now.wall),
        sessions: List(sessions),
        revoked: known.map(|known| known.revoked.clone()).unwrap_or(List(Vec::new())),
    };
    let key = config.user_key.as_ref().expect("a session without the user key is on a roster already");
    let roster = Checked::sign(value, key, &config.network);
    users.learn(&roster);
    roster
}

/// At the limit the oldest entry makes room.
fn add_session(sessions: &mut Vec<RosterSession>, new: RosterSession) {
    if sessions.iter().all(|entry| entry.id != new.id) {
        sessions.push(new);
    }
    let surplus = sessions.len().saturating_sub(16);
    sessions.drain(..surplus);
}

fn declaration(config: &Config, seq: u64, addrs: &[SocketAddr], online: bool) -> Checked<Declaration> {
    let value = Declaration {
        user: config.user,
        session: SessionId(config.session_key.public()),
        seq,
        online,
        addrs: List(
            addrs
                .iter()
                .filter(|addr| crate::proto::people::sessions::may_travel(addr))
                .take(8)
                .map(|a| Addr(*a))
                .collect(),
        ),
        roles: config.roles,
    };
    Checked::sign(value, &config.session_key, &config.network)
}

fn card(config: &Config, seq: u64, prekeys: &Prekeys) -> Checked<KeyCard> {
    let session = SessionId(config.session_key.public());
    let value = KeyCard { user: config.user, session, seq, prekeys: List(prekeys.offered()) };
    Checked::sign(value, &config.session_key, &config.network)
}

fn link_pages(config: &Config, version: u64, links: &Links) -> Vec<Checked<LinkList>> {
    let entries = links.entries();
    let session = SessionId(config.session_key.public());
    let pages: Vec<_> =
        if entries.is_empty() { vec![Vec::new()] } else { entries.chunks(PAGE).map(<[_]>::to_vec).collect() };
    let count = pages.len() as u16;
    let page = |(page, entries): (usize, Vec<_>)| {
        let value =
            LinkList { user: config.user, session, version, page: page as u16, pages: count, entries: List(entries) };
        Checked::sign(value, &config.session_key, &config.network)
    };
    pages.into_iter().enumerate().map(page).collect()
}

impl Core {
    /// A roster of my own that I do not know: I lost my memory, or another session of mine signed it. Where the user key is,
    /// a new one is signed above it.
    pub(in crate::proto) fn meet_own_roster(&mut self, met: Checked<Roster>) {
        if met.version < self.myself.roster.version {
            return;
        }
        self.count.know_roster_version(met.version);
        let sessions = met.sessions.0.clone();
        self.users.learn(&met);
        if self.config.user_key.is_some() {
            self.myself.roster = sign_above(&self.config, &mut self.count, &mut self.users, &sessions, self.now);
        } else if let Some(known) = self.users.roster(&self.config.user) {
            self.myself.roster = known;
        }
        self.save_counters();
        let user = self.config.user;
        self.save_user(&user);
        self.declare(true);
    }

    /// Signs a new declaration and pushes it to every neighbour.
    pub(in crate::proto) fn declare(&mut self, online: bool) {
        let seq = self.count.next_seq(self.now.wall);
        self.save_counters();
        self.myself.declaration = declaration(&self.config, seq, &self.myself.addrs, online);
        let spread = self.rng.next_u64() % REFRESH.as_millis() as u64;
        self.myself.refresh_at = self.now.moment + REFRESH / 2 + Duration::from_millis(spread);
        let up: Vec<(ConnId, UserId)> = self.neighbours.iter_up().map(|(_, conn, user)| (conn, user)).collect();
        let users: BTreeSet<UserId> = up.iter().map(|(_, user)| *user).collect();
        let told: Vec<ShortId> = users.iter().take(MAX_TOLD).map(|user| short(&user.0)).collect();
        let news = (self.myself.roster.version, self.myself.card.seq);
        let records = std::mem::replace(&mut self.myself.pushed, news) != news;
        for (conn, _) in up {
            self.send_declaration(conn, &told, records);
        }
    }

    /// Signs a new key card and pushes it to every neighbour.
    pub(in crate::proto) fn renew_card(&mut self) {
        let seq = self.count.next_seq(self.now.wall);
        self.save_counters();
        self.myself.card = card(&self.config, seq, &self.prekeys);
        self.declare(true);
    }

    /// Signs a new link list and pushes it to linked neighbours and my servers.
    pub(in crate::proto) fn renew_links(&mut self) {
        let version = self.count.next_link_version(self.now.wall);
        self.save_counters();
        self.myself.links = link_pages(&self.config, version, &self.links);
        self.horizon.say(self.session, &self.myself.links);
        let up = self.neighbours.iter_up();
        let concerned: Vec<SessionId> =
            up.filter(|(session, _, user)| self.links_concern(session, user)).map(|(session, _, _)| session).collect();
        self.pushes.owe(concerned.into_iter());
        self.push_links();
    }

    /// My link list for those who are owed it, as many as may have it now.
    pub(in crate::proto) fn push_links(&mut self) {
        let bytes = self.myself.links.iter().map(|page| page.signed().0.0.len()).sum();
        for session in self.pushes.due(bytes, self.now.moment) {
            let conn = self.neighbours.up(&session).and_then(|conn| Some((conn, self.neighbours.get(&conn)?.user?)));
            if let Some((conn, _)) = conn.filter(|(_, user)| self.links_concern(&session, user)) {
                self.send_links(conn, 0, false);
            }
        }
    }

    fn links_concern(&self, session: &SessionId, user: &UserId) -> bool {
        self.links.wants(user) || self.is_my_server(session)
    }

    /// My declaration as it is, to one neighbour; with roster and key card if these are news.
    pub(in crate::proto) fn send_declaration(&mut self, conn: ConnId, told: &[ShortId], records: bool) {
        let declaration = self.myself.declaration.signed().clone();
        let message = Declare {
            declaration,
            roster: records.then(|| self.myself.roster.signed().clone()),
            card: records.then(|| self.myself.card.signed().clone()),
            age_ms: 0,
            hops: 1,
            flood: self.myself.declaration.seq,
            told: List(told.to_vec()),
        };
        let online = self.myself.declaration.online;
        self.send_control(
            conn,
            if online { Control::DeclareOnline(message) } else { Control::DeclareOffline(message) },
        );
    }

    /// My link list, a page a message: each fits a frame with room to spare.
    pub(in crate::proto) fn send_links(&mut self, conn: ConnId, id: u64, complete: bool) {
        let pages: Vec<_> = self.myself.links.iter().map(|page| page.signed().clone()).collect();
        let count = pages.len();
        for (n, page) in pages.into_iter().enumerate() {
            let user = KnownUser {
                user: self.config.user,
                roster: None,
                links: List(vec![page]),
                cards: List(Vec::new()),
                declarations: List(Vec::new()),
                card_ages: List(Vec::new()),
            };
            let message = DeliverKnownList { id, users: List(vec![user]), complete, more: n + 1 < count };
            self.send_control(conn, Control::DeliverKnownList(message));
        }
    }

    pub(in crate::proto) fn send_hello(&mut self, conn: ConnId, session: &SessionId, observed: SocketAddr) {
        let hello = Hello {
            declaration: self.myself.declaration.signed().clone(),
            roster: self.myself.roster.signed().clone(),
            card: Some(self.myself.card.signed().clone()),
            observed: Addr(observed),
            known_seq: self.sessions.seq(session),
            agent: Text(self.config.agent.clone()),
            features: None,
        };
        self.send_control(conn, Control::Hello(hello));
    }

    pub(in crate::proto) fn send_control(&mut self, conn: ConnId, message: Control) {
        self.out.after_own(Output::Control { conn, message });
    }

    /// What the store keeps of my own word about a link, and of theirs.
    pub(in crate::proto) fn save_link(&mut self, user: &crate::id::UserId) {
        if let Some(row) = self.links.row(user) {
            self.out.store(Op::Link(row));
        }
    }
}
