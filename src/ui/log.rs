//! The log: on standard error, or in `darknode.log` in the data directory while the screen or the line editor uses the terminal.
//!
//! Log events may contain strings from strangers. Each event is written as one line, with everything escaped that could
//! control a terminal. The file is created with the first line. At 4 MiB it is renamed to `darknode.log.1`, replacing the
//! previous one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::files::private;
use crate::config::Config;
use crate::identity::name::escape;

/// Enough for days of warnings. With the previous file, at most twice this is on the disk.
const MAX_FILE: u64 = 4 << 20;

/// Starts logging as configured. Only the first call in a process has an effect.
pub fn start(config: &Config) {
    let builder = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    // Fails only if logging was started before, as in tests.
    let _ = if config.interface.takes_terminal() {
        let file = Arc::new(Mutex::new(LogFile::new(&config.data.dir)));
        builder.with_writer(move || Escaped(Shared(file.clone()))).finish().with(config.log.clone()).try_init()
    } else {
        builder.with_writer(|| Escaped(io::stderr())).finish().with(config.log.clone()).try_init()
    };
}

/// Writes each event as one escaped line.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = escape(text.trim_end_matches('\n')).replace('\n', "\\n") + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Shared(Arc<Mutex<LogFile>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct LogFile {
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

impl LogFile {
    fn new(dir: &Path) -> LogFile {
        LogFile { path: dir.join("darknode.log"), file: None, written: 0 }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.written >= MAX_FILE {
            self.file = None;
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            slot => {
                let file = private().create(true).append(true).open(&self.path)?;
                self.written = file.metadata()?.len();
                slot.insert(file)
            }
        };
        file.write_all(line)?;
        self.written += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let mut out = Vec::new();
        Escaped(&mut out).write_all(b"WARN bob says a\nb\n").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "WARN bob says a\\nb\n");
    }

    #[test]
    fn the_file_is_created_with_its_first_line_and_renamed_when_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(dir.path());
        assert!(!log.path.exists());
        log.append(b"first\n").unwrap();
        log.append(&vec![b'x'; MAX_FILE as usize]).unwrap();
        log.append(b"second\n").unwrap();
        assert_eq!(fs::read(dir.path().join("darknode.log")).unwrap(), b"second\n");
        assert!(fs::read(dir.path().join("darknode.log.1")).unwrap().starts_with(b"first\nxx"));
    }
}
