//! How often something may happen, as people write it: `100/s`, and how much of it at once.

use std::{num::NonZeroU32, str::FromStr};

/// A text that is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number from 1 to {}, a slash and one of `s`, `m`, `h`, such as `100/s`", Rate::MOST)]
pub struct RateError;

/// What a rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

/// So many in each period, evenly spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    period: Period,
}

impl Rate {
    /// The most in one period, and the largest burst.
    pub const MOST: u32 = 1_000_000;

    /// How many; at most [`Self::MOST`].
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In which time.
    #[must_use]
    pub const fn period(self) -> Period {
        self.period
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, period) = text.split_once('/').ok_or(RateError)?;
        let period = match period {
            "s" => Period::Second,
            "m" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(RateError),
        };
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError);
        }
        let count = count.parse().ok().filter(|count: &NonZeroU32| count.get() <= Self::MOST);
        Ok(Self { count: count.ok_or(RateError)?, period })
    }
}

/// A rate, and how many may come at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many in the long run.
    pub rate: Rate,
    /// How many at once; at most [`Rate::MOST`].
    pub burst: NonZeroU32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_period() {
        for (text, count, period) in
            [("1/s", 1, Period::Second), ("600/m", 600, Period::Minute), ("1000000/h", 1_000_000, Period::Hour)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count().get(), rate.period()), (count, period), "{text}");
        }
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "1 /s",
            "1/ s",
            "1.5/s",
            "1/S",
            "1/d",
            "1/s/s",
            "1000001/s",
            "9999999999/s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(RateError), "{text}");
        }
    }
}
