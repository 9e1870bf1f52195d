use std::io::Write;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::handle::{self, NodeEnds};
use crate::id::{Address, MessageId, SessionId, StreamId};
use crate::proto::notice::{ErrorCode, MessageView, Notice, WarningCode};
use crate::time::Wall;
use crate::ui::lines::{Lines, Render};

const BOB: UserId = UserId([2; 32]);

/// An output that keeps what was written, or fails if the flag is set.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>, bool);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session and the other ends of its channels.
struct Fixture {
    node: NodeEnds,
    input: mpsc::Sender<Line>,
    stop: Arc<Notify>,
    output: Output,
    session: JoinHandle<Ending>,
}

fn fixture(headless: bool, broken: bool) -> Fixture {
    let (handle, node) = handle::channels();
    let (input, lines) = mpsc::channel(64);
    let (printed_to, printed) = mpsc::unbounded_channel();
    let (stop, output) = (Arc::new(Notify::new()), Output(Arc::default(), broken));
    let screen = Lines::new(output.clone(), Render::Json, printed_to);
    let session = Session::new(handle, screen, lines, printed, stop.clone());
    let session = session.at_end(if headless { AtEnd::Stay } else { AtEnd::Quit });
    Fixture { node, input, stop, output, session: tokio::spawn(session.run()) }
}

impl Fixture {
    async fn type_in(&self, text: &str) {
        for line in text.lines() {
            self.input.send(Line::Text(line.to_owned())).await.expect("the session reads");
        }
    }

    /// The next message to the node.
    async fn next(&mut self) -> UiMessage {
        let next = timeout(Duration::from_secs(20), self.node.from_ui.recv()).await;
        next.expect("the session sends something").expect("the session runs")
    }

    async fn request(&mut self) -> (Option<u64>, Command) {
        match self.next().await {
            UiMessage::Request(request) => (request.line, request.command),
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    /// The next print position.
    async fn printed(&mut self) -> u64 {
        let changed = timeout(Duration::from_secs(20), self.node.printed.changed()).await;
        changed.expect("something is printed").expect("the session runs");
        *self.node.printed.borrow()
    }

    fn tell(&self, line: Option<u64>, notice: Notice) {
        self.node.to_ui.send(NodeMessage::notice(line, notice)).expect("the session listens");
    }

    fn answer_chat(&self, line: u64) {
        self.tell(Some(line), Notice::Chat { with: "bob".into(), id: BOB, online: true });
    }

    /// Stops the node; returns how the session ended and what it printed.
    async fn stop(self) -> (Ending, Vec<Value>) {
        self.node.to_ui.send(NodeMessage::Stopped).expect("the session listens");
        self.end().await
    }

    async fn end(self) -> (Ending, Vec<Value>) {
        let ending = timeout(Duration::from_secs(20), self.session).await.expect("it ends").expect("it does not panic");
        let output = self.output.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8(output.clone()).expect("JSON is UTF-8");
        (ending, text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect())
    }
}

fn say(text: &str) -> Command {
    Command::Say { to: BOB, text: text.into() }
}

fn message_id() -> MessageId {
    MessageId { stream: StreamId { author: SessionId([1; 32]), epoch: 1, to: Address(BOB.0) }, n: 1 }
}

fn queued() -> Notice {
    Notice::Queued { message: message_id(), to: "bob".into(), text: "hello".into(), sent: Wall(0), order: 1 }
}

fn message(arrival: u64) -> Notice {
    Notice::Message(Box::new(MessageView {
        arrival,
        message: message_id(),
        from: "bob".into(),
        from_id: BOB,
        with: "bob".into(),
        text: "hello".into(),
        sent: Wall(0),
        order: arrival,
        own: false,
        again: false,
        past: false,
        late: false,
        by: None,
    }))
}

fn codes(printed: &[Value]) -> Vec<(u64, String)> {
    let code = |value: &Value| Some((value["line"].as_u64()?, value["code"].as_str()?.to_owned()));
    printed.iter().filter_map(code).collect()
}

#[tokio::test]
async fn a_reply_goes_to_whoever_wrote_last() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\reply\n\\sessions").await;
    assert_eq!(fixture.request().await, (Some(2), Command::Sessions), "nobody has written");
    fixture.tell(None, message(1));
    assert_eq!(fixture.printed().await, 1);
    fixture.type_in("\\r").await;
    assert_eq!(fixture.request().await, (Some(3), Command::Chat { user: BOB.to_string() }));
    assert_eq!(codes(&fixture.stop().await.1), [(1, "no-conversation".to_owned())]);
}

#[tokio::test]
async fn lines_after_a_chat_wait_for_its_answer_and_go_to_that_user() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\chat bob\nhello\nagain").await;
    assert_eq!(fixture.request().await, (Some(1), Command::Chat { user: "bob".into() }));
    fixture.tell(Some(1), Notice::Warning { code: WarningCode::NameClash, message: "two bobs".into(), user: None });
    fixture.answer_chat(1);
    assert_eq!(fixture.request().await, (Some(2), say("hello")));
    assert_eq!(fixture.request().await, (Some(3), say("again")));
    assert_eq!(fixture.stop().await.0, Ending::Stopped);
}

