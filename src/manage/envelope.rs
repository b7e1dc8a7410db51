//! The envelope of answers: `{"meta", "result"}`, in the words of the hosted service.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::paging::Paging;

/// An answer.
#[derive(Serialize, ToSchema)]
pub(super) struct One<T> {
    result: T,
}

/// A part of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Part<'a, T> {
    meta: Meta,
    result: &'a [T],
}

/// Where in the list the part is.
#[derive(Serialize, ToSchema)]
struct Meta {
    cursor_pagination: CursorPagination,
    /// On the first page, for programs that know no cursors and so see no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pagination: Option<Pagination>,
}

#[derive(Serialize, ToSchema)]
struct CursorPagination {
    limit: u32,
    /// Where the next part begins; empty at the end.
    cursor: String,
    total_count: u64,
}

#[derive(Serialize, ToSchema)]
struct Pagination {
    limit: u32,
    offset: u32,
    total_count: u64,
}

/// One thing.
pub(super) fn result(status: StatusCode, result: impl Serialize) -> Response {
    (status, Json(One { result })).into_response()
}

/// A part of a list, and where the next part begins; nowhere at the end.
pub(super) fn list<C: utoipa::PartialSchema>(
    items: &[impl Serialize],
    paging: &Paging<C>,
    next: Option<impl ToString>,
    total_count: u64,
) -> Response {
    let limit = paging.limit.get();
    let cursor = next.map(|next| next.to_string()).unwrap_or_default();
    let first = paging.cursor.is_none();
    let meta = Meta {
        cursor_pagination: CursorPagination { limit, cursor, total_count },
        pagination: first.then_some(Pagination { limit, offset: 0, total_count }),
    };
    Json(Part { meta, result: items }).into_response()
}
