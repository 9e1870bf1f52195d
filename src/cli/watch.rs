//! `darknode watch`: prints events, and remembers how far it was read.

mod reader;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout};

use super::node::{Node, runtime};
use super::show::print;
use super::{Failed, deadline};
use crate::config::remote::{WatchArgs, Where};
use crate::hub::cursor::Cursor;
use crate::ui::json;
use crate::ui::macros::truncated;
use reader::Reader;

/// The numbers of the requests.
const SUBSCRIBE: u64 = 1;
const WHOIS: u64 = 2;
/// Pause before the node is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints events until the count or the time is reached, the node has ended, or nobody reads any more. A count that is not
/// reached, in time or before the node has stopped, is an error: whoever gives one waits for something.
pub fn watch(node: &Where, args: &WatchArgs) -> Result<(), Failed> {
    args.events.iter().try_for_each(|name| refuse_unknown_event(name))?;
    let deadline = deadline(Instant::now(), args.timeout);
    let left = args.count.unwrap_or(u64::MAX);
    let mut watch = Watch { args, deadline, since: begin(args)?, with: None, left, reader: Reader::watch() };
    loop {
        let ended = match Node::connect(node) {
            // It may have another place for a client soon.
            Err(Failed::Refused(why)) => Err(Failed::Ended(why)),
            connected => connected.and_then(|mut node| watch.follow(&mut node)),
        };
        match ended {
            Err(Failed::Ended(_) | Failed::NoNode(_)) if args.reconnect => {}
            Err(Failed::TimedOut(_)) if watch.is_late() => return watch.on_timeout(),
            other => return other,
        }
        if watch.is_late() {
            return watch.on_timeout();
        }
        watch.pause()?;
    }
}

struct Watch<'a> {
    args: &'a WatchArgs,
    deadline: Option<Instant>,
    /// Where a subscription begins.
    since: String,
    /// The users that `--from` names, once a node has been asked: a handle and an id for each.
    with: Option<Vec<String>>,
    /// Events that are still to be printed.
    left: u64,
    /// Who reads what is printed.
    reader: Reader,
}

impl Watch<'_> {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|at| at <= Instant::now())
    }

    /// Pauses, unless nobody reads any more.
    fn pause(&self) -> Result<(), Failed> {
        let gone = runtime()?.block_on(async { timeout(PAUSE, self.reader.gone()).await });
        gone.map_or(Ok(()), |error| Err(error.into()))
    }

    fn on_timeout(&self) -> Result<(), Failed> {
        match self.args.count {
            None => Ok(()),
            Some(count) => Err(Failed::TimedOut(format!("{} of {count} events in time", count - self.left))),
        }
    }

    /// Follows one run of the node.
    fn follow(&mut self, node: &mut Node) -> Result<(), Failed> {
        let WatchArgs { events, from, form, .. } = self.args;
        let with = match self.with.take() {
            Some(with) => with,
            None => named(node, from)?,
        };
        let with = self.with.insert(with);
        node.request(&json!({
            "line": SUBSCRIBE, "do": "subscribe", "since": self.since, "events": events, "with": with,
            "shown": !form.json,
        }))?;
        while self.left > 0 {
            let event = node.next_until(self.deadline, self.reader.gone())?;
            if let Some(error) = event.error().filter(|_| event.value.get("line").is_some()) {
                return Err(error);
            }
            if event.name() == "stopped" {
                let awaits = self.args.reconnect || self.args.count.is_some();
                return if awaits { Err(Failed::Ended("the node has stopped".to_owned())) } else { Ok(()) };
            }
            let at = event.key("at");
            let happened = !at.is_empty() && !["subscribed", "live", "at", "gap"].contains(&event.name());
            if form.json || happened {
                print(&event, *form)?;
            }
            self.left -= u64::from(happened);
            self.remember(at)?;
        }
        Ok(())
    }

    /// Notes how far was read, after it was printed.
    fn remember(&mut self, at: &str) -> Result<(), Failed> {
        if at.is_empty() {
            return Ok(());
        }
        self.since = at.to_owned();
        match &self.args.cursor {
            Some(file) => replace(file, at).map_err(|error| cannot_keep(file, &error)),
            None => Ok(()),
        }
    }
}

/// The handles and ids of users, as the node knows them. A name that it does not know would be waited for in vain.
fn named(node: &mut Node, users: &[String]) -> Result<Vec<String>, Failed> {
    let mut named = Vec::new();
    for user in users {
        node.request(&json!({ "line": WHOIS, "do": "whois", "user": user }))?;
        let answer = node.answer(WHOIS, |_| {})?;
        match (answer.key("code"), answer.error()) {
            (_, None) => named.extend(["user", "id"].map(|key| answer.key(key).to_owned())),
            // All who are called so are meant.
            ("ambiguous-user", _) => named.push(user.clone()),
            (_, Some(failed)) => return Err(failed),
        }
    }
    Ok(named)
}

fn refuse_unknown_event(name: &str) -> Result<(), Failed> {
    let nearest = json::nearest_event(name);
    if nearest == Some(name) {
        return Ok(());
    }
    let meant = nearest.map(|nearest| format!("did you mean {nearest}? ")).unwrap_or_default();
    Err(Failed::Usage(format!("there is no event {}; {meant}docs/json.md lists them", truncated(name))))
}

/// Where to begin: at the cursor in the file, or as given.
fn begin(args: &WatchArgs) -> Result<String, Failed> {
    let Some(file) = &args.cursor else { return since(&args.since) };
    match fs::read_to_string(file) {
        Ok(text) => {
            let cursor = text.trim().parse::<Cursor>();
            cursor.map(|cursor| cursor.to_string()).map_err(|_| {
                Failed::Usage(format!(
                    "{} does not hold a cursor; remove it to begin with what happens now",
                    file.display()
                ))
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("now".to_owned()),
        Err(error) => Err(Failed::Usage(format!("{} cannot be read: {error}", file.display()))),
    }
}

/// A cursor or a word, as given.
fn since(text: &str) -> Result<String, Failed> {
    let is_known = ["now", "start"].contains(&text) || text.parse::<Cursor>().is_ok();
    let wrong = || Failed::Usage(format!("{text} is not a cursor, now or start; leave --since out to begin now"));
    is_known.then(|| text.to_owned()).ok_or_else(wrong)
}

/// Replaces a file at once, so that it always holds a whole cursor.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let mut new = fs::File::create(&beside)?;
    new.write_all(text.as_bytes())?;
    drop(new);
    fs::rename(&beside, file)
}

fn cannot_keep(file: &Path, error: &io::Error) -> Failed {
    Failed::Refused(format!("the cursor cannot be kept in {}: {error}", file.display()))
}
