//! Digests, what they lack, and known lists: how two who meet come to know the same, and how a session that lost its memory
//! gets it back.
//!
//! When two meet who are linked, or a session meets its server, each sends marks of what it holds about everybody the other
//! may know about: versions and sequence numbers, some ten bytes each. The other asks for what it lacks, and gets it as a
//! known list of signed records. So what a push lost, or a partition held back, is repaired by the next meeting.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{ConnId, NetworkId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::peer::Peer;
use crate::time::Moment;
use crate::wire::addr::Addr;
use crate::wire::codec::List;
use crate::wire::control::short;
use crate::wire::control::{
    Control, DeliverKnownList, Digest, KnownDeclaration, KnownUser, MAX_MARKS, RequestUserList, SessionMark,
    SessionWant, UserMark, UserWant, Want,
};
use crate::wire::record::{Declaration, LinkList, Roster, Signed};

/// Bytes of signed records in one known list: a frame has room for it and its frills.
const PAGE_BYTES: usize = 24 * 1024;
/// Users in one known list (`wire::control`).
const PAGE_USERS: usize = 64;

impl Core {
    /// Marks about myself, and about everybody a neighbour may know about.
    pub(in crate::proto) fn send_digest(&mut self, peer: Peer) {
        let known = self.presence.horizon.around(&peer.user);
        let about = known.iter().filter(|user| **user != self.cx.config.user);
        let mut marks: Vec<UserMark> = vec![self.own_mark(&peer.user)];
        marks.extend(about.map(|user| self.mark(user, &peer.user)).filter(|mark| !mark.sessions.is_empty()));
        if self.shares_directory(peer.conn) {
            marks.extend(self.directory_summaries(&known));
            marks.iter_mut().for_each(|mark| mark.distance = self.distance_for(peer, mark.user));
        }
        for page in marks.chunks(MAX_MARKS) {
            self.cx.send(peer.conn, Control::Digest(Digest { users: List(page.to_vec()) }));
        }
    }

    fn own_mark(&self, to: &UserId) -> UserMark {
        let version = self.people.myself.links.first().map(|page| page.version);
        let session = SessionMark {
            session: short(&self.cx.me.0),
            seq: Some(self.people.myself.declaration.seq),
            card: Some(self.people.myself.card.seq),
            links: version.filter(|_| self.may_know_links(to, &self.cx.config.user)),
            live: None,
        };
        let user = short(&self.cx.config.user.0);
        UserMark {
            user,
            version: Some(self.people.myself.roster.version),
            sessions: List(vec![session]),
            distance: None,
        }
    }

    /// Link lists are for those within two links, mine also for whom I want to reach and for my servers. A node that woke
    /// without links keeps its own back: what others hold of it is better.
    fn may_know_links(&self, asker: &UserId, user: &UserId) -> bool {
        if *user == self.cx.config.user {
            let concerned = self.people.links.wants(asker)
                || self.presence.horizon.reaches(asker)
                || self.speaks_for_my_server(asker);
            return concerned && !self.recovering();
        }
        self.presence.horizon.may_know(asker, user)
    }

    pub(in crate::proto) fn speaks_for_my_server(&self, user: &UserId) -> bool {
        self.peers.connections.of_user(user).iter().any(|peer| self.is_my_server(&peer.session))
    }

    fn mark(&self, user: &UserId, to: &UserId) -> UserMark {
        let linked = self.presence.horizon.mutual(user, to);
        let mark = |session: SessionId| {
            let known = self.people.sessions.get(&session);
            SessionMark {
                session: short(&session.0),
                seq: known.and_then(|known| known.declaration()).map(|declaration| declaration.seq),
                card: known.and_then(|known| known.card()).map(|card| card.seq),
                links: self.presence.horizon.version(user, &session).filter(|_| linked),
                live: self.vouches_for(&session).then_some(true),
            }
        };
        let sessions = self.people.sessions.of_user(user).take(16).map(mark).collect();
        UserMark {
            user: short(&user.0),
            version: self.people.users.version(user),
            sessions: List(sessions),
            distance: None,
        }
    }

    /// What is held of a neighbour's users that I lack is asked for.
    pub(in crate::proto) fn on_digest(&mut self, peer: Peer, digest: Digest) {
        let wants: Vec<UserWant> = digest.users.iter().filter_map(|mark| self.consider_mark(peer, mark)).collect();
        if !wants.is_empty() {
            self.cx.send(peer.conn, Control::Want(Want { users: List(wants) }));
        }
    }

