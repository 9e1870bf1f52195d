//! The conversations: first that in which something was said last; then who is nearby.

use std::collections::VecDeque;

use super::people::People;
use super::timeline::Timeline;
use crate::screen::event;
use crate::ui::plain::inline;

/// Conversations whose messages are kept: as many as somebody goes back and forth between.
const MAX_OPEN: usize = 8;

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The id of the other user.
    pub id: String,
    /// Their handle.
    pub handle: String,
    /// Their name, made harmless.
    pub name: String,
    /// Messages of theirs that nobody has read.
    pub unread: u64,
    /// The place of the last message.
    order: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct List {
    all: Vec<Conversation>,
}

impl List {
    /// The conversations, as the node knows them now. One that was opened stays, even if nothing was said in it.
    pub fn replace(&mut self, fresh: &[event::Conversation], open: Option<&str>) {
        let opened = self.all.iter().find(|known| Some(known.id.as_str()) == open).cloned();
        let conversation = |fresh: &event::Conversation| Conversation {
            id: fresh.id.clone(),
            handle: fresh.with.clone(),
            name: inline(&fresh.with),
            unread: fresh.unread,
            order: fresh.order,
        };
        self.all = fresh.iter().map(conversation).collect();
        if let Some(opened) = opened.filter(|opened| self.get(&opened.id).is_none()) {
            self.all.insert(0, opened);
        }
    }

    pub fn all(&self) -> &[Conversation] {
        &self.all
    }

    pub fn get(&self, id: &str) -> Option<&Conversation> {
        self.all.iter().find(|known| known.id == id)
    }

    /// The id of a handle.
    pub fn id_of(&self, handle: &str) -> Option<&str> {
        self.all.iter().find(|known| known.handle == handle).map(|known| known.id.as_str())
    }

    /// A conversation that is opened, or in which something was said: it comes first. `unread`: a message that is not read yet.
    pub fn touch(&mut self, id: &str, handle: &str, said: bool, unread: bool) {
        let at = self.all.iter().position(|known| known.id == id);
        let mut conversation = match at {
            Some(_) if !said => return,
            Some(at) => self.all.remove(at),
            None => {
                Conversation { id: id.to_owned(), handle: handle.to_owned(), name: inline(handle), unread: 0, order: 0 }
            }
        };
        conversation.unread += u64::from(unread);
        self.all.insert(0, conversation);
    }

    /// Everything in it was read.
    pub fn read(&mut self, id: &str) {
        if let Some(known) = self.all.iter_mut().find(|known| known.id == id) {
            known.unread = 0;
        }
    }

    /// Messages that nobody has read.
    pub fn unread(&self) -> u64 {
        self.all.iter().map(|known| known.unread).sum()
    }

    /// The ids in the order of the screen: the conversations, then the people nearby with whom nothing was said.
    pub fn ids<'a>(&'a self, people: &'a People) -> Vec<&'a str> {
        let nearby = self.nearby(people).into_iter().map(|(id, _)| id);
        self.all.iter().map(|known| known.id.as_str()).chain(nearby).collect()
    }

    /// The people nearby with whom nothing was said, by id and name.
    pub fn nearby<'a>(&'a self, people: &'a People) -> Vec<(&'a str, &'a str)> {
        let is_new = |(id, _): &(&str, _)| self.get(id).is_none();
        people.nearby().filter(is_new).map(|(id, person)| (id, person.name.as_str())).collect()
    }
}

/// The messages of the conversations that were opened last.
#[derive(Debug, Default)]
pub struct Timelines {
    /// The one opened last is at the front.
    open: VecDeque<(String, Timeline)>,
}

impl Timelines {
    pub fn get(&self, id: &str) -> Option<&Timeline> {
        self.open.iter().find(|(known, _)| known == id).map(|(_, timeline)| timeline)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Timeline> {
        self.open.iter_mut().find(|(known, _)| known == id).map(|(_, timeline)| timeline)
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Timeline> {
        self.open.iter_mut().map(|(_, timeline)| timeline)
    }

    /// That of a conversation, which comes to the front.
    pub fn open(&mut self, id: &str) -> &mut Timeline {
        let at = self.open.iter().position(|(known, _)| known == id);
        let found = at.and_then(|at| self.open.remove(at)).unwrap_or_else(|| (id.to_owned(), Timeline::default()));
        self.open.push_front(found);
        self.open.truncate(MAX_OPEN);
        &mut self.open[0].1
    }

    /// Forgets the messages of one conversation.
    pub fn forget(&mut self, id: &str) {
        self.open.retain(|(known, _)| known != id);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conversation_in_which_something_was_said_comes_first() {
        let mut list = List::default();
        list.touch("b", "bob", true, false);
        list.touch("c", "carol", true, true);
        list.touch("b", "bob", false, false);
        assert_eq!(list.all().iter().map(|known| known.name.as_str()).collect::<Vec<_>>(), ["carol", "bob"]);
        list.touch("b", "bob", true, true);
        assert_eq!((list.all()[0].name.as_str(), list.unread()), ("bob", 2));
        list.read("b");
        assert_eq!(list.unread(), 1);
    }

    #[test]
    fn one_that_was_opened_stays_though_nothing_was_said_in_it() {
        let mut list = List::default();
        list.touch("d", "dora", false, false);
        list.replace(&[], Some("d"));
        assert_eq!(list.ids(&People::default()), ["d"]);
        list.replace(&[], None);
        assert!(list.all().is_empty());
    }

    #[test]
    fn the_messages_of_few_conversations_are_kept() {
        let mut timelines = Timelines::default();
        for n in 0..20 {
            timelines.open(&n.to_string());
        }
        assert!(timelines.get("19").is_some() && timelines.get("12").is_some() && timelines.get("11").is_none());
    }
}
