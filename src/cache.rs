//! Floor 1: a bounded cache of look-ups in the store that never serves what was taken back.
//!
//! Three promises. Many who ask for the same key while it is being looked up share one look-up. Once
//! [`LookupCache::invalidate`] has returned, no later request sees what was there before, not even from a look-up that
//! was under way. Memory is bounded, and so is what absent keys can take of it.

mod weight;

use std::{
    hash::{BuildHasher, Hash},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use quick_cache::{DefaultHashBuilder, Lifecycle, sync::Cache};
use weight::{USUAL_BYTES, Weight};

/// A cached value and whether it still holds. Whoever keeps one asks [`Fresh::is_current`] before each use.
#[derive(Debug)]
pub struct Fresh<V> {
    value: V,
    stale: AtomicBool,
}

impl<V> Fresh<V> {
    const fn new(value: V) -> Self {
        Self { value, stale: AtomicBool::new(false) }
    }

    /// Whether nothing has been said against it since it was looked up.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !self.stale.load(Ordering::Acquire)
    }
}

impl<V> std::ops::Deref for Fresh<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

/// What is kept for a key: its value, or that the store has none.
#[derive(Debug)]
struct Entry<V> {
    value: Option<Arc<Fresh<V>>>,
    /// How many invalidations of the key's lane had begun before the value was looked up.
    as_of: u64,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), as_of: self.as_of }
    }
}

impl<V> Entry<V> {
    /// Whether both came of one look-up.
    fn is(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => self.as_of == other.as_of,
            _ => false,
        }
    }

    fn is_current(&self) -> bool {
        self.value.as_ref().is_none_or(|value| value.is_current())
    }

    fn retire(&self) {
        if let Some(value) = &self.value {
            value.stale.store(true, Ordering::Release);
        }
    }
}

/// Marks what leaves the cache as stale: nobody would tell its holders of later changes.
#[derive(Debug, Clone)]
struct Retire;

impl<K, V> Lifecycle<K, Entry<V>> for Retire {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: K, entry: Entry<V>) {
        entry.retire();
    }
}

/// Invalidations are counted by lanes of keys, so that many of them hinder few look-ups.
const LANES: usize = 64;

/// See the module's documentation.
pub struct LookupCache<K, V> {
    entries: Cache<K, Entry<V>, Weight<V>, DefaultHashBuilder, Retire>,
    hasher: DefaultHashBuilder,
    /// How many invalidations have begun, by lane.
    invalidations: [AtomicU64; LANES],
    keeps_absence: bool,
}

