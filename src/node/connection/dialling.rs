//! Dialling: one attempt at one address, either to a given session or to whichever answers.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connecting, Connection, ConnectionError, Endpoint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::obstacles::obstacle;
use super::proving::Proved;
use super::{CloseCause, Event, NewConnection, Shared, code, prove_or_close};
use crate::id::{DialId, SessionId};
use crate::identity::network::Role;
use crate::node::endpoint::client_config;
use crate::node::tls;
use crate::proto::event::{CloseReason, DialFailure, Input};

/// An answer takes longer only over links that are lossy, thin or far.
const SOON: Duration = Duration::from_secs(1);

/// Dials and runs the connection. The loop receives `DialFailed` or `Connected`. `permit` counts dials under way and
/// is released when the dial has succeeded or failed.
pub async fn dial(
    endpoint: Endpoint,
    shared: Arc<Shared>,
    dial: DialId,
    addr: SocketAddr,
    expect: Option<SessionId>,
    permit: OwnedSemaphorePermit,
) {
    let reached = match expect {
        // Such dials fail often, and nobody waits for the reason.
        Some(_) => reach(&endpoint, &shared, addr, expect).await,
        None => reach_or_learn_why(&endpoint, &shared, addr).await,
    };
    drop((endpoint, permit));
    match reached {
        Ok((conn, proved)) => NewConnection { conn, proved, dial: Some(dial) }.run(shared).await,
        Err(failure) => {
            tracing::debug!(%addr, ?failure, "dial failed");
            shared.events.send(Event::Input(Input::DialFailed { dial, failure })).await.ok();
        }
    }
}

/// Like [`reach`], and asks the system what is in the way when no answer comes soon.
async fn reach_or_learn_why(
    endpoint: &Endpoint,
    shared: &Shared,
    addr: SocketAddr,
) -> Result<(Connection, Proved), DialFailure> {
    let mut reached = pin!(reach(endpoint, shared, addr, None));
    if let Ok(reached) = timeout(SOON, &mut reached).await {
        return reached;
    }
    tokio::select! {
        reached = &mut reached => reached,
        Some(obstacle) = obstacle(addr) => Err(obstacle),
    }
}

async fn reach(
    endpoint: &Endpoint,
    shared: &Shared,
    addr: SocketAddr,
    expect: Option<SessionId>,
) -> Result<(Connection, Proved), DialFailure> {
    let (config, answered) = shared.credentials.client_config(expect);
    let connecting =
        endpoint.connect_with(client_config(config), addr, tls::SERVER_NAME).map_err(|_| DialFailure::Unreachable)?;
    let conn = match timeout(shared.limits.handshake, complete(connecting, shared.limits.dial)).await {
        Ok(None) => return Err(DialFailure::Unreachable),
        Ok(Some(outcome)) => Ok(outcome),
        Err(late) => Err(late),
    };
    let conn = match conn {
        Err(_) => return Err(DialFailure::Unreachable),
        Ok(Ok(conn)) => conn,
        Ok(Err(error)) => {
            return Err(match answered.session() {
                Some(session) if expect.is_some_and(|expected| expected != session) => DialFailure::Met(session),
                _ => failure_of(&error),
            });
        }
    };
    match prove_or_close(&conn, shared, Role::Dialler).await {
        Ok(proved) => Ok((conn, proved)),
        Err(CloseCause::Stranger | CloseCause::Protocol) => Err(DialFailure::Stranger),
        Err(_) => Err(conn.close_reason().map_or(DialFailure::Unreachable, |error| failure_of(&error))),
    }
}

/// Completes a handshake. `None` if the other side does not answer within `patience`.
async fn complete(mut connecting: Connecting, patience: Duration) -> Option<Result<Connection, ConnectionError>> {
    let answered = timeout(patience, connecting.handshake_data()).await.ok()?.map(drop);
    Some(match answered {
        Ok(()) => connecting.await,
        Err(error) => Err(error),
    })
}

/// Classifies a failed handshake: a refusal is an answer, but a peer that is at its limit may have capacity later.
fn failure_of(error: &ConnectionError) -> DialFailure {
    use ConnectionError::*;
    match error {
        TransportError(_) | VersionMismatch => DialFailure::Stranger,
        ConnectionClosed(close) if close.error_code != quinn::TransportErrorCode::CONNECTION_REFUSED => {
            DialFailure::Stranger
        }
        ApplicationClosed(close) if close.error_code == code(CloseReason::Stranger) => DialFailure::Stranger,
        ConnectionClosed(_) | ApplicationClosed(_) | Reset | TimedOut | LocallyClosed | CidsExhausted => {
            DialFailure::Unreachable
        }
    }
}
