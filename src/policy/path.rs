//! x
use std::fmt;
/// What a path may hold although it is refused by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFeature {
    /// `%2F`
    EncodedSlash,
    /// `//`
    DoubleSlash,
    /// `;`
    Parameters,
    /// `%3F`, `%23`, `%3B`
    EncodedDelimiters,
    /// a segment that ends in a dot or an encoded space
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
/// A set of [`PathFeature`].
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
}
/// The canonical path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath(String);
/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// x
    #[error("x")]
    NotAbsolute,
}
impl NormalPath {
    /// Reads the path part of a target (without the query).
    ///
    /// # Errors
    /// [`PathError`]
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        std::str::from_utf8(raw).map(|text| Self(text.to_owned())).map_err(|_| PathError::NotAbsolute)
    }
    /// The canonical text, which is also the text that is forwarded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// What it holds that is refused unless allowed.
    #[must_use]
    pub const fn features(&self) -> PathFeatures {
        PathFeatures(0)
    }
}
impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
