//! Says where the web page is.

use std::io::{self, IsTerminal};

/// Shows a person a link to the page. A log is not to have it, because the link lets in whoever opens it first.
pub fn show(link: impl FnOnce() -> Option<String>) {
    if io::stderr().is_terminal()
        && let Some(link) = link()
    {
        eprintln!("darknode: {}", sentence(&link));
    }
}

/// What a person is told of the link.
pub fn sentence(link: &str) -> String {
    format!("the page is at {link} (once, within two minutes; `darknode web` prints another link)")
}
