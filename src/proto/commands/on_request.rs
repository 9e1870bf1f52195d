//! What somebody at a face wants.

use std::net::{IpAddr, SocketAddr};

use crate::id::{Address, UserId};
use crate::identity::address::{ContactAddress, SCHEME};
use crate::proto::Core;
use crate::proto::commands::lookup::Lookup;
use crate::proto::event::{CloseReason, Command, Output, Query, Request, StatusOf};
use crate::proto::limits::{MAX_PLACES_EXPECTED, STATUS_RECENT};
use crate::proto::notice::{ErrorCode, Filter, Notice, WarningCode};
use crate::proto::peer::Peer;
use crate::proto::peers::dials::{Dial, Purpose};
use crate::proto::people::users::Resolved;
use crate::proto::persist::{LinkState, Op};
use crate::wire::content::{MAX_TEXT, kind};

/// What a command comes to when it cannot be done.
type Failed = (ErrorCode, String);

impl Core {
    pub(in crate::proto) fn on_request(&mut self, request: Request) {
        let Request { line, command } = request;
        if let Err((code, message)) = self.carry_out(line, command) {
            self.cx.notice(line, Notice::Error { code, message });
        }
    }

    fn carry_out(&mut self, line: Option<u64>, command: Command) -> Result<(), Failed> {
        match command {
            Command::Chat { ref user } => match self.find(user) {
                Ok(id) => self.chat(line, id).map(|()| self.go_to(user)),
                Err(failed) => self.look_up(line, command, failed),
            },
            Command::Add { ref user } => match self.find(user) {
                Ok(id) => self.add(line, id).map(|()| self.go_to(user)),
                Err(failed) => self.look_up(line, command, failed),
            },
            Command::Say { to, text } => self.say(line, to, text),
            Command::Users { filter } => self.tell_users(line, filter),
            Command::Remove { user } => self.unlink(line, &user, LinkState::Removed),
            Command::Block { user } => self.unlink(line, &user, LinkState::Blocked),
            Command::Ping { ip, port } => self.ping(line, ip, port),
            Command::Explode => self.explode(line),
            Command::PingAddress { address } => self.ping_address(line, address),
            Command::Me => self.tell_me(line),
            Command::Whois { user } => self.tell_whois(line, &user),
            Command::Verify { user } => self.verify(line, &user),
            Command::Status { user } => self.ask_status(line, user.as_deref()),
            Command::History { user, n } => self.ask_history(line, &user, n),
            Command::Cancel { message } => self.cancel(line, &message),
            Command::Prune { keep } => self.prune_by_hand(line, keep),
            Command::Quit => self.quit(),
        }
    }

    /// The user somebody means.
    pub(in crate::proto) fn find(&self, typed: &str) -> Result<UserId, Failed> {
        if typed.starts_with(SCHEME) {
            return typed
                .parse()
                .map(|address: ContactAddress| address.user)
                .map_err(|why| (ErrorCode::BadAddress, why.to_string()));
        }
        match self.people.users.resolve(typed) {
            Resolved::One(id) => Ok(id),
            Resolved::Unknown => {
                Err((ErrorCode::UnknownUser, format!("nobody called {typed} is known; \\users lists who is")))
            }
            Resolved::Invalid(why) => Err((ErrorCode::BadName, why.to_string())),
            Resolved::Ambiguous(ids) => {
                let handles: Vec<String> = ids.iter().map(|id| self.people.users.handle(id)).collect();
                Err((ErrorCode::AmbiguousUser, format!("{typed} may be {}; type one of these", handles.join(" or "))))
            }
        }
    }

    /// An unknown name may turn up in a moment: the command waits for it.
    fn look_up(&mut self, line: Option<u64>, command: Command, failed: Failed) -> Result<(), Failed> {
        let (Command::Chat { user } | Command::Add { user }) = &command else { return Err(failed) };
        let user = user.clone();
        if failed.0 != ErrorCode::UnknownUser || !self.commands.lookups.wait(line, command, self.cx.now.moment) {
            return Err(failed);
        }
        self.ask_for(&user);
        Ok(())
    }

    /// Somebody new is known: what waits for a name is tried again.
    pub(in crate::proto) fn retry_lookups(&mut self) {
        let waiting = self.commands.lookups.retry();
        self.try_lookups(waiting);
    }

