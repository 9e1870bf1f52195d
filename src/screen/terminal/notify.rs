//! Tells somebody who looks elsewhere of a message.

use std::process::{Command, Stdio};

use super::Terminal;
use crate::config::remote::Notify;

/// The longest text in a notification: what desktops show.
const MAX_TEXT: usize = 120;
const BELL: &str = "\x07";

/// How, and whether with the text.
#[derive(Debug, Clone, Copy)]
pub struct Notifier {
    pub how: Notify,
    pub with_text: bool,
}

impl Notifier {
    /// Tells of a message by its sender.
    pub fn tell(&self, terminal: &mut Terminal, from: &str, text: &str) {
        match self.how {
            Notify::Off => {}
            Notify::Bell => terminal.signal(BELL),
            Notify::Osc => terminal.signal(&format!("\x1b]9;{}{BELL}", self.text(from, text))),
            Notify::Desktop => desktop(self.text(from, text)),
        }
    }

    fn text(&self, from: &str, text: &str) -> String {
        let told = if self.with_text { format!("{from}: {text}") } else { format!("{from} wrote") };
        told.chars().filter(|c| !c.is_control() && !"<>&".contains(*c)).take(MAX_TEXT).collect()
    }
}

/// Runs the program of the desktop. Where there is none, nothing is shown.
fn desktop(text: String) {
    std::thread::spawn(move || {
        let mut command = Command::new("notify-send");
        command.args(["--app-name", "darknode", "--", "darknode"]).arg(text);
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_sender_and_cannot_be_forged() {
        let notifier = Notifier { how: Notify::Osc, with_text: false };
        assert_eq!(notifier.text("b<b>ob\x1b", "secret"), "bbob wrote");
        let notifier = Notifier { with_text: true, ..notifier };
        assert_eq!(notifier.text("bob", "a & b\x07"), "bob: a  b");
        assert_eq!(notifier.text("bob", &"x".repeat(500)).len(), MAX_TEXT);
    }
}
