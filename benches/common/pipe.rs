//! Baselines of the machine: one long-lived stream of raw quinn, a first echo, and `fdatasync`.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;

use super::raw::Side;

/// The size of a chat message with its id, as used to measure other stacks.
const LINE: [u8; 128] = [b'x'; 128];
/// One page of SQLite and its frame header: the least that a commit of one message writes.
const FRAME: usize = 4096 + 24;
/// Frames in the file before it is measured, so that it does not grow.
const FRAMES: u64 = 256;

/// The time from dialling until the first message was echoed.
pub async fn first_echo(alice: &Side, bob: Side) -> Duration {
    let port = bob.port;
    let begin = Instant::now();
    let echo = tokio::spawn(async move {
        let theirs = bob.accept().await;
        let (mut send, mut recv) = theirs.accept_bi().await.expect("a stream comes");
        let mut line = [0; LINE.len()];
        recv.read_exact(&mut line).await.expect("a line comes");
        send.write_all(&line).await.expect("it is taken");
        theirs.closed().await;
    });
    let mine = alice.dial(port).await;
    let (mut send, mut recv) = mine.open_bi().await.expect("a stream is allowed");
    send.write_all(&LINE).await.expect("it is taken");
    let mut line = [0; LINE.len()];
    recv.read_exact(&mut line).await.expect("it is echoed");
    let took = begin.elapsed();
    mine.close(0u32.into(), b"");
    echo.await.expect("the other side is well");
    took
}

/// One long-lived stream between two sides.
pub struct Pipe {
    send: SendStream,
    arrivals: mpsc::UnboundedReceiver<Instant>,
    _ends: (Side, Side, Connection, Connection),
}

impl Pipe {
    pub async fn open() -> Pipe {
        let (alice, bob) = (Side::new(1), Side::new(2));
        let (mine, theirs) = tokio::join!(alice.dial(bob.port), bob.accept());
        let mut send = mine.open_uni().await.expect("a stream is allowed");
        send.write_all(&LINE).await.expect("it is taken");
        let recv = theirs.accept_uni().await.expect("a stream comes");
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        tokio::spawn(receive(recv, arrived));
        arrivals.recv().await.expect("the first line opens the stream");
        Pipe { send, arrivals, _ends: (alice, bob, mine, theirs) }
    }

    /// The time from writing a message until it was read at the other end.
    pub async fn one_way(&mut self) -> Duration {
        let begin = Instant::now();
        self.send.write_all(&LINE).await.expect("it is taken");
        self.arrivals.recv().await.expect("it arrives") - begin
    }

    /// Messages per second, written one by one and read as they arrive.
    pub async fn per_second(&mut self, lines: usize) -> f64 {
        let begin = Instant::now();
        let Pipe { send, arrivals, .. } = self;
        let write = async {
            for _ in 0..lines {
                send.write_all(&LINE).await.expect("it is taken");
            }
        };
        let read = async {
            for _ in 0..lines {
                arrivals.recv().await.expect("it arrives");
            }
        };
        tokio::join!(write, read);
        lines as f64 / begin.elapsed().as_secs_f64()
    }
}

async fn receive(mut recv: RecvStream, arrived: mpsc::UnboundedSender<Instant>) {
    let mut line = [0; LINE.len()];
    while recv.read_exact(&mut line).await.is_ok() {
        if arrived.send(Instant::now()).is_err() {
            return;
        }
    }
}

/// The durations of writing and syncing the least that a commit of one message writes.
pub fn fdatasyncs(disk: &Path, count: u64) -> Vec<Duration> {
    let mut file = tempfile::tempfile_in(disk).expect("the disk takes a file");
    let frame = [7u8; FRAME];
    let write = |file: &mut File, n: u64| {
        let begin = Instant::now();
        file.seek(SeekFrom::Start(n % FRAMES * FRAME as u64)).expect("a file can be sought");
        file.write_all(&frame).expect("the disk takes it");
        file.sync_data().expect("the disk takes it");
        begin.elapsed()
    };
    (0..FRAMES + count).map(|n| write(&mut file, n)).skip(FRAMES as usize).collect()
}
