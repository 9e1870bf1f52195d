//! Carries out the commands of the user interface.

use std::net::{IpAddr, SocketAddr};

use crate::id::{Address, UserId};
use crate::identity::address::{ContactAddress, SCHEME};
use crate::identity::name::BadName;
use crate::proto::Core;
use crate::proto::commands::lookup::Lookup;
use crate::proto::event::{CloseReason, Command, Output, Request};
use crate::proto::limits::{MAX_NAMESAKES, MAX_PLACES_EXPECTED};
use crate::proto::notice::{ErrorCode, Filter, Notice, WarningCode};
use crate::proto::peer::Peer;
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::peers::joining::{Obstacle, TOO_LARGE};
use crate::proto::people::on_name::Claim;
use crate::proto::people::users::Resolved;
use crate::proto::persist::{LinkState, Op};
use crate::wire::content::{MAX_TEXT, kind};

/// Why a command cannot be carried out: the code and the message to display.
pub(super) type Failed = (ErrorCode, String);

/// Characters of what was typed that a message repeats.
const REPEATED: usize = 40;

/// The beginning of what was typed, for a message.
pub(super) fn beginning(typed: &str) -> String {
    match typed.char_indices().nth(REPEATED) {
        Some((end, _)) => format!("{}…", &typed[..end]),
        None => typed.to_owned(),
    }
}

/// What is wrong with something that is no name.
fn not_a_user(typed: &str, why: &BadName) -> String {
    let is_address = typed.parse::<SocketAddr>().is_ok() || typed.parse::<IpAddr>().is_ok();
    let typed = beginning(typed);
    if is_address {
        format!("{typed} is a network address, not a user; give a name or an id")
    } else {
        format!("{typed} is neither a name nor an id: {why}")
    }
}

impl Core {
    /// Carries out a command. An error is reported for its input line.
    pub(in crate::proto) fn on_request(&mut self, request: Request) {
        let Request { line, command } = request;
        if let Err((code, message)) = self.carry_out(line, command) {
            self.cx.notice(line, Notice::Error { code, message });
        }
    }

    fn carry_out(&mut self, line: Option<u64>, command: Command) -> Result<(), Failed> {
        match command {
            Command::Chat { ref user } => match self.resolve_user(user) {
                Ok(id) => self.chat(line, id).map(|()| self.reach(&id, user)),
                Err(failed) => self.look_up(line, command, failed),
            },
            Command::Add { ref user } => match self.resolve_user(user) {
                Ok(id) => self.add(line, id).map(|()| self.reach(&id, user)),
                Err(failed) => self.look_up(line, command, failed),
            },
            Command::Say { to, text } => self.send_text(line, to, text),
            Command::Users { filter } => self.show_users(line, filter),
            Command::Map => self.show_map(line),
            Command::Remove { user } => self.unlink(line, &user, LinkState::Removed),
            Command::Block { user } => self.unlink(line, &user, LinkState::Blocked),
            Command::Ping { addrs } => self.ping(line, addrs),
            Command::Requests => self.show_requests(line),
            Command::Dismiss { user } => self.dismiss(line, &user),
            Command::Explode => self.explode(line),
            Command::PingAddress { address } => self.ping_address(line, address),
            Command::Me => self.show_me(line),
            Command::Whois { user } => self.show_whois(line, &user),
            Command::Verify { user } => self.verify(line, &user),
            Command::Sessions => self.show_sessions(line),
            Command::Unlink { label } => self.unlink_session(line, &label),
            Command::Status { user } => self.query_status(line, user.as_deref()),
            Command::History { user, n, numbered, before, after } => {
                self.query_history(line, &user, n, numbered, (before, after))
            }
            Command::Search { text, with, n, before } => self.query_search(line, text, with, n, before),
            Command::Export { user, after } => self.query_export(line, user, after),
            Command::Conversations => self.query_conversations(line),
            Command::Read { user, through } => self.query_unread(line, &user, &through),
            Command::Cancel { message } => self.cancel(line, &message),
            Command::Link { invitation } => {
                self.linking.requested = Some((line, invitation));
                Ok(())
            }
            Command::Prune { keep } => self.prune_sessions(line, keep),
            Command::Examine { user, probe, redact } => self.examine(line, user, probe, redact),
            Command::Quit => self.quit(),
        }
    }

