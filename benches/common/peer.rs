//! A session that sends a proof and a hello and then only listens. To a relay it looks like an idle user, at the cost
//! of raw quinn.

use darknode::id::{BootId, SessionId, UserId};
use darknode::identity::SecretKey;
use darknode::identity::network::{NetworkKey, Role};
use darknode::identity::record::{Checked, Record};
use darknode::identity::seal::PrekeySecret;
use darknode::node::tls::exporter;
use darknode::time::Moment;
use darknode::wire::addr::Addr;
use darknode::wire::control::{Batch, Control, Hello};
use darknode::wire::frame::{StreamType, encode_frame};
use darknode::wire::record::{Declaration, KeyCard, Roster, RosterSession, Signed};
use darknode::wire::{List, Text};
use quinn::{Connection, RecvStream, SendStream};

use super::raw::{self, Side};

/// The addresses declared by a host with Ethernet, wireless and IPv6.
const ADDRESSES: u8 = 4;

/// An idle session of its own user.
pub struct Peer {
    conn: Connection,
    _control: SendStream,
}

impl Peer {
    /// Dials a node and sends a proof and a hello. `side` must have the same seed.
    pub async fn meet(side: &Side, seed: u64, network: &NetworkKey, port: u16) -> Peer {
        let conn = side.dial(port).await;
        let proof = network.prove(&exporter(&conn), Role::Dialler, BootId(seed));
        let hello: Batch = List(vec![Control::Hello(hello(seed, network))]);
        let mut opening = vec![StreamType::Control as u8];
        opening.extend(encode_frame(StreamType::Control, &proof).expect("a proof is short"));
        let mut control = conn.open_uni().await.expect("a stream is allowed");
        control.write_all(&opening).await.expect("it is taken");
        let theirs = conn.accept_uni().await.expect("a stream comes");
        let hello = encode_frame(StreamType::Control, &hello).expect("a hello is short");
        control.write_all(&hello).await.expect("it is taken");
        tokio::spawn(listen(theirs));
        Peer { conn, _control: control }
    }

    pub fn is_connected(&self) -> bool {
        self.conn.close_reason().is_none()
    }
}

async fn listen(mut stream: RecvStream) {
    while let Ok(Some(_)) = stream.read_chunk(usize::MAX, true).await {}
}

fn hello(seed: u64, network: &NetworkKey) -> Hello {
    let (user_key, session_key) = (raw::key(!seed), raw::key(seed));
    let (user, session) = (UserId(user_key.public()), SessionId(session_key.public()));
    let prekey = PrekeySecret { id: seed.to_be_bytes(), secret: user.0, made: Moment(0) };
    let sessions = List(vec![RosterSession { id: session, label: Text("desk".to_owned()) }]);
    let name = Text(format!("peer{seed}"));
    let addrs = (1..=ADDRESSES).map(|n| Addr(([10, 0, n, 1], 27272).into())).collect();
    let roster = Roster { user, name, version: 1, sessions, revoked: List(Vec::new()) };
    let declaration =
        Declaration { user, session, seq: 1, online: true, addrs: List(addrs), roles: 0, boot_nonce: None };
    let card = KeyCard { user, session, seq: 1, prekeys: List(vec![prekey.public()]) };
    Hello {
        declaration: signed(declaration, &session_key, network),
        roster: signed(roster, &user_key, network),
        card: Some(signed(card, &session_key, network)),
        observed: Addr(([127, 0, 0, 1], 1).into()),
        known_seq: None,
        agent: Text("peer/1".to_owned()),
        features: None,
    }
}

fn signed<T: Record>(record: T, key: &SecretKey, network: &NetworkKey) -> Signed {
    Checked::sign(record, key, &network.id()).signed().clone()
}
