//! Argon2id on threads of its own: bounded, never on a thread that serves requests, and paid once a credential.
//!
//! That a hash belongs to a secret never changes, so it is remembered once it is known; whether the hash still counts
//! (rotation, deletion, expiry) is asked of the registry each time, before the hash is looked at.

mod hasher;

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use quick_cache::sync::Cache;
use ring::digest;
use tokio::sync::{Semaphore, oneshot};

use crate::model::{HashedSecret, SecretDigest, SecretText};
use hasher::{Hasher, decoy, hash, verify};

/// How many computations may wait for each thread: under a second of them.
const WAITING_PER_THREAD: usize = 24;
/// How many of them may be for secrets that are known to be wrong, so that these hold up nobody for long.
const REFUSALS_PER_THREAD: usize = 4;
/// How long a thread without work keeps its memory for the next one.
const KEPT: Duration = Duration::from_secs(5);
/// How many verified credentials are remembered.
const REMEMBERED: usize = 100_000;

/// More passwords wait to be hashed than can be within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many password checks at once; try again in a second")]
pub struct PasswordsBusy;

type Job = Box<dyn FnOnce(&Hasher) + Send>;
/// A hash and a secret that belong together, as one fixed-size key.
type Pair = [u8; 32];

/// Hashes and verifies secrets. Cheap to clone; its threads end with the last clone.
#[derive(Clone)]
pub struct Passwords {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    refusals: Arc<Semaphore>,
    verified: Arc<Cache<Pair, ()>>,
    /// What is verified in place of the hash of a client that does not exist.
    decoy: Arc<HashedSecret>,
}

impl Passwords {
    /// A pool of this many threads.
    ///
    /// # Errors
    /// The reason, if the threads cannot be started or argon2 refuses to work.
    pub fn start(threads: usize) -> Result<Self, String> {
        let decoy = decoy().map_err(|error| error.to_string())?;
        let threads = threads.max(1);
        let (jobs, queue) = crossbeam_channel::bounded(WAITING_PER_THREAD * threads);
        let waiting = Arc::new(AtomicUsize::new(0));
        for number in 0..threads {
            let (queue, waiting) = (queue.clone(), waiting.clone());
            let argon2 = Hasher::new().map_err(|error| error.to_string())?;
            thread::Builder::new()
                .name(format!("argon2-{number}"))
                .spawn(move || work(&queue, &waiting, &argon2))
                .map_err(|error| format!("cannot start a thread for password hashing: {error}"))?;
        }
        let refusals = Arc::new(Semaphore::new(REFUSALS_PER_THREAD * threads));
        Ok(Self { jobs, waiting, refusals, verified: Arc::new(Cache::new(REMEMBERED)), decoy: Arc::new(decoy) })
    }

    /// How many computations wait or run.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The argon2id hash of a secret with this digest; that they belong together is remembered.
    ///
    /// # Errors
    /// [`PasswordsBusy`] if too many wait.
    pub async fn hash(&self, secret: SecretText, digest: SecretDigest) -> Result<HashedSecret, PasswordsBusy> {
        let hashed = self.compute(move |argon2| hash(argon2, &secret)).await?.ok_or(PasswordsBusy)?;
        self.verified.insert(pair(&hashed, digest), ());
        Ok(hashed)
    }

    /// Whether `hashed` is the hash of the secret with this digest: remembered, or computed once for all who ask.
    ///
    /// # Errors
    /// [`PasswordsBusy`] if too many wait.
    pub async fn verify(
        &self,
        hashed: &HashedSecret,
        secret: &SecretText,
        digest: SecretDigest,
    ) -> Result<bool, PasswordsBusy> {
        let pair = pair(hashed, digest);
        let Err(guard) = self.verified.get_value_or_guard_async(&pair).await else { return Ok(true) };
        let (hashed, secret) = (hashed.clone(), secret.clone());
        let right = self.compute(move |argon2| verify(argon2, &hashed, &secret)).await?;
        if right {
            // A pair that does not fit is computed again: nothing else depends on its being kept.
            let _ = guard.insert(());
        }
        Ok(right)
    }

    /// Whether it is remembered that `hashed` is the hash of the secret with this digest. Computes nothing.
    #[must_use]
    pub fn remembers(&self, hashed: &HashedSecret, digest: SecretDigest) -> bool {
        self.verified.get(&pair(hashed, digest)).is_some()
    }

    /// Takes the time of verifying a wrong secret, and says no.
    ///
    /// # Errors
    /// [`PasswordsBusy`] if too many wait.
    pub async fn refuse(&self, secret: &SecretText) -> Result<bool, PasswordsBusy> {
        let place = self.refusals.clone().try_acquire_owned().map_err(|_| PasswordsBusy)?;
        let (decoy, secret) = (self.decoy.clone(), secret.clone());
        let refusal = move |argon2: &Hasher| {
            verify(argon2, &decoy, &secret);
            // Who asked may be gone long before the queue has come so far.
            drop(place);
        };
        self.compute(refusal).await.map(|()| false)
    }

    async fn compute<T: Send + 'static>(
        &self,
        computation: impl FnOnce(&Hasher) -> T + Send + 'static,
    ) -> Result<T, PasswordsBusy> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |argon2| {
            // Who asked may have gone: then nobody reads the answer.
            if !answer.is_closed() {
                let _ = answer.send(computation(argon2));
            }
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.jobs.try_send(job).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(PasswordsBusy);
        }
        answered.await.map_err(|_| PasswordsBusy)
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

