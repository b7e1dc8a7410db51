//! The audit trail of the caller and the organisations below it.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Manage,
    caller::Caller,
    envelope,
    error::ManageError,
    paging::{InQuery, check_limit},
};
use crate::{
    model::{OrganizationId, Timestamp},
    store::Change,
};

#[derive(Serialize)]
struct View<'a> {
    seq: i64,
    at: Timestamp,
    actor: String,
    action: &'static str,
    subject: String,
    org_id: OrganizationId,
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// The query of `GET /audit`: the `seq` to go on after, and how many at most.
#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    after: i64,
    limit: Option<u32>,
}

/// `GET /audit`, in the order in which things happened.
pub(super) async fn list(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(part): InQuery<Part>,
) -> Result<Response, ManageError> {
    let limit = check_limit(part.limit)?;
    let changes = manage.registry.store().changes_within(caller.organization().id, part.after, limit).await?;
    let views: Vec<View<'_>> = changes.iter().map(View::from).collect();
    Ok(envelope::result(StatusCode::OK, views))
}
