//! The parts that keep store and caches in order while requests are served.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{AppError, Services, named, system};
use crate::{
    model::Clock,
    observe::Metrics,
    store::{Store, follow, write_observations, write_uses},
};

/// How often rows of no use are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// How many go at a time: few, so that others' writes hardly wait.
const STEP: u32 = 100;
/// How many times as long as a step took the writer and the disk are left to others before the next, and how long at
/// most: where all steps take long because much is written, no less may be removed.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_millis(25);
/// How often living tokens are counted at most; seldom enough that counting takes a hundredth of a reader's time.
const COUNT: Duration = Duration::from_secs(5);
/// How often the allocator is given occasion to hand back what is free.
const TIDY: Duration = Duration::from_secs(5);
/// More bytes than any page of small pieces of mimalloc's has: freed at once, and never touched.
const LARGE: usize = 32 * 1024 * 1024;

/// Starts them all. The feed is followed from the newest change on: nothing is cached yet.
pub(super) async fn start(
    tasks: &mut JoinSet<&'static str>,
    services: &mut Services,
    stopping: &CancellationToken,
) -> Result<(), AppError> {
    let store = services.store.clone();
    let newest = store.last_change().await.map_err(system)?;
    let (registry, tokens) = (services.registry.clone(), services.tokens.clone());
    let clock = registry.clock().clone();
    let metrics = registry.metrics().clone();
    if let Some(ended) = services.store_ended.take() {
        tasks.spawn(named("the store", ended));
    }
    if let Some(noted) = services.noted.take() {
        let uses = write_uses(store.clone(), noted, stopping.clone());
        tasks.spawn(named("the notebook of uses", uses));
    }
    let observed = write_observations(store.clone(), services.observations.clone(), stopping.clone());
    tasks.spawn(named("the count of what is observed", observed));
    tasks.spawn(named("the sweep", sweep(store.clone(), clock.clone())));
    tasks.spawn(named("the count of tokens", count(store.clone(), clock, metrics)));
    tasks.spawn(named("the return of free memory", return_memory()));
    tasks.spawn(named("the feed of changes", async move {
        let followed = follow(store, newest, |change| {
            registry.on_change(change);
            tokens.on_change(change);
        });
        if let Err(error) = followed.await {
            tracing::error!(%error, "the feed of changes cannot be read");
        }
    }));
    Ok(())
}

/// Removes rows of no use, in small steps, for ever.
async fn sweep(store: Arc<dyn Store>, clock: Arc<dyn Clock>) {
    loop {
        let start = Instant::now();
        match store.sweep(clock.now(), STEP).await {
            Ok(removed) if removed >= STEP => tokio::time::sleep(LONGEST_REST.min(start.elapsed() * REST)).await,
            Ok(_) => tokio::time::sleep(SWEEP).await,
            Err(error) => {
                tracing::warn!(%error, "expired rows could not be removed; it is tried again");
                tokio::time::sleep(SWEEP).await;
            }
        }
    }
}

/// Lets the allocator hand back to the system what has been free for a while, for ever. It looks for that whenever a
/// large piece is freed, and a process that has come to rest after a busy time frees none.
async fn return_memory() {
    loop {
        tokio::time::sleep(TIDY).await;
        let mut large = Vec::<u8>::new();
        // Where there is no such piece, there is nothing to hand back either.
        let _occasion = std::hint::black_box(&mut large).try_reserve_exact(LARGE);
    }
}

/// Keeps the count of living tokens, for ever.
async fn count(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
    loop {
        let start = Instant::now();
        if let Ok(living) = store.count_tokens(clock.now()).await {
            metrics.tokens_live.set(i64::try_from(living).unwrap_or(i64::MAX));
        }
        tokio::time::sleep(COUNT.max(start.elapsed() * 100)).await;
    }
}
