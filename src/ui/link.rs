//! The interface of a session that waits to be linked: shows its code, until the node has a user or is told to stop.

use std::io;

use tokio::sync::{Notify, mpsc};

use super::exit::Exit;
use super::lines::Lines;
use super::{Event, Screen, exit, render};
use crate::config::Config;
use crate::handle::{Handle, NodeMessage, UiMessage};
use crate::proto::event::{Adopted, Command, Request};
use crate::proto::notice::{ErrorCode, Notice};
use crate::ui::session::Ending;

/// How the waiting ended.
pub enum Waited {
    /// The session has a user now. The port on which it was reached is kept.
    Linked(Box<Adopted>, u16),
    /// The program ends.
    Ended(Exit),
}

/// Runs until the session is linked, or until `stop`. Then the node is asked to quit, and has stopped when this returns.
pub async fn wait(config: &Config, mut handle: Handle, stop: &Notify) -> Waited {
    let (printed_to, _printed) = mpsc::unbounded_channel();
    let mut screen = Lines::new(io::stdout(), render(config), printed_to);
    let (mut linked, mut port) = (None, 0);
    loop {
        let message = tokio::select! {
            message = handle.from_node.recv() => message,
            () = stop.notified() => {
                quit(&handle).await;
                continue;
            }
        };
        let shown = match message {
            Some(NodeMessage::Ready(ready, _)) => {
                port = ready.listen.first().map_or(0, |addr| addr.port());
                screen.show(None, Event::Waiting(&ready))
            }
            Some(NodeMessage::Notice { notice, .. }) if concerns_linking(&notice) => {
                screen.show(None, Event::Notice(&notice))
            }
            Some(NodeMessage::Notice { .. } | NodeMessage::Rows { .. }) => Ok(()),
            Some(NodeMessage::Adopted(adopted)) => {
                linked = Some(adopted);
                quit(&handle).await;
                Ok(())
            }
            Some(NodeMessage::Stopped) => match linked {
                Some(adopted) => return Waited::Linked(adopted, port),
                None => {
                    let _ = screen.show(None, Event::Stopped).and_then(|()| screen.flush());
                    return Waited::Ended(Exit::Success);
                }
            },
            Some(NodeMessage::Failed(why)) => return Waited::Ended(failed(&mut screen, why)),
            None => return Waited::Ended(failed(&mut screen, "the node ended unexpectedly".to_owned())),
        };
        if shown.and_then(|()| screen.flush()).is_err() {
            quit(&handle).await;
        }
    }
}

async fn quit(handle: &Handle) {
    handle.to_node.send(UiMessage::Request(Request { line: None, command: Command::Quit })).await.ok();
}

/// Nobody is told of the people whom a session meets that has no user yet.
fn concerns_linking(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::Code { .. }
            | Notice::Joined { .. }
            | Notice::Session { .. }
            | Notice::Bootstrap { .. }
            | Notice::Warning { .. }
    )
}

fn failed(screen: &mut Lines<io::Stdout>, why: String) -> Exit {
    let error = Notice::Error { code: ErrorCode::Internal, message: why.clone() };
    let _ = screen.show(None, Event::Notice(&error)).and_then(|()| screen.flush());
    exit(Ending::Failed(why))
}
