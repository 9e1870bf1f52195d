//! `darknode web`.

use std::process::{Command, Stdio};

use serde_json::json;

use super::Failed;
use super::node::Node;
use super::show;
use crate::config::remote::WebArgs;

/// What opens a link in the person's browser.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Has the page served or not, prints the link and opens it.
pub fn web(node: &mut Node, args: &WebArgs) -> Result<(), Failed> {
    let answer = show::ask(node, json!({ "do": "web", "on": !args.off }), args.form)?;
    show::print(&answer, args.form)?;
    if args.open { open(answer.key("link")) } else { Ok(()) }
}

fn open(link: &str) -> Result<(), Failed> {
    let quiet = || Stdio::null();
    let opener = Command::new(OPENER).arg(link).stdin(quiet()).stdout(quiet()).stderr(quiet()).status();
    match opener {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failed::Refused(format!("{OPENER} cannot open the link; open it in a browser yourself"))),
    }
}