    /// Resolves a handle, user id or contact address to a known user.
    ///
    /// # Errors
    ///
    /// The input is malformed, unknown or ambiguous.
    pub(in crate::proto) fn resolve_user(&self, typed: &str) -> Result<UserId, Failed> {
        if typed.starts_with(SCHEME) {
            return typed
                .parse()
                .map(|address: ContactAddress| address.user)
                .map_err(|why| (ErrorCode::BadAddress, why.to_string()));
        }
        match self.people.users.resolve(typed) {
            Resolved::One(id) => Ok(id),
            Resolved::Unknown => Err((
                ErrorCode::UnknownUser,
                format!("no known user is called {typed}; \\users lists those who are known"),
            )),
            Resolved::Invalid(why) => Err((ErrorCode::BadName, not_a_user(typed, &why))),
            Resolved::Ambiguous(ids) => {
                let shown = ids.iter().take(MAX_NAMESAKES).map(|id| self.people.users.handle(id));
                let more = (ids.len() > MAX_NAMESAKES).then(|| "others".to_owned());
                let handles: Vec<String> = shown.chain(more).collect();
                Err((ErrorCode::AmbiguousUser, format!("{typed} may be {}; type one of these", handles.join(" or "))))
            }
        }
    }

    /// Lets a command wait while its unknown name is searched for.
    fn look_up(&mut self, line: Option<u64>, command: Command, failed: Failed) -> Result<(), Failed> {
        let (Command::Chat { user } | Command::Add { user }) = &command else { return Err(failed) };
        let user = user.clone();
        if failed.0 != ErrorCode::UnknownUser || !self.commands.lookups.add(line, command, self.cx.now.moment) {
            return Err(failed);
        }
        self.start_find(&user);
        Ok(())
    }

    /// Retries the commands that wait for a name, since a new user is known.
    pub(in crate::proto) fn retry_lookups(&mut self) {
        let waiting = self.commands.lookups.take_all();
        self.try_lookups(waiting);
    }

    /// Carries out commands whose name is known now, and puts the others back.
    pub(in crate::proto) fn try_lookups(&mut self, lookups: Vec<Lookup>) {
        for lookup in lookups {
            let (Command::Chat { user } | Command::Add { user }) = &lookup.command else { continue };
            match self.resolve_user(user) {
                Err((ErrorCode::UnknownUser, _)) => self.commands.lookups.put_back(lookup),
                _ => self.on_request(Request { line: lookup.line, command: lookup.command }),
            }
        }
    }

    fn chat(&mut self, line: Option<u64>, id: UserId) -> Result<(), Failed> {
        self.refuse_self(&id)?;
        self.refuse_blocked(&id)?;
        let is_new = self.people.links.can_ask(&id);
        if is_new {
            self.set_link(id, LinkState::Linked);
        }
        let with = self.people.users.handle(&id);
        let online = !self.peers.connections.of_user(&id).is_empty() || !self.presence.online.of_user(&id).is_empty();
        let notice = Notice::Chat { with, id, online };
        match is_new {
            true => self.cx.notice_after_store(line, notice),
            // While the disk refuses, whoever types a line next is told that, and does not wait for what others have left to store.
            false => self.cx.notice(line, notice),
        }
        Ok(())
    }

    fn add(&mut self, line: Option<u64>, id: UserId) -> Result<(), Failed> {
        self.refuse_self(&id)?;
        if self.people.links.can_ask(&id) {
            self.set_link(id, LinkState::Linked);
        }
        self.done(line, format!("added {}", self.people.users.handle(&id)))
    }

    fn unlink(&mut self, line: Option<u64>, typed: &str, state: LinkState) -> Result<(), Failed> {
        let id = self.resolve_user(typed)?;
        self.refuse_self(&id)?;
        if self.people.links.own_state(&id) != state {
            self.set_link(id, state);
        }
        if state == LinkState::Blocked {
            for Peer { conn, .. } in self.peers.connections.of_user(&id) {
                self.close(conn, CloseReason::Blocked);
            }
        }
        let verb = if state == LinkState::Blocked { "blocked" } else { "removed" };
        self.done(line, format!("{verb} {}", self.people.users.handle(&id)))
    }

    fn send_text(&mut self, line: Option<u64>, to: UserId, text: String) -> Result<(), Failed> {
        if text.len() > MAX_TEXT {
            let message = format!("a line holds up to {MAX_TEXT} bytes, this one has {}", text.len());
            return Err((ErrorCode::TextTooLong, message));
        }
        self.refuse_unlisted()?;
        self.refuse_self(&to)?;
        self.refuse_blocked(&to)?;
        if !self.chat.outbox.has_capacity(text.len()) {
            let message = "too much is waiting to be delivered; \\cancel some of it or wait".to_owned();
            return Err((ErrorCode::TooMany, message));
        }
        if self.people.links.own_state(&to) != LinkState::Linked {
            self.set_link(to, LinkState::Linked);
        }
        let lamport = self.cx.count.next_lamport();
        let message = self.post(Address::from(to), kind::TEXT, text.clone().into_bytes(), lamport, line);
        let handle = self.people.users.handle(&to);
        let sent = self.cx.now.wall;
        self.cx.notice_after_store(line, Notice::Queued { message, to: handle, text, sent, order: lamport });
        if self
            .people
            .sessions
            .of_user(&to)
            .all(|session| self.people.sessions.prekey(&session, self.cx.now.moment).is_none())
        {
            self.warn_no_key(&Address::from(to));
        }
        Ok(())
    }

