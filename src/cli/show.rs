//! Requests with one answer, which is printed.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::node::{Event, Node};
use super::{Failed, advice};
use crate::config::remote::Form;

/// Requests something and prints the answer.
pub fn show(node: &mut Node, request: Value, form: Form) -> Result<(), Failed> {
    let answer = ask(node, request, form)?;
    print(&answer, form)
}

/// Requests something, in the form in which the answer is to be printed.
pub fn ask(node: &mut Node, mut request: Value, form: Form) -> Result<Event, Failed> {
    request["line"] = json!(1);
    request["shown"] = json!(!form.json);
    node.request(&request)?;
    let answer = node.answer(1, |_| {})?;
    match answer.error() {
        Some(error) => Err(error),
        None => Ok(answer),
    }
}

/// Prints an event, and sends it off.
pub fn print(event: &Event, form: Form) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    if form.json {
        writeln!(out, "{}", event.text)?;
    } else {
        write!(out, "{}", advice::shown(event.key("shown")))?;
    }
    Ok(out.flush()?)
}
