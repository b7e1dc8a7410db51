//! One limit, and the memory of what it has counted.

use std::{
    convert::Infallible,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock,
    middleware::{StateInformationMiddleware, StateSnapshot},
    nanos::Nanos,
    state::StateStore,
};
use quick_cache::sync::Cache;

use crate::model::{Clock, Exceeded, Room};

/// One limit, with a state for each key. What is asked and what is counted are two steps, so that only what turned out
/// to be of the kind that is limited is counted.
pub struct Limit<K: Hash + Eq + Clone> {
    name: &'static str,
    quota: Quota,
    memory: Memory<K>,
    limiter: RateLimiter<Question<K>, States<K>, Monotonic, StateInformationMiddleware>,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    /// A limit that remembers at most `capacity` keys.
    #[must_use]
    pub fn new(name: &'static str, quota: Quota, capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self::over(name, quota, Memory::new(capacity), clock)
    }

    /// A limit that remembers its keys in a memory that other limits use too: then no two of them count under one key.
    #[must_use]
    pub fn over(name: &'static str, quota: Quota, memory: Memory<K>, clock: Arc<dyn Clock>) -> Self {
        let limiter = RateLimiter::new(quota, memory.0.clone(), Monotonic(clock));
        Self { name, quota, memory, limiter }
    }

    /// Whether there is room for one more of this key. Counts nothing.
    ///
    /// # Errors
    /// [`Exceeded`] if there is none.
    pub fn check(&self, key: K) -> Result<(), Exceeded> {
        self.ask(&Question { key, counts: false }).map(drop)
    }

    /// Counts one of this key, if there is room.
    ///
    /// # Errors
    /// [`Exceeded`] if there is none: what is refused does not make the wait longer.
    pub fn count(&self, key: K) -> Result<(), Exceeded> {
        self.ask(&Question { key, counts: true }).map(drop)
    }

    /// The same, and says how much room is left.
    ///
    /// # Errors
    /// [`Exceeded`], as [`Self::count`] has it.
    pub fn take(&self, key: K) -> Result<Room, Exceeded> {
        let counted = self.ask(&Question { key, counts: true })?;
        Ok(Room {
            limit: self.name,
            most: self.quota.burst_size().get(),
            within: self.quota.burst_size_replenished_in(),
            left: counted.remaining_burst_capacity(),
        })
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.memory.remembered()
    }

    fn ask(&self, question: &Question<K>) -> Result<StateSnapshot, Exceeded> {
        self.limiter.check_key(question).map_err(|until| Exceeded {
            limit: self.name,
            most: self.quota.burst_size().get(),
            within: self.quota.burst_size_replenished_in(),
            wait: until.wait_time_from(clock::Clock::now(self.limiter.clock())),
        })
    }
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for Limit<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Limit").field(&self.name).finish()
    }
}

/// What was counted, by key.
pub struct Memory<K>(States<K>);

impl<K> Clone for Memory<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Hash + Eq + Clone> Memory<K> {
    /// A memory of at most `capacity` keys. It takes what room its keys need, about 100 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(States(Arc::new(Cache::new(capacity))))
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.0.0.len()
    }
}

impl<K> std::fmt::Debug for Memory<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

/// A key, and whether an answer with room takes the room.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question<K> {
    key: K,
    counts: bool,
}

/// When the next of a key is due, in nanoseconds; 0 for a key of which nothing was counted.
struct States<K>(Arc<Cache<K, Arc<AtomicU64>>>);

impl<K> Clone for States<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Hash + Eq + Clone> StateStore for States<K> {
    type Key = Question<K>;

