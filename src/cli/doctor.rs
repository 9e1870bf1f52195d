//! `darknode doctor`: what is wrong with the node, or why somebody is not reached. Where no node runs, what the machine shows.

use std::path::Path;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::node::Node;
use super::{Failed, deadline, show};
use crate::config::remote::{DoctorArgs, Where};
use crate::proto::notice::examination::Host;
use crate::ui::doctor::report_of_machine;
use crate::ui::{json, plain, print};

/// Looks at the machine, and at a data directory if one is given.
pub type Machine = fn(Option<&Path>) -> Host;

/// Asks the node, and prints what it has found. Fails if something is wrong.
pub fn doctor(at: &Where, args: &DoctorArgs, machine: Machine) -> Result<(), Failed> {
    let connected = Node::connect(at);
    if let Err(Failed::NoNode(_)) = &connected {
        show_machine(at, args, machine);
    }
    let mut node = connected?;
    let mut request = json!({ "line": 1, "do": "doctor", "probe": !args.no_probe, "redact": args.redact });
    request["shown"] = json!(!args.form.json);
    if let Some(user) = &args.user {
        request["user"] = json!(user);
    }
    node.request(&request)?;
    let answer = node.answer_by(1, deadline(Instant::now(), args.timeout), |_| {})?;
    if let Some(error) = answer.error() {
        return Err(error);
    }
    show::print(&answer, args.form)?;
    let checks = answer.value["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let is_wrong = |check: &Value| check["state"] == "wrong";
    if checks.iter().any(is_wrong) { Err(Failed::Wrong) } else { Ok(()) }
}

/// Prints what can be said without a node.
fn show_machine(at: &Where, args: &DoctorArgs, machine: Machine) {
    let dir = match at {
        Where::Dir(dir) => Some(dir.as_path()),
        Where::Only(_) => None,
    };
    let report = report_of_machine(&machine(dir), args.redact);
    print(&if args.form.json {
        json::report(report) + "\n"
    } else {
        plain::report(plain::Style::of_stdout(), &report)
    });
}
