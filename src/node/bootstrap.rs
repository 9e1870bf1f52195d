//! The nodes named by `--bootstrap`. Host names are resolved again every minute, because the network may come up
//! later and the address of a name may change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::connection::Event;
use super::places;
use crate::identity::place::{Place, Target};
use crate::proto::event::Input;

/// Interval between resolutions.
const INTERVAL: Duration = Duration::from_secs(60);

/// Reports the addresses to the loop, at once and every [`INTERVAL`], until the loop is gone.
pub async fn resolve(bootstrap: Vec<Target>, events: mpsc::Sender<Event>) {
    if bootstrap.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unknown = BTreeSet::new();
    loop {
        ticks.tick().await;
        for target in &bootstrap {
            let (addrs, whom) = match target {
                Target::Place(place) => (addresses(place, &mut unknown).await, None),
                Target::Contact(address) => (address.addrs.clone(), Some(address.user)),
            };
            if !addrs.is_empty() && events.send(Event::Input(Input::Bootstrap { addrs, whom })).await.is_err() {
                return;
            }
        }
    }
}

/// Resolves a place. A failure is logged once until the next success: the name may be mistyped, and nothing else
/// would report it.
async fn addresses(place: &Place, unknown: &mut BTreeSet<String>) -> Vec<SocketAddr> {
    match places::resolve(place).await {
        Ok(addrs) => {
            unknown.remove(&place.to_string());
            addrs
        }
        Err(why) => {
            if unknown.insert(place.to_string()) {
                tracing::warn!(%why, "a --bootstrap address cannot be used; retrying every minute");
            }
            Vec::new()
        }
    }
}