    /// Dials all addresses of a place. The first answer is the result.
    fn ping(&mut self, line: Option<u64>, addrs: Vec<SocketAddr>) -> Result<(), Failed> {
        addrs.iter().try_for_each(|addr| self.refuse_useless(addr))?;
        for addr in addrs {
            self.dial(Dial { addr, purpose: Purpose::Ping { line, expected: None } }, None);
        }
        Ok(())
    }

    fn refuse_useless(&self, addr: &SocketAddr) -> Result<(), Failed> {
        let why = if addr.port() == 0 || addr.ip().is_unspecified() || addr.ip().is_multicast() {
            "cannot be dialled"
        } else if self.people.myself.addrs.contains(addr) {
            "is this node's own address"
        } else {
            return Ok(());
        };
        Err((ErrorCode::BadAddress, format!("{addr} {why}")))
    }

    /// Dials all addresses of a contact address. The first answer with the user's key is the result.
    fn ping_address(&mut self, line: Option<u64>, address: ContactAddress) -> Result<(), Failed> {
        let ContactAddress { user: whom, addrs } = address;
        self.refuse_self(&whom)?;
        if addrs.is_empty() {
            return Err((
                ErrorCode::BadAddress,
                "this address names a user but no IP address; ask for a current one, which \\me shows".to_owned(),
            ));
        }
        self.peers.pings.await_user(line, whom, self.cx.now.moment);
        for addr in addrs {
            self.dial(Dial { addr, purpose: Purpose::Ping { line, expected: Some(whom) } }, None);
        }
        Ok(())
    }

    /// Dials the addresses of a contact address, and searches for a user of whom only the id is known.
    fn reach(&mut self, id: &UserId, typed: &str) {
        self.dial_address(typed);
        if self.people.sessions.of_user(id).next().is_none() {
            self.start_find(&id.to_string());
        }
    }

    /// Dials the addresses of a contact address, as if they were given by `--bootstrap`.
    fn dial_address(&mut self, typed: &str) {
        let Ok(ContactAddress { user, addrs }) = typed.parse() else { return };
        if self.peers.expected.len() + addrs.len() <= MAX_PLACES_EXPECTED {
            self.join_by(&addrs, Some(user));
        }
    }

    fn verify(&mut self, line: Option<u64>, typed: &str) -> Result<(), Failed> {
        let id = self.resolve_user(typed)?;
        // The author of lines that are held back learns from the link that they may come.
        if self.people.strangers.holds_lines(&id) && self.people.links.can_ask(&id) {
            self.set_link(id, LinkState::Linked);
        }
        self.claim_name(id, Claim::Command);
        self.people.users.verify(&id);
        self.sisters.ledger.note_person(&mut self.cx, id, None);
        self.settle_stranger(&id);
        self.people.keep(&mut self.cx, id);
        self.people.save_user(&mut self.cx, &id);
        self.people.warned.remove(&(id, WarningCode::NameClash));
        let handle = self.people.users.handle(&id);
        self.cx.notice_after_store(line, Notice::Done { what: format!("verified {handle}") });
        Ok(())
    }

    fn cancel(&mut self, line: Option<u64>, token: &str) -> Result<(), Failed> {
        let Some(id) = self.chat.outbox.find(token) else {
            let message = "no undelivered message has this id; \\status lists them".to_owned();
            return Err((ErrorCode::BadArgument, message));
        };
        self.chat.outbox.remove(&id);
        self.sisters.ledger.withdraw(&mut self.cx, id.stream, id.n);
        self.cx.out.store(Op::Cancelled(id));
        self.cancel_mail(&id);
        self.cx.notice_after_store(line, Notice::Done { what: format!("cancelled {token}") });
        let to = self.people.handle(&id.stream.to);
        self.cx.notice_after_store(None, Notice::Cancelled { message: id, to });
        Ok(())
    }

