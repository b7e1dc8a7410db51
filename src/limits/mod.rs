//! Floor 1: how often something may happen, counted by key: by address, by caller.
//!
//! The arithmetic is governor's (GCRA: one number for each key). What stands here bounds its memory: of a full
//! [`Memory`] the keys go that are asked for least. Whoever has more keys at hand than it holds is not slowed down by
//! any limit by key; so keys that a caller makes up at will (addresses) never share a memory with those that it cannot.

mod limit;
mod network;

pub use governor::Quota;
pub use limit::{Limit, Memory};
pub use network::{NOWHERE, network};

use crate::model::{Period, RateLimit};

/// A configured limit as governor counts it.
#[must_use]
pub const fn quota(limit: RateLimit) -> Quota {
    let count = limit.rate.count();
    let quota = match limit.rate.period() {
        Period::Second => Quota::per_second(count),
        Period::Minute => Quota::per_minute(count),
        Period::Hour => Quota::per_hour(count),
    };
    quota.allow_burst(limit.burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ManualClock, Rate, Timestamp};
    use std::{num::NonZeroU32, sync::Arc, time::Duration};

    #[test]
    fn the_slowest_and_the_fastest_rates_are_counted_as_they_are_written() {
        for (rate, burst, seconds) in [("1/h", 3, 3600), ("1/m", 1, 60), ("60/m", 2, 1), ("1000000/s", 1, 1)] {
            let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
            let limit = RateLimit { rate: rate.parse().unwrap(), burst: burst.try_into().unwrap() };
            let limit = Limit::new("test", quota(limit), 10, clock.clone());
            let passed = || (0..=burst).filter(|_| limit.count(1).is_ok()).count();
            assert_eq!(passed(), burst as usize, "{rate}");
            clock.advance(Duration::from_secs(seconds));
            assert_eq!(passed(), 1, "{rate}");
        }
    }

    #[test]
    fn the_largest_burst_of_the_slowest_rate_overflows_nothing() {
        let burst = NonZeroU32::new(Rate::MOST).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(4_000_000_000)));
        let limit = RateLimit { rate: "1/h".parse().unwrap(), burst };
        let limit = Limit::new("test", quota(limit), 10, clock);
        assert_eq!([1, 2].map(|below| limit.take(1).unwrap().left + below), [Rate::MOST; 2]);
        let room = limit.take(1).unwrap();
        assert_eq!(room.within, Duration::from_hours(u64::from(Rate::MOST)));
    }
}
