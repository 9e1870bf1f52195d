//! The interface of a session that waits to be linked: shows its code, until the node has a user or is told to stop.

use std::future::pending;

use tokio::sync::{Notify, mpsc};

use super::exit::Exit;
use super::input::Line;
use super::macros::{self, Typed};
use super::{Console, Event, Kind, Screen, exit, interactive};
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

/// Runs until the session is linked, or until `stop`, a typed `\quit` or the end of what is typed. Then the node is asked to
/// quit, and has stopped when this returns. Lines that come through a pipe are left for the node of the user.
pub async fn wait(console: &mut Console, handle: Handle, stop: &Notify) -> Waited {
    let waited = match &mut console.kind {
        Kind::Editor(screen, lines) => wait_on(screen, Some(lines), handle, stop).await,
        Kind::Lines(screen) => wait_on(screen, None, handle, stop).await,
    };
    console.linked = matches!(waited, Waited::Linked(..));
    waited
}

async fn wait_on(
    screen: &mut impl Screen,
    mut lines: Option<&mut mpsc::Receiver<Line>>,
    mut handle: Handle,
    stop: &Notify,
) -> Waited {
    let (mut linked, mut port, mut ends) = (None, 0, false);
    // There is no conversation to be shown before the first line is read.
    screen.line_done(None);
    loop {
        let message = tokio::select! {
            message = handle.from_node.recv() => message,
            line = next(screen, &mut lines, stop) => {
                if asks_to_end(screen, &line) {
                    (lines, ends) = (None, true);
                    quit(&handle).await;
                }
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
                // What is typed from now on is answered by the node of the user.
                lines = None;
                quit(&handle).await;
                Ok(())
            }
            Some(NodeMessage::Stopped) => match linked {
                Some(adopted) => {
                    // It was linked while it ended. The link is kept, and then the program ends.
                    if ends {
                        stop.notify_one();
                    }
                    return Waited::Linked(adopted, port);
                }
                None => {
                    let _ = screen.show(None, Event::Stopped).and_then(|()| screen.flush());
                    return Waited::Ended(Exit::Success);
                }
            },
            Some(NodeMessage::Failed(why)) => return Waited::Ended(failed(screen, why)),
            None => return Waited::Ended(failed(screen, "the node ended unexpectedly".to_owned())),
        };
        if shown.and_then(|()| screen.flush()).is_err() {
            quit(&handle).await;
        }
    }
}

/// The next line that is typed, if lines are read at all. What stops the program ends them.
async fn next(screen: &impl Screen, lines: &mut Option<&mut mpsc::Receiver<Line>>, stop: &Notify) -> Line {
    let typed = async {
        match lines {
            Some(lines) => lines.recv().await.unwrap_or(Line::End),
            None => pending().await,
        }
    };
    tokio::select! {
        line = typed => line,
        () = screen.interrupted() => Line::End,
        () = stop.notified() => Line::End,
    }
}

/// Whether a line ends the waiting. Any other is answered by what to do.
fn asks_to_end(screen: &mut impl Screen, line: &Line) -> bool {
    let Line::Text(text) = line else { return *line == Line::End };
    let typed = macros::parse(text);
    if typed == Ok(Some(Typed::Command(Command::Quit))) {
        return true;
    }
    let message = r"this machine waits to be linked: type \link with these words on your other machine; \quit gives up";
    let error = Notice::Error { code: ErrorCode::BadArgument, message: message.to_owned() };
    let shown = if typed == Ok(None) { Ok(()) } else { screen.show(None, Event::Notice(&error)) };
    screen.line_done(None);
    shown.is_err()
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

fn failed(screen: &mut impl Screen, why: String) -> Exit {
    let error = Notice::Error { code: ErrorCode::Internal, message: why.clone() };
    let _ = screen.show(None, Event::Notice(&error)).and_then(|()| screen.flush());
    interactive::restore_terminal();
    exit(Ending::Failed(why))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::handle;
    use crate::id::UserId;
    use crate::identity::Name;
    use crate::ui::lines::{Lines, Render};

    #[tokio::test]
    async fn a_session_that_is_linked_while_it_ends_keeps_the_link_and_ends() {
        let (handle, mut node) = handle::channels();
        let (printed, _printed) = mpsc::unbounded_channel();
        let (typed, mut lines) = mpsc::channel(1);
        let (mut screen, stop) = (Lines::new(Vec::new(), Render::Json, printed), Notify::new());
        let adopted = Adopted { user: UserId([1; 32]), name: Name::parse("alice").expect("a name"), ops: Vec::new() };
        let of_node = async {
            typed.send(Line::Text(r"\quit".to_owned())).await.expect("it reads");
            let asked = node.from_ui.recv().await;
            assert!(matches!(asked, Some(UiMessage::Request(Request { command: Command::Quit, .. }))));
            for message in [NodeMessage::Adopted(Box::new(adopted)), NodeMessage::Stopped] {
                node.to_ui.send(message).expect("it listens");
            }
        };
        let waiting = wait_on(&mut screen, Some(&mut lines), handle, &stop);
        let (waited, ()) =
            timeout(Duration::from_secs(20), async { tokio::join!(waiting, of_node) }).await.expect("it ends");
        assert!(matches!(waited, Waited::Linked(..)));
        timeout(Duration::from_secs(20), stop.notified()).await.expect("what runs next is told to end");
    }
}