    fn prune_sessions(&mut self, line: Option<u64>, keep: u32) -> Result<(), Failed> {
        let gone = self.prune(keep as usize);
        self.done(line, format!("sessions forgotten: {gone}, left: {}", self.people.sessions.count()))
    }

    /// Declares this session offline to all neighbours and stops the node.
    fn quit(&mut self) -> Result<(), Failed> {
        if !self.cx.stopping {
            self.declare(false);
            self.cx.stopping = true;
            self.cx.out.after_store(Output::Stop);
        }
        Ok(())
    }

    fn show_users(&mut self, line: Option<u64>, filter: Filter) -> Result<(), Failed> {
        let users = self.view(filter);
        self.cx.notice(line, Notice::Users { filter, users });
        Ok(())
    }

    fn show_me(&mut self, line: Option<u64>) -> Result<(), Failed> {
        let profile = self.view_profile(&self.cx.config.user);
        self.cx.notice(line, Notice::Me(Box::new(profile)));
        Ok(())
    }

    fn show_whois(&mut self, line: Option<u64>, typed: &str) -> Result<(), Failed> {
        let id = self.resolve_user(typed)?;
        let profile = self.view_profile(&id);
        self.cx.notice(line, Notice::Whois(Box::new(profile)));
        Ok(())
    }

    fn show_requests(&mut self, line: Option<u64>) -> Result<(), Failed> {
        let users = self.view_requests(false);
        self.cx.notice(line, Notice::Requests { users, is_answer: true });
        Ok(())
    }

    /// Forgets a stranger who has written. Of a user who was removed the messages stay.
    fn dismiss(&mut self, line: Option<u64>, typed: &str) -> Result<(), Failed> {
        let id = self.resolve_user(typed)?;
        let handle = self.people.users.handle(&id);
        let was_removed = self.people.links.own_state(&id) == LinkState::Removed;
        if !self.dismiss_stranger(id) {
            let message = format!("{handle} does not wait for an answer; \\requests lists those who do");
            return Err((ErrorCode::BadArgument, message));
        }
        let forgotten = if was_removed { "" } else { "what they wrote is forgotten, and " };
        self.done(line, format!("dismissed {handle}; {forgotten}their lines are refused for a day"))
    }

    fn done(&mut self, line: Option<u64>, what: String) -> Result<(), Failed> {
        self.cx.notice_after_store(line, Notice::Done { what });
        Ok(())
    }

    pub(super) fn refuse_self(&self, id: &UserId) -> Result<(), Failed> {
        if *id == self.cx.config.user {
            return Err((ErrorCode::BadArgument, "that is you".to_owned()));
        }
        Ok(())
    }

    fn refuse_blocked(&self, id: &UserId) -> Result<(), Failed> {
        if self.people.links.is_blocked(id) {
            let name = self.people.users.handle(id);
            return Err((ErrorCode::Blocked, format!("you blocked {name}; \\add {name} undoes it")));
        }
        Ok(())
    }

    /// What to tell a person about a name that nobody knows: that nobody could be asked, if the network is the reason.
    fn why_not_found(&self, user: &str) -> (ErrorCode, String) {
        let obstacle = self.peers.joining.network_obstacle();
        let alone = self.peers.connections.iter_up().next().is_none();
        match obstacle.filter(|_| alone) {
            Some(Obstacle::TooLarge) => {
                (ErrorCode::Unreachable, format!("nobody can be asked for {user}: {TOO_LARGE}"))
            }
            Some(_) => {
                (ErrorCode::Unreachable, format!("nobody can be asked for {user}: a firewall does not let UDP pass"))
            }
            None => (
                ErrorCode::UnknownUser,
                format!("no user called {user} is known or near; \\users lists those who are known"),
            ),
        }
    }

    /// Retries commands whose pause for answers is over, and reports an error for those whose deadline has passed.
    pub(in crate::proto) fn retry_due_lookups(&mut self) {
        let settled = self.commands.lookups.take_settled(self.cx.now.moment);
        self.try_lookups(settled);
        for lookup in self.commands.lookups.take_overdue(self.cx.now.moment) {
            let (Command::Chat { user } | Command::Add { user }) = &lookup.command else { continue };
            // The user may have become known in another way, by a message through a relay.
            if !matches!(self.resolve_user(user), Err((ErrorCode::UnknownUser, _))) {
                self.on_request(Request { line: lookup.line, command: lookup.command });
                continue;
            }
            let (code, message) = self.why_not_found(user);
            self.cx.notice(lookup.line, Notice::Error { code, message });
        }
        for user in self.commands.lookups.take_found() {
            self.forget_if_unneeded(&user);
        }
    }
}
