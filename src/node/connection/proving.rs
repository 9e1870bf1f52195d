//! The first frame in each direction: proof of the network key and a common protocol version.

use quinn::{Connection, RecvStream, SendStream};

use super::{CloseCause, Shared};
use crate::id::{BootId, SessionId};
use crate::identity::network::Role;
use crate::node::tls;
use crate::wire::decode;
use crate::wire::frame::{HEADER, StreamType, encode_frame};
use crate::wire::proof::Proof;

/// The protocol version this program speaks.
pub const VERSION: u16 = 1;
/// The longest proof in bytes: 8 versions and 4 MACs take less than 200, and later versions may add some.
const MAX_PROOF: usize = 512;

/// The result of a valid proof: the peer's identity, and the two control streams after their proofs.
pub struct Proved {
    pub session: SessionId,
    pub boot: BootId,
    pub control_out: SendStream,
    pub control_in: RecvStream,
}

/// Sends our proof and checks the peer's. The caller bounds the time.
pub async fn prove(conn: &Connection, shared: &Shared, role: Role) -> Result<Proved, CloseCause> {
    let session = tls::session_of(conn).ok_or(CloseCause::Stranger)?;
    let exporter = tls::exporter(conn);
    let mut control_out = conn.open_uni().await.map_err(|_| CloseCause::Lost)?;
    let proof = shared.network.prove(&exporter, role, shared.boot);
    let frame = encode_frame(StreamType::Control, &proof).expect("a proof is short");
    control_out.write_all(&[&[StreamType::Control as u8], &frame[..]].concat()).await.map_err(|_| CloseCause::Lost)?;

    let mut control_in = conn.accept_uni().await.map_err(|_| CloseCause::Lost)?;
    let proof = read_proof(&mut control_in).await?;
    if !proof.versions.contains(&VERSION) || !shared.network.holds(&exporter, other(role), &proof) {
        return Err(CloseCause::Stranger);
    }
    Ok(Proved { session, boot: BootId(proof.boot), control_out, control_in })
}

/// Reads the peer's proof. Malformed data here means a stranger, not a faulty neighbour.
async fn read_proof(stream: &mut RecvStream) -> Result<Proof, CloseCause> {
    let mut opening = [0; 1 + HEADER];
    read(stream, &mut opening).await?;
    let [kind, header @ ..] = opening;
    let len = StreamType::Control.frame_len(header).map_err(|_| CloseCause::Stranger)?;
    if kind != StreamType::Control as u8 || len > MAX_PROOF {
        return Err(CloseCause::Stranger);
    }
    let mut bytes = vec![0; len];
    read(stream, &mut bytes).await?;
    decode(&bytes).map_err(|_| CloseCause::Stranger)
}

async fn read(stream: &mut RecvStream, bytes: &mut [u8]) -> Result<(), CloseCause> {
    use quinn::{ReadError, ReadExactError};
    stream.read_exact(bytes).await.map_err(|error| match error {
        ReadExactError::ReadError(ReadError::ConnectionLost(_)) => CloseCause::Lost,
        _ => CloseCause::Stranger,
    })
}

fn other(role: Role) -> Role {
    match role {
        Role::Dialler => Role::Acceptor,
        Role::Acceptor => Role::Dialler,
    }
}
