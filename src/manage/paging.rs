//! Which part of a list is asked for: `?limit=` and `?cursor=`.

use std::{str::FromStr, sync::Arc};

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Query},
};
use http::request::Parts;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};

use super::{Manage, error::ManageError};
use crate::{
    model::{IdError, OrganizationId},
    store::Page,
};

/// How many items at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct Limit(u32);

impl Limit {
    /// The most that can be asked for.
    pub(super) const MOST: u32 = 1000;

    /// The number.
    pub(super) const fn get(self) -> u32 {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u32> for Limit {
    type Error = &'static str;

    fn try_from(limit: u32) -> Result<Self, &'static str> {
        (1..=Self::MOST).contains(&limit).then_some(Self(limit)).ok_or("must be 1 to 1000")
    }
}

/// The `seq` that a part of the audit trail begins after.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct After(i64);

impl After {
    /// The number.
    pub(super) const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for After {
    type Error = &'static str;

    fn try_from(seq: i64) -> Result<Self, &'static str> {
        if seq < 0 { Err("must be 0 or more") } else { Ok(Self(seq)) }
    }
}

/// Where a page of rows of the store ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowCursor(i64);

impl FromStr for RowCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| fits).map(Self).ok_or(())
    }
}

/// Where a page of organisations' ids ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct OrganizationCursor(pub(super) OrganizationId);

impl FromStr for OrganizationCursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self)
    }
}

/// Which part of a list is asked for, by cursors `C`. Other members of the query are ignored.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(bound = "C: FromStr + utoipa::PartialSchema")]
#[into_params(parameter_in = Query)]
pub(super) struct Paging<C: utoipa::PartialSchema> {
    /// How many items at most.
    #[serde(default)]
    #[param(inline)]
    pub(super) limit: Limit,
    /// Where the page before ended: the `cursor` of its answer. Empty or left out: the first page.
    #[serde(default = "first", deserialize_with = "cursor")]
    #[param(inline, nullable = false)]
    pub(super) cursor: Option<C>,
}

fn first<C>() -> Option<C> {
    None
}

fn cursor<'de, D: Deserializer<'de>, C: FromStr>(deserializer: D) -> Result<Option<C>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let not_ours = |_| D::Error::custom("not one that was given out here");
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(not_ours) }
}

impl From<&Paging<RowCursor>> for Page {
    fn from(paging: &Paging<RowCursor>) -> Self {
        Self { after: paging.cursor.map(|cursor| cursor.0), limit: paging.limit.0 }
    }
}

/// The query as a `T`; what is wrong with it is a 400.
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequestParts<Arc<Manage>> for InQuery<T> {
    type Rejection = ManageError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Manage>) -> Result<Self, ManageError> {
        match parts.extract::<Query<T>>().await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => Err(ManageError::Invalid(error.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Option<Page> {
        let uri = format!("/?{query}").parse().unwrap();
        Query::<Paging<RowCursor>>::try_from_uri(&uri).ok().map(|Query(paging)| Page::from(&paging))
    }

    #[test]
    fn a_page_has_a_bounded_limit_and_a_cursor_of_ours() {
        assert_eq!(page(""), Some(Page { after: None, limit: 50 }));
        assert_eq!(page("limit=1000&cursor=7&other=x"), Some(Page { after: Some(7), limit: 1000 }));
        assert_eq!(page("cursor="), Some(Page { after: None, limit: 50 }));
        for bad in ["limit=0", "limit=1001", "limit=", "cursor=x", "cursor=-1", "cursor=%2B1"] {
            assert_eq!(page(bad), None, "{bad}");
        }
    }
}
