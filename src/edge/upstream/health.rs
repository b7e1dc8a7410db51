//! Whether a server is well: what requests learn of it on the way, and what health checks say.
//!
//! A server that no connection comes about to is *out* at once, one whose answers break or do not come is after a few
//! in a row; for a second at first, then for twice as long each time, at most for thirty. After that one request is
//! sent to it as a trial. A server that is out is asked only when every other one is out too: then an attempt costs
//! little, and is how the end of the outage is noticed at once. A server that fails its health check is *down*: it is
//! not asked.
//!
//! All of it is a few atomic numbers, read for each server at each request.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

/// How long a server is out at first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time that it is out before the next trial.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// So many answers in a row that break or do not come are not the requests' fault any more.
const BROKEN_ANSWERS: u32 = 3;
/// So many failed checks in a row are no accident any more.
const FAILED_CHECKS: u32 = 2;

/// How a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is asked.
    Well,
    /// It was out, and the next request is its trial.
    OnTrial,
    /// It is asked only when all are out.
    Out,
    /// It fails its health check: it is not asked.
    Down,
}

/// What an attempt that failed says of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// No connection came about: nothing but the server, or the way to it, is to blame.
    Unreachable,
    /// The answer broke, or did not come. One request may be to blame for that.
    Unanswered,
}

