//! Organisations: those below the caller, the caller's own key, its own end.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Manage,
    body::{Body, Nothing},
    caller::Caller,
    envelope::{self, One, Part},
    error::ManageError,
    paging::{InQuery, OrganizationCursor, Paging},
    refusals::{Always, Conflicts, TooLarge},
    values::name,
    views::NewOrganizationView,
};
use crate::model::{Name, OrganizationId};

/// An organisation to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizationDraft)]
pub(super) struct Draft {
    #[serde(deserialize_with = "name")]
    sub_org_name: Name,
}

/// Creates an organisation below the caller.
#[utoipa::path(
    post, path = "/organizations/suborganizations", operation_id = "createSuborganization", tag = "Organisations",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    request_body = Draft,
    responses((status = 200, description = "Created below the caller; the key is shown this once.", body = One<NewOrganizationView>), Always, TooLarge),
)]
pub(super) async fn create_below(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    Body(draft): Body<Draft>,
) -> Result<Response, ManageError> {
    let (parent, audit) = (caller.organization().id, caller.audit(&manage));
    let new = manage.registry.create_organization(draft.sub_org_name, Some(parent), audit).await?;
    Ok(envelope::result(StatusCode::OK, NewOrganizationView::from(&new)))
}

/// Lists the ids of all organisations below the caller.
#[utoipa::path(
    get, path = "/organizations/suborganizations", operation_id = "listSuborganizations", tag = "Organisations",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(Paging<OrganizationCursor>),
    responses((status = 200, description = "A part of the ids of all organisations below the caller.", body = Part<OrganizationId>), Always),
)]
pub(super) async fn list_below(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging<OrganizationCursor>>,
) -> Result<Response, ManageError> {
    let limit = usize::try_from(paging.limit.get()).unwrap_or(usize::MAX);
    let mut all = manage.registry.descendants(caller.organization().id).await?;
    all.sort_unstable();
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let after = paging.cursor.map(|cursor| cursor.0);
    let start = all.partition_point(|id| Some(*id) <= after);
    let rest = all.get(start..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = if page.len() < rest.len() { page.last() } else { None };
    Ok(envelope::list(page, &paging, next, total))
}

/// Gives the caller a new key; the old one dies at once.
#[utoipa::path(
    put, path = "/organizations/api-keys", operation_id = "rotateOrganizationKey", tag = "Organisations",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    request_body = Nothing,
    responses((status = 200, description = "The new key, shown this once.", body = One<NewOrganizationView>), Always, TooLarge),
)]
pub(super) async fn rotate_key(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, ManageError> {
    let new = manage.registry.rotate_organization_key(caller.organization().id, caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::OK, NewOrganizationView::from(&new)))
}

/// Deletes the caller itself, unless it is a root or has others below it.
#[utoipa::path(
    delete, path = "/organizations", operation_id = "deleteOrganization", tag = "Organisations",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    responses((status = 204, description = "The caller is deleted, with its clients and their tokens."), Always, Conflicts),
)]
pub(super) async fn delete(State(manage): State<Arc<Manage>>, caller: Caller) -> Result<StatusCode, ManageError> {
    if caller.organization().parent().is_none() {
        return Err(ManageError::Conflict("A root organisation is deleted at the command line only.".into()));
    }
    manage.registry.delete_organization(caller.organization().id, caller.audit(&manage)).await?;
    Ok(StatusCode::NO_CONTENT)
}