    pub(in crate::proto) fn try_lookups(&mut self, lookups: Vec<Lookup>) {
        for lookup in lookups {
            let (Command::Chat { user } | Command::Add { user }) = &lookup.command else { continue };
            match self.find(user) {
                Err((ErrorCode::UnknownUser, _)) => self.commands.lookups.put_back(lookup),
                _ => self.on_request(Request { line: lookup.line, command: lookup.command }),
            }
        }
    }

    fn chat(&mut self, line: Option<u64>, id: UserId) -> Result<(), Failed> {
        self.refuse_myself(&id)?;
        self.refuse_blocked(&id)?;
        if self.people.links.can_ask(&id) {
            self.set_link(id, LinkState::Linked);
        }
        let with = self.people.users.handle(&id);
        let online = !self.peers.connections.of_user(&id).is_empty() || !self.presence.online.of_user(&id).is_empty();
        self.cx.notice_after_store(line, Notice::Chat { with, id, online });
        Ok(())
    }

    fn add(&mut self, line: Option<u64>, id: UserId) -> Result<(), Failed> {
        self.refuse_myself(&id)?;
        if self.people.links.can_ask(&id) {
            self.set_link(id, LinkState::Linked);
        }
        self.done(line, format!("added {}", self.people.users.handle(&id)))
    }

