use std::io::Write;
use std::sync::PoisonError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::id::{Address, MessageId, SessionId, StreamId};
use crate::proto::notice::{ErrorCode, MessageView, WarningCode};
use crate::time::Wall;
use crate::ui::lines::{Lines, Render};

const BOB: UserId = UserId([2; 32]);

/// What was flushed, whole writes only.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>, bool);

impl Write for Paper {
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

/// A session, and the other ends of everything it holds.
struct Bench {
    requests: mpsc::Receiver<FaceMessage>,
    node: mpsc::UnboundedSender<NodeMessage>,
    input: mpsc::Sender<Line>,
    stop: Arc<Notify>,
    paper: Paper,
    session: JoinHandle<Ending>,
}

fn bench(headless: bool, broken: bool) -> Bench {
    let (to_node, requests) = mpsc::channel(8);
    let (node, from_node) = mpsc::unbounded_channel();
    let (input, lines) = mpsc::channel(64);
    let (printed_to, printed) = mpsc::unbounded_channel();
    let (stop, paper) = (Arc::new(Notify::new()), Paper(Arc::default(), broken));
    let screen = Lines::new(paper.clone(), Render::Json, printed_to);
    let session = Session::new(Handle { to_node, from_node }, screen, lines, printed, stop.clone()).headless(headless);
    Bench { requests, node, input, stop, paper, session: tokio::spawn(session.run()) }
}

impl Bench {
    async fn type_in(&self, text: &str) {
        for line in text.lines() {
            self.input.send(Line::Text(line.to_owned())).await.expect("the session reads");
        }
    }

    /// The next message to the node.
    async fn next(&mut self) -> FaceMessage {
        let next = timeout(Duration::from_secs(20), self.requests.recv()).await;
        next.expect("the session hands something over").expect("the session runs")
    }

    async fn request(&mut self) -> (Option<u64>, Command) {
        match self.next().await {
            FaceMessage::Request(request) => (request.line, request.command),
            other => panic!("a request was expected, not {other:?}"),
        }
    }

    fn tell(&self, line: Option<u64>, notice: Notice) {
        self.node.send(NodeMessage::Notice { line, notice }).expect("the session listens");
    }

    fn answer_chat(&self, line: u64) {
        self.tell(Some(line), Notice::Chat { with: "bob".into(), id: BOB, online: true });
    }

    /// Ends the node, and gives how the session ended and what it printed.
    async fn stop(self) -> (Ending, Vec<Value>) {
        self.node.send(NodeMessage::Stopped).expect("the session listens");
        self.end().await
    }

    async fn end(self) -> (Ending, Vec<Value>) {
        let ending = timeout(Duration::from_secs(20), self.session).await.expect("it ends").expect("it does not panic");
        let paper = self.paper.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8(paper.clone()).expect("JSON is UTF-8");
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
    Notice::Queued { message: message_id(), to: "bob".into(), text: "hello".into() }
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
    }))
}

fn codes(printed: &[Value]) -> Vec<(u64, String)> {
    let code = |value: &Value| Some((value["line"].as_u64()?, value["code"].as_str()?.to_owned()));
    printed.iter().filter_map(code).collect()
}

#[tokio::test]
async fn lines_behind_a_chat_wait_for_its_answer_and_go_there() {
    let mut bench = bench(false, false);
    bench.type_in("\\chat bob\nhello\nagain").await;
    assert_eq!(bench.request().await, (Some(1), Command::Chat { user: "bob".into() }));
    bench.tell(Some(1), Notice::Warning { code: WarningCode::NameClash, message: "two bobs".into(), user: None });
    bench.answer_chat(1);
    assert_eq!(bench.request().await, (Some(2), say("hello")));
    assert_eq!(bench.request().await, (Some(3), say("again")));
    assert_eq!(bench.stop().await.0, Ending::Stopped);
}

#[tokio::test]
async fn what_needs_no_answer_is_handed_over_without_waiting() {
    let mut bench = bench(false, false);
    bench.type_in("\\users\n\\me\n\n\\chat bob").await;
    assert_eq!(bench.request().await.0, Some(1));
    assert_eq!(bench.request().await, (Some(2), Command::Me));
    assert_eq!(bench.request().await.0, Some(4));
    bench.answer_chat(4);
    bench.type_in(&"line\n".repeat(30)).await;
    for line in 5..35 {
        assert_eq!(bench.request().await, (Some(line), say("line")));
    }
}

#[tokio::test]
async fn text_behind_a_failed_chat_does_not_go_to_the_conversation_before() {
    let mut bench = bench(false, false);
    bench.type_in("\\chat bob\n\\chat carol\nfor carol only\n\\me").await;
    bench.request().await;
    bench.answer_chat(1);
    bench.request().await;
    bench.tell(Some(2), Notice::Error { code: ErrorCode::UnknownUser, message: "there is no carol".into() });
    assert_eq!(bench.request().await, (Some(4), Command::Me));
    let (_, printed) = bench.stop().await;
    assert_eq!(codes(&printed), [(2, "unknown-user".into()), (3, "no-conversation".into())]);
}

