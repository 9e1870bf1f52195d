//! What the screen shows, and what it asks of the node. Synchronous: events, keys and the time come in, requests go out.
//!
//! Nothing but a key opens another conversation. `model/on_event.rs` deals with what the node says, `model/on_action.rs` with keys.

mod asked;
mod delivery;
pub mod editor;
pub mod list;
mod lookup;
pub mod map;
mod on_action;
mod on_answer;
mod on_event;
mod on_pane;
pub mod pane;
pub mod people;
mod questions;
pub mod timeline;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

pub use asked::Asked;
use editor::Editor;
use list::{List, Timelines};
use map::Map;
use pane::Pane;
use people::People;
use timeline::Timeline;

use super::event::Stranger;

/// Messages of mine that wait and are counted. Beyond, the number is a lower bound.
pub const MAX_WAITING: usize = 10_000;
/// Lines that Up brings back.
const MAX_RECALLED: usize = 100;

/// What is asked for in the row of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// Whose conversation to open.
    GoTo,
    /// What to search for.
    Find,
}

/// Something that needs attention, or the answer to what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub text: String,
    /// Something is wrong.
    pub is_wrong: bool,
    /// It stays until Esc.
    pub stays: bool,
}

/// What happened elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The conversation with a new message.
    pub with: Option<String>,
    /// One line.
    pub text: String,
}

/// Who I am.
#[derive(Debug, Clone, Default)]
pub struct Me {
    pub name: String,
    pub network: Option<String>,
}

/// How the screen has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The person leaves.
    Left,
    /// The node has stopped.
    Stopped,
}

/// What a frame shows for the first time.
#[derive(Debug, Default)]
pub struct Sight {
    /// Everything up to this cursor.
    printed: Option<String>,
    /// A conversation up to this message.
    read: Option<(String, String)>,
}

/// A size in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// All that the screen knows.
#[derive(Debug)]
pub struct Model {
    pub me: Me,
    pub people: People,
    pub list: List,
    pub timelines: Timelines,
    /// The network around me, as it was last told.
    pub map: Map,
    /// It has changed since it was asked for.
    pub map_is_stale: bool,
    /// The other user of the open conversation.
    pub current: Option<String>,
    pub editor: Editor,
    drafts: BTreeMap<String, Editor>,
    pub prompt: Option<(Prompt, Editor)>,
    pub pane: Pane,
    pub alert: Option<Alert>,
    pub news: Option<News>,
    pub size: Size,
    /// The terminal has the focus, as far as it says.
    pub focused: bool,
    /// The connection with the node stands.
    pub connected: bool,
    pub ended: Option<Ended>,
    /// The bell is to ring, for a message of this name and text.
    pub rings: Option<(String, String)>,
    /// Messages of mine that no session of the addressee has.
    pub waits: BTreeSet<String>,
    /// Who has written and was not answered.
    pub strangers: Vec<Stranger>,
    /// What was typed, the last at the end.
    pub recalled: VecDeque<String>,
    /// How far Up has gone back.
    pub recall: usize,
    /// What is asked before the text is sent or obeyed. Y and N answer it.
    pub question: Option<Alert>,
    /// Ctrl-C leaves if it is pressed again.
    pub confirms: bool,
    /// The last cursor, and whether a message has come since it was said to be printed.
    pub cursor: Option<String>,
    pub has_unprinted: bool,
    /// Whether the screen is the interface of the process, whose messages are marked as printed.
    prints: bool,
    pub asked: BTreeMap<u64, Asked>,
    last_line: u64,
    requests: Vec<Value>,
}

impl Model {
    /// `prints`: the screen is the interface of the process.
    pub fn new(size: Size, prints: bool) -> Model {
        Model {
            me: Me::default(),
            people: People::default(),
            list: List::default(),
            timelines: Timelines::default(),
            map: Map::default(),
            map_is_stale: false,
            current: None,
            editor: Editor::default(),
            drafts: BTreeMap::new(),
            prompt: None,
            pane: Pane::Chat,
            alert: None,
            news: None,
            size,
            focused: true,
            connected: false,
            ended: None,
            rings: None,
            waits: BTreeSet::new(),
            strangers: Vec::new(),
            recalled: VecDeque::new(),
            recall: 0,
            question: None,
            confirms: false,
            cursor: None,
            has_unprinted: false,
            prints,
            asked: BTreeMap::new(),
            last_line: 0,
            requests: Vec::new(),
        }
    }

    /// Whether the screen is the interface of the process.
    pub fn prints(&self) -> bool {
        self.prints
    }

