//! What the node is asked for.

use serde_json::{Value, json};

use super::Model;
use super::timeline::{Anchor, Page};

/// Messages in a page of the history: some screens.
const PAGE: u32 = 200;
/// Messages whose order is asked for when two have the same number: both were written at about the same time.
const TIED: u32 = 50;

/// Why something was asked of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A text to this user. It goes back into the editor if it is refused.
    Say { with: String, text: String },
    /// A macro.
    Typed,
    /// A conversation by the name that was typed. Unless another one was chosen meanwhile, the answer opens it.
    Chat { name: String, opens: bool },
    /// A page of the history.
    History { with: String, page: Page },
    /// Where messages are: those to this user, or all that wait.
    Status { with: Option<String> },
    /// Who has the messages to a user, for the pane.
    WhoHas,
    /// Who waits for an answer.
    Requests,
    /// The network around me.
    Map,
    /// Messages with a text, for the pane.
    Found { text: String, more: bool },
    /// Nothing follows from the answer.
    Nothing,
}

impl Model {
    /// The state of everybody.
    pub fn refresh(&mut self) {
        for what in ["conversations", "users"] {
            self.ask(Asked::Nothing, json!({ "do": what }));
        }
        self.ask(Asked::Status { with: None }, json!({ "do": "status" }));
        self.ask_requests();
        self.ask_map();
    }

    /// Asks who waits for an answer.
    pub fn ask_requests(&mut self) {
        self.ask(Asked::Requests, json!({ "do": "requests" }));
    }

    /// Asks for the network around me, unless that is under way: then once more behind it.
    pub fn ask_map(&mut self) {
        self.map_is_stale = self.asked.values().any(|asked| *asked == Asked::Map);
        if !self.map_is_stale {
            self.ask(Asked::Map, json!({ "do": "map" }));
        }
    }

    /// Asks for a page of the history in one direction, if there is more and none is under way.
    pub fn ask_more(&mut self, id: &str, page: Page) {
        let Some(timeline) = self.timelines.get(id) else { return };
        let (edge, key) = match page {
            Page::Older if timeline.has_older => (timeline.lines().front(), "before"),
            Page::Newer if timeline.has_newer => (timeline.lines().back(), "after"),
            _ => return,
        };
        if let Some(edge) = edge {
            let request = json!({ "do": "history", "user": id, "n": PAGE, key: edge.id });
            self.ask_page(id, page, request);
        }
    }

    /// Asks for the messages before one that was found, to show it and what surrounds it.
    pub fn ask_around(&mut self, id: &str, message: &str) {
        self.timelines.forget(id);
        self.timelines.open(id).anchor = Some(Anchor { id: message.to_owned(), hidden: 0 });
        self.ask_page(id, Page::Around, json!({ "do": "history", "user": id, "n": PAGE / 2, "before": message }));
    }

    /// Asks for the last messages.
    pub fn ask_newest(&mut self, id: &str) {
        self.ask_page(id, Page::Newest, json!({ "do": "history", "user": id, "n": PAGE }));
    }

    fn ask_page(&mut self, id: &str, page: Page, request: Value) {
        let Some(timeline) = self.timelines.get_mut(id) else { return };
        if timeline.awaits.replace(page).is_none() {
            self.ask(Asked::History { with: id.to_owned(), page }, request);
        }
    }

    /// Asks for the order of the last messages, of which some have the same number, unless that is under way: then once more
    /// behind it.
    pub fn ask_again(&mut self, id: &str) {
        let Some(timeline) = self.timelines.get_mut(id) else { return };
        let asked = Asked::History { with: id.to_owned(), page: Page::Again };
        timeline.is_disordered = self.asked.values().any(|known| *known == asked);
        if !timeline.is_disordered {
            self.ask(asked, json!({ "do": "history", "user": id, "n": TIED }));
        }
    }

    /// Asks where the messages to somebody are.
    pub fn ask_status(&mut self, id: &str) {
        self.ask(Asked::Status { with: Some(id.to_owned()) }, json!({ "do": "status", "user": id }));
    }

    /// Asks who has the messages to somebody, for the pane.
    pub fn ask_who_has(&mut self, id: &str) {
        self.ask(Asked::WhoHas, json!({ "do": "status", "user": id }));
    }
}