impl<K: Eq + Hash + Clone, V> LookupCache<K, V> {
    /// A cache of at most `capacity` keys; that the store has none of a key is kept too.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::with(capacity, capacity as u64, Weight::Same, true)
    }

    /// A cache of at most `capacity` keys that the store has. Keys that callers can make up cannot push out others.
    #[must_use]
    pub fn of_present(capacity: usize) -> Self {
        Self::with(capacity, capacity as u64, Weight::Same, false)
    }

    /// A cache that takes about `capacity` bytes at most, taken only as they are needed; `bytes` says how many a value
    /// and its place take. That the store has none of a key is kept too.
    #[must_use]
    pub fn of_bytes(capacity: u64, bytes: fn(&V) -> usize) -> Self {
        let keys = usize::try_from(capacity / USUAL_BYTES).unwrap_or(usize::MAX);
        Self::with(keys, capacity, Weight::Bytes(bytes), true)
    }

    /// `keys` is how many there may be, about.
    fn with(keys: usize, capacity: u64, weight: Weight<V>, keeps_absence: bool) -> Self {
        let hasher = DefaultHashBuilder::default();
        let entries = Cache::with(keys, capacity, weight, hasher.clone(), Retire);
        let invalidations = std::array::from_fn(|_| AtomicU64::new(0));
        Self { entries, hasher, invalidations, keeps_absence }
    }

    /// What is cached for `key` and current: `Some(None)` says that the store has none.
    #[must_use]
    #[expect(clippy::option_option, reason = "not cached, known to be absent, and present are three things")]
    pub fn peek(&self, key: &K) -> Option<Option<Arc<Fresh<V>>>> {
        self.entries.get(key).filter(Entry::is_current).map(|entry| entry.value)
    }

    /// The value of `key`: from the cache, else by one `look_up` that all who ask meanwhile share.
    ///
    /// # Errors
    /// That of `look_up`; nothing is cached then.
    pub async fn get_or_look_up<E, F>(&self, key: &K, look_up: impl Fn() -> F) -> Result<Option<Arc<Fresh<V>>>, E>
    where
        F: Future<Output = Result<Option<V>, E>>,
    {
        if let Some(value) = self.peek(key) {
            return Ok(value);
        }
        let lane = self.lane(key);
        loop {
            let as_of = lane.load(Ordering::SeqCst);
            let guard = match self.entries.get_value_or_guard_async(key).await {
                // Another's look-up, perhaps begun before an invalidation that ended before we came: not good enough.
                Ok(entry) if entry.as_of < as_of || !entry.is_current() => {
                    self.drop_entry(key, &entry);
                    continue;
                }
                // Nor is what was handed on but not kept: nobody would tell its holders of later changes.
                Ok(entry) if !self.entries.get(key).is_some_and(|kept| kept.is(&entry)) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(entry) => return Ok(entry.value),
                Err(guard) => guard,
            };
            let as_of = lane.load(Ordering::SeqCst);
            let value = look_up().await?.map(|value| Arc::new(Fresh::new(value)));
            if value.is_none() && !self.keeps_absence {
                return Ok(None);
            }
            let entry = Entry { value, as_of };
            let kept = guard.insert(entry.clone()).is_ok();
            // Counted again after inserting: an invalidation begun later finds the entry and removes it itself.
            if kept && lane.load(Ordering::SeqCst) == as_of {
                return Ok(entry.value);
            }
            entry.retire();
            self.drop_entry(key, &entry);
        }
    }

    /// Forgets a key whose row has changed. Call it after the change is durable and before it is answered.
    pub fn invalidate(&self, key: &K) {
        self.lane(key).fetch_add(1, Ordering::SeqCst);
        if let Some((_, entry)) = self.entries.remove(key) {
            entry.retire();
        }
    }

    /// How many keys are cached.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is cached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// Removes this entry and no other.
    fn drop_entry(&self, key: &K, entry: &Entry<V>) {
        if let Some((_, gone)) = self.entries.remove_if(key, |kept| kept.is(entry)) {
            gone.retire();
        }
    }

    fn lane(&self, key: &K) -> &AtomicU64 {
        let [first, ..] = &self.invalidations;
        let lane = usize::try_from(self.hasher.hash_one(key) % LANES as u64).unwrap_or(0);
        self.invalidations.get(lane).unwrap_or(first)
    }
}

