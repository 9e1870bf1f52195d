//! Digests and requests: how two peers exchange what one of them lacks.
//!
//! When linked users meet, or a session meets its server, each sends version summaries of what it holds about the users
//! the other may know about: versions and sequence numbers, some ten bytes per record. The other requests what it lacks
//! and receives it as a known list of signed records (`on_known_list`). So the next meeting repairs what a push or a
//! partition has lost.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::id::{ConnId, NetworkId, SessionId, UserId};
use crate::proto::Core;
use crate::proto::drops::DropReason;
use crate::proto::peer::Peer;
use crate::wire::addr::Addr;
use crate::wire::codec::List;
use crate::wire::control::short;
use crate::wire::control::{
    Control, Digest, KnownDeclaration, KnownUser, MAX_SUMMARIES, SessionSummary, SessionWant, UserSummary, UserWant,
    Want,
};
use crate::wire::record::{MAX_SESSIONS, Signed};

impl Core {
    /// Sends summaries of the own records and of all users that the neighbour may know about.
    pub(in crate::proto) fn send_digest(&mut self, peer: Peer) {
        let mut known = self.presence.horizon.within_two_links(&peer.user);
        if peer.user == self.cx.config.user {
            known.extend(self.people.links.wanted());
        }
        let about = known.iter().filter(|user| **user != self.cx.config.user);
        let mut summaries: Vec<UserSummary> = vec![self.own_summary(&peer.user)];
        summaries.extend(self.summary_of_sisters(peer));
        summaries
            .extend(about.map(|user| self.summary_of(user, &peer.user)).filter(|summary| !summary.sessions.is_empty()));
        if self.shares_directory(peer.conn) {
            summaries.extend(self.directory_summaries(&known));
            summaries.iter_mut().for_each(|summary| self.add_distances(peer, summary));
        }
        self.send_summaries(peer, summaries);
    }

    /// Sends summaries, in as many messages as needed.
    pub(in crate::proto) fn send_summaries(&mut self, peer: Peer, mut summaries: Vec<UserSummary>) {
        for summary in &mut summaries {
            self.record_summarized_claims(peer, summary);
        }
        for page in summaries.chunks(MAX_SUMMARIES) {
            self.cx.send(peer.conn, Control::Digest(Digest { users: List(page.to_vec()) }));
        }
    }

    /// Records which claims a summary contains, or removes them at the bound.
    fn record_summarized_claims(&mut self, to: Peer, summary: &mut UserSummary) {
        if summary.sessions.iter().all(|mark| mark.live != Some(true)) {
            return;
        }
        let user = self.find_user(summary.user.0);
        if user.is_some_and(|user| !self.record_claims(to, &user)) {
            let claims = summary.sessions.0.iter_mut().filter(|mark| mark.live == Some(true));
            claims.for_each(|mark| mark.live = None);
        }
    }

    /// A summary of what is held of the other sessions of a neighbour's user.
    fn summary_of_sisters(&self, peer: Peer) -> Option<UserSummary> {
        let mut summary = self.summary_of(&peer.user, &peer.user);
        summary.sessions.0.retain(|mark| mark.session != short(&peer.session.0));
        (peer.user != self.cx.config.user && !summary.sessions.is_empty()).then_some(summary)
    }

    /// A summary of the own records, and of those of the user's other sessions.
    fn own_summary(&self, to: &UserId) -> UserSummary {
        let version = self.people.myself.links.first().map(|page| page.version);
        let session = SessionSummary {
            session: short(&self.cx.me.0),
            seq: Some(self.people.myself.declaration.seq),
            card: Some(self.people.myself.card.seq),
            links: version.filter(|_| self.may_know_links(to, &self.cx.config.user)),
            live: None,
            distance: None,
        };
        let me = self.cx.config.user;
        let of_sisters =
            if self.may_know_where(to, &me) { self.summary_of(&me, to) } else { self.directory_summary(&me) };
        let sessions = std::iter::once(session).chain(of_sisters.sessions.0).take(MAX_SESSIONS).collect();
        let version = Some(self.people.myself.roster.version);
        UserSummary { user: short(&me.0), version, sessions: List(sessions), distance: None }
    }

