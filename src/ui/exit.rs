//! Exit codes, as `docs/json.md` lists them. They are defined only here.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended on request.
    Success,
    /// Something failed while running.
    Failure,
    /// The arguments or the configuration cannot work.
    Usage,
    /// What was waited for did not happen in time.
    TimedOut,
    /// No node runs that could be asked.
    NoNode,
}

impl Exit {
    /// The exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::TimedOut => 3,
            Exit::NoNode => 4,
        }
    }

    /// Ends the process at once.
    pub fn now(self) -> ! {
        std::process::exit(self.code().into())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
