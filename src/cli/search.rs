//! `darknode search`: asks on until enough is found or everything was searched.

use serde_json::{Value, json};

use super::Failed;
use super::node::Node;
use super::show::print;
use crate::config::remote::SearchArgs;

/// Prints what is found, page by page.
pub fn search(node: &mut Node, args: &SearchArgs) -> Result<(), Failed> {
    let mut left = u64::from(args.n);
    let mut request = json!({ "do": "search", "text": args.text, "n": left, "shown": !args.form.json });
    if let Some(with) = &args.with {
        request["with"] = json!(with);
    }
    for line in 1.. {
        (request["line"], request["n"]) = (json!(line), json!(left));
        node.request(&request)?;
        let found = node.answer(line, |_| {})?;
        if let Some(error) = found.error() {
            return Err(error);
        }
        let count = found.value["messages"].as_array().map_or(0, Vec::len) as u64;
        left = left.saturating_sub(count);
        let next = found.value["next"].clone();
        let is_last = left == 0 || next == Value::Null;
        // A page without messages, of which others follow, only says that the search took long.
        if count > 0 || is_last && line == 1 || args.form.json {
            print(&found, args.form)?;
        }
        if is_last {
            break;
        }
        request["before"] = next;
    }
    Ok(())
}
