//! The loop between node, keyboard and terminal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, KeyEventKind};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::action::Action;
use super::clock::Clock;
use super::event::{Event, Told};
use super::link::Link;
use super::model::editor::Source;
use super::model::pane::Pane;
use super::model::{Ended, Model, Sight, Size};
use super::render::render;
use super::terminal::job::{self, Change, Job};
use super::terminal::notify::Notifier;
use super::terminal::typing::Typing;
use super::terminal::{self, Terminal};
use super::theme::Theme;
use crate::config::remote::ScreenArgs;
use crate::handle::STOPS_WITHIN;

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(50);
/// How often ages are drawn anew.
const AGES: Duration = Duration::from_secs(60);
/// How often a node that has ended is looked for.
const PAUSE: Duration = Duration::from_secs(1);
/// Keys that may wait.
const KEYS: usize = 1024;

/// How the screen is to behave.
pub struct Options {
    /// It is the interface of the process: it marks messages as printed, and the node stops with it.
    pub is_own: bool,
    /// How it notifies.
    pub notify: ScreenArgs,
    /// What is shown first, once the node is ready.
    pub greeting: Box<dyn FnOnce() -> Option<String> + Send>,
}

/// Why the screen has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The person has left.
    Left,
    /// The node has stopped, or is gone.
    Stopped,
}

/// Shows the screen until it is left or the node ends. `connect` connects with the node, or says that it does not run now;
/// `stop` asks for the end.
///
/// # Errors
/// There is no terminal.
pub async fn run<S: AsyncRead + AsyncWrite + Send + 'static>(
    connect: impl AsyncFnMut() -> Option<S>,
    options: Options,
    stop: Arc<Notify>,
) -> io::Result<End> {
    let terminal = Terminal::take()?;
    let (to_screen, keys) = mpsc::channel(KEYS);
    std::thread::spawn(move || read_keys(&to_screen));
    let is_own = options.is_own;
    let screen = Screen {
        terminal,
        theme: Theme::of_env(),
        model: Model::new(Terminal::size()?, is_own),
        typing: Typing::default(),
        notifier: Notifier { how: options.notify.notify, with_text: options.notify.notify_text },
        greeting: Some(options.greeting),
        link: None,
        connect,
        drawn: Instant::now() - FRAME,
        sight: None,
        is_dirty: true,
        unread: 0,
    };
    Ok(screen.run(keys, stop).await)
}

/// Reads from the terminal until it or the screen is gone.
fn read_keys(keys: &mpsc::Sender<(TerminalEvent, Instant)>) -> io::Result<()> {
    loop {
        // It does not end when the terminal has.
        if !crossterm::event::poll(PAUSE)? {
            if terminal::has_hung_up() || keys.is_closed() {
                return Ok(());
            }
            continue;
        }
        let event = crossterm::event::read()?;
        if keys.blocking_send((event, Instant::now())).is_err() {
            return Ok(());
        }
    }
}

struct Screen<S, C> {
    terminal: Terminal,
    theme: Theme,
    model: Model,
    typing: Typing,
    notifier: Notifier,
    greeting: Option<Box<dyn FnOnce() -> Option<String> + Send>>,
    link: Option<Link<S>>,
    connect: C,
    /// When the last frame was drawn.
    drawn: Instant,
    /// What it shows, until the terminal does.
    sight: Option<Sight>,
    is_dirty: bool,
    /// What the title says.
    unread: u64,
}

