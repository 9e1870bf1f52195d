//! Commands that speak to the running node over its local API, and end with an exit code that a script can use.
//!
//! Each has one connection ([`node`]) and does one thing at a time. Without `--json` they print what the node's
//! `--plain` interface shows of the same event.

mod advice;
#[cfg(feature = "screen")]
mod attach;
mod doctor;
mod export;
mod node;
mod search;
mod send;
mod show;
mod status;
mod watch;
mod web;

use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::config::remote::{Remote, RemoteSub};
use crate::ui::exit::Exit;
use crate::ui::plain::inline;
pub use doctor::Machine;
use node::Node;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// There is no node to speak to.
    #[error("{0}")]
    NoNode(String),
    /// It is not clear which node is meant.
    #[error("{0}")]
    Usage(String),
    /// What was waited for did not happen in time.
    #[error("{0}")]
    TimedOut(String),
    /// The node has refused.
    #[error("{0}")]
    Refused(String),
    /// The node has ended.
    #[error("{0}")]
    Ended(String),
    /// The doctor has found something.
    #[error("something is wrong; the verdict says what to do about it")]
    Wrong,
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failed {
    fn exit(&self) -> Exit {
        match self {
            Failed::NoNode(_) => Exit::NoNode,
            Failed::Usage(_) => Exit::Usage,
            Failed::TimedOut(_) => Exit::TimedOut,
            Failed::Refused(_) | Failed::Ended(_) | Failed::Wrong | Failed::Output(_) => Exit::Failure,
        }
    }
}

/// Carries out a command. An error is one line on standard error. `machine` looks at the machine where no node does.
pub fn run(remote: &Remote, machine: Machine) -> Exit {
    match carry_out(remote, machine) {
        Ok(()) => Exit::Success,
        // Whoever read the output has enough.
        Err(Failed::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(failed) => {
            eprintln!("darknode: {}", inline(&failed.to_string()));
            failed.exit()
        }
    }
}

/// When the time for something is over; `None` if it has as long as it needs, which 0 stands for.
fn deadline(began: Instant, timeout: Duration) -> Option<Instant> {
    began.checked_add(timeout).filter(|_| !timeout.is_zero())
}

fn carry_out(Remote { node, order }: &Remote, machine: Machine) -> Result<(), Failed> {
    match order {
        RemoteSub::Watch(args) => watch::watch(node, args),
        RemoteSub::Send(args) => send::send(&mut Node::connect(node)?, args, Instant::now()),
        RemoteSub::History(args) => {
            let mut request = json!({ "do": "history", "user": args.user, "n": args.n });
            if let Some(before) = &args.before {
                request["before"] = json!(before);
            }
            show::show(&mut Node::connect(node)?, request, args.form)
        }
        RemoteSub::Search(args) => search::search(&mut Node::connect(node)?, args),
        RemoteSub::Export(args) => export::export(node, args),
        RemoteSub::Users(args) => {
            let which = match (args.online, args.offline) {
                (true, _) => "online",
                (_, true) => "offline",
                _ => "users",
            };
            show::show(&mut Node::connect(node)?, json!({ "do": which }), args.form)
        }
        RemoteSub::Status(args) => status::status(&mut Node::connect(node)?, args),
        RemoteSub::Doctor(args) => doctor::doctor(node, args, machine),
        RemoteSub::Cancel(args) => {
            let request = json!({ "do": "cancel", "message": args.message });
            show::show(&mut Node::connect(node)?, request, args.form)
        }
        RemoteSub::Web(args) => web::web(&mut Node::connect(node)?, args),
        #[cfg(feature = "screen")]
        RemoteSub::Attach(args) => attach::attach(node, args),
        #[cfg(not(feature = "screen"))]
        RemoteSub::Attach(_) => Err(Failed::Usage("this program was built without the full screen".to_owned())),
        RemoteSub::Stop(args) => show::show(&mut Node::connect(node)?, json!({ "do": "stop" }), args.form),
    }
}