fn work(queue: &Receiver<Job>, waiting: &AtomicUsize, argon2: &Hasher) {
    loop {
        let job = match queue.recv_timeout(KEPT) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                argon2.give_memory_back();
                match queue.recv() {
                    Ok(job) => job,
                    Err(_) => return,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // Whoever waits for a job that panicked is told that there is no answer; the thread goes on.
        let _panicked = panic::catch_unwind(AssertUnwindSafe(|| job(argon2)));
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn pair(hashed: &HashedSecret, secret: SecretDigest) -> Pair {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(secret.as_bytes());
    context.update(hashed.as_phc().as_bytes());
    let mut pair = [0; 32];
    for (to, from) in pair.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    pair
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckKey, SecretKind};
    use futures_util::FutureExt;
    use std::sync::mpsc;

    fn secret() -> (SecretText, SecretDigest) {
        CheckKey::new([1; 32]).mint(SecretKind::ClientSecret).unwrap()
    }

    /// Keeps the only thread from all other work, until what this gives back is dropped.
    fn hold_up(passwords: &Passwords) -> mpsc::Sender<()> {
        let (hold, release) = mpsc::channel();
        let (started, has_started) = mpsc::channel();
        let job = move |_: &Hasher| {
            let _ = started.send(());
            let _ = release.recv();
        };
        passwords.jobs.try_send(Box::new(job)).unwrap();
        // A job that still waited would take a place in the queue and give it back later.
        has_started.recv().unwrap();
        hold
    }

    #[tokio::test]
    async fn the_right_secret_is_verified_and_another_is_not() {
        let passwords = Passwords::start(2).unwrap();
        let ((right, right_digest), (wrong, wrong_digest)) = (secret(), secret());
        let hashed = hash(&Hasher::new().unwrap(), &right).unwrap();
        assert!(hashed.as_phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!passwords.remembers(&hashed, right_digest));
        assert!(passwords.verify(&hashed, &right, right_digest).await.unwrap());
        assert!(!passwords.verify(&hashed, &wrong, wrong_digest).await.unwrap());
        assert!(passwords.remembers(&hashed, right_digest) && !passwords.remembers(&hashed, wrong_digest));
        assert!(!passwords.refuse(&right).await.unwrap());
    }

    #[tokio::test]
    async fn a_verified_credential_is_known_again_without_a_computation() {
        let passwords = Passwords::start(1).unwrap();
        let (right, digest) = secret();
        let verified = hash(&Hasher::new().unwrap(), &right).unwrap();
        assert!(passwords.verify(&verified, &right, digest).await.unwrap());
        // So is one that was just made.
        let made = passwords.hash(right.clone(), digest).await.unwrap();
        // The only thread is held up: whatever needed a computation now would not come back.
        let hold = hold_up(&passwords);
        for hashed in [verified, made] {
            assert!(passwords.verify(&hashed, &right, digest).await.unwrap());
        }
        drop(hold);
    }

    #[tokio::test]
    async fn a_full_queue_is_said_at_once() {
        let passwords = Passwords::start(1).unwrap();
        let hold = hold_up(&passwords);
        while passwords.jobs.try_send(Box::new(|_| ())).is_ok() {}
        assert_eq!(passwords.refuse(&secret().0).await, Err(PasswordsBusy));
        drop(hold);
    }

    #[tokio::test]
    async fn wrong_secrets_leave_room_for_others() {
        let passwords = Passwords::start(1).unwrap();
        let hold = hold_up(&passwords);
        let (secret, digest) = secret();
        let wrong = (0..20).map(|_| passwords.refuse(&secret)).collect::<Vec<_>>();
        let refused = futures_util::future::join_all(wrong);
        let hashed = passwords.hash(secret.clone(), digest);
        let (refused, hashed, ()) = tokio::join!(refused, hashed, async { drop(hold) });
        assert_eq!(refused.iter().filter(|outcome| outcome.is_err()).count(), 20 - REFUSALS_PER_THREAD);
        assert!(hashed.is_ok());
    }

    #[tokio::test]
    async fn wrong_secrets_of_callers_who_do_not_wait_leave_as_much_room() {
        let passwords = Passwords::start(1).unwrap();
        let hold = hold_up(&passwords);
        let (secret, digest) = secret();
        for _ in 0..2 * WAITING_PER_THREAD {
            let _gone = passwords.refuse(&secret).now_or_never();
        }
        assert_eq!(passwords.queue_depth(), REFUSALS_PER_THREAD);
        let (hashed, ()) = tokio::join!(passwords.hash(secret.clone(), digest), async { drop(hold) });
        assert!(hashed.is_ok());
        assert_eq!(passwords.refuse(&secret).await, Ok(false), "their room is given back");
    }

    #[tokio::test]
    async fn a_job_that_panics_does_not_take_the_thread_with_it() {
        let passwords = Passwords::start(1).unwrap();
        passwords.jobs.try_send(Box::new(|_| panic!("on purpose"))).unwrap();
        assert_eq!(passwords.refuse(&secret().0).await, Ok(false));
    }
}
