//! Rows of the store as the interfaces show them.

use super::Node;
use crate::handle::{NodeMessage, Row};
use crate::node::store::ConversationRow;
use crate::proto::notice::{ConversationView, Delivery, MessageView};
use crate::proto::persist::MessageRow;

impl Node {
    pub(super) fn on_rows(&self, reader: u64, rows: Option<Vec<(MessageRow, Option<Delivery>)>>) {
        let row = |(row, typed)| Row { message: self.view(row), typed };
        let rows = rows.map(|rows| rows.into_iter().map(row).collect());
        self.ui.send(NodeMessage::Rows { reader, rows }).ok();
    }

    fn view(&self, row: MessageRow) -> MessageView {
        let author = row.id.stream.author;
        let is_of_sister = row.from == self.me && author != self.core.session();
        MessageView {
            arrival: row.arrival,
            message: row.id,
            from: self.core.handle_of(&row.from),
            from_id: row.from,
            with: self.core.handle_at(&row.with),
            text: String::from_utf8_lossy(&row.body).into_owned(),
            sent: row.wall,
            order: row.lamport,
            own: row.from == self.me,
            again: false,
            past: self.core.is_past(row.arrival),
            late: false,
            by: is_of_sister.then(|| self.core.label_of(&row.from, &author)),
        }
    }

    pub(super) fn views(&self, rows: Vec<MessageRow>) -> Vec<MessageView> {
        rows.into_iter().map(|row| self.view(row)).collect()
    }

    pub(super) fn view_conversation(&self, row: ConversationRow) -> ConversationView {
        let last = row.last.map(|last| self.view(last));
        let (with, order) = (self.core.handle_of(&row.with), last.as_ref().map_or(0, |last| last.order));
        ConversationView { with, id: row.with, unread: row.unread, last, order, typed_last: row.typed_last }
    }
}
