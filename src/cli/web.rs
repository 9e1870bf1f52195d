//! `darknode web`.

use std::process::{Command, Stdio};

use serde_json::json;

use super::Failed;
use super::node::Node;
use super::show;
use crate::config::remote::WebArgs;

/// What opens a link in the person's browser: a program, and what it is told before the link.
const OPENER: (&str, &[&str]) = if cfg!(windows) {
    ("rundll32", &["url.dll,FileProtocolHandler"])
} else if cfg!(target_os = "macos") {
    ("open", &[])
} else {
    ("xdg-open", &[])
};

/// Has the page served or not, prints the link and opens it.
pub fn web(node: &mut Node, args: &WebArgs) -> Result<(), Failed> {
    let answer = show::ask(node, json!({ "do": "web", "on": !args.off }), args.form)?;
    show::print(&answer, args.form)?;
    if args.open { open(answer.key("link")) } else { Ok(()) }
}

fn open(link: &str) -> Result<(), Failed> {
    let (quiet, (program, args)) = (Stdio::null, OPENER);
    let opener = Command::new(program).args(args).arg(link).stdin(quiet()).stdout(quiet()).stderr(quiet()).status();
    match opener {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failed::Refused(format!("{program} cannot open the link; open it in a browser yourself"))),
    }
}
