//! What the keys of a cache count towards its capacity.

use quick_cache::Weighter;

use super::Entry;

/// How much of a cache's capacity a key takes.
#[derive(Debug)]
pub(super) enum Weight<V> {
    /// Each as much as another.
    Same,
    /// A value as many bytes as this says, an absent key [`ABSENT_BYTES`].
    Bytes(fn(&V) -> usize),
}

/// What a key takes of the memory that the store has not.
const ABSENT_BYTES: usize = 96;
/// What most keys take whose bytes are counted: how many there may be follows from it.
pub(super) const USUAL_BYTES: u64 = 192;

impl<V> Clone for Weight<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Same => Self::Same,
            Self::Bytes(bytes) => Self::Bytes(*bytes),
        }
    }
}

impl<K, V> Weighter<K, Entry<V>> for Weight<V> {
    fn weight(&self, _: &K, entry: &Entry<V>) -> u64 {
        match self {
            Self::Same => 1,
            Self::Bytes(bytes) => entry.value.as_ref().map_or(ABSENT_BYTES, |value| bytes(value)) as u64,
        }
    }
}
