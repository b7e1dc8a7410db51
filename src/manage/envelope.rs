//! The envelope of answers: `{"meta", "result"}`, in the words of the hosted service.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use super::{error::ManageError, paging::Paging};

#[derive(Serialize)]
struct Envelope<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    result: T,
}

#[derive(Serialize)]
struct Meta {
    cursor_pagination: CursorPagination,
    /// For programs that know no cursors, and so see no page but the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

#[derive(Serialize)]
struct CursorPagination {
    limit: u32,
    cursor: String,
    total_count: u64,
}

#[derive(Serialize)]
struct Pagination {
    limit: u32,
    offset: u32,
    total_count: u64,
}

/// One thing.
pub(super) fn result(status: StatusCode, result: impl Serialize) -> Response {
    (status, Json(Envelope { meta: None, result })).into_response()
}

/// A part of a list, and where the next part begins; nowhere at the end.
pub(super) fn list(
    items: &[impl Serialize],
    paging: &Paging,
    next: Option<impl ToString>,
    total_count: u64,
) -> Result<Response, ManageError> {
    let limit = paging.limit()?;
    let cursor = next.map(|next| next.to_string()).unwrap_or_default();
    let first = paging.is_first();
    let meta = Meta {
        cursor_pagination: CursorPagination { limit, cursor, total_count },
        pagination: first.then_some(Pagination { limit, offset: 0, total_count }),
    };
    Ok(Json(Envelope { meta: Some(meta), result: items }).into_response())
}