    fn unlink(&mut self, line: Option<u64>, typed: &str, state: LinkState) -> Result<(), Failed> {
        let id = self.find(typed)?;
        self.refuse_myself(&id)?;
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

    fn say(&mut self, line: Option<u64>, to: UserId, text: String) -> Result<(), Failed> {
        if text.len() > MAX_TEXT {
            let message = format!("a line holds up to {MAX_TEXT} bytes, this one has {}", text.len());
            return Err((ErrorCode::TextTooLong, message));
        }
        self.refuse_myself(&to)?;
        self.refuse_blocked(&to)?;
        if !self.chat.outbox.has_room(text.len()) {
            let message = "too much is waiting to be delivered; \\cancel some of it or wait".to_owned();
            return Err((ErrorCode::TooMany, message));
        }
        if self.people.links.own_state(&to) != LinkState::Linked {
            self.set_link(to, LinkState::Linked);
        }
        let lamport = self.cx.count.next_lamport();
        let message = self.post(Address::from(to), kind::TEXT, text.clone().into_bytes(), lamport, line);
        let handle = self.people.users.handle(&to);
        self.cx.notice_after_store(line, Notice::Queued { message, to: handle, text });
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

    fn ping(&mut self, line: Option<u64>, ip: IpAddr, port: Option<u16>) -> Result<(), Failed> {
        let addr = SocketAddr::new(ip.to_canonical(), port.unwrap_or(self.cx.config.port));
        if addr.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
            return Err((ErrorCode::BadAddress, format!("{addr} cannot be dialled")));
        }
        if self.people.myself.addrs.contains(&addr) {
            return Err((ErrorCode::BadAddress, format!("{addr} is my own address")));
        }
        let dial = Dial { addr, purpose: Purpose::Ping { line, expected: None } };
        self.dial(dial, None);
        Ok(())
    }

    /// Whoever of the places answers first with that user's key answers the line.
    fn ping_address(&mut self, line: Option<u64>, address: ContactAddress) -> Result<(), Failed> {
        let ContactAddress { user: whom, places } = address;
        self.refuse_myself(&whom)?;
        if places.is_empty() {
            return Err((ErrorCode::BadAddress, "this address says who, and not where".to_owned()));
        }
        self.peers.pings.await_user(line, whom, self.cx.now.moment);
        for addr in places {
            self.dial(Dial { addr, purpose: Purpose::Ping { line, expected: Some(whom) } }, None);
        }
        Ok(())
    }

    /// Where an address says that somebody is, they are looked for like a node given by `--bootstrap`.
    fn go_to(&mut self, typed: &str) {
        let Ok(ContactAddress { user, places }) = typed.parse() else { return };
        if self.peers.expected.len() + places.len() <= MAX_PLACES_EXPECTED {
            self.on_bootstrap(places, Some(user));
        }
    }

    fn verify(&mut self, line: Option<u64>, typed: &str) -> Result<(), Failed> {
        let id = self.find(typed)?;
        self.people.users.pin(&id);
        self.people.users.verify(&id);
        self.people.keep(&mut self.cx, id);
        self.people.save_user(&mut self.cx, &id);
        self.people.warned.remove(&(id, WarningCode::NameClash));
        let handle = self.people.users.handle(&id);
        self.cx.notice_after_store(line, Notice::Done { what: format!("verified {handle}") });
        Ok(())
    }

    /// Of everything that waits, or of one conversation.
    fn ask_status(&mut self, line: Option<u64>, typed: Option<&str>) -> Result<(), Failed> {
        let (users, recent) = match typed {
            Some(typed) => (vec![self.find(typed)?], STATUS_RECENT),
            None => (self.chat.outbox.addressees().map(|to| self.people.user_at(&to)).collect(), 0),
        };
        let of = |with: UserId| StatusOf {
            with,
            handle: self.people.users.handle(&with),
            sessions: self.people.users.audience(&with),
            carriers: self
                .chat
                .outbox
                .carriers(&Address::from(with))
                .into_iter()
                .map(|by| (by, self.people.name_of(&by)))
                .collect(),
        };
        let conversations = users.into_iter().map(of).collect();
        self.cx.out.push(Output::Query { line, query: Query::Status { conversations, recent } });
        Ok(())
    }

    fn ask_history(&mut self, line: Option<u64>, typed: &str, n: u32) -> Result<(), Failed> {
        let with = self.find(typed)?;
        let handle = self.people.users.handle(&with);
        self.cx.out.push(Output::Query { line, query: Query::History { with, handle, n } });
        Ok(())
    }

    fn cancel(&mut self, line: Option<u64>, token: &str) -> Result<(), Failed> {
        let Some(id) = self.chat.outbox.find(token) else {
            let message = "no message that waits has this id; \\status lists those that do".to_owned();
            return Err((ErrorCode::BadArgument, message));
        };
        self.chat.outbox.remove(&id);
        self.cx.out.store(Op::Cancelled(id));
        self.cancel_mail(&id);
        self.cx.notice_after_store(line, Notice::Done { what: format!("cancelled {token}") });
        Ok(())
    }

    fn prune_by_hand(&mut self, line: Option<u64>, keep: u32) -> Result<(), Failed> {
        let gone = self.prune(keep as usize);
        self.done(line, format!("forgot {gone} sessions, {} are left", self.people.sessions.count()))
    }

    /// Declares offline to everybody and stops.
    fn quit(&mut self) -> Result<(), Failed> {
        if !self.cx.stopping {
            self.declare(false);
            self.cx.stopping = true;
            self.cx.out.after_store(Output::Stop);
        }
        Ok(())
    }

    fn tell_users(&mut self, line: Option<u64>, filter: Filter) -> Result<(), Failed> {
        let users = self.view(filter);
        self.cx.notice(line, Notice::Users { filter, users });
        Ok(())
    }

    fn tell_me(&mut self, line: Option<u64>) -> Result<(), Failed> {
        let profile = self.view_profile(&self.cx.config.user);
        self.cx.notice(line, Notice::Me(Box::new(profile)));
        Ok(())
    }

    fn tell_whois(&mut self, line: Option<u64>, typed: &str) -> Result<(), Failed> {
        let id = self.find(typed)?;
        let profile = self.view_profile(&id);
        self.cx.notice(line, Notice::Whois(Box::new(profile)));
        Ok(())
    }

    fn done(&mut self, line: Option<u64>, what: String) -> Result<(), Failed> {
        self.cx.notice_after_store(line, Notice::Done { what });
        Ok(())
    }

    fn refuse_myself(&self, id: &UserId) -> Result<(), Failed> {
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

    pub(in crate::proto) fn keep_lookups(&mut self) {
        let settled = self.commands.lookups.settled(self.cx.now.moment);
        self.try_lookups(settled);
        for lookup in self.commands.lookups.overdue(self.cx.now.moment) {
            let (Command::Chat { user } | Command::Add { user }) = lookup.command else { continue };
            let message = format!("nobody called {user} is known or near; \\users lists who is");
            self.cx.notice(lookup.line, Notice::Error { code: ErrorCode::UnknownUser, message });
        }
        for user in self.commands.lookups.take_found() {
            self.forget_if_unneeded(&user);
        }
    }
}
