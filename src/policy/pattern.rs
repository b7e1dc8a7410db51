//! x
use std::{fmt, str::FromStr};
/// A rule's path: literals, `{name}` for one segment, `/**` at the end for the prefix itself and all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(String);
/// An upstream's part of the path space: `/` or `/a/b`, ends on a segment border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);
/// x
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// x
    #[error("a path starts with `/`")]
    NotAbsolute,
}
impl PathPattern {
    /// Whether every path it covers lies under `prefix`.
    #[must_use]
    pub fn is_within(&self, prefix: &PathPrefix) -> bool {
        self.0.starts_with(&prefix.0)
    }
    /// The rule that covers all of `prefix`: `<prefix>/**`.
    #[must_use]
    pub fn all_of(prefix: &PathPrefix) -> Self {
        Self(format!("{}/**", prefix.0.trim_end_matches('/')))
    }
}
impl FromStr for PathPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.starts_with('/') { Ok(Self(text.into())) } else { Err(PatternError::NotAbsolute) }
    }
}
impl FromStr for PathPrefix {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.starts_with('/') { Ok(Self(text.into())) } else { Err(PatternError::NotAbsolute) }
    }
}
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
