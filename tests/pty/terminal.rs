//! The program on a pseudo-terminal, as a person uses it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, LocalFlags, Termios, tcflow, tcgetattr};
use nix::unistd::Pid;

use crate::program::{Node, PATIENCE, TestBed};

pub const ROWS: u16 = 40;
pub const COLUMNS: u16 = 100;

/// The program on a terminal, as a person uses it.
pub struct Terminal {
    pub child: Option<Child>,
    keyboard: Option<File>,
    /// The thread that shows what the program prints, until the stream is closed.
    display: Option<(UnixStream, JoinHandle<()>)>,
    /// What the program prints.
    output: Receiver<Vec<u8>>,
    emulator: vt100::Parser,
    /// All that was printed.
    pub raw: Vec<u8>,
    /// The program's side of the pseudo-terminal.
    line: Option<OwnedFd>,
    before: Termios,
}

impl Terminal {
    /// Starts alice's node for the first time and waits for the prompt.
    pub fn start(bed: &TestBed, args: &[&str]) -> Terminal {
        Terminal::start_with(bed, args, "> ")
    }

    /// Starts alice's node and waits for this prompt.
    pub fn start_again(bed: &TestBed, prompt: &str) -> Terminal {
        Terminal::start_with(bed, &[], prompt)
    }

    fn start_with(bed: &TestBed, args: &[&str], prompt: &str) -> Terminal {
        let mut terminal = Terminal::run(bed.node("alice").line_editor().with(args).command());
        terminal.sees("the prompt", |rows, cursor| {
            cursor == prompt && rows.iter().any(|row| row.contains("you are alice"))
        });
        terminal
    }