/// What is known of a server. Times are milliseconds since `since`, so that they fit an atomic number; 0 is none.
#[derive(Debug)]
pub(super) struct Health {
    since: Instant,
    /// Attempts in a row that failed.
    failures: AtomicU32,
    /// Until when it is out.
    out_until: AtomicU64,
    /// Trials in a row that failed.
    failed_trials: AtomicU32,
    /// Checks in a row that failed.
    failed_checks: AtomicU32,
    /// When it is checked next.
    next_check: AtomicU64,
    /// Requests that it works on.
    in_flight: AtomicUsize,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            failures: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            failed_trials: AtomicU32::new(0),
            failed_checks: AtomicU32::new(0),
            next_check: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn after(&self, pause: Duration) -> u64 {
        self.now().saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)).max(1)
    }

    pub(super) fn standing(&self) -> Standing {
        if self.failed_checks.load(Relaxed) >= FAILED_CHECKS {
            return Standing::Down;
        }
        match self.out_until.load(Relaxed) {
            0 => Standing::Well,
            until if until <= self.now() => Standing::OnTrial,
            _ => Standing::Out,
        }
    }

    /// Takes the trial that is due, if it is: until its outcome, and at most for another pause, the server stays out
    /// for everybody else.
    pub(super) fn take_trial(&self) -> bool {
        let until = self.out_until.load(Relaxed);
        let due = until != 0 && until <= self.now();
        due && self.out_until.compare_exchange(until, self.after(self.pause()), Relaxed, Relaxed).is_ok()
    }

    fn pause(&self) -> Duration {
        let doubled = self.failed_trials.load(Relaxed).min(5);
        FIRST_PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE)
    }

    /// Notes an attempt that failed, the server's trial or not. Whether it is out because of it.
    pub(super) fn failed(&self, sign: Sign, trial: bool) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        if trial {
            self.failed_trials.fetch_add(1, Relaxed);
            self.out_until.store(self.after(self.pause()), Relaxed);
            return false;
        }
        // What else fails of a server that is out is no news.
        let out = sign == Sign::Unreachable || failures >= BROKEN_ANSWERS;
        out && self.out_until.compare_exchange(0, self.after(self.pause()), Relaxed, Relaxed).is_ok()
    }

    /// Notes that the server answered. Whether it was out until now.
    pub(super) fn answered(&self) -> bool {
        // Most often there is nothing to change, and what is only read is not taken from other threads.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        if self.out_until.load(Relaxed) == 0 {
            return false;
        }
        self.failed_trials.store(0, Relaxed);
        self.out_until.swap(0, Relaxed) != 0
    }

    /// Whether a check is due; the next one is then due after `interval`.
    pub(super) fn take_check(&self, interval: Duration) -> bool {
        let due = self.next_check.load(Relaxed) <= self.now();
        if due {
            self.next_check.store(self.after(interval), Relaxed);
        }
        due
    }

    /// When the next check is due.
    pub(super) fn next_check(&self) -> Instant {
        let at = Duration::from_millis(self.next_check.load(Relaxed));
        self.since.checked_add(at).unwrap_or(self.since)
    }

    /// Notes a check. Whether the server has come back, or gone down, by it.
    pub(super) fn checked(&self, well: bool) -> bool {
        if well {
            let was_down = self.failed_checks.swap(0, Relaxed) >= FAILED_CHECKS;
            return self.answered() || was_down;
        }
        let before =
            self.failed_checks.fetch_update(Relaxed, Relaxed, |failed| failed.checked_add(1)).unwrap_or(u32::MAX);
        before.saturating_add(1) == FAILED_CHECKS
    }

    /// A request is sent to it.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// A request that was sent to it is over.
    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Sign::*, Standing::*, *};
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_be_reached_is_out_at_once_and_back_with_its_first_answer() {
        let health = Health::new();
        assert!(health.failed(Unreachable, false));
        assert!(!health.failed(Unreachable, false), "it is out already");
        assert_eq!(health.standing(), Out);
        advance(SECOND).await;
        assert_eq!(health.standing(), OnTrial);
        assert!(health.answered());
        assert!(!health.answered());
        assert_eq!(health.standing(), Well);
    }

    #[tokio::test(start_paused = true)]
    async fn only_broken_answers_in_a_row_put_a_server_out() {
        let health = Health::new();
        for _ in 0..10 {
            assert!(!health.failed(Unanswered, false));
            assert!(!health.failed(Unanswered, false));
            health.answered();
        }
        assert_eq!([Unanswered; 3].map(|sign| health.failed(sign, false)), [false, false, true]);
        assert_eq!(health.standing(), Out);
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_trial_doubles_the_pause_up_to_thirty_seconds() {
        let health = Health::new();
        health.failed(Unreachable, false);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            advance(Duration::from_millis(seconds * 1000 - 1)).await;
            assert_eq!(health.standing(), Out, "{seconds}");
            advance(Duration::from_millis(1)).await;
            assert!(health.take_trial(), "{seconds}");
            health.failed(Unreachable, true);
        }
        health.answered();
        health.failed(Unreachable, false);
        advance(SECOND).await;
        assert_eq!(health.standing(), OnTrial, "an answer makes the next pause short again");
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_is_the_trial_and_a_lost_one_does_not_last() {
        let health = Health::new();
        health.failed(Unreachable, false);
        assert!(!health.take_trial());
        advance(SECOND).await;
        assert!(health.take_trial());
        assert!(!health.take_trial());
        assert_eq!(health.standing(), Out);
        advance(SECOND).await;
        assert!(health.take_trial(), "nobody told of the last one's outcome");
    }

    #[tokio::test(start_paused = true)]
    async fn two_failed_checks_take_a_server_down_and_a_good_one_brings_it_back() {
        let health = Health::new();
        assert_eq!([health.checked(true), health.checked(false), health.checked(true)], [false; 3]);
        assert_eq!([false; 3].map(|well| health.checked(well)), [false, true, false]);
        assert_eq!(health.standing(), Down);
        assert!(!health.answered());
        assert_eq!(health.standing(), Down, "a request's luck does not overrule the check");
        health.failed(Unreachable, false);
        assert!(health.checked(true));
        assert_eq!(health.standing(), Well);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_is_due_once_in_each_interval() {
        let health = Health::new();
        assert_eq!([(); 2].map(|()| health.take_check(SECOND)), [true, false]);
        assert_eq!(health.next_check(), Instant::now() + SECOND);
        advance(SECOND).await;
        assert!(health.take_check(SECOND));
    }
}