    /// Whether a user may have another one's link list: users within two links; for the local list also wanted users
    /// and own servers. A node that started without links keeps its list back, because the one that others hold is more
    /// complete. Own sessions merge their lists, and may have everything that this one holds.
    fn may_know_links(&self, asker: &UserId, user: &UserId) -> bool {
        if *asker == self.cx.config.user {
            return true;
        }
        if *user == self.cx.config.user {
            let concerned = self.people.links.wants(asker)
                || self.presence.horizon.reaches(asker)
                || self.speaks_for_my_server(asker);
            return concerned && !self.is_recovering();
        }
        self.presence.horizon.may_know(asker, user)
    }

    /// Whether a user has an own server of this node connected.
    pub(in crate::proto) fn speaks_for_my_server(&self, user: &UserId) -> bool {
        self.peers.connections.of_user(user).iter().any(|peer| self.is_my_server(&peer.session))
    }

    /// A summary of the held records of a user, as far as `to` may know.
    fn summary_of(&self, user: &UserId, to: &UserId) -> UserSummary {
        let linked = *to == self.cx.config.user || self.presence.horizon.mutual(user, to);
        let summary = |session: SessionId| {
            let known = self.people.sessions.get(&session);
            SessionSummary {
                session: short(&session.0),
                seq: known.and_then(|known| known.declaration()).map(|declaration| declaration.seq),
                card: known.and_then(|known| known.card()).map(|card| card.seq),
                links: self.presence.horizon.version(user, &session).filter(|_| linked),
                live: self.claims_connected(&session).then_some(true),
                distance: None,
            }
        };
        let sessions = self.people.sessions.of_user(user).take(16).map(summary).collect();
        UserSummary {
            user: short(&user.0),
            version: self.people.users.version(user),
            sessions: List(sessions),
            distance: None,
        }
    }

    /// Offers the local user's other sessions what is held of a user, of whom a link list has changed.
    pub(in crate::proto) fn offer_to_sisters(&mut self, user: &UserId) {
        let me = self.cx.config.user;
        let summary = self.summary_of(user, &me);
        for Peer { conn, .. } in self.peers.connections.of_user(&me) {
            self.cx.send(conn, Control::Digest(Digest { users: List(vec![summary.clone()]) }));
        }
    }

    /// Compares a digest with what is held and requests what is missing.
    pub(in crate::proto) fn on_digest(&mut self, peer: Peer, digest: Digest) {
        let wants: Vec<UserWant> =
            digest.users.iter().filter_map(|summary| self.compare_summary(peer, summary)).collect();
        if !wants.is_empty() {
            self.cx.send(peer.conn, Control::Want(Want { users: List(wants) }));
        }
    }

    /// What to request after a neighbour's summary of a user.
    fn compare_summary(&mut self, peer: Peer, summary: &UserSummary) -> Option<UserWant> {
        let directory = self.shares_directory(peer.conn);
        if directory {
            self.on_withdrawn(peer.session, summary);
        }
        let has_distance = summary.distance.is_some() || summary.sessions.iter().any(|mark| mark.distance.is_some());
        if directory {
            self.on_distances(peer, summary);
        } else if has_distance {
            self.cx.dropped(DropReason::AnnouncementOfNonRelay);
        }
        let user =
            self.find_user(summary.user.0).or_else(|| (short(&peer.user.0) == summary.user).then_some(peer.user));
        let user = user.filter(|user| self.concerns(user));
        let Some(user) = user else {
            if directory && summary.version.is_some() {
                return Some(want_all(summary));
            }
            if !directory || !has_distance {
                self.cx.dropped(DropReason::UnknownSummary);
            }
            return None;
        };
        let held = self.people.users.version(&user);
        let sessions: Vec<SessionWant> =
            summary.sessions.iter().filter_map(|summary| self.compare_session_summary(peer, summary, user)).collect();
        let roster = summary.version > held || (held.is_none() && !sessions.is_empty());
        (roster || !sessions.is_empty()).then(|| UserWant { user: short(&user.0), roster, sessions: List(sessions) })
    }