#[tokio::test]
async fn other_lines_are_passed_on_without_waiting_for_answers() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\users\n\\me\n\n\\chat bob").await;
    assert_eq!(fixture.request().await.0, Some(1));
    assert_eq!(fixture.request().await, (Some(2), Command::Me));
    assert_eq!(fixture.request().await.0, Some(4));
    fixture.answer_chat(4);
    fixture.type_in(&"line\n".repeat(30)).await;
    for line in 5..35 {
        assert_eq!(fixture.request().await, (Some(line), say("line")));
    }
}

#[tokio::test]
async fn text_after_a_failed_chat_does_not_go_to_the_previous_conversation() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\chat bob\n\\chat carol\nfor carol only\n\\me").await;
    fixture.request().await;
    fixture.answer_chat(1);
    fixture.request().await;
    fixture.tell(Some(2), Notice::Error { code: ErrorCode::UnknownUser, message: "there is no carol".into() });
    assert_eq!(fixture.request().await, (Some(4), Command::Me));
    let (_, printed) = fixture.stop().await;
    assert_eq!(codes(&printed), [(2, "unknown-user".into()), (3, "no-conversation".into())]);
}

#[tokio::test]
async fn invalid_lines_are_answered_by_the_session_and_counted_like_others() {
    let mut fixture = fixture(false, false);
    fixture.type_in("hello\n\\usres\n\\history").await;
    fixture.input.send(Line::TooLong).await.expect("the session reads");
    fixture.input.send(Line::NotText).await.expect("the session reads");
    fixture.type_in("\n\\me").await;
    assert_eq!(fixture.request().await, (Some(7), Command::Me));
    let (_, printed) = fixture.stop().await;
    let expected = ["no-conversation", "unknown-macro", "no-conversation", "text-too-long", "bad-argument"];
    assert_eq!(codes(&printed), (1..).zip(expected.map(String::from)).collect::<Vec<_>>());
}

#[tokio::test]
async fn history_without_a_user_is_that_of_the_current_conversation() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\chat bob\n\\history 3\n\\status").await;
    fixture.request().await;
    fixture.answer_chat(1);
    assert_eq!(
        fixture.request().await,
        (Some(2), Command::History { user: BOB.to_string(), n: 3, numbered: None, before: None, after: None })
    );
    assert_eq!(fixture.request().await, (Some(3), Command::Status { user: None }));
}

#[tokio::test]
async fn the_end_of_input_quits_after_everything_typed() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\chat bob\nhello").await;
    fixture.input.send(Line::End).await.expect("the session reads");
    fixture.request().await;
    fixture.answer_chat(1);
    assert_eq!(fixture.request().await, (Some(2), say("hello")));
    assert_eq!(fixture.request().await, (None, Command::Quit));
    fixture.tell(Some(2), queued());
    let (ending, printed) = fixture.stop().await;
    assert_eq!(ending, Ending::Stopped);
    assert_eq!(printed.last().map(|last| last["event"].clone()), Some("stopped".into()));
}

#[tokio::test]
async fn a_headless_node_ignores_the_end_of_its_input() {
    let mut fixture = fixture(true, false);
    fixture.type_in("\\me").await;
    fixture.input.send(Line::End).await.expect("the session reads");
    assert_eq!(fixture.request().await.1, Command::Me);
    fixture.stop.notify_one();
    assert_eq!(fixture.request().await, (None, Command::Quit));
    assert_eq!(fixture.stop().await.0, Ending::Stopped);
}