    /// The requests to be sent.
    pub fn take_requests(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.requests)
    }

    /// Requests something, whose answer is dealt with as `asked` says.
    pub fn ask(&mut self, asked: Asked, mut request: Value) {
        self.last_line += 1;
        request["line"] = json!(self.last_line);
        self.asked.insert(self.last_line, asked);
        self.requests.push(request);
    }

    /// How many people wait for an answer before more of theirs is shown. Those whose lines are shown stand in the list.
    pub fn asking(&self) -> usize {
        let waits = |stranger: &&Stranger| stranger.lines > 0 || self.list.get(&stranger.id).is_none();
        self.strangers.iter().filter(waits).count()
    }

    /// The connection has ended: nothing that was asked is answered. A text that may not have been taken goes back.
    pub fn on_disconnected(&mut self) {
        self.connected = false;
        self.stop_looking();
        for asked in std::mem::take(&mut self.asked).into_values() {
            if let Asked::Say { with, text } = asked {
                self.give_back(&with, &text);
            }
        }
        self.timelines.all_mut().for_each(|timeline| timeline.awaits = None);
        self.alert = Some(Alert { text: "the node has ended; looking for it".to_owned(), is_wrong: true, stays: true });
    }

    /// Puts a text back that was not sent.
    pub fn give_back(&mut self, with: &str, text: &str) {
        let is_open = self.current.as_deref() == Some(with);
        self.question = None;
        let editor = if is_open { &mut self.editor } else { self.drafts.entry(with.to_owned()).or_default() };
        let text = if text.starts_with('\\') { format!("\\{text}") } else { text.to_owned() };
        let below = std::mem::replace(editor, Editor::with(&text));
        editor.append(below);
    }

    /// The messages of the open conversation.
    pub fn timeline(&self) -> Option<&Timeline> {
        self.timelines.get(self.current.as_deref()?)
    }

    /// The name of a user to show.
    pub fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        let listed = self.list.get(id).map(|known| known.name.as_str());
        listed.or_else(|| self.people.get(id).map(|person| person.name.as_str())).unwrap_or(id)
    }

    /// The id of a handle.
    pub fn id_of(&self, handle: &str) -> Option<String> {
        self.list.id_of(handle).or_else(|| self.people.id_of(handle)).map(str::to_owned)
    }

    /// Opens a conversation. The text in the editor stays with the one before.
    pub fn open(&mut self, id: &str) {
        self.pane = Pane::Chat;
        self.question = None;
        self.stop_looking();
        if self.current.as_deref() == Some(id) {
            return;
        }
        self.drop_answer();
        if let Some(before) = self.current.replace(id.to_owned()) {
            let draft = std::mem::take(&mut self.editor);
            if !draft.is_empty() {
                self.drafts.insert(before.clone(), draft);
            }
            if let Some(timeline) = self.timelines.get_mut(&before) {
                timeline.first_new = None;
            }
            self.editor = self.drafts.remove(id).unwrap_or_default();
        } else if let Some(draft) = self.drafts.remove(id).filter(|_| self.editor.is_empty()) {
            self.editor = draft;
        }
        (self.confirms, self.recall) = (false, 0);
        self.news = self.news.take().filter(|news| news.with.as_deref() != Some(id));
        self.show_newest(id);
        self.ask_status(id);
    }

    /// Shows the last messages of a conversation.
    pub fn show_newest(&mut self, id: &str) {
        let unread = self.list.get(id).map_or(0, |known| known.unread);
        if self.timelines.get(id).is_some_and(|timeline| timeline.has_newer) {
            self.timelines.forget(id);
        }
        let timeline = self.timelines.open(id);
        timeline.anchor = None;
        if timeline.is_loaded {
            if unread > 0 {
                timeline.mark_new(unread);
            }
        } else {
            self.ask_newest(id);
        }
    }

    /// What was answered is of no use any more. What is wrong in general stays.
    pub fn drop_answer(&mut self) {
        self.alert = self.alert.take().filter(|alert| alert.stays);
    }

    /// What needs attention now: a question before anything else.
    pub fn notice(&self) -> Option<&Alert> {
        self.question.as_ref().or(self.alert.as_ref())
    }

    pub fn alert(&mut self, text: impl Into<String>, is_wrong: bool) {
        self.alert = Some(Alert { text: text.into(), is_wrong, stays: false });
    }

    /// Remembers what was typed.
    pub fn remember(&mut self, text: &str) {
        self.recall = 0;
        self.recalled.push_back(text.to_owned());
        if self.recalled.len() > MAX_RECALLED {
            self.recalled.pop_front();
        }
    }

    /// What a frame shows that is drawn now.
    pub fn take_sight(&mut self) -> Sight {
        let is_new = std::mem::take(&mut self.has_unprinted);
        let open = self.current.as_ref().filter(|id| self.is_seen(id));
        let unread = open.filter(|id| self.list.get(id).is_some_and(|known| known.unread > 0));
        let read = unread.and_then(|id| Some((id.clone(), self.last_at_bottom(id)?)));
        Sight { printed: self.cursor.clone().filter(|_| self.prints && is_new), read }
    }

    /// The terminal shows the frame: what stands in it was printed, and what stands at the bottom was read.
    pub fn on_seen(&mut self, sight: Sight) {
        if let Some(at) = sight.printed {
            self.ask(Asked::Nothing, json!({ "do": "printed", "at": at }));
        }
        let Some((id, last)) = sight.read else { return };
        self.ask(Asked::Nothing, json!({ "do": "read", "with": id, "through": last }));
        if self.last_at_bottom(&id).as_ref() == Some(&last) {
            self.list.read(&id);
        } else {
            self.ask(Asked::Nothing, json!({ "do": "conversations" }));
        }
    }

    /// Whether a person looks at this conversation, as far as the terminal says it.
    fn is_seen(&self, id: &str) -> bool {
        self.current.as_deref() == Some(id) && self.focused && self.pane == Pane::Chat
    }

    /// The last message of a conversation, unless somebody has scrolled up.
    fn last_at_bottom(&self, id: &str) -> Option<String> {
        let timeline = self.timelines.get(id).filter(|timeline| timeline.is_at_bottom());
        timeline.and_then(Timeline::newest).map(|line| line.id.clone())
    }
}
