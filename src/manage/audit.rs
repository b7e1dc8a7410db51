//! The audit trail of the caller and the organisations below it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Manage,
    caller::Caller,
    envelope::{self, One},
    error::ManageError,
    paging::{After, InQuery, Limit},
    refusals::Always,
};
use crate::{
    model::{OrganizationId, Timestamp},
    store::Change,
};

/// A change.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
struct View<'a> {
    seq: i64,
    at: Timestamp,
    actor: String,
    action: &'static str,
    subject: String,
    org_id: OrganizationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
}

impl<'a> From<&'a Change> for View<'a> {
    fn from(change: &'a Change) -> Self {
        Self {
            seq: change.seq,
            at: change.at,
            actor: change.actor.to_string(),
            action: change.action.as_str(),
            subject: change.subject.to_string(),
            org_id: change.organization,
            request_id: change.request_id.as_deref(),
        }
    }
}

/// The query of `GET /audit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Slice {
    /// The `seq` to go on after.
    #[serde(default)]
    #[param(inline)]
    after: After,
    /// How many changes at most.
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// Lists what was done, in the order in which it happened.
#[utoipa::path(
    get, path = "/audit", operation_id = "listChanges", tag = "Audit trail",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(Slice),
    responses((status = 200, description = "Changes in the caller and below it, in the order in which they happened.", body = One<Vec<View>>), Always),
)]
pub(super) async fn list(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(slice): InQuery<Slice>,
) -> Result<Response, ManageError> {
    let changes =
        manage.registry.store().changes_within(caller.organization().id, slice.after.get(), slice.limit.get()).await?;
    let views: Vec<View<'_>> = changes.iter().map(View::from).collect();
    Ok(envelope::result(StatusCode::OK, views))
}