    /// Runs a command.
    pub fn run(mut command: Command) -> Terminal {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("the system has pseudo-terminals");
        // A node that is started later must not keep the terminal open.
        rustix::io::fcntl_setfd(&pair.slave, rustix::io::FdFlags::CLOEXEC).expect("it is open");
        let before = tcgetattr(&pair.slave).expect("it is a terminal");
        // Unlike the original, the copy is closed in the program.
        let master = pair.master.try_clone().expect("it can be shared");
        drop(pair.master);
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env_remove("NO_COLOR");
        // As a shell starts a job, so that what stops it does not stop the test.
        command.process_group(0);
        let end = || pair.slave.try_clone().expect("it can be shared");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("the program starts");
        let screen = File::from(master.try_clone().expect("it can be shared"));
        let (chunks, output) = mpsc::channel();
        let (switch, switched_off) = UnixStream::pair().expect("the system has sockets");
        let display = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let is_on = || {
                let mut ready = [&screen.as_fd(), &switched_off.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
                poll(&mut ready, PollTimeout::NONE).is_ok() && ready[1].any() == Some(false)
            };
            while is_on() {
                let Ok(count @ 1..) = (&screen).read(&mut buffer) else { break };
                if chunks.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal {
            child: Some(child),
            keyboard: Some(File::from(master)),
            display: Some((switch, display)),
            output,
            emulator: vt100::Parser::new(ROWS, COLUMNS, 0),
            raw: Vec::new(),
            line: Some(pair.slave),
            before,
        }
    }

    pub fn types(&mut self, keys: &str) {
        let keyboard = self.keyboard.as_mut().expect("the terminal is open");
        keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Another program prints on the same terminal.
    pub fn shows(&mut self, text: &str) {
        self.emulator.process(text.as_bytes());
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        let child = self.child.as_ref().expect("it runs");
        Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"))
    }

    /// Lets the terminal take no output, as Ctrl-S does, or lets it take it again.
    pub fn pauses(&self, is_paused: bool) {
        let action = if is_paused { FlowArg::TCOOFF } else { FlowArg::TCOON };
        tcflow(self.line.as_ref().expect("it is open"), action).expect("it is a terminal");
    }

    /// Waits for its end, after which the terminal may be in any state.
    pub fn ends_as_it_is(mut self) -> ExitStatus {
        self.exits()
    }

    /// Sends a signal.
    pub fn signals(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// The mode of the terminal is that from before the start.
    pub fn has_its_mode(&self) -> bool {
        let line = self.line.as_ref().expect("it was not ended");
        let now = tcgetattr(line).expect("it is a terminal");
        now.local_flags == self.before.local_flags && now.input_flags == self.before.input_flags
    }

    /// Changes the size of the terminal.
    pub fn resizes(&mut self, rows: u16, columns: u16) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(self.line.as_ref().expect("it was not ended"), size).expect("it has a size");
        self.emulator.screen_mut().set_size(rows, columns);
        self.signals(Signal::SIGWINCH);
    }

    /// Whether the alternate screen is shown.
    pub fn is_full_screen(&self) -> bool {
        self.emulator.screen().alternate_screen()
    }

    /// The rows of the screen, and the text before the cursor in its row.
    pub fn screen(&self) -> (Vec<String>, String) {
        let screen = self.emulator.screen();
        let (row, column) = screen.cursor_position();
        (screen.rows(0, screen.size().1).collect(), screen.contents_between(row, 0, row, column))
    }

    /// Waits until the screen shows something.
    pub fn sees(&mut self, what: &str, fits: impl Fn(&[String], &str) -> bool) {
        loop {
            let (rows, cursor) = self.screen();
            if fits(&rows, &cursor) {
                return;
            }
            let Ok(chunk) = self.output.recv_timeout(PATIENCE) else {
                panic!("{what} was never seen, but:\n{}\nand before the cursor {cursor:?}", rows.join("\n"));
            };
            self.emulator.process(&chunk);
            self.raw.extend(chunk);
        }
    }

    /// Waits for a row with exactly this text.
    pub fn sees_row(&mut self, row: &str) {
        self.sees(row, |rows, _| rows.iter().any(|seen| seen.trim_end() == row));
    }

    /// Waits for a line with the time before it.
    pub fn sees_message(&mut self, line: &str) {
        self.sees(line, |rows, _| rows.iter().filter_map(|row| without_time(row)).any(|seen| seen == line));
    }

    /// Waits until exactly this text is before the cursor.
    pub fn sees_typed(&mut self, line: &str) {
        self.sees(line, |_, cursor| cursor == line);
    }

    /// Types a line to bob and waits until it is shown as a message.
    pub fn enters(&mut self, line: &str) {
        self.types(&format!("{line}\r"));
        self.sees_message(&format!("> to bob: {line}"));
        self.sees_typed("to bob> ");
    }

    /// Dials a node and starts a conversation with it.
    pub fn chats_with(&mut self, bob: &mut Node) {
        self.chats_with_named("bob", bob);
    }

    pub fn chats_with_named(&mut self, name: &str, node: &mut Node) {
        self.types(&format!("\\ping 127.0.0.1 {}\r", node.port()));
        node.event("nearby");
        self.types(&format!("\\chat {name}\r"));
        self.sees_typed(&format!("to {name}> "));
        node.event("online");
        node.asks(r"\chat alice");
        self.sees("the link", |rows, _| rows.iter().any(|row| row.contains(&format!("{name} is online"))));
    }

    /// Waits for its end.
    fn exits(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it was not waited for");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids are small"));
        let (ended, end) = mpsc::channel();
        std::thread::spawn(move || ended.send(child.wait()));
        let status = end.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            kill(pid, Signal::SIGKILL).expect("it still runs");
            panic!("it did not end; the screen:\n{}", self.screen().0.join("\n"));
        });
        status.expect("it can be waited for")
    }

    /// Closes the terminal, as the window of one is closed, and waits for the end of the program.
    pub fn closes(mut self) -> ExitStatus {
        let (switch, display) = self.display.take().expect("the terminal is open");
        drop(switch);
        display.join().expect("it does not panic");
        self.keyboard = None;
        self.exits()
    }

    /// Waits for its end. The terminal mode must be restored.
    pub fn ends(mut self) -> ExitStatus {
        let status = self.exits();
        let line = self.line.take().expect("nobody took it before");
        let after = tcgetattr(&line).expect("it is a terminal");
        drop(line);
        assert_eq!(after.local_flags, self.before.local_flags, "typing is shown again, and in lines");
        assert!(after.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG));
        assert_eq!((after.input_flags, after.output_flags), (self.before.input_flags, self.before.output_flags));
        // The other side is closed, so the remaining output is followed by the end.
        while let Ok(chunk) = self.output.recv_timeout(PATIENCE) {
            self.raw.extend(chunk);
        }
        let last = |mark: &[u8]| self.raw.windows(mark.len()).rposition(|bytes| bytes == mark);
        assert!(last(b"\x1b[?2004h") <= last(b"\x1b[?2004l"), "bracketed paste is off");
        assert!(last(b"\x1b[?1049h") <= last(b"\x1b[?1049l"), "the other screen is shown");
        status
    }
}

/// A row without the time at its beginning, if there is one.
pub fn without_time(row: &str) -> Option<&str> {
    let (time, line) = row.split_at_checked("14:02 ".len())?;
    let is_time =
        time.bytes().zip(*b"dd:dd ").all(|(byte, form)| byte == form || form == b'd' && byte.is_ascii_digit());
    is_time.then(|| line.trim_end())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.output.try_iter().for_each(|chunk| self.emulator.process(&chunk));
            eprintln!("--- the screen ---\n{}\n---", self.screen().0.join("\n").trim_end());
        }
        if let Some(mut child) = self.child.take() {
            // A failed test must not leave the process behind.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}
