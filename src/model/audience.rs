//! Audiences: the services that a token is meant for (`aud`, RFC 7519 section 4.1.3; `resource`, RFC 8707).

use std::{fmt, str::FromStr, sync::Arc};

/// One audience: 1 to 256 visible ASCII characters; compared as text, to the letter.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience(Arc<str>);

/// A text that is not an audience, or too many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    /// Empty, too long, a blank or another character outside visible ASCII.
    #[error("an audience is 1 to 256 visible ASCII characters without blanks")]
    Grammar,
    /// More than the set may hold.
    #[error("at most 32 audiences")]
    TooMany,
}

impl Audience {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Audience {
    type Err = AudienceError;

    fn from_str(text: &str) -> Result<Self, AudienceError> {
        let fits = (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(AudienceError::Grammar) }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Audiences as the claim `aud` has them: one as a text, several as a list.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum AudienceClaim<'a> {
    /// The only one.
    One(&'a Audience),
    /// Several.
    Several(&'a [Audience]),
}

/// Audiences, sorted and without doubles; cheap to clone. Its `Display` has one blank between two.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct AudienceSet(Arc<[Audience]>);

impl AudienceSet {
    /// The most that one client or token may have.
    pub const MAX: usize = 32;

    /// The set of a list of texts.
    ///
    /// # Errors
    /// [`AudienceError`] of the first text that is not an audience, or of a set that is too large.
    pub fn from_texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, AudienceError> {
        let audiences: Result<Vec<Audience>, _> = texts.into_iter().map(|text| text.as_ref().parse()).collect();
        let mut audiences = audiences?;
        if audiences.len() > Self::MAX {
            return Err(AudienceError::TooMany);
        }
        audiences.sort_unstable();
        audiences.dedup();
        Ok(Self(audiences.into()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The audiences in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Audience> {
        self.0.iter()
    }

    /// Whether `audience` is one of them.
    #[must_use]
    pub fn contains(&self, audience: &Audience) -> bool {
        self.0.binary_search(audience).is_ok()
    }

    /// Whether every audience of `other` is here too.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.iter().all(|audience| self.contains(audience))
    }

    /// Serialises the set as the claim `aud` (RFC 7519 section 4.1.3): one audience as a text, several as a list.
    /// Without any, the claim is to be left out.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize_as_claim<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claim = match &*self.0 {
            [only] => AudienceClaim::One(only),
            several => AudienceClaim::Several(several),
        };
        serde::Serialize::serialize(&claim, serializer)
    }

    /// The audiences that both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.iter().filter(|audience| other.contains(audience)).cloned().collect())
    }
}

impl<'a> IntoIterator for &'a AudienceSet {
    type Item = &'a Audience;
    type IntoIter = std::slice::Iter<'a, Audience>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromStr for AudienceSet {
    type Err = AudienceError;

    /// Reads audiences with one blank between two; an empty text is the empty set.
    fn from_str(text: &str) -> Result<Self, AudienceError> {
        if text.is_empty() { Ok(Self::default()) } else { Self::from_texts(text.split(' ')) }
    }
}

impl fmt::Display for AudienceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, audience) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&audience.0)?;
        }
        Ok(())
    }
}

impl serde::Serialize for AudienceSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compared_to_the_letter() {
        let set = AudienceSet::from_texts(["https://orders", "b"]).unwrap();
        assert!(set.contains(&"https://orders".parse().unwrap()));
        assert!(!set.contains(&"https://orders/".parse().unwrap()));
        assert_eq!(set.to_string(), "b https://orders");
    }

    #[test]
    fn one_audience_is_a_text_and_several_are_a_list() {
        let claim = |texts: &[&str]| {
            AudienceSet::from_texts(texts).unwrap().serialize_as_claim(serde_json::value::Serializer).unwrap()
        };
        assert_eq!(claim(&["a"]), serde_json::json!("a"));
        assert_eq!(claim(&["b", "a"]), serde_json::json!(["a", "b"]));
    }

    #[test]
    fn bad_ones_and_too_many_are_refused() {
        assert_eq!("a b".parse::<Audience>(), Err(AudienceError::Grammar));
        assert_eq!(AudienceSet::from_texts((0..33).map(|n| n.to_string())), Err(AudienceError::TooMany));
    }
}
