//! Dialling: one attempt at one address, to whoever answers or to one session and no other.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Connection, Endpoint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::proving::Proved;
use super::{Arrival, Common, Ending, Event, code, prove_or_close};
use crate::id::{DialId, SessionId};
use crate::identity::network::Role;
use crate::node::endpoint::client_config;
use crate::node::tls;
use crate::proto::event::{CloseReason, DialFailure, Input};

/// Dials, and lives as long as the connection does. The loop hears `DialFailed` or `Connected`.
/// `permit` counts dials under way, and is given back once this one has come to something.
pub async fn dial(
    endpoint: Endpoint,
    common: Arc<Common>,
    dial: DialId,
    addr: SocketAddr,
    expect: Option<SessionId>,
    permit: OwnedSemaphorePermit,
) {
    let reached = reach(&endpoint, &common, addr, expect).await;
    drop((endpoint, permit));
    match reached {
        Ok((conn, proved)) => Arrival { conn, proved, dial: Some(dial) }.live(common).await,
        Err(failure) => {
            tracing::debug!(%addr, ?failure, "a dial came to nothing");
            common.events.send(Event::Input(Input::DialFailed { dial, failure })).await.ok();
        }
    }
}

async fn reach(
    endpoint: &Endpoint,
    common: &Common,
    addr: SocketAddr,
    expect: Option<SessionId>,
) -> Result<(Connection, Proved), DialFailure> {
    let (config, met) = common.credentials.client_config(expect);
    let connecting =
        endpoint.connect_with(client_config(config), addr, tls::SERVER_NAME).map_err(|_| DialFailure::Unreachable)?;
    let conn = match timeout(common.limits.dial, connecting).await {
        Err(_) => return Err(DialFailure::Unreachable),
        Ok(Ok(conn)) => conn,
        Ok(Err(error)) => {
            return Err(match met.session() {
                Some(session) if expect.is_some_and(|expected| expected != session) => DialFailure::Met(session),
                _ => failure_of(&error),
            });
        }
    };
    match prove_or_close(&conn, common, Role::Dialler).await {
        Ok(proved) => Ok((conn, proved)),
        Err(Ending::Stranger | Ending::Protocol) => Err(DialFailure::Stranger),
        Err(_) => Err(conn.close_reason().map_or(DialFailure::Unreachable, |error| failure_of(&error))),
    }
}

/// What a failed handshake means: an answer that refuses is an answer, but a full house may have room later.
fn failure_of(error: &quinn::ConnectionError) -> DialFailure {
    use quinn::ConnectionError::*;
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
