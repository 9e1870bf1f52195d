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
use crate::proto::peer::Peer;
use crate::proto::people::links::Links;
use crate::proto::people::myself::Myself;
use crate::proto::people::prekeys::Prekeys;
use crate::proto::people::users::Users;
use crate::proto::{Config, Core};
use crate::time::Now;
use crate::wire::addr::Addr;
use crate::wire::codec::{List, Text};
use crate::wire::control::short;
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
        if met.version < self.people.myself.roster.version {
            return;
        }
        self.cx.count.know_roster_version(met.version);
        let sessions = met.sessions.0.clone();
        self.people.users.learn(&met);
        if self.cx.config.user_key.is_some() {
            self.people.myself.roster =
                sign_above(&self.cx.config, &mut self.cx.count, &mut self.people.users, &sessions, self.cx.now);
        } else if let Some(known) = self.people.users.roster(&self.cx.config.user) {
            self.people.myself.roster = known;
        }
        self.cx.save_counters();
        let user = self.cx.config.user;
        self.people.save_user(&mut self.cx, &user);
        self.declare(true);
    }

    /// Signs a new declaration and pushes it to every neighbour.
    pub(in crate::proto) fn declare(&mut self, online: bool) {
        let seq = self.cx.count.next_seq(self.cx.now.wall);
        self.cx.save_counters();
        self.people.myself.declaration = declaration(&self.cx.config, seq, &self.people.myself.addrs, online);
        let spread = self.cx.rng.next_u64() % REFRESH.as_millis() as u64;
        self.people.myself.refresh_at = self.cx.now.moment + REFRESH / 2 + Duration::from_millis(spread);
        let up: Vec<Peer> = self.peers.connections.iter_up().collect();
        let users: BTreeSet<UserId> = up.iter().map(|peer| peer.user).collect();
        let told: Vec<ShortId> = users.iter().take(MAX_TOLD).map(|user| short(&user.0)).collect();
        let news = (self.people.myself.roster.version, self.people.myself.card.seq);
        let records = std::mem::replace(&mut self.people.myself.pushed, news) != news;
        for Peer { conn, .. } in up {
            self.send_declaration(conn, &told, records);
        }
    }

    /// Signs a new key card and pushes it to every neighbour.
    pub(in crate::proto) fn renew_card(&mut self) {
        let seq = self.cx.count.next_seq(self.cx.now.wall);
        self.cx.save_counters();
        self.people.myself.card = card(&self.cx.config, seq, &self.people.prekeys);
        self.declare(true);
    }

    /// Signs a new link list and pushes it to linked neighbours and my servers.
    pub(in crate::proto) fn renew_links(&mut self) {
        let version = self.cx.count.next_link_version(self.cx.now.wall);
        self.cx.save_counters();
        self.people.myself.links = link_pages(&self.cx.config, version, &self.people.links);
        self.presence.horizon.say(self.cx.me, &self.people.myself.links);
        let up = self.peers.connections.iter_up();
        let concerned: Vec<SessionId> =
            up.filter(|peer| self.links_concern(&peer.session, &peer.user)).map(|peer| peer.session).collect();
        self.presence.pushes.owe(concerned.into_iter());
        self.push_links();
    }

    /// My link list for those who are owed it, as many as may have it now.
    pub(in crate::proto) fn push_links(&mut self) {
        let bytes = self.people.myself.links.iter().map(|page| page.signed().0.0.len()).sum();
        for session in self.presence.pushes.due(bytes, self.cx.now.moment) {
            let conn = self
                .peers
                .connections
                .up(&session)
                .and_then(|conn| Some((conn, self.peers.connections.get(&conn)?.user?)));
            if let Some((conn, _)) = conn.filter(|(_, user)| self.links_concern(&session, user)) {
                self.send_links(conn, 0, false);
            }
        }
    }

    fn links_concern(&self, session: &SessionId, user: &UserId) -> bool {
        self.people.links.wants(user) || self.is_my_server(session)
    }

    /// My declaration as it is, to one neighbour; with roster and key card if these are news.
    pub(in crate::proto) fn send_declaration(&mut self, conn: ConnId, told: &[ShortId], records: bool) {
        let declaration = self.people.myself.declaration.signed().clone();
        let message = Declare {
            declaration,
            roster: records.then(|| self.people.myself.roster.signed().clone()),
            card: records.then(|| self.people.myself.card.signed().clone()),
            age_ms: 0,
            hops: 1,
            flood: self.people.myself.declaration.seq,
            told: List(told.to_vec()),
        };
        let online = self.people.myself.declaration.online;
        self.send_control(
            conn,
            if online { Control::DeclareOnline(message) } else { Control::DeclareOffline(message) },
        );
    }

    /// My link list, a page a message: each fits a frame with room to spare.
    pub(in crate::proto) fn send_links(&mut self, conn: ConnId, id: u64, complete: bool) {
        let pages: Vec<_> = self.people.myself.links.iter().map(|page| page.signed().clone()).collect();
        let count = pages.len();
        for (n, page) in pages.into_iter().enumerate() {
            let user = KnownUser {
                user: self.cx.config.user,
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
            declaration: self.people.myself.declaration.signed().clone(),
            roster: self.people.myself.roster.signed().clone(),
            card: Some(self.people.myself.card.signed().clone()),
            observed: Addr(observed),
            known_seq: self.people.sessions.seq(session),
            agent: Text(self.cx.config.agent.clone()),
            features: None,
        };
        self.send_control(conn, Control::Hello(hello));
    }

    pub(in crate::proto) fn send_control(&mut self, conn: ConnId, message: Control) {
        self.cx.out.after_own(Output::Control { conn, message });
    }
}