#[tokio::test]
async fn lines_after_a_quit_are_not_read() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\exit\n\\me").await;
    assert_eq!(fixture.request().await, (Some(1), Command::Quit));
    fixture.node.to_ui.send(NodeMessage::Stopped).expect("the session listens");
    assert_eq!(fixture.node.from_ui.recv().await.map(|_| ()), None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_does_not_delay_the_end_and_stopped_is_printed() {
    let mut fixture = fixture(false, false);
    fixture.stop.notify_one();
    assert_eq!(fixture.request().await.1, Command::Quit);
    let (ending, printed) = fixture.end().await;
    assert_eq!(ending, Ending::Stopped);
    assert_eq!(printed.last().map(|last| &last["event"]), Some(&"stopped".into()));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_waits_until_the_store_has_what_was_typed() {
    let mut fixture = fixture(false, false);
    fixture.type_in("\\chat bob\nhello").await;
    fixture.input.send(Line::End).await.expect("the session reads");
    fixture.request().await;
    fixture.answer_chat(1);
    fixture.request().await;
    assert_eq!(fixture.request().await.1, Command::Quit);
    assert!(timeout(Duration::from_secs(60), &mut fixture.session).await.is_err(), "the store has not answered");
    fixture.tell(Some(2), queued());
    assert_eq!(fixture.end().await.0, Ending::Stopped);
}

#[tokio::test]
async fn a_message_is_reported_as_printed_after_it_is_written() {
    let mut fixture = fixture(true, false);
    fixture.tell(None, message(7));
    assert_eq!(fixture.printed().await, 7);
    let (_, printed) = fixture.stop().await;
    assert_eq!(printed[0]["event"], "message");
}

#[tokio::test]
async fn a_closed_output_ends_the_session_without_an_error_and_reports_nothing_as_printed() {
    let mut fixture = fixture(true, true);
    fixture.tell(None, message(7));
    assert_eq!(fixture.request().await, (None, Command::Quit));
    assert_eq!(fixture.stop().await.0, Ending::Stopped);
}

#[tokio::test]
async fn a_failed_node_is_reported_and_ends_the_session_with_a_failure() {
    for last in [Some(NodeMessage::Failed("the disk is gone".into())), None] {
        let fixture = fixture(false, false);
        if let Some(last) = last {
            fixture.node.to_ui.send(last).expect("the session listens");
        }
        let Fixture { node, session, output, input: _input, stop: _stop } = fixture;
        let NodeEnds { to_ui, from_ui: _requests, .. } = node;
        drop(to_ui);
        let ending = timeout(Duration::from_secs(20), session).await.expect("it ends").expect("it does not panic");
        assert!(matches!(ending, Ending::Failed(_)));
        let printed = output.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(String::from_utf8(printed).expect("UTF-8").contains(r#""code":"internal""#));
    }
}

/// A screen whose output is paused. It counts what it was given.
struct Paused(Arc<AtomicUsize>);

impl Screen for Paused {
    fn show(&mut self, _line: Option<u64>, _event: Event<'_>) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn has_room(&self) {
        pending().await
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn line_done(&mut self, _conversation: Option<&str>) {}

    fn waits_for_store(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_paused_screen_is_given_no_notices_but_a_typed_line_gets_its_answer() {
    let (handle, node) = handle::channels();
    let (input, lines) = mpsc::channel(64);
    let (_printed_to, printed) = mpsc::unbounded_channel();
    let (stop, shown) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let screen = Paused(shown.clone());
    let session = Session::new(handle, screen, lines, printed, stop.clone());
    let output = Output::default();
    let mut fixture = Fixture { node, input, stop, output, session: tokio::spawn(session.run()) };
    (0..100).for_each(|_| fixture.tell(None, Notice::Done { what: "something".into() }));
    fixture.type_in("\\users").await;
    fixture.request().await;
    assert_eq!(shown.load(Ordering::SeqCst), 0);
    fixture.type_in("\\chat bob\nhello").await;
    fixture.request().await;
    fixture.answer_chat(2);
    assert_eq!(fixture.request().await, (Some(3), say("hello")));
    assert!(shown.load(Ordering::SeqCst) >= 100, "the answer comes after what was told before");
    fixture.stop.notify_one();
    assert_eq!(fixture.end().await.0, Ending::Stopped);
}

/// A screen with a keyboard on which Ctrl-C can be pressed while a line is answered. It keeps the notices that it was given.
struct Keyed(Arc<Notify>, mpsc::UnboundedSender<Notice>);

impl Screen for Keyed {
    fn show(&mut self, _line: Option<u64>, event: Event<'_>) -> io::Result<()> {
        if let Event::Notice(notice) = event {
            self.1.send(notice.clone()).expect("the test listens");
        }
        Ok(())
    }

    fn interrupted(&self) -> impl Future<Output = ()> + Send {
        self.0.notified()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn line_done(&mut self, _conversation: Option<&str>) {}

    fn waits_for_store(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn ctrl_c_stops_a_search_and_pressed_twice_while_the_store_hangs_it_ends_the_session() {
    let (handle, node) = handle::channels();
    let (input, lines) = mpsc::channel(64);
    let (_printed_to, printed) = mpsc::unbounded_channel();
    let (keys, (shown, mut seen)) = (Arc::new(Notify::new()), mpsc::unbounded_channel());
    let screen = Keyed(keys.clone(), shown);
    let stop = Arc::new(Notify::new());
    let session = Session::new(handle, screen, lines, printed, stop.clone());
    let output = Output::default();
    let mut fixture = Fixture { node, input, stop, output, session: tokio::spawn(session.run()) };

    fixture.type_in("\\chat bob").await;
    fixture.request().await;
    fixture.answer_chat(1);
    assert!(matches!(seen.recv().await, Some(Notice::Chat { .. })));
    fixture.type_in("\\chat carol").await;
    fixture.request().await;
    keys.notify_one();
    assert_eq!(seen.recv().await, Some(Notice::Done { what: "stopped looking".into() }));
    let id = UserId([3; 32]);
    fixture.tell(Some(2), Notice::Chat { with: "carol".into(), id, online: true });
    fixture.type_in("hello").await;
    assert_eq!(fixture.request().await, (Some(3), say("hello")), "the conversation is still the one with bob");
    keys.notify_one();
    fixture.tell(Some(3), queued());
    assert_eq!(seen.recv().await, Some(queued()), "the late answer is not shown");
    fixture.type_in("again").await;
    fixture.request().await;
    while fixture.node.from_ui.is_empty() {
        keys.notify_one();
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.request().await.1, Command::Quit);
    fixture.stop().await;
}