    fn consider_mark(&mut self, peer: Peer, mark: &UserMark) -> Option<UserWant> {
        let directory = self.shares_directory(peer.conn);
        if directory {
            self.on_withdrawn(peer.session, mark);
        }
        match mark.distance {
            Some(distance) if directory => self.on_distance(peer, mark.user, distance),
            Some(_) => self.cx.dropped(DropReason::AnnouncementOfNonRelay),
            None => {}
        }
        let user = self.user_like(mark.user.0).or_else(|| (short(&peer.user.0) == mark.user).then_some(peer.user));
        let user = user.filter(|user| self.concerns(user));
        let Some(user) = user else {
            if directory && mark.version.is_some() {
                return Some(everything(mark));
            }
            if !directory || mark.distance.is_none() {
                self.cx.dropped(DropReason::UnknownSummary);
            }
            return None;
        };
        if user == self.cx.config.user {
            return None;
        }
        let held = self.people.users.version(&user);
        let sessions: Vec<SessionWant> =
            mark.sessions.iter().filter_map(|mark| self.consider_session(peer, mark, user)).collect();
        let roster = mark.version > held || (held.is_none() && !sessions.is_empty());
        (roster || !sessions.is_empty()).then(|| UserWant { user: short(&user.0), roster, sessions: List(sessions) })
    }

    fn consider_session(&mut self, peer: Peer, mark: &SessionMark, user: UserId) -> Option<SessionWant> {
        let known = self.people.sessions.of_user(&user).find(|session| short(&session.0) == mark.session);
        let session = known.and_then(|session| self.people.sessions.get(&session));
        let held = session.and_then(|session| session.declaration()).map(|declaration| declaration.seq);
        let card = session.and_then(|session| session.card()).map(|card| card.seq);
        let links = known.and_then(|session| self.presence.horizon.version(&user, &session));
        let declaration = mark.seq > held;
        if let (Some(live), Some(session)) = (mark.live, known)
            && !declaration
        {
            self.hear_live(peer, session, user, live);
        }
        let links = mark.links > links && (self.keeps_list_of(&user) || self.recovering());
        let want = SessionWant { session: mark.session, declaration, card: mark.card > card, links };
        (want.declaration || want.card || want.links).then_some(want)
    }

    /// A neighbour is, or is not any more, connected with a session whose declaration is at hand.
    fn hear_live(&mut self, peer: Peer, session: SessionId, user: UserId, live: bool) {
        if !live {
            self.presence.online.unvouched(&session, &peer.session, self.cx.now.moment);
        } else if self.people.sessions.says_online(&session) {
            self.vouch(session, user, peer.session, peer.user);
        }
    }

