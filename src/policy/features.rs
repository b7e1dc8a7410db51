//! What a path may hold that two programs could read in two ways: refused, unless its upstream needs it.

use std::fmt;

/// What a path may hold although it is refused by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFeature {
    /// `%2F`.
    EncodedSlash,
    /// An empty segment: `//`, also one that appears when escapes are decoded or parameters dropped. A slash at the
    /// end makes none.
    DoubleSlash,
    /// `;`, which some servers cut off together with the rest of the segment.
    Parameters,
    /// `%3F`, `%23` or `%3B`.
    EncodedDelimiters,
    /// A segment that ends in a dot or an encoded blank, which some file systems drop.
    TrailingDot,
}

impl PathFeature {
    /// All, with their names in the configuration.
    pub const ALL: [(&'static str, Self); 5] = [
        ("encoded-slash", Self::EncodedSlash),
        ("double-slash", Self::DoubleSlash),
        ("parameters", Self::Parameters),
        ("encoded-delimiters", Self::EncodedDelimiters),
        ("trailing-dot", Self::TrailingDot),
    ];
}

/// A set of [`PathFeature`]. Its `Display` is their names in the configuration, comma separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathFeatures(u8);

impl PathFeatures {
    /// Adds one.
    #[must_use]
    pub const fn with(self, feature: PathFeature) -> Self {
        Self(self.0 | 1 << feature as u8)
    }

    /// Whether all of `other` are here.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one if `condition` holds.
    #[must_use]
    pub(super) const fn with_if(self, condition: bool, feature: PathFeature) -> Self {
        if condition { self.with(feature) } else { self }
    }
}

impl fmt::Display for PathFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = PathFeature::ALL.iter().filter(|(_, feature)| self.contains_all(Self::default().with(*feature)));
        for (index, (name, _)) in held.enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