enum Step {
    Told(Option<Box<Told>>),
    Key(Option<(TerminalEvent, Instant)>),
    Quiet,
    Draw,
    Shown(io::Result<()>),
    Ages,
    Look,
    Job(Change),
    Stop,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static, C: AsyncFnMut() -> Option<S>> Screen<S, C> {
    async fn run(mut self, keys: mpsc::Receiver<(TerminalEvent, Instant)>, stop: Arc<Notify>) -> End {
        // A terminal that is gone was left.
        let ended = self.carry_on(keys, stop).await.unwrap_or(Ended::Left);
        terminal::restore();
        self.stop(ended).await
    }

    async fn carry_on(
        &mut self,
        mut keys: mpsc::Receiver<(TerminalEvent, Instant)>,
        stop: Arc<Notify>,
    ) -> io::Result<Ended> {
        let mut job = Job::watch();
        let mut looks_at = Instant::now();
        self.look().await;
        loop {
            let looks = self.link.is_none().then_some(looks_at);
            let draws_at = (self.is_dirty && self.terminal.is_ready()).then(|| self.drawn + FRAME);
            let ages_at = (!self.is_dirty).then(|| self.drawn + AGES);
            let step = tokio::select! {
                () = stop.notified() => Step::Stop,
                key = keys.recv() => Step::Key(key),
                () = at(self.typing.deadline()) => Step::Quiet,
                () = at(draws_at) => Step::Draw,
                told = next(&mut self.link) => Step::Told(told.map(Box::new)),
                shown = self.terminal.shows() => Step::Shown(shown),
                () = at(ages_at) => Step::Ages,
                () = at(looks) => Step::Look,
                change = job.next() => Step::Job(change),
            };
            match step {
                Step::Stop | Step::Key(None) => return Ok(Ended::Left),
                Step::Key(Some((event, at))) => self.on_terminal(event, at),
                Step::Quiet => {
                    let mut actions = Vec::new();
                    self.typing.quiet(&mut actions);
                    self.act(actions);
                }
                Step::Draw => self.draw()?,
                Step::Shown(shown) => {
                    shown?;
                    self.sight.take().into_iter().for_each(|sight| self.model.on_seen(sight));
                }
                Step::Ages => self.is_dirty = true,
                Step::Told(Some(told)) => self.on_told(*told),
                Step::Told(None) if self.model.prints() => return Ok(Ended::Stopped),
                Step::Told(None) => {
                    self.link = None;
                    self.model.on_disconnected();
                    looks_at = Instant::now() + PAUSE;
                    self.is_dirty = true;
                }
                Step::Look => {
                    self.look().await;
                    looks_at = Instant::now() + PAUSE;
                }
                Step::Job(Change::Stops(granted)) => {
                    terminal::restore();
                    // It waits for that.
                    let _ = granted.send(());
                }
                Step::Job(Change::GoesOn) => self.resume()?,
            }
            if let Some(ended) = self.model.ended {
                return Ok(ended);
            }
            self.send_requests();
        }
    }

    /// Connects with the node, if it runs.
    async fn look(&mut self) {
        self.link = (self.connect)().await.map(Link::new);
    }

    fn send_requests(&mut self) {
        for request in self.model.take_requests() {
            if let Some(link) = &self.link {
                link.request(&request);
            }
        }
    }

    fn on_told(&mut self, told: Told) {
        let is_ready = matches!(told.event, Event::Ready(_));
        self.model.on_told(told, Clock::local().now);
        if is_ready && let Some(text) = self.greeting.take().and_then(|greeting| greeting()) {
            self.model.pane = Pane::text("welcome; Esc goes on", &text);
        }
        if let Some((from, text)) = self.model.rings.take() {
            self.notifier.tell(&mut self.terminal, &from, &text);
        }
        self.is_dirty = true;
    }

    fn on_terminal(&mut self, event: TerminalEvent, at: Instant) {
        let mut actions = Vec::new();
        match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => self.typing.take(key, at, &mut actions),
            TerminalEvent::Paste(text) => actions.push(Action::Insert { text, source: Source::Paste }),
            TerminalEvent::Resize(columns, rows) => self.model.size = Size { columns, rows },
            TerminalEvent::FocusGained => self.model.focused = true,
            TerminalEvent::FocusLost => self.model.focused = false,
            _ => return,
        }
        self.act(actions);
    }

    fn act(&mut self, actions: Vec<Action>) {
        self.is_dirty = true;
        for action in actions {
            match action {
                Action::Redraw => self.terminal.forget(),
                Action::Suspend => suspend(),
                action => self.model.act(action),
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        self.terminal.draw(render(&self.model, self.theme, Clock::local()))?;
        (self.drawn, self.is_dirty) = (Instant::now(), false);
        self.sight = Some(self.model.take_sight());
        let unread = self.model.list.unread();
        if std::mem::replace(&mut self.unread, unread) != unread {
            self.terminal.set_title(unread)?;
        }
        Ok(())
    }

    /// Takes the terminal over again. Its size may be another one.
    fn resume(&mut self) -> io::Result<()> {
        self.terminal.retake()?;
        self.model.size = Terminal::size()?;
        self.is_dirty = true;
        Ok(())
    }

    /// Stops the node, if it is that of the process.
    async fn stop(mut self, ended: Ended) -> End {
        if ended == Ended::Stopped {
            return End::Stopped;
        }
        if let Some(link) = self.link.as_mut().filter(|_| self.model.prints()) {
            link.request(&json!({ "do": "stop" }));
            let stopped =
                async { while link.next().await.is_some_and(|told| !matches!(told.event, Event::Stopped)) {} };
            timeout(STOPS_WITHIN, stopped).await.ok();
        }
        End::Left
    }
}

/// Gives the terminal back and asks the shell to stop the job, as Ctrl-Z does without raw mode.
fn suspend() {
    terminal::restore();
    job::ask_to_stop();
}

/// Waits until then; for ever if there is no time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The next line of the node; for ever without a connection.
async fn next<S: AsyncRead + AsyncWrite + Send + 'static>(link: &mut Option<Link<S>>) -> Option<Told> {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}
