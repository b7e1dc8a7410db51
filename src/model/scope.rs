//! Scopes by the grammar of RFC 6749 section 3.3.

use std::{fmt, str::FromStr, sync::Arc};

/// One `scope-token`: 1 to 128 visible ASCII characters without `"` and `\`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

/// A text that is not a scope, or a set of them that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Empty, too long, or a character outside the grammar.
    #[error("a scope is 1 to 128 visible ASCII characters without blanks, `\"` and `\\` (RFC 6749 section 3.3)")]
    Grammar,
    /// More than the set may hold.
    #[error("the scopes of one client or token are at most 4096 characters together")]
    TooMany,
}

impl Scope {
    /// The longest scope, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        if fits { Ok(Self(text.into())) } else { Err(ScopeError::Grammar) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Scopes, sorted and without doubles; cheap to clone. Its `Display` is the `scope` parameter of RFC 6749: one blank
/// between two. Serialised as a list.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct ScopeSet(Arc<[Scope]>);

impl ScopeSet {
    /// The longest set, counted as its `Display`, in bytes.
    pub const MAX_LENGTH: usize = 4096;

    /// The set of these scopes.
    ///
    /// # Errors
    /// [`ScopeError::TooMany`] beyond [`Self::MAX_LENGTH`].
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopeError> {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        let length: usize = scopes.iter().map(|scope| scope.0.len() + 1).sum();
        if length > Self::MAX_LENGTH + 1 {
            return Err(ScopeError::TooMany);
        }
        Ok(Self(scopes.into()))
    }

    /// The set of a list of texts.
    ///
    /// # Errors
    /// [`ScopeError`] of the first text that is not a scope, or of a set that is too large.
    pub fn from_texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, ScopeError> {
        let scopes: Result<Vec<Scope>, _> = texts.into_iter().map(|text| text.as_ref().parse()).collect();
        Self::new(scopes?)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Scope> {
        self.0.iter()
    }

    /// Whether `scope` is one of them.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.binary_search(scope).is_ok()
    }

    /// Whether every scope of `other` is here too.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.iter().all(|scope| self.contains(scope))
    }

    /// Whether at least one scope of `other` is here.
    #[must_use]
    pub fn contains_any(&self, other: &Self) -> bool {
        other.iter().any(|scope| self.contains(scope))
    }

    /// The scopes that both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if other.contains_all(self) {
            return self.clone();
        }
        Self(self.iter().filter(|scope| other.contains(scope)).cloned().collect())
    }

    /// The scopes that `other` has not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.iter().filter(|scope| !other.contains(scope)).cloned().collect())
    }
}

impl<'a> IntoIterator for &'a ScopeSet {
    type Item = &'a Scope;
    type IntoIter = std::slice::Iter<'a, Scope>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromStr for ScopeSet {
    type Err = ScopeError;

    /// Reads the `scope` parameter: scopes with one blank between two; an empty text is the empty set.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() { Ok(Self::default()) } else { Self::from_texts(text.split(' ')) }
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&scope.0)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeSet({self})")
    }
}

impl serde::Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_grammar_of_rfc_6749_section_3_3() {
        for good in ["a", "orders:read", "!", "[]", "~", "#x"] {
            assert!(good.parse::<Scope>().is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\"", "a\\", "ä", "\u{7f}", "a\n", &"a".repeat(129)] {
            assert_eq!(bad.parse::<Scope>(), Err(ScopeError::Grammar), "{bad:?}");
        }
    }

    #[test]
    fn a_set_is_sorted_single_and_bounded() {
        assert_eq!("b a b".parse::<ScopeSet>().unwrap().to_string(), "a b");
        assert_eq!("a  b".parse::<ScopeSet>(), Err(ScopeError::Grammar));
        assert!("".parse::<ScopeSet>().unwrap().is_empty());
        let many = (0..40).map(|n| format!("{n:0128}")).collect::<Vec<_>>().join(" ");
        assert_eq!(many.parse::<ScopeSet>(), Err(ScopeError::TooMany));
    }

    proptest! {
        #[test]
        fn a_set_behaves_as_a_set(a in prop::collection::btree_set("[a-e]{1,2}", 0..9), b in prop::collection::btree_set("[a-e]{1,2}", 0..9)) {
            let (x, y) = (ScopeSet::from_texts(&a).unwrap(), ScopeSet::from_texts(&b).unwrap());
            prop_assert_eq!(x.contains_all(&y), a.is_superset(&b));
            prop_assert_eq!(x.contains_any(&y), !a.is_disjoint(&b));
            let both: BTreeSet<String> = a.intersection(&b).cloned().collect();
            prop_assert_eq!(x.intersection(&y), ScopeSet::from_texts(&both).unwrap());
            prop_assert_eq!(x.to_string().parse::<ScopeSet>().unwrap(), x);
        }
    }
}