impl<K, V> std::fmt::Debug for LookupCache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookupCache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{convert::Infallible, sync::atomic::AtomicUsize, time::Duration};

    #[tokio::test]
    async fn many_who_ask_share_one_look_up() {
        let cache = Arc::new(LookupCache::<u8, u8>::new(10));
        let look_ups = Arc::new(AtomicUsize::new(0));
        let asked = (0..50).map(|_| {
            let (cache, look_ups) = (cache.clone(), look_ups.clone());
            tokio::spawn(async move {
                let look_up = || async {
                    look_ups.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok::<_, Infallible>(Some(7))
                };
                cache.get_or_look_up(&1, look_up).await.unwrap().map(|value| **value)
            })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert_eq!(answer.await.unwrap(), Some(7));
        }
        assert_eq!(look_ups.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_look_up_overtaken_by_an_invalidation_is_made_again() {
        let cache = LookupCache::<u8, u64>::new(10);
        let truth = AtomicU64::new(1);
        let times = AtomicUsize::new(0);
        let found = cache
            .get_or_look_up(&1, || async {
                let seen = truth.load(Ordering::SeqCst);
                if times.fetch_add(1, Ordering::SeqCst) == 0 {
                    truth.store(2, Ordering::SeqCst);
                    cache.invalidate(&1);
                }
                Ok::<_, Infallible>(Some(seen))
            })
            .await
            .unwrap();
        assert_eq!(found.map(|value| **value), Some(2));
        assert_eq!(times.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_comes_after_an_invalidation_does_not_share_an_older_look_up() {
        let cache = Arc::new(LookupCache::<u8, u8>::new(10));
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let wait = Arc::new(tokio::sync::Mutex::new(Some(wait)));
        let slow = tokio::spawn({
            let cache = cache.clone();
            async move {
                let look_up = || async {
                    if let Some(wait) = wait.lock().await.take() {
                        wait.await.unwrap();
                        return Ok::<_, Infallible>(Some(1));
                    }
                    Ok(Some(2))
                };
                cache.get_or_look_up(&1, look_up).await.unwrap().map(|value| **value)
            }
        });
        tokio::task::yield_now().await;
        cache.invalidate(&1);
        let late = tokio::spawn({
            let cache = cache.clone();
            async move {
                cache.get_or_look_up(&1, || async { Ok::<_, Infallible>(Some(3)) }).await.unwrap().map(|value| **value)
            }
        });
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        assert_ne!(late.await.unwrap(), Some(1));
        assert_ne!(slow.await.unwrap(), Some(1));
    }

    #[tokio::test]
    async fn who_holds_a_value_learns_of_changes_whatever_became_of_other_look_ups() {
        let cache = Arc::new(LookupCache::<u8, u8>::new(10));
        let ask = |value: u8, wait: Option<tokio::sync::oneshot::Receiver<()>>| {
            let (cache, wait) = (cache.clone(), Arc::new(tokio::sync::Mutex::new(wait)));
            tokio::spawn(async move {
                let look_up = || async {
                    if let Some(wait) = wait.lock().await.take() {
                        wait.await.unwrap();
                    }
                    Ok::<_, Infallible>(Some(value))
                };
                cache.get_or_look_up(&1, look_up).await.unwrap().unwrap()
            })
        };
        // One looks up and another waits for that; the row changes, and the first one goes away.
        let (_never, wait) = tokio::sync::oneshot::channel();
        let first = ask(1, Some(wait));
        tokio::task::yield_now().await;
        let (go, wait) = tokio::sync::oneshot::channel();
        let second = ask(2, Some(wait));
        tokio::task::yield_now().await;
        cache.invalidate(&1);
        first.abort();
        tokio::time::sleep(Duration::from_millis(10)).await;
        // A third looks up anew and holds what it found, while the second comes late to keep its own.
        let held = ask(3, None).await.unwrap();
        go.send(()).unwrap();
        second.await.unwrap();
        cache.invalidate(&1);
        assert!(!held.is_current());
    }

    #[tokio::test]
    async fn absence_is_not_kept_where_callers_make_up_keys() {
        let cache = LookupCache::<u8, u8>::of_present(10);
        for _ in 0..2 {
            assert!(cache.get_or_look_up(&1, || async { Ok::<_, Infallible>(None) }).await.unwrap().is_none());
        }
        assert!(cache.is_empty());
    }

    #[tokio::test]
    async fn a_holder_learns_that_its_value_no_longer_holds() {
        let cache = LookupCache::<u8, u8>::new(10);
        let look_up = || async { Ok::<_, Infallible>(Some(1)) };
        let held = cache.get_or_look_up(&1, look_up).await.unwrap().unwrap();
        assert!(held.is_current());
        cache.invalidate(&1);
        assert!(!held.is_current());
        assert!(cache.peek(&1).is_none());
    }

    #[tokio::test]
    async fn what_is_evicted_is_stale_and_the_size_is_bounded() {
        let cache = LookupCache::<u32, u32>::new(16);
        let mut held = Vec::new();
        for key in 0..500 {
            held.push(
                cache.get_or_look_up(&key, || async move { Ok::<_, Infallible>(Some(key)) }).await.unwrap().unwrap(),
            );
        }
        assert!(cache.len() <= 32, "{}", cache.len());
        assert!(held.iter().filter(|value| value.is_current()).count() <= cache.len());
    }

    #[tokio::test]
    async fn absence_is_cached_and_an_error_is_not() {
        let cache = LookupCache::<u8, u8>::new(10);
        assert!(cache.get_or_look_up(&1, || async { Err(()) }).await.is_err());
        assert!(cache.peek(&1).is_none());
        assert!(cache.get_or_look_up(&1, || async { Ok::<_, ()>(None) }).await.unwrap().is_none());
        assert!(cache.peek(&1).unwrap().is_none());
    }

    #[tokio::test]
    async fn what_takes_more_bytes_leaves_room_for_fewer() {
        for (bytes, most) in [(1000_usize, 100), (10_000, 10)] {
            let cache = LookupCache::<usize, usize>::of_bytes(100_000, |bytes| *bytes);
            for key in 0..1000 {
                cache.get_or_look_up(&key, || async { Ok::<_, Infallible>(Some(bytes)) }).await.unwrap();
            }
            assert!((most / 2..=most).contains(&cache.len()), "{bytes}: {}", cache.len());
        }
    }
}
