//! Names that people give to organisations and clients.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

/// A name: trimmed, 1 to 200 characters, none of them a control character, and nothing that looks like a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

/// A text that cannot be a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 200 characters, not only blanks, without control characters and without a secret (`prt_…`)")]
pub struct NameError;

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let fits = (1..=200).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && matches!(super::mask_secrets(text), Cow::Borrowed(_));
        if fits { Ok(Self(text.into())) } else { Err(NameError) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trimmed_and_bounded() {
        assert_eq!("  Käse AG ".parse::<Name>().unwrap().as_str(), "Käse AG");
        for bad in ["", "   ", "a\nb", "a\0", "prt_at_x", &"x".repeat(201)] {
            assert_eq!(bad.parse::<Name>(), Err(NameError), "{bad:?}");
        }
    }
}
