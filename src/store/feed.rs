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
        match take_news(&*store, &mut after, &mut on_change).await {
            Ok(()) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("the store answers again; changes are followed");
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

/// Hands on all that is new. A long backlog is taken in one go: after an outage it is most urgent.
async fn take_news(
    store: &dyn Store,
    after: &mut i64,
    on_change: &mut (impl FnMut(&Change) + Send),
) -> Result<(), StoreError> {
    loop {
        let changes = store.changes(*after, BATCH).await?;
        for change in &changes {
            on_change(change);
            *after = change.seq;
        }
        if u32::try_from(changes.len()).is_ok_and(|taken| taken < BATCH) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{HashedSecret, OrganizationId, Timestamp},
        store::{Action, Actor, Audit, NewOrganization, SqliteStore, Subject},
    };

    async fn create(store: &SqliteStore) -> OrganizationId {
        let id = OrganizationId::random().unwrap();
        let key = HashedSecret::from_phc("$argon2id$".into());
        let new = NewOrganization { id, parent: None, name: "Any".parse().unwrap(), key };
        let audit = Audit { actor: Actor::CommandLine, at: Timestamp::from_seconds(1), request_id: None };
        assert!(store.create_organization(new, audit).await.unwrap().is_some());
        id
    }

    fn spawn_follower(store: &Arc<SqliteStore>, after: i64) -> tokio::sync::mpsc::UnboundedReceiver<Change> {
        let (tell, news) = tokio::sync::mpsc::unbounded_channel();
        let store: Arc<dyn Store> = Arc::<SqliteStore>::clone(store);
        tokio::spawn(follow(store, after, move |change| drop(tell.send(change.clone()))));
        news
    }

    #[tokio::test]
    async fn what_another_process_does_arrives_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let ours = Arc::new(SqliteStore::open(&path).unwrap());
        let theirs = SqliteStore::open(&path).unwrap();
        create(&theirs).await;
        let mut news = spawn_follower(&ours, ours.last_change().await.unwrap());
        for _ in 0..3 {
            let id = create(&theirs).await;
            let begun = std::time::Instant::now();
            let change = news.recv().await.unwrap();
            assert_eq!((change.action, change.subject), (Action::OrganizationCreated, Subject::Organization(id)));
            // Usually a fifth of a second; the slack is for a busy machine.
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
        assert!(news.try_recv().is_err(), "each change arrives once");
    }

    #[tokio::test]
    async fn a_backlog_of_several_batches_arrives_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("s.db")).unwrap());
        let backlog = 2 * i64::from(BATCH) + 1;
        futures_util::future::join_all((0..backlog).map(|_| create(&store))).await;
        let mut news = spawn_follower(&store, 0);
        for seq in 1..=backlog {
            assert_eq!(news.recv().await.unwrap().seq, seq);
        }
    }
}
