//! The nodes named by `--bootstrap`. Places are resolved again every minute, because the network may come up later and the
//! address of a name may change.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connection::Event;
use super::places;
use crate::handle::NodeMessage;
use crate::handle::notices::NoticeSender;
use crate::identity::place::{Place, Target};
use crate::proto::event::Input;
use crate::proto::limits::BOOTSTRAP_PATIENCE;
use crate::proto::notice::{Notice, WarningCode};

/// Interval between resolutions.
const INTERVAL: Duration = Duration::from_secs(60);

/// Reports the addresses of one target to the loop, at once and every [`INTERVAL`], until the loop is gone. Warns once, until
/// the next success, if it has none.
pub async fn resolve(target: Target, events: mpsc::Sender<Event>, ui: NoticeSender) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned = false;
    loop {
        ticks.tick().await;
        let (addrs, whom) = match &target {
            Target::Place(place) => (addresses(place, &mut warned, &ui).await, None),
            Target::Contact(address) => (address.addrs.clone(), Some(address.user)),
        };
        if addrs.is_empty() {
            continue;
        }
        let input = Input::Bootstrap { place: target.to_string(), addrs, whom };
        if events.send(Event::Input(input)).await.is_err() {
            return;
        }
    }
}

/// Resolves a place, with a warning as soon as people would wait for it in vain.
async fn addresses(place: &Place, warned: &mut bool, ui: &NoticeSender) -> Vec<SocketAddr> {
    let mut warn = |why: &str| {
        if !std::mem::replace(warned, true) {
            let message = format!("the bootstrap node {place} cannot be found: {why}; still trying");
            let notice = Notice::Warning { code: WarningCode::Bootstrap, message, user: None };
            ui.send(NodeMessage::notice(None, notice)).ok();
        }
    };
    let mut resolving = std::pin::pin!(places::resolve(place));
    let resolved = match timeout(BOOTSTRAP_PATIENCE, &mut resolving).await {
        Ok(resolved) => resolved,
        Err(_) => {
            warn("the resolver does not answer");
            resolving.await
        }
    };
    match resolved {
        Ok(addrs) => {
            *warned = false;
            addrs
        }
        Err(why) => {
            warn(&why.to_string());
            Vec::new()
        }
    }
}
