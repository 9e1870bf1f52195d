//! Why a line is invalid.

use crate::proto::notice::ErrorCode;
use crate::wire::content::MAX_TEXT;

/// Why a line is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The code for programs.
    pub code: ErrorCode,
    /// One line for people: what is wrong and what to do.
    pub message: String,
}

impl InputError {
    /// For a line that is longer than a text may be.
    pub fn too_long() -> InputError {
        let message = format!("a line holds at most {MAX_TEXT} bytes; send several lines");
        InputError { code: ErrorCode::TextTooLong, message }
    }

    /// For bytes that are not UTF-8.
    pub fn not_text() -> InputError {
        InputError { code: ErrorCode::BadArgument, message: "this line is not UTF-8; nothing was sent".to_owned() }
    }

    /// For `\reply` when nobody has written.
    pub fn nobody_wrote() -> InputError {
        let message = r"nobody has written since the start; \chat USER starts a conversation".to_owned();
        InputError { code: ErrorCode::NoConversation, message }
    }

    /// For `\search` without a text after a search that was complete, or none.
    pub fn nothing_to_continue() -> InputError {
        let message = r"there is nothing older to search; \search TEXT searches for a text".to_owned();
        InputError { code: ErrorCode::BadArgument, message }
    }

    /// For text without a conversation.
    pub fn no_conversation() -> InputError {
        let message = r"no conversation is selected; start one with \chat USER".to_owned();
        InputError { code: ErrorCode::NoConversation, message }
    }
}

/// The beginning of a long text.
pub fn truncated(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
