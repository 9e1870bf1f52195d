//! Signs this session's own declaration, key card and link list, and pushes them and the roster when they change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rand_core::Rng;

use crate::id::{ConnId, SessionId, UserId};
use crate::identity::Checked;
use crate::proto::counters::Count;
use crate::proto::limits::{MAX_SEQ_LEAPS, REFRESH, SEQ_LEAP};
use crate::proto::notice::WarningCode;
use crate::proto::peer::Peer;
use crate::proto::people::links::Links;
use crate::proto::people::myself::Myself;
use crate::proto::people::on_own_roster;
use crate::proto::people::prekeys::Prekeys;
use crate::proto::people::users::Users;
use crate::proto::persist::Op;
use crate::proto::{Config, Core};
use crate::time::Now;
use crate::wire::addr::Addr;
use crate::wire::codec::{Fixed, List, Text};
use crate::wire::control::short;
use crate::wire::control::{Control, Declare, DeliverKnownList, Hello, KnownUser, ShortId, features};
use crate::wire::record::{Declaration, KeyCard, LinkList};

/// Entries per page of a link list.
const PAGE: usize = 64;
/// Users that a declaration names as notified (`wire::control`).
const MAX_NOTIFIED: usize = 64;

/// The records a node starts with: the stored roster unless it has to change, everything else new.
pub fn first(
    config: &Config,
    count: &mut Count,
    users: &mut Users,
    prekeys: &Prekeys,
    links: &Links,
    now: Now,
) -> Myself {
    let roster = on_own_roster::first(config, count, users, now);
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
        leaps: 0,
    }
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
                .filter(|addr| crate::proto::people::sessions::is_shareable(addr))
                .take(8)
                .map(|a| Addr(*a))
                .collect(),
        ),
        roles: config.roles,
        boot_nonce: Some(Fixed(config.boot_nonce)),
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
    /// Handles the seq of a record that this session has signed. If it is above the current one, this node was restored from a
    /// backup and continues far above it; if that repeats, another node uses a copy of the key.
    pub(in crate::proto) fn on_own_seq(&mut self, signed: u64) {
        if signed <= self.cx.count.seq() {
            return;
        }
        self.people.myself.leaps += 1;
        if self.people.myself.leaps >= MAX_SEQ_LEAPS {
            let message = "another node uses the key of this session; stop the copy".to_owned();
            let me = self.cx.config.user;
            self.people.warn_once(&mut self.cx, me, WarningCode::ClonedKey, message);
        }
        // The last leap benefits the other node, which may have seen one fewer.
        if self.people.myself.leaps <= MAX_SEQ_LEAPS {
            self.cx.count.raise_seq(signed.saturating_add(SEQ_LEAP));
            self.renew_card();
        }
    }

    /// Signs a new declaration and pushes it to every neighbour; if it says that this session leaves, on every connection.
    pub(in crate::proto) fn declare(&mut self, online: bool) {
        let seq = self.cx.count.next_seq(self.cx.now.wall);
        self.cx.save_counters();
        self.people.myself.declaration = declaration(&self.cx.config, seq, &self.people.myself.addrs, online);
        let spread = self.cx.rng.next_u64() % REFRESH.as_millis() as u64;
        self.people.myself.refresh_at = self.cx.now.moment + REFRESH / 2 + Duration::from_millis(spread);
        let up: Vec<Peer> = self.peers.connections.iter_up().collect();
        let users: BTreeSet<UserId> = up.iter().map(|peer| peer.user).collect();
        let notified: Vec<ShortId> = users.iter().take(MAX_NOTIFIED).map(|user| short(&user.0)).collect();
        let current = (self.people.myself.roster.version, self.people.myself.card.seq);
        let records = std::mem::replace(&mut self.people.myself.pushed, current) != current;
        let conns: Vec<ConnId> = match online {
            true => up.iter().map(|peer| peer.conn).collect(),
            // Of two connections to one session, the other side may read only the one that is not active here yet.
            false => self.peers.connections.iter().map(|(conn, _)| conn).collect(),
        };
        for conn in conns {
            self.send_declaration(conn, &notified, records);
        }
    }

    /// Signs a new key card and pushes it to every neighbour.
    pub(in crate::proto) fn renew_card(&mut self) {
        let seq = self.cx.count.next_seq(self.cx.now.wall);
        self.cx.save_counters();
        self.people.myself.card = card(&self.cx.config, seq, &self.people.prekeys);
        self.declare(true);
    }

    /// Deletes expired prekeys and makes a new one when it is due.
    pub(in crate::proto) fn rotate_prekeys(&mut self) {
        for id in self.people.prekeys.expire(self.cx.now.moment) {
            self.cx.out.store(Op::ForgetPrekey(id));
        }
        if let Some(prekey) = self.people.prekeys.rotate(&mut self.cx.rng, self.cx.now.moment).cloned() {
            self.cx.out.store(Op::Prekey(prekey));
            self.renew_card();
        }
    }

    /// Makes a new prekey before it is due, and pushes it.
    pub(in crate::proto::people) fn replace_prekey(&mut self) {
        let prekey = self.people.prekeys.replace(&mut self.cx.rng, self.cx.now.moment).clone();
        self.cx.out.store(Op::Prekey(prekey));
        self.renew_card();
    }

    /// Signs a new link list and pushes it to linked neighbours, own sessions and own servers.
    pub(in crate::proto) fn renew_links(&mut self) {
        let version = self.cx.count.next_link_version(self.cx.now.wall);
        self.cx.save_counters();
        self.people.myself.links = link_pages(&self.cx.config, version, &self.people.links);
        self.presence.horizon.set_own_list(self.cx.me, &self.people.myself.links);
        let up = self.peers.connections.iter_up();
        let concerned: Vec<SessionId> =
            up.filter(|peer| self.receives_links(&peer.session, &peer.user)).map(|peer| peer.session).collect();
        self.presence.pushes.owe(concerned.into_iter());
        self.push_links();
    }

    /// Sends the own link list to the neighbours that are due.
    pub(in crate::proto) fn push_links(&mut self) {
        let bytes = self.people.myself.links.iter().map(|page| page.signed().0.0.len()).sum();
        for session in self.presence.pushes.due(bytes, self.cx.now.moment) {
            let conn = self
                .peers
                .connections
                .up(&session)
                .and_then(|conn| Some((conn, self.peers.connections.get(&conn)?.user?)));
            if let Some((conn, _)) = conn.filter(|(_, user)| self.receives_links(&session, user)) {
                self.send_links(conn, 0, false);
            }
        }
    }

    /// Whether a neighbour receives the own link list: linked users, own sessions and own servers.
    fn receives_links(&self, session: &SessionId, user: &UserId) -> bool {
        *user == self.cx.config.user || self.people.links.wants(user) || self.is_my_server(session)
    }

    /// Sends the current own declaration to one neighbour, with roster and key card if `records` is set.
    pub(in crate::proto) fn send_declaration(&mut self, conn: ConnId, notified: &[ShortId], records: bool) {
        let declaration = self.people.myself.declaration.signed().clone();
        let message = Declare {
            declaration,
            roster: records.then(|| self.people.myself.roster.signed().clone()),
            card: records.then(|| self.people.myself.card.signed().clone()),
            age_ms: 0,
            hops: 1,
            flood: self.people.myself.declaration.seq,
            told: List(notified.to_vec()),
        };
        let online = self.people.myself.declaration.online;
        self.cx.send(conn, if online { Control::DeclareOnline(message) } else { Control::DeclareOffline(message) });
    }

    /// Sends the own link list, one page per message. Each page fits into a frame.
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
            self.cx.send(conn, Control::DeliverKnownList(message));
        }
    }

    /// Introduces this session on a new connection.
    pub(in crate::proto) fn send_hello(&mut self, conn: ConnId, session: &SessionId, observed: SocketAddr) {
        let hello = Hello {
            declaration: self.people.myself.declaration.signed().clone(),
            roster: self.people.myself.roster.signed().clone(),
            card: Some(self.people.myself.card.signed().clone()),
            observed: Addr(observed),
            known_seq: self.people.sessions.seq(session),
            agent: Text(self.cx.config.agent.clone()),
            features: self.cx.config.waits.then_some(features::WAITS),
        };
        self.cx.send(conn, Control::Hello(hello));
    }
}
