//! The first frame each way: who holds a key of this network, and speaks a version of ours.

use quinn::{Connection, RecvStream, SendStream};

use super::{Common, Ending};
use crate::id::{BootId, SessionId};
use crate::identity::network::Role;
use crate::node::tls;
use crate::wire::decode;
use crate::wire::frame::{HEADER, StreamType, encode_frame};
use crate::wire::proof::Proof;

/// The protocol version this program speaks.
pub const VERSION: u16 = 1;
/// The longest proof: 8 versions and 4 macs take less than 200 bytes, and later versions may add a little.
const MAX_PROOF: usize = 512;

/// What a held proof yields: who it is, and the two control streams, proofs behind them.
pub struct Proved {
    pub session: SessionId,
    pub boot: BootId,
    pub control_out: SendStream,
    pub control_in: RecvStream,
}

/// Sends our proof and checks the other's. The caller bounds the time it takes.
pub async fn prove(conn: &Connection, common: &Common, role: Role) -> Result<Proved, Ending> {
    let session = tls::session_of(conn).ok_or(Ending::Stranger)?;
    let exporter = tls::exporter(conn);
    let mut control_out = conn.open_uni().await.map_err(|_| Ending::Lost)?;
    let proof = common.network.prove(&exporter, role, common.boot);
    let frame = encode_frame(StreamType::Control, &proof).expect("a proof is short");
    control_out.write_all(&[&[StreamType::Control as u8], &frame[..]].concat()).await.map_err(|_| Ending::Lost)?;

    let mut control_in = conn.accept_uni().await.map_err(|_| Ending::Lost)?;
    let proof = read_proof(&mut control_in).await?;
    if !proof.versions.contains(&VERSION) || !common.network.holds(&exporter, other(role), &proof) {
        return Err(Ending::Stranger);
    }
    Ok(Proved { session, boot: BootId(proof.boot), control_out, control_in })
}

/// Whoever cannot even form a proof is a stranger, not a neighbour who errs.
async fn read_proof(stream: &mut RecvStream) -> Result<Proof, Ending> {
    let mut opening = [0; 1 + HEADER];
    read(stream, &mut opening).await?;
    let [kind, header @ ..] = opening;
    let len = StreamType::Control.frame_len(header).map_err(|_| Ending::Stranger)?;
    if kind != StreamType::Control as u8 || len > MAX_PROOF {
        return Err(Ending::Stranger);
    }
    let mut bytes = vec![0; len];
    read(stream, &mut bytes).await?;
    decode(&bytes).map_err(|_| Ending::Stranger)
}

async fn read(stream: &mut RecvStream, bytes: &mut [u8]) -> Result<(), Ending> {
    use quinn::{ReadError, ReadExactError};
    stream.read_exact(bytes).await.map_err(|error| match error {
        ReadExactError::ReadError(ReadError::ConnectionLost(_)) => Ending::Lost,
        _ => Ending::Stranger,
    })
}

fn other(role: Role) -> Role {
    match role {
        Role::Dialler => Role::Acceptor,
        Role::Acceptor => Role::Dialler,
    }
}
