//! Idle connections of raw quinn.

use std::process::Command;

use quinn::{Connection, RecvStream, SendStream};

use super::program::Program;
use super::raw::Side;

/// The argument that makes this program run [`serve`].
pub const ARGUMENT: &str = "--raw-side";

/// An idle connection with one stream in each direction, like our control streams.
pub struct Held {
    _conn: Connection,
    _streams: (SendStream, RecvStream),
}

impl Held {
    pub async fn open(conn: Connection) -> Held {
        let mut send = conn.open_uni().await.expect("a stream is allowed");
        send.write_all(&[1]).await.expect("it is taken");
        let mut recv = conn.accept_uni().await.expect("a stream comes");
        recv.read_exact(&mut [0]).await.expect("a byte comes");
        Held { _conn: conn, _streams: (send, recv) }
    }
}

/// Starts this program again, running [`serve`].
pub fn start() -> Program {
    let mut command = Command::new(std::env::current_exe().expect("we are a file"));
    command.arg(ARGUMENT);
    Program::of(command, |port| (port.trim().parse().expect("it says its port"), String::new()))
}

/// Prints its port and keeps all incoming connections open.
pub async fn serve() {
    let side = Side::new(0);
    println!("{}", side.port);
    let mut held = Vec::new();
    loop {
        held.push(Held::open(side.accept().await).await);
    }
}