    /// What to request after a neighbour's summary of a session.
    fn compare_session_summary(&mut self, peer: Peer, summary: &SessionSummary, user: UserId) -> Option<SessionWant> {
        if summary.session == short(&self.cx.me.0) {
            return None;
        }
        let known = self.people.sessions.of_user(&user).find(|session| short(&session.0) == summary.session);
        let session = known.and_then(|session| self.people.sessions.get(&session));
        let held = session.and_then(|session| session.declaration()).map(|declaration| declaration.seq);
        let card = session.and_then(|session| session.card()).map(|card| card.seq);
        let links = known.and_then(|session| self.presence.horizon.version(&user, &session));
        let declaration = summary.seq > held;
        // A claim that comes with a newer declaration counts when that is held, a withdrawal at once.
        if let (Some(live), Some(session)) = (summary.live, known)
            && !(live && declaration)
        {
            self.on_live_claim(peer, session, user, live);
        }
        let links = summary.links > links && (self.keeps_list_of(&user) || self.is_recovering());
        let want = SessionWant { session: summary.session, declaration, card: summary.card > card, links };
        (want.declaration || want.card || want.links).then_some(want)
    }

    /// Handles a claim that a neighbour is, or is no longer, connected with a session whose declaration is held.
    fn on_live_claim(&mut self, peer: Peer, session: SessionId, user: UserId, live: bool) {
        if !live {
            self.presence.online.remove_witness(&session, &peer.session, self.cx.now.moment);
        } else if self.people.sessions.declares_online(&session) {
            self.add_witness(session, user, peer.session, peer.user);
        }
    }

