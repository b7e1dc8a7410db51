//! How fast a client must come on while it is waited for: with its body, or in taking its answer.
//!
//! A limit between two bytes alone is kept by whoever sends one byte just in time. So the bytes are held against the
//! time that was spent in waiting for the client; time in which the upstream, or nobody, was waited for does not count.

use std::{io, task::Poll, time::Duration};

use tokio::time::Instant;

/// The pace of one direction of one connection, or of one stream of HTTP/2.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes a second; 0 for any.
    least: u64,
    /// The time of waiting that it is judged over.
    over: Duration,
    waiting: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// At least so many bytes a second, `over` so much time of waiting.
    pub(super) const fn new(least: u64, over: Duration) -> Self {
        Self { least, over, waiting: None, waited: Duration::ZERO, bytes: 0 }
    }

    /// Notes how an attempt went `now`, `bytes` being what it brought; becomes a time-out for a client that is too slow.
    pub(super) fn note<T>(
        &mut self,
        now: Instant,
        attempt: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if self.lags(now, &attempt, bytes) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { attempt }
    }

    /// Notes how an attempt went `now`, `bytes` being what it brought. Whether the client is too slow.
    pub(super) fn lags<T, E>(
        &mut self,
        now: Instant,
        attempt: &Poll<Result<T, E>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> bool {
        match attempt {
            Poll::Pending => {
                self.waiting.get_or_insert(now);
                false
            }
            Poll::Ready(Ok(done)) => {
                let waited = self.waiting.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                self.is_too_slow(bytes(done) as u64, waited)
            }
            Poll::Ready(Err(_)) => false,
        }
    }

    /// Begins anew: what comes next is another body or another answer.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.least, self.over);
    }

    fn is_too_slow(&mut self, bytes: u64, waited: Duration) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.waited += waited;
        if self.waited < self.over {
            return false;
        }
        let enough = u128::from(self.least) * self.waited.as_millis();
        let slow = u128::from(self.bytes) * 1000 < enough;
        (self.bytes, self.waited) = (0, Duration::ZERO);
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn whoever_brings_a_byte_just_in_time_is_too_slow() {
        let mut pace = Pace::new(100, 10 * SECOND);
        let late = (0..100).find(|_| pace.is_too_slow(1, SECOND));
        assert_eq!(late, Some(9));
    }

    #[test]
    fn the_average_over_the_time_of_waiting_counts() {
        let mut pace = Pace::new(100, 10 * SECOND);
        for _ in 0..100 {
            assert!(!pace.is_too_slow(1000, Duration::ZERO), "nobody waited");
        }
        pace.restart();
        for _ in 0..100 {
            assert!(!pace.is_too_slow(0, 9 * SECOND));
            assert!(!pace.is_too_slow(1000, SECOND), "100 a second on the average");
        }
        assert!(!pace.is_too_slow(500, 9 * SECOND));
        assert!(pace.is_too_slow(499, SECOND));
    }

    #[test]
    fn a_time_that_is_not_spent_in_waiting_does_not_count() {
        let mut pace = Pace::new(1_000_000, Duration::ZERO);
        let now = Instant::now();
        assert!(pace.note(now, Poll::Ready(Ok(1)), |bytes| *bytes).is_ready());
        assert!(pace.waiting.is_none());
        assert!(pace.note::<usize>(now, Poll::Pending, |bytes| *bytes).is_pending());
        let later = now + Duration::from_millis(2);
        let Poll::Ready(Err(error)) = pace.note(later, Poll::Ready(Ok(1)), |bytes| *bytes) else { panic!() };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn none_is_asked_for_where_none_is_set() {
        let mut pace = Pace::new(0, SECOND);
        assert!(!pace.is_too_slow(0, 100 * SECOND));
    }
}
