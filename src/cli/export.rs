//! `darknode export`: everything that was said, page by page.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::Failed;
use super::node::Node;
use crate::config::remote::{ExportArgs, Format, Where};
use crate::ui::files::private;
use crate::ui::json::escaped;
use crate::ui::plain::inline;

/// Writes all messages to the file or to standard output.
pub fn export(node: &Where, args: &ExportArgs) -> Result<(), Failed> {
    let mut node = Node::connect(node)?;
    // The first page says whether the user exists, before a file is made.
    let first = page(&mut node, 1, args, Value::Null)?;
    let mut out: Box<dyn Write> = match &args.output {
        Some(file) => Box::new(BufWriter::new(create(file)?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let mut messages = first;
    for line in 2.. {
        for message in messages["messages"].as_array().into_iter().flatten() {
            write(&mut out, message, args.format)?;
        }
        if messages["next"] == Value::Null {
            break;
        }
        messages = page(&mut node, line, args, messages["next"].take())?;
    }
    Ok(out.flush()?)
}

fn page(node: &mut Node, line: u64, args: &ExportArgs, after: Value) -> Result<Value, Failed> {
    let mut request = json!({ "line": line, "do": "export" });
    if let Some(with) = &args.with {
        request["with"] = json!(with);
    }
    if after != Value::Null {
        request["after"] = after;
    }
    node.request(&request)?;
    let answer = node.answer(line, |_| {})?;
    match answer.error() {
        Some(error) => Err(error),
        None => Ok(answer.value),
    }
}

fn write(out: &mut impl Write, message: &Value, format: Format) -> Result<(), Failed> {
    let text = |key: &str| inline(message[key].as_str().unwrap_or_default());
    match format {
        Format::Jsonl => writeln!(out, "{}", escaped(message.to_string()))?,
        Format::Text => {
            let to = if message["own"] == true { format!(" to {}", text("with")) } else { String::new() };
            writeln!(out, "{}  {}{to}: {}", text("sent"), text("from"), text("text"))?;
        }
    }
    Ok(())
}

/// A new file that only the user can read.
fn create(file: &Path) -> Result<File, Failed> {
    private().create_new(true).open(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failed::Usage(format!("{} exists; choose another file", file.display())),
        _ => Failed::Usage(format!("cannot create {}: {error}", file.display())),
    })
}