    fn measure_and_replace<T, F, E>(&self, question: &Question<K>, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let counted = |state: u64| (state != 0).then(|| Nanos::from(state));
        if !question.counts {
            let state = self.0.get(&question.key).and_then(|state| counted(state.load(Ordering::Acquire)));
            return measure(state).map(|(outcome, _)| outcome);
        }
        let Ok(state) = self.0.get_or_insert_with(&question.key, || Ok::<_, Infallible>(Arc::default()));
        let mut before = state.load(Ordering::Acquire);
        loop {
            let (outcome, after) = measure(counted(before))?;
            match state.compare_exchange_weak(before, after.into(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(now) => before = now,
            }
        }
    }
}

/// Our clock in governor's words.
#[derive(Clone)]
struct Monotonic(Arc<dyn Clock>);

impl clock::Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ManualClock, Timestamp};
    use std::num::NonZeroU32;

    const BURST: u32 = 4;

    /// Four at once, and one more every 30 seconds.
    fn limit(capacity: usize) -> (Limit<u32>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
        let number = |number| NonZeroU32::new(number).unwrap();
        let quota = Quota::per_minute(number(2)).allow_burst(number(BURST));
        (Limit::new("test", quota, capacity, clock.clone()), clock)
    }

    #[test]
    fn there_is_room_for_the_burst_and_then_for_one_at_a_time() {
        let (limit, clock) = limit(100);
        for _ in 0..BURST {
            assert_eq!(limit.count(1), Ok(()));
        }
        let exceeded = |seconds| {
            let (within, wait) = (Duration::from_mins(2), Duration::from_secs(seconds));
            Err(Exceeded { limit: "test", most: BURST, within, wait })
        };
        assert_eq!((limit.check(1), limit.count(1)), (exceeded(30), exceeded(30)));
        assert_eq!(limit.count(2), Ok(()), "another key has its own room");
        clock.advance(Duration::from_secs(29));
        assert_eq!(limit.count(1), exceeded(1), "what was refused did not make the wait longer");
        clock.advance(Duration::from_secs(1));
        assert_eq!((limit.count(1), limit.count(1)), (Ok(()), exceeded(30)));
        clock.advance(Duration::from_hours(1));
        let counted = (0..10).filter(|_| limit.count(1).is_ok()).count();
        assert_eq!(counted, 4, "what was not used for long is not saved up beyond the burst");
    }

    #[test]
    fn what_is_taken_says_how_much_is_left() {
        let (limit, clock) = limit(100);
        let left = || limit.take(1).map(|room| room.left).ok();
        assert_eq!([left(), left(), left(), left(), left()], [Some(3), Some(2), Some(1), Some(0), None]);
        clock.advance(Duration::from_mins(1));
        assert_eq!([left(), left(), left()], [Some(1), Some(0), None]);
        let room = limit.take(2).unwrap();
        assert_eq!((room.limit, room.most, room.within), ("test", BURST, Duration::from_mins(2)));
    }

    #[test]
    fn limits_over_one_memory_are_bounded_together_and_each_counts_for_itself() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
        let (memory, one) = (Memory::new(100), NonZeroU32::MIN);
        let [a, b] = [1, 2].map(|_| Limit::over("test", Quota::per_minute(one), memory.clone(), clock.clone()));
        assert!(a.count(("a", 1)).is_ok() && b.count(("b", 1)).is_ok());
        assert!(a.count(("a", 1)).is_err() && b.count(("b", 1)).is_err());
        for key in 0..1000 {
            let _ = (a.count(("a", key)), b.count(("b", key)));
        }
        assert!(memory.remembered() <= 100);
    }

    #[test]
    fn a_question_counts_nothing() {
        let (limit, _) = limit(100);
        for _ in 0..10 {
            assert_eq!(limit.check(1), Ok(()));
        }
        assert_eq!(limit.remembered(), 0);
    }

    #[test]
    fn memory_is_bounded_and_those_who_come_often_are_not_forgotten() {
        let (limit, _) = limit(100);
        for key in 0..10_000 {
            let _ = limit.count(0);
            let _ = limit.count(key);
        }
        assert!(limit.check(0).is_err());
        assert!(limit.remembered() <= 100);
    }

    #[test]
    fn at_once_from_many_threads_no_more_are_counted_than_there_is_room_for() {
        let (limit, _) = limit(100);
        let counted: usize = std::thread::scope(|scope| {
            let count = || (0..100).filter(|_| limit.count(1).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(counted, 4);
    }
}
