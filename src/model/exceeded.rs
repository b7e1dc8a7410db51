//! How much of a limit is left: some, or none.

use std::{fmt, time::Duration};

/// A limit that had room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The name of the limit.
    pub limit: &'static str,
    /// How many it allows...
    pub most: u32,
    /// ... within this time.
    pub within: Duration,
    /// How many more there is room for at the moment.
    pub left: u32,
}

/// A limit that has no room at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// The name of the limit.
    pub limit: &'static str,
    /// How many it allows...
    pub most: u32,
    /// ... within this time.
    pub within: Duration,
    /// How long until there is room for one more, if nothing comes in between.
    pub wait: Duration,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} within {} s ({})", self.most, self.within.as_secs(), self.limit)
    }
}
