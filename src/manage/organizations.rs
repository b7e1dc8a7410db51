//! Organisations: those below the caller, the caller's own key, its own end.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;

use super::{
    Manage,
    body::{Body, Nothing},
    caller::Caller,
    envelope,
    error::ManageError,
    paging::{InQuery, Paging},
    values::name,
    views::NewOrganizationView,
};
use crate::model::{Name, OrganizationId};

/// The body of `POST /organizations/suborganizations`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draft {
    #[serde(deserialize_with = "name")]
    sub_org_name: Name,
}

/// `POST /organizations/suborganizations`.
pub(super) async fn create_below(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    Body(draft): Body<Draft>,
) -> Result<Response, ManageError> {
    let (parent, audit) = (caller.organization().id, caller.audit(&manage));
    let new = manage.registry.create_organization(draft.sub_org_name, Some(parent), audit).await?;
    Ok(envelope::result(StatusCode::OK, NewOrganizationView::from(&new)))
}

/// `GET /organizations/suborganizations`: the ids of all below the caller.
pub(super) async fn list_below(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging>,
) -> Result<Response, ManageError> {
    let limit = usize::try_from(paging.limit()?).unwrap_or(usize::MAX);
    let after: Option<OrganizationId> = paging.after()?;
    let mut all = manage.registry.descendants(caller.organization().id).await?;
    all.sort_unstable();
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let start = all.partition_point(|id| Some(*id) <= after);
    let rest = all.get(start..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = if page.len() < rest.len() { page.last() } else { None };
    envelope::list(page, &paging, next, total)
}

/// `PUT /organizations/api-keys`: a new key for the caller; the old one dies.
pub(super) async fn rotate_key(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, ManageError> {
    let new = manage.registry.rotate_organization_key(caller.organization().id, caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::OK, NewOrganizationView::from(&new)))
}

/// `DELETE /organizations`: the caller itself, unless it is a root or has others below it.
pub(super) async fn delete(State(manage): State<Arc<Manage>>, caller: Caller) -> Result<StatusCode, ManageError> {
    if caller.organization().parent().is_none() {
        return Err(ManageError::Conflict("A root organisation is deleted at the command line only.".into()));
    }
    manage.registry.delete_organization(caller.organization().id, caller.audit(&manage)).await?;
    Ok(StatusCode::NO_CONTENT)
}
