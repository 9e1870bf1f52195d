//! `darknode attach`: the full screen on the running node.

use std::io::{IsTerminal, stdin, stdout};

use super::Failed;
use super::node::{Node, locate, runtime};
use crate::api;
use crate::config::remote::{ScreenArgs, Where};
use crate::screen::{self, End, Options};
use crate::ui::plain::quoted;
use crate::ui::{self, signals};

/// Shows the screen until it is left or the node has stopped. A node that has ended without a word is looked for again.
pub fn attach(node: &Where, args: &ScreenArgs) -> Result<(), Failed> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Failed::Usage("the screen needs a terminal; try darknode watch".to_owned()));
    }
    // Which one is meant stays so. It says why it refuses.
    let dir = locate(node)?;
    let node = Node::connect(&Where::Dir(dir.clone()))?;
    let user = quoted(node.ready.key("user")).into_owned();
    // The screen has a connection of its own.
    drop(node);
    screen::hold_stops();
    let runtime = runtime()?;
    let end = runtime.block_on(async {
        let stop = signals::watch(screen::terminal::restore);
        let options = Options { is_own: false, notify: args.clone(), greeting: Box::new(|| None) };
        screen::run(async || api::connect(&dir).await.ok(), options, stop).await
    })?;
    // It may be reading from the terminal.
    runtime.shutdown_background();
    match end {
        End::Left => {
            ui::print(&format!("left; the node of {user} goes on, and darknode stop ends it\n"));
            Ok(())
        }
        End::Stopped => Err(Failed::Ended("the node has stopped".to_owned())),
    }
}