#[tokio::test]
async fn bad_lines_are_answered_here_and_numbered_like_the_others() {
    let mut bench = bench(false, false);
    bench.type_in("hello\n\\usres\n\\history").await;
    bench.input.send(Line::TooLong).await.expect("the session reads");
    bench.input.send(Line::NotText).await.expect("the session reads");
    bench.type_in("\n\\me").await;
    assert_eq!(bench.request().await, (Some(7), Command::Me));
    let (_, printed) = bench.stop().await;
    let expected = ["no-conversation", "unknown-macro", "no-conversation", "text-too-long", "bad-argument"];
    assert_eq!(codes(&printed), (1..).zip(expected.map(String::from)).collect::<Vec<_>>());
}

#[tokio::test]
async fn history_without_a_user_is_that_of_the_conversation() {
    let mut bench = bench(false, false);
    bench.type_in("\\chat bob\n\\history 3\n\\status").await;
    bench.request().await;
    bench.answer_chat(1);
    assert_eq!(bench.request().await, (Some(2), Command::History { user: BOB.to_string(), n: 3 }));
    assert_eq!(bench.request().await, (Some(3), Command::Status { user: None }));
}

#[tokio::test]
async fn the_end_of_input_quits_behind_everything_typed() {
    let mut bench = bench(false, false);
    bench.type_in("\\chat bob\nhello").await;
    bench.input.send(Line::End).await.expect("the session reads");
    bench.request().await;
    bench.answer_chat(1);
    assert_eq!(bench.request().await, (Some(2), say("hello")));
    assert_eq!(bench.request().await, (None, Command::Quit));
    bench.tell(Some(2), queued());
    let (ending, printed) = bench.stop().await;
    assert_eq!(ending, Ending::Stopped);
    assert_eq!(printed.last().map(|last| last["event"].clone()), Some("stopped".into()));
}

#[tokio::test]
async fn a_headless_node_outlives_its_input() {
    let mut bench = bench(true, false);
    bench.type_in("\\me").await;
    bench.input.send(Line::End).await.expect("the session reads");
    assert_eq!(bench.request().await.1, Command::Me);
    bench.stop.notify_one();
    assert_eq!(bench.request().await, (None, Command::Quit));
    assert_eq!(bench.stop().await.0, Ending::Stopped);
}

#[tokio::test]
async fn what_stands_behind_a_quit_is_not_read() {
    let mut bench = bench(false, false);
    bench.type_in("\\exit\n\\me").await;
    assert_eq!(bench.request().await, (Some(1), Command::Quit));
    bench.node.send(NodeMessage::Stopped).expect("the session listens");
    assert_eq!(bench.requests.recv().await.map(|_| ()), None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_does_not_hold_up_the_end_nor_its_last_word() {
    let mut bench = bench(false, false);
    bench.stop.notify_one();
    assert_eq!(bench.request().await.1, Command::Quit);
    let (ending, printed) = bench.end().await;
    assert_eq!(ending, Ending::Stopped);
    assert_eq!(printed.last().map(|last| &last["event"]), Some(&"stopped".into()));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_waits_until_the_store_has_what_was_typed() {
    let mut bench = bench(false, false);
    bench.type_in("\\chat bob\nhello").await;
    bench.input.send(Line::End).await.expect("the session reads");
    bench.request().await;
    bench.answer_chat(1);
    bench.request().await;
    assert_eq!(bench.request().await.1, Command::Quit);
    assert!(timeout(Duration::from_secs(60), &mut bench.session).await.is_err(), "the store has not answered");
    bench.tell(Some(2), queued());
    assert_eq!(bench.end().await.0, Ending::Stopped);
}

#[tokio::test]
async fn a_message_is_marked_as_printed_once_it_is_written() {
    let mut bench = bench(true, false);
    bench.tell(None, message(7));
    match bench.next().await {
        FaceMessage::Printed { arrival } => assert_eq!(arrival, 7),
        other => panic!("a mark was expected, not {other:?}"),
    }
    let (_, printed) = bench.stop().await;
    assert_eq!(printed[0]["event"], "message");
}

#[tokio::test]
async fn a_reader_who_leaves_is_a_quiet_end_without_a_mark() {
    let mut bench = bench(true, true);
    bench.tell(None, message(7));
    assert_eq!(bench.request().await, (None, Command::Quit));
    assert_eq!(bench.stop().await.0, Ending::Stopped);
}

#[tokio::test]
async fn a_node_that_fails_is_told_and_is_a_failure() {
    for last in [Some(NodeMessage::Failed("the disk is gone".into())), None] {
        let bench = bench(false, false);
        if let Some(last) = last {
            bench.node.send(last).expect("the session listens");
        }
        let Bench { node, session, paper, requests: _requests, input: _input, stop: _stop } = bench;
        drop(node);
        let ending = timeout(Duration::from_secs(20), session).await.expect("it ends").expect("it does not panic");
        assert!(matches!(ending, Ending::Failed(_)));
        let printed = paper.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(String::from_utf8(printed).expect("UTF-8").contains(r#""code":"internal""#));
    }
}