    /// Requests records of users within two links from a neighbour: everything about unknown users, and a summary of
    /// the others.
    pub(in crate::proto) fn request_users<'a>(&mut self, conn: ConnId, users: impl Iterator<Item = &'a UserId>) {
        let is_unknown = |user: &UserId| self.people.sessions.of_user(user).next().is_none();
        let wants: Vec<UserWant> = users
            .filter(|user| self.presence.horizon.reaches(user))
            .map(|user| UserWant { user: short(&user.0), roster: is_unknown(user), sessions: List(Vec::new()) })
            .collect();
        for page in wants.chunks(MAX_SUMMARIES) {
            self.cx.send(conn, Control::Want(Want { users: List(page.to_vec()) }));
        }
    }

    /// Requests summaries of known users from a neighbour.
    pub(in crate::proto) fn request_summaries(&mut self, conn: ConnId, users: &[UserId]) {
        let want = |user: &UserId| UserWant { user: short(&user.0), roster: false, sessions: List(Vec::new()) };
        for page in users.chunks(MAX_SUMMARIES) {
            self.cx.send(conn, Control::Want(Want { users: List(page.iter().map(want).collect()) }));
        }
    }

    /// Answers a request, as far as the asker may have the records.
    pub(in crate::proto) fn on_want(&mut self, peer: Peer, want: Want) {
        let known: Vec<KnownUser> = want.users.iter().filter_map(|want| self.answer_want(want, &peer.user)).collect();
        if !known.is_empty() {
            self.send_known(peer.conn, 0, known, false);
        }
        let summaries: Vec<UserSummary> =
            want.users.iter().filter_map(|want| self.summary_for(want, &peer.user)).collect();
        self.send_summaries(peer, summaries);
    }

    /// The requested records of a user.
    fn answer_want(&self, want: &UserWant, asker: &UserId) -> Option<KnownUser> {
        let user = self.find_user(want.user.0)?;
        match (want.roster, want.sessions.is_empty()) {
            (true, true) => return Some(self.known_user(&user, asker, false)),
            (false, true) => return None,
            _ => {}
        }
        let mut known =
            KnownUser { roster: want.roster.then(|| self.roster_of(&user)).flatten(), ..KnownUser::empty(user) };
        for want in want.sessions.iter() {
            let Some(session) = self.find_session(&user, want.session.0) else { continue };
            self.add_session(&mut known, &session, want, asker);
        }
        Some(known)
    }

    /// The requested summary of a user.
    fn summary_for(&self, want: &UserWant, asker: &UserId) -> Option<UserSummary> {
        let user = self.find_user(want.user.0).filter(|_| !want.roster && want.sessions.is_empty())?;
        let may = user != self.cx.config.user && self.may_know_where(asker, &user);
        may.then(|| self.summary_of(&user, asker)).filter(|summary| !summary.sessions.is_empty())
    }

    /// Adds the requested records of a session, as far as the asker may have them.
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

    /// All held records of a user that the asker may have.
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

    /// Tells connected users who are linked with a user where that user's session is seen now.
    pub(in crate::proto) fn tell_where(&mut self, session: SessionId, user: UserId) {
        let Some(declaration) = self.declaration_of(&session) else { return };
        let horizon = &self.presence.horizon;
        let linked: BTreeSet<UserId> = horizon.listed_by(&user).into_iter().chain(horizon.listers_of(&user)).collect();
        let may_know = linked.into_iter().filter(|other| self.may_know_where(other, &user));
        let peers: Vec<Peer> = may_know.flat_map(|other| self.peers.connections.of_user(&other)).collect();
        for Peer { conn, .. } in peers {
            let known = KnownUser { declarations: List(vec![declaration.clone()]), ..KnownUser::empty(user) };
            self.send_known(conn, 0, vec![known], false);
        }
    }

    /// Whether a user may have the declarations of another one: within two links, and in a closed network always
    /// (`docs/horizon.md`). The sessions of a user may know where the others are, and own sessions what this one knows. A
    /// session that waits to be linked is a stranger to the one that is to link it, and dials whoever is introduced to it.
    pub(in crate::proto) fn may_know_where(&self, asker: &UserId, user: &UserId) -> bool {
        self.cx.config.network != NetworkId::OPEN
            || asker == user
            || *asker == self.cx.config.user
            || self.presence.horizon.may_know(asker, user)
            || (*user == self.cx.config.user && self.people.links.wants(asker))
            || self.peers.connections.of_user(user).iter().any(|peer| self.peers.connections.waits(&peer.session))
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
            .filter(|addr| crate::proto::people::sessions::is_shareable(&addr.0));
        let live = self.claims_connected(session).then_some(true);
        Some(KnownDeclaration { declaration, age_ms: self.age_of(session), observed, live })
    }

    /// A usable key card of a session, and its age.
    fn card_of(&self, session: &SessionId) -> Option<(Signed, Duration)> {
        if *session == self.cx.me {
            return Some((self.people.myself.card.signed().clone(), Duration::ZERO));
        }
        let card = self.people.sessions.get(session)?.card()?;
        Some((card.signed(), card.age(self.cx.now.moment)?))
    }

    fn pages_of(&self, user: &UserId, session: &SessionId) -> Vec<Signed> {
        let own = self.people.myself.links.iter().map(|page| page.signed().clone());
        if *session == self.cx.me { own.collect() } else { self.presence.horizon.pages(user, session) }
    }

    /// The known user whose id begins with these bytes.
    pub(in crate::proto) fn find_user(&self, short: [u8; 8]) -> Option<UserId> {
        self.people.users.find_by_prefix(short).or_else(|| self.presence.horizon.find_listed(short))
    }

    fn find_session(&self, user: &UserId, wanted: [u8; 8]) -> Option<SessionId> {
        let own = (*user == self.cx.config.user).then_some(self.cx.me);
        let all = self.people.sessions.of_user(user).chain(self.presence.horizon.sessions_of(user)).chain(own);
        all.into_iter().find(|session| session.0[..8] == wanted)
    }
}

/// A request for the roster and key cards of a user.
fn want_all(summary: &UserSummary) -> UserWant {
    let all = |summary: &SessionSummary| SessionWant {
        session: summary.session,
        declaration: false,
        card: true,
        links: false,
    };
    UserWant { user: summary.user, roster: true, sessions: List(summary.sessions.iter().map(all).collect()) }
}
