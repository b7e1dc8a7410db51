//! Slows down whoever sends wrong credentials: by address, and by address together with who it says it is.
//!
//! Never by the latter alone: nobody can lock a client out for a caller elsewhere. At an address that has sent too
//! many, only what is likely to be right is still looked at, so that those who share it with a guesser go on. Few are
//! looked at at a time: whoever has a secret that was right once could keep the store from all others.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use tokio::sync::Semaphore;

use super::AuthenticationError;
use crate::{
    limits::{Limit, Quota, network},
    model::{ClientId, Clock, Exceeded, OrganizationId},
    observe::{Metrics, OWN},
    store::StoreError,
};

/// Wrong credentials of one address: 120 at once, then one a second.
const OF_ADDRESS: Quota = Quota::per_minute(number(60)).allow_burst(number(120));
/// Wrong credentials of one client or organisation from one address: 20 at once, then one in six seconds.
const OF_CALLER: Quota = Quota::per_minute(number(10)).allow_burst(number(20));
/// How many of those who have no room are looked up at once; the others wait for their turn, which is soon.
const LOOKED_UP: usize = 16;
/// How many addresses are remembered.
const ADDRESSES: usize = 50_000;
/// How many pairs of who and where are remembered.
const CALLERS: usize = 100_000;

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Who a caller says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    /// A client.
    Client(ClientId),
    /// An organisation.
    Organization(OrganizationId),
}

/// What is remembered of wrong credentials.
#[derive(Debug)]
pub(super) struct Throttle {
    addresses: Limit<IpAddr>,
    callers: Limit<(Claim, IpAddr)>,
    looked_up: Semaphore,
    metrics: Arc<Metrics>,
}

impl Throttle {
    /// Nothing is remembered yet.
    pub(super) fn new(clock: &Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            addresses: Limit::new("wrong-credentials-by-address", OF_ADDRESS, ADDRESSES, clock.clone()),
            callers: Limit::new("wrong-credentials-by-caller", OF_CALLER, CALLERS, clock.clone()),
            looked_up: Semaphore::new(LOOKED_UP),
            metrics,
        }
    }

    /// An attempt from an address to be recognised; without an address it is not limited. `claim` is absent if the text
    /// can be nobody's id.
    pub(super) fn attempt(&self, from: Option<IpAddr>, claim: Option<Claim>) -> Attempt<'_> {
        Attempt { throttle: self, address: from.map(network), claim }
    }
}

/// One attempt to be recognised.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    throttle: &'a Throttle,
    address: Option<IpAddr>,
    claim: Option<Claim>,
}

impl Attempt<'_> {
    /// Whether it may be looked at. After too many wrong ones it may only if it is `likely` to be right, which is asked
    /// only then.
    ///
    /// # Errors
    /// [`AuthenticationError::Throttled`] if it may not; what `likely` fails with.
    pub(super) async fn check(
        &self,
        likely: impl Future<Output = Result<bool, StoreError>>,
    ) -> Result<(), AuthenticationError> {
        let Throttle { addresses, callers, looked_up, .. } = self.throttle;
        let Some(address) = self.address else { return Ok(()) };
        let of_caller = || self.claim.map_or(Ok(()), |claim| callers.check((claim, address)));
        let Err(exceeded) = addresses.check(address).and_then(|()| of_caller()) else { return Ok(()) };
        let _place = looked_up.acquire().await;
        if likely.await? { Ok(()) } else { Err(self.refuse(exceeded)) }
    }

    /// It was wrong: counted, and what to answer.
    pub(super) fn failed(&self) -> AuthenticationError {
        match self.count() {
            Ok(()) => AuthenticationError::Wrong,
            Err(exceeded) => self.refuse(exceeded),
        }
    }

    /// An address without room makes no callers up, and a caller without room does not use up its address.
    fn count(&self) -> Result<(), Exceeded> {
        let Throttle { addresses, callers, .. } = self.throttle;
        let Some(address) = self.address else { return Ok(()) };
        addresses.check(address)?;
        if let Some(claim) = self.claim {
            callers.count((claim, address))?;
        }
        addresses.count(address)
    }

    fn refuse(&self, exceeded: Exceeded) -> AuthenticationError {
        self.throttle.metrics.rate_limited.with_label_values(&[OWN]).inc();
        AuthenticationError::Throttled(exceeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ManualClock, Timestamp};
    use futures_util::future::join_all;
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));

    fn throttle() -> Throttle {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
        Throttle::new(&clock, Arc::new(Metrics::new().unwrap()))
    }

    #[tokio::test]
    async fn an_attempt_without_an_address_is_never_limited() {
        let throttle = throttle();
        for _ in 0..1000 {
            assert_eq!(throttle.attempt(None, Some(client(1))).failed(), AuthenticationError::Wrong);
        }
        assert_eq!(throttle.attempt(None, Some(client(1))).check(async { Ok(false) }).await, Ok(()));
    }

    fn client(number: u32) -> Claim {
        let [a, b, c, d] = number.to_be_bytes();
        Claim::Client(ClientId::from_bytes([0, 0, 0, 0, a, b, c, d]))
    }

    #[test]
    fn an_address_has_room_for_so_many_wrong_credentials_whoever_they_claim_to_be() {
        let throttle = throttle();
        let wrong = |claim| throttle.attempt(HERE, claim).failed() == AuthenticationError::Wrong;
        assert_eq!((0..10_000).filter(|number| wrong(Some(client(*number)))).count(), 120);
        assert_eq!(throttle.callers.remembered(), 120, "no more callers are remembered than the address had room for");
        assert!(!wrong(None), "nor is there room for nobody's");
    }

    #[tokio::test]
    async fn few_of_those_without_room_are_looked_up_at_once_and_the_others_in_their_turn() {
        let throttle = throttle();
        while throttle.attempt(HERE, None).failed() == AuthenticationError::Wrong {}
        let (at_once, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let look_up = || async {
            most.fetch_max(at_once.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            at_once.fetch_sub(1, Ordering::Relaxed);
            Ok(true)
        };
        let attempt = throttle.attempt(HERE, None);
        let all = join_all((0..100).map(|_| attempt.check(look_up()))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(most.into_inner(), LOOKED_UP);
    }

    #[tokio::test]
    async fn a_caller_without_room_leaves_room_to_others_of_its_address() {
        let throttle = throttle();
        let wrong = |claim| throttle.attempt(HERE, claim).failed() == AuthenticationError::Wrong;
        assert_eq!((0..1000).filter(|_| wrong(Some(client(1)))).count(), 20);
        assert!(wrong(Some(client(2))) && wrong(Some(Claim::Organization(OrganizationId::from_bytes([1; 8])))));
        assert!(throttle.attempt(HERE, Some(client(2))).check(async { Ok(false) }).await.is_ok());
        assert!(throttle.attempt(HERE, Some(client(1))).check(async { Ok(false) }).await.is_err());
        assert!(throttle.attempt(HERE, Some(client(1))).check(async { Ok(true) }).await.is_ok());
        assert_eq!(throttle.metrics.rate_limited.with_label_values(&[OWN]).get(), 981);
    }
}
