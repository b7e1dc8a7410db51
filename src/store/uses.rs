//! When things were last used: noted on the hot path without waiting, written in batches when there is time.

use std::{
    collections::HashMap,
    mem::discriminant,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Store, Use};
use crate::model::Timestamp;

/// How exact a noted use is.
const RESOLUTION: Duration = Duration::from_mins(1);
/// How many notes may wait; more are dropped, and come again with a later use.
const WAITING: usize = 10_000;
/// How many of them may be of tokens: each is a page of the store to be written, and there may be a million in use.
const TOKENS_WAITING: usize = 1000;
/// How many are written at once: few, so that others' writes hardly wait.
const AT_ONCE: usize = 100;
/// How often notes are written.
const INTERVAL: Duration = Duration::from_secs(2);

/// When something was last noted as used, so that it is noted at most once a minute.
#[derive(Debug)]
pub struct UseMark(AtomicI64);

impl UseMark {
    /// The mark of something last used then.
    #[must_use]
    pub fn new(last_used: Option<Timestamp>) -> Self {
        Self(AtomicI64::new(last_used.map_or(i64::MIN, Timestamp::as_seconds)))
    }

    /// Whether a use at `now` is to be noted; marks it as noted.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = now.as_seconds().saturating_sub(last) >= i64::try_from(RESOLUTION.as_secs()).unwrap_or(60);
        due && self.0.compare_exchange(last, now.as_seconds(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Where uses are noted.
#[derive(Debug, Clone)]
pub struct Uses(mpsc::Sender<Use>);

impl Uses {
    /// A notebook, and what [`write_uses`] empties it by.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Use>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Notes a use; never waits.
    pub fn note(&self, noted: Use) {
        let waiting = self.0.max_capacity() - self.0.capacity();
        if matches!(noted, Use::Token(..)) && waiting >= TOKENS_WAITING {
            return;
        }
        // A full notebook loses a "last used" by a minute; nothing else depends on it.
        let _ = self.0.try_send(noted);
    }
}

/// Writes what is noted, until `stopping` is and all that was noted by then is written. A store that does not answer
/// loses notes; they never take more memory than the notebook.
pub async fn write_uses(store: Arc<dyn Store>, mut noted: mpsc::Receiver<Use>, stopping: CancellationToken) {
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => noted.close(),
            () = tokio::time::sleep(INTERVAL) => {}
        }
        // Closed, it gives what is left and then nothing; open, it waits for the next note.
        tokio::select! {
            taken = noted.recv_many(&mut batch, WAITING) => if taken == 0 { return },
            () = stopping.cancelled(), if !noted.is_closed() => continue,
        }
        for some in latest(batch.drain(..)).chunks(AT_ONCE) {
            if let Err(error) = store.record_uses(some.to_vec()).await {
                tracing::warn!(%error, "when clients and tokens were last used could not be written");
                break;
            }
        }
    }
}

/// The last use of each thing.
fn latest(uses: impl Iterator<Item = Use>) -> Vec<Use> {
    let mut last = HashMap::new();
    for noted in uses {
        let (id, at): (Vec<u8>, Timestamp) = match noted {
            Use::Client(id, at) => (id.as_bytes().to_vec(), at),
            Use::Secret(id, at) => (id.as_bytes().to_vec(), at),
            Use::Token(id, at) => (id.as_bytes().to_vec(), at),
        };
        let kept = last.entry((discriminant(&noted), id)).or_insert((at, noted));
        if at > kept.0 {
            *kept = (at, noted);
        }
    }
    last.into_values().map(|(_, noted)| noted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClientId, TokenId};

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let mark = UseMark::new(None);
        assert!(mark.is_due(Timestamp::from_seconds(100)));
        assert!(!mark.is_due(Timestamp::from_seconds(159)));
        assert!(mark.is_due(Timestamp::from_seconds(160)));
    }

    #[test]
    fn of_several_uses_the_last_is_kept() {
        let id = ClientId::from_bytes([1; 8]);
        let at = Timestamp::from_seconds;
        let uses = [Use::Client(id, at(5)), Use::Client(id, at(9)), Use::Client(id, at(7))];
        assert_eq!(latest(uses.into_iter()), [Use::Client(id, at(9))]);
    }

    #[test]
    fn many_tokens_leave_room_for_clients() {
        let (uses, mut receiver) = Uses::new();
        let at = Timestamp::from_seconds(1);
        for number in 0..20_000_u64 {
            let mut id = [0; 20];
            id[..8].copy_from_slice(&number.to_le_bytes());
            uses.note(Use::Token(TokenId::from_bytes(id), at));
        }
        let client = Use::Client(ClientId::from_bytes([1; 8]), at);
        uses.note(client);
        let noted: Vec<Use> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!((noted.len(), noted.last()), (TOKENS_WAITING + 1, Some(&client)));
    }

    #[test]
    fn a_full_notebook_never_waits() {
        let (uses, _receiver) = Uses::new();
        for second in 0..20_000 {
            uses.note(Use::Client(ClientId::from_bytes([1; 8]), Timestamp::from_seconds(second)));
        }
    }
}
