//! Floor 1: how often something may happen, counted by key: by address, by caller.
//!
//! The arithmetic is governor's (GCRA: one number for each key). What stands here bounds its memory: of a full [`Memory`]
//! the keys go that are asked for least. Whoever has more keys at hand than it holds is not slowed down by any limit by
//! key; so keys that a caller makes up at will (addresses) never share a memory with those that it cannot.

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
