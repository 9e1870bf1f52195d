pub mod early;
pub mod inbox;
mod on_chat;
mod on_outbox;
mod on_store;
pub mod outbox;
pub mod sealing;