    /// Asks somebody between us for users: of whom nothing is known, for everything; of the others, for what has changed.
    pub(in crate::proto) fn ask_about<'a>(&mut self, conn: ConnId, users: impl Iterator<Item = &'a UserId>) {
        let is_unknown = |user: &UserId| self.people.sessions.of_user(user).next().is_none();
        let wants: Vec<UserWant> = users
            .filter(|user| self.presence.horizon.reaches(user))
            .map(|user| UserWant { user: short(&user.0), roster: is_unknown(user), sessions: List(Vec::new()) })
            .collect();
        for page in wants.chunks(MAX_MARKS) {
            self.cx.send(conn, Control::Want(Want { users: List(page.to_vec()) }));
        }
    }

    /// Asks a neighbour what it has heard of users that I know.
    pub(in crate::proto) fn ask_for_marks(&mut self, conn: ConnId, users: &[UserId]) {
        let want = |user: &UserId| UserWant { user: short(&user.0), roster: false, sessions: List(Vec::new()) };
        for page in users.chunks(MAX_MARKS) {
            self.cx.send(conn, Control::Want(Want { users: List(page.iter().map(want).collect()) }));
        }
    }

    /// Sends what is asked for, as far as the asker may know it.
    pub(in crate::proto) fn on_want(&mut self, peer: Peer, want: Want) {
        let known: Vec<KnownUser> = want.users.iter().filter_map(|want| self.answer_want(want, &peer.user)).collect();
        if !known.is_empty() {
            self.send_known(peer.conn, 0, known, false);
        }
        let marks: Vec<UserMark> = want.users.iter().filter_map(|want| self.marked(want, &peer.user)).collect();
        if !marks.is_empty() {
            self.cx.send(peer.conn, Control::Digest(Digest { users: List(marks) }));
        }
    }

    fn answer_want(&self, want: &UserWant, asker: &UserId) -> Option<KnownUser> {
        let user = self.user_like(want.user.0)?;
        match (want.roster, want.sessions.is_empty()) {
            (true, true) => return Some(self.known_user(&user, asker, false)),
            (false, true) => return None,
            _ => {}
        }
        let mut known =
            KnownUser { roster: want.roster.then(|| self.roster_of(&user)).flatten(), ..KnownUser::empty(user) };
        for want in want.sessions.iter() {
            let Some(session) = self.session_like(&user, want.session.0) else { continue };
            self.add_session(&mut known, &session, want, asker);
        }
        Some(known)
    }

    fn marked(&self, want: &UserWant, asker: &UserId) -> Option<UserMark> {
        let user = self.user_like(want.user.0).filter(|_| !want.roster && want.sessions.is_empty())?;
        let may = user != self.cx.config.user && self.may_know_where(asker, &user);
        may.then(|| self.mark(&user, asker)).filter(|mark| !mark.sessions.is_empty())
    }

    fn add_session(&self, known: &mut KnownUser, session: &SessionId, want: &SessionWant, asker: &UserId) {
        if want.declaration && self.may_know_where(asker, &known.user) {
            known.declarations.0.extend(self.declaration_of(session));
        }
        if let Some((card, age)) = want.card.then(|| self.card_of(session)).flatten() {
            known.cards.0.push(card);
            known.card_ages.0.push(age.as_millis() as u64);
        }
        if want.links && self.may_know_links(asker, &known.user) {
            known.links.0.extend(self.pages_of(&known.user, session));
        }
    }

    /// Everything that is held of a user and that an asker may know.
    pub(in crate::proto) fn known_user(&self, user: &UserId, asker: &UserId, links: bool) -> KnownUser {
        let mut known = KnownUser { roster: self.roster_of(user), ..KnownUser::empty(*user) };
        let sessions: BTreeSet<SessionId> =
            self.people.sessions.of_user(user).chain(self.presence.horizon.sessions_of(user)).collect();
        for session in sessions.iter().take(16) {
            let want = SessionWant { session: short(&session.0), declaration: true, card: true, links };
            self.add_session(&mut known, session, &want, asker);
        }
        known
    }

    /// Declarations are for those within two links; members of a closed network may know all (design §3).
    pub(in crate::proto) fn may_know_where(&self, asker: &UserId, user: &UserId) -> bool {
        self.cx.config.network != NetworkId::OPEN
            || self.presence.horizon.may_know(asker, user)
            || (*user == self.cx.config.user && self.people.links.wants(asker))
    }

    fn roster_of(&self, user: &UserId) -> Option<Signed> {
        if *user == self.cx.config.user {
            return Some(self.people.myself.roster.signed().clone());
        }
        self.people.users.signed_roster(user)
    }

    fn declaration_of(&self, session: &SessionId) -> Option<KnownDeclaration> {
        let declaration = if *session == self.cx.me {
            self.people.myself.declaration.signed().clone()
        } else {
            self.people.sessions.get(session)?.declaration()?.signed()
        };
        let conn = self.peers.connections.up(session).and_then(|conn| self.peers.connections.get(&conn));
        let observed = conn
            .map(|neighbour| Addr(neighbour.addr))
            .filter(|addr| crate::proto::people::sessions::may_travel(&addr.0));
        let live = self.vouches_for(session).then_some(true);
        Some(KnownDeclaration { declaration, age_ms: self.age_of(session), observed, live })
    }

    /// The key card of a session that may be used, and how old it is.
    fn card_of(&self, session: &SessionId) -> Option<(Signed, Duration)> {
        if *session == self.cx.me {
            return Some((self.people.myself.card.signed().clone(), Duration::ZERO));
        }
        let card = self.people.sessions.get(session)?.card()?;
        Some((card.signed(), card.age(self.cx.now.moment)?))
    }

    fn pages_of(&self, user: &UserId, session: &SessionId) -> Vec<Signed> {
        let mine = self.people.myself.links.iter().map(|page| page.signed().clone());
        if *session == self.cx.me { mine.collect() } else { self.presence.horizon.pages(user, session) }
    }

    pub(in crate::proto) fn user_like(&self, short: [u8; 8]) -> Option<UserId> {
        self.people.users.like(short).or_else(|| self.presence.horizon.named_like(short))
    }

    fn session_like(&self, user: &UserId, wanted: [u8; 8]) -> Option<SessionId> {
        let mine = (*user == self.cx.config.user).then_some(self.cx.me);
        let all = self.people.sessions.of_user(user).chain(self.presence.horizon.sessions_of(user)).chain(mine);
        all.into_iter().find(|session| session.0[..8] == wanted)
    }

    /// A known list, in as many messages as it takes.
    pub(in crate::proto) fn send_known(&mut self, conn: ConnId, id: u64, users: Vec<KnownUser>, complete: bool) {
        let mut pages = vec![Vec::new()];
        let mut bytes = 0;
        for user in users.into_iter().flat_map(in_parts) {
            let size = size_of(&user);
            let page = pages.last_mut().expect("there is always a page");
            if !page.is_empty() && (bytes + size > PAGE_BYTES || page.len() == PAGE_USERS) {
                pages.push(vec![user]);
                bytes = size;
            } else {
                page.push(user);
                bytes += size;
            }
        }
        let count = pages.len();
        for (n, users) in pages.into_iter().enumerate() {
            let message = DeliverKnownList { id, users: List(users), complete, more: n + 1 < count };
            self.cx.send(conn, Control::DeliverKnownList(message));
        }
    }

    /// requestUserList: "whom is this user linked to?" About the asker itself: everybody whose list names it, with all that
    /// it may know; what it said itself, so that it can sign above it. About me, if we are linked: my list.
    pub(in crate::proto) fn on_request_user_list(&mut self, peer: Peer, request: RequestUserList) {
        if request.user == self.cx.config.user && self.people.links.wants(&peer.user) {
            return self.send_links(peer.conn, request.id, true);
        }
        if request.user != peer.user {
            return self.send_known(peer.conn, request.id, Vec::new(), false);
        }
        let mut users = vec![self.known_user(&peer.user, &peer.user, true)];
        let naming: BTreeSet<UserId> =
            self.presence.horizon.naming(&peer.user).chain(self.presence.horizon.names(&peer.user)).collect();
        users.extend(
            naming
                .iter()
                .filter(|user| **user != self.cx.config.user)
                .map(|user| self.known_user(user, &peer.user, true)),
        );
        self.send_known(peer.conn, request.id, users, self.cx.is_server());
        if self.people.links.wants(&peer.user) {
            self.send_links(peer.conn, 0, false);
        }
    }

    /// deliverKnownList: signed records about users that concern me.
    pub(in crate::proto) fn on_known_list(&mut self, peer: Peer, list: DeliverKnownList) {
        if self.pass_find_answer(peer.conn, &list) || self.pass_answer(peer, &list) {
            return;
        }
        let id = list.id;
        for known in list.users.0 {
            self.on_known_user(peer, id, known);
        }
        if list.complete && !list.more && self.is_my_server(&peer.session) {
            self.recovered();
        }
    }

    fn on_known_user(&mut self, peer: Peer, id: u64, known: KnownUser) {
        if let Some(roster) = &known.roster {
            let Some(roster) = self.checked::<Roster>(peer.conn, roster) else { return };
            let directory = self.shares_directory(peer.conn) && self.admits_to_directory(&roster.user);
            if self.concerns(&roster.user) || directory || self.take_find_answer(id, &roster) || self.recovering() {
                self.learn_roster(roster);
                self.on_announced_user_known(&known.user);
            }
        }
        for links in &known.links.0 {
            let Some(links) = self.checked::<LinkList>(peer.conn, links) else { return };
            self.on_link_list(peer.conn, links);
        }
        self.take_cards(peer.conn, &known);
        for held in &known.declarations.0 {
            let Some(declaration) = self.checked::<Declaration>(peer.conn, &held.declaration) else { return };
            let (session, user, online) = (declaration.session, declaration.user, declaration.online);
            let heard = Moment(self.cx.now.moment.0.saturating_sub(held.age_ms));
            let mut news = self.take_declaration(declaration, heard);
            if held.live == Some(true) && online && self.people.sessions.says_online(&session) {
                if let Some(Addr(observed)) = held.observed {
                    news |=
                        self.people.sessions.get(&session).is_some_and(|known| !known.addresses().contains(&observed));
                    self.note_observed(&session, observed);
                }
                self.vouch(session, user, peer.session, peer.user);
            }
            if news {
                self.peers.sought.news(&user, self.cx.now.moment);
            }
        }
        if self.shares_directory(peer.conn) && self.people.sessions.of_user(&known.user).next().is_some() {
            self.keep_if_far(&known.user);
            self.answer_open_finds(&known.user);
        }
        self.forget_if_strange(&known.user);
    }
}

fn everything(mark: &UserMark) -> UserWant {
    let all = |mark: &SessionMark| SessionWant { session: mark.session, declaration: false, card: true, links: false };
    UserWant { user: mark.user, roster: true, sessions: List(mark.sessions.iter().map(all).collect()) }
}

/// Bytes of the records about a user.
fn size_of(user: &KnownUser) -> usize {
    let records = user.roster.iter().chain(&user.links.0).chain(&user.cards.0);
    records.chain(user.declarations.iter().map(|known| &known.declaration)).map(|signed| signed.0.len() + 80).sum()
}

/// A user with more pages of links than a message holds goes in several.
fn in_parts(mut user: KnownUser) -> Vec<KnownUser> {
    let rest = user.links.0.split_off(user.links.len().min(4));
    let parts = rest.chunks(4).map(|links| KnownUser { links: List(links.to_vec()), ..KnownUser::empty(user.user) });
    let parts: Vec<KnownUser> = parts.collect();
    std::iter::once(user).chain(parts).collect()
}
