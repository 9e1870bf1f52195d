//! Files that the person keeps.

use std::fs::OpenOptions;

/// Opens a file for writing; one that is created can be read by the person only. On Windows the directory decides who can.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
