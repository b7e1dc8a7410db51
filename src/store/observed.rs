//! What upstreams that only observe would have refused: counted in memory on the way of a request, added to the store
//! every second. Who, where, why and how often; never a token, a path, a query or an address.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::Store;
use crate::model::{ClientId, Clock, Name, OrganizationId, ScopeSet, Timestamp};

/// How long counts are kept.
pub const OBSERVED_KEPT: Duration = Duration::from_hours(90 * 24);
/// How often counts are added to the store.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most kinds that wait in memory.
const MOST_WAITING: usize = 1000;
/// The most kinds of one day in the store.
const MOST_A_DAY: u32 = 5000;
const DAY: i64 = 24 * 60 * 60;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservedKind {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The `error` that would have been answered.
    pub reason: Cow<'static, str>,
    /// What else sets it apart. None for all that was too much to be kept apart.
    pub details: Option<ObservedDetails>,
}

/// What sets requests of one upstream and reason apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObservedDetails {
    /// The path of the rule; none if no rule covers the request's.
    pub rule: Option<String>,
    /// The method, or `other`.
    pub method: Cow<'static, str>,
    /// The client and its organisation; none without a living token.
    pub client: Option<(ClientId, OrganizationId)>,
    /// The scopes that would have let it through; none if it lacked something else.
    pub missing: Option<Missing>,
}

/// Scopes that a token lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Missing {
    /// It needs all of these.
    All(ScopeSet),
    /// It needs one of these.
    Any(ScopeSet),
}

/// How often a kind was seen on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedCount {
    /// The kind.
    pub kind: ObservedKind,
    /// How many requests.
    pub count: u64,
    /// The first of them.
    pub first_seen: Timestamp,
    /// The last of them, on the same day.
    pub last_seen: Timestamp,
}

/// How often a kind was seen, over days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The sum of the days' counts.
    pub total: ObservedCount,
    /// The client's name; none if there is no client, or none any more.
    pub client_name: Option<Name>,
}

impl ObservedKind {
    /// Where it is counted when there are too many kinds.
    #[must_use]
    pub fn others(&self) -> Self {
        Self { details: None, ..self.clone() }
    }
}

impl ObservedCount {
    /// The day (in UTC) that it belongs to, counted from 1970.
    #[must_use]
    pub const fn day(&self) -> i64 {
        day(self.first_seen)
    }
}

/// The day of a moment (in UTC), counted from 1970.
#[must_use]
pub(super) const fn day(at: Timestamp) -> i64 {
    at.as_seconds().div_euclid(DAY)
}

/// Where observations are noted.
pub struct Observations {
    clock: Arc<dyn Clock>,
    waiting: Mutex<HashMap<(i64, ObservedKind), Tally>>,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    count: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Observations {
    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, waiting: Mutex::default() }
    }

    /// Notes one request. Never waits for the store; the lock is held for one look-up.
    pub fn note(&self, kind: ObservedKind) {
        let now = self.clock.now();
        self.add(ObservedCount { kind, count: 1, first_seen: now, last_seen: now });
    }

    fn add(&self, new: ObservedCount) {
        let ObservedCount { count, first_seen, last_seen, .. } = new;
        let mut key = (new.day(), new.kind);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST_WAITING && !waiting.contains_key(&key) {
            key.1 = key.1.others();
        }
        let tally = waiting.entry(key).or_insert(Tally { count: 0, first_seen, last_seen });
        tally.count = tally.count.saturating_add(count);
        tally.first_seen = tally.first_seen.min(first_seen);
        tally.last_seen = tally.last_seen.max(last_seen);
    }

    fn take(&self) -> Vec<ObservedCount> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let count = |((_, kind), tally): ((i64, ObservedKind), Tally)| {
            let Tally { count, first_seen, last_seen } = tally;
            ObservedCount { kind, count, first_seen, last_seen }
        };
        waiting.into_iter().map(count).collect()
    }
}

impl fmt::Debug for Observations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observations")
    }
}

/// Adds what is noted to the store, until `stopping` is and all that was noted by then is added. What the store does
/// not take is kept for the next time.
pub async fn write_observations(store: Arc<dyn Store>, observations: Arc<Observations>, stopping: CancellationToken) {
    let mut last = false;
    while !last {
        tokio::select! {
            () = stopping.cancelled() => last = true,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let counts = observations.take();
        if counts.is_empty() {
            continue;
        }
        if let Err(error) = store.record_observations(counts.clone(), MOST_A_DAY).await {
            let then = if last { "it is lost" } else { "it is tried again" };
            tracing::warn!(%error, "what upstreams observed could not be written; {then}");
            for count in counts {
                observations.add(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ManualClock;

    fn kind(rule: usize) -> ObservedKind {
        let details =
            ObservedDetails { rule: Some(format!("/{rule}")), method: "GET".into(), client: None, missing: None };
        ObservedKind { upstream: "api".into(), reason: "missing_token".into(), details: Some(details) }
    }

    #[test]
    fn requests_of_one_kind_and_day_are_counted_together() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(DAY - 1)));
        let observations = Observations::new(clock.clone());
        observations.note(kind(1));
        clock.advance(Duration::from_secs(1));
        observations.note(kind(1));
        clock.advance(Duration::from_secs(5));
        observations.note(kind(1));
        let mut counts = observations.take();
        counts.sort_by_key(ObservedCount::day);
        let seen = |count: &ObservedCount| (count.count, count.first_seen.as_seconds(), count.last_seen.as_seconds());
        assert_eq!(counts.iter().map(seen).collect::<Vec<_>>(), [(1, DAY - 1, DAY - 1), (2, DAY, DAY + 5)]);
        assert_eq!(observations.take(), []);
    }

    #[test]
    fn what_is_too_much_to_be_kept_apart_is_counted_all_the_same() {
        let observations = Observations::new(Arc::new(ManualClock::new(Timestamp::from_seconds(0))));
        for rule in 0..3 * MOST_WAITING {
            observations.note(kind(rule));
        }
        observations.note(kind(0));
        let counts = observations.take();
        assert_eq!(counts.len(), MOST_WAITING + 1);
        assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), 3001);
        let others = counts.iter().find(|count| count.kind.details.is_none()).unwrap();
        assert_eq!(others.count, 2000);
    }
}
