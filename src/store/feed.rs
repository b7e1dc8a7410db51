//! Following the feed of changes: how caches learn what another process did, within a fraction of a second.

use std::{sync::Arc, time::Duration};

use super::{Change, Store, StoreError};

/// How often the store is asked for news.
const INTERVAL: Duration = Duration::from_millis(200);
/// How many changes are taken at once.
const BATCH: u32 = 1000;

/// Calls `on_change` for each change after `after`, in order, for as long as the future is polled. A store that does
/// not answer is asked again: its changes wait in it, so none is lost. Ends only with an error that waiting cannot
/// mend.
///
/// # Errors
/// [`StoreError::Corrupt`] when a change cannot be read.
pub async fn follow(
    store: Arc<dyn Store>,
    mut after: i64,
    mut on_change: impl FnMut(&Change) + Send,
) -> Result<(), StoreError> {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = false;
    loop {
        ticks.tick().await;
        match store.changes(after, BATCH).await {
            Ok(changes) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("the store answers again; changes are followed");
                }
                for change in &changes {
                    on_change(change);
                    after = change.seq;
                }
            }
            Err(error @ StoreError::Corrupt(_)) => return Err(error),
            Err(StoreError::Unavailable(reason)) => {
                if !std::mem::replace(&mut silent, true) {
                    tracing::warn!(%reason, "the store does not answer; changes made elsewhere wait until it does");
                }
            }
        }
    }
}
