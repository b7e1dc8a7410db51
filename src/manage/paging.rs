//! Which part of a list is asked for: `?limit=` and `?cursor=`.

use std::{str::FromStr, sync::Arc};

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Query},
};
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Manage, error::ManageError};
use crate::store::Page;

const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 1000;

/// What the query says, of which other members are ignored.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Paging {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Paging {
    /// How many items at most.
    pub(super) fn limit(&self) -> Result<u32, ManageError> {
        check_limit(self.limit)
    }

    /// Where the page before ended; nothing for the first page.
    pub(super) fn after<T: FromStr>(&self) -> Result<Option<T>, ManageError> {
        let cursor = self.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let not_ours = |_| ManageError::Invalid("`cursor`: not one that was given out here".into());
        cursor.map(str::parse).transpose().map_err(not_ours)
    }

    /// Whether the first page is asked for.
    pub(super) fn is_first(&self) -> bool {
        self.cursor.as_deref().is_none_or(str::is_empty)
    }

    /// The part of a list in the store.
    pub(super) fn page(&self) -> Result<Page, ManageError> {
        Ok(Page { after: self.after()?, limit: self.limit()? })
    }
}

/// A limit within its bounds, or the default.
pub(super) fn check_limit(limit: Option<u32>) -> Result<u32, ManageError> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let fits = (1..=MOST).contains(&limit);
    fits.then_some(limit).ok_or_else(|| ManageError::Invalid(format!("`limit`: 1 to {MOST}")))
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

    fn paging(limit: Option<u32>, cursor: &str) -> Paging {
        Paging { limit, cursor: Some(cursor.to_owned()) }
    }

    #[test]
    fn a_page_has_a_bounded_limit_and_a_cursor_of_ours() {
        assert_eq!(Paging::default().page(), Ok(Page { after: None, limit: 50 }));
        assert_eq!(paging(Some(1000), "7").page(), Ok(Page { after: Some(7), limit: 1000 }));
        assert_eq!(paging(None, "").page(), Ok(Page { after: None, limit: 50 }));
        for bad in [paging(Some(0), ""), paging(Some(1001), ""), paging(None, "x")] {
            assert!(matches!(bad.page(), Err(ManageError::Invalid(_))), "{bad:?}");
        }
    }
}
