//! Clients: create, list, show, change, delete.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Manage,
    body::Body,
    caller::{Caller, ClientInTree},
    envelope::{self, One, Part},
    error::ManageError,
    paging::{InQuery, Paging, RowCursor},
    refusals::{Absent, Always, TooLarge},
    values::{Audiences, Confidential, Grants, RedirectUris, Scopes, Seconds, UpToAYear, given, name},
    views::{ClientView, NewClientView},
};
use crate::{
    model::{ClientId, Name},
    registry::ClientDraft,
    store::ClientUpdate,
};

/// A client to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientDraft)]
pub(super) struct Draft {
    #[serde(deserialize_with = "name")]
    client_name: Name,
    scopes: Scopes,
    #[serde(rename = "grant_types")]
    _grant_types: Grants,
    #[serde(rename = "public")]
    _public: Option<Confidential>,
    default_scopes: Option<Scopes>,
    audiences: Option<Audiences>,
    enabled: Option<bool>,
    access_token_duration: Option<Seconds>,
    refresh_token_duration: Option<UpToAYear>,
    redirect_uris: Option<RedirectUris>,
}

impl From<Draft> for ClientDraft {
    fn from(draft: Draft) -> Self {
        Self {
            name: draft.client_name,
            scopes: draft.scopes.0,
            default_scopes: draft.default_scopes.map(|scopes| scopes.0),
            audiences: draft.audiences.unwrap_or_default().0,
            token_duration: draft.access_token_duration.map(Duration::from),
            enabled: draft.enabled.unwrap_or(true),
            refresh_token_duration: draft.refresh_token_duration.map(|duration| duration.0),
            redirect_uris: draft.redirect_uris.map(|uris| uris.0),
        }
    }
}

/// Changes of a client. What is left out stays; `null` takes away, where there may be none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientPatch)]
pub(super) struct Patch {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Name>, nullable = false)]
    client_name: Option<GivenName>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    scopes: Option<Scopes>,
    #[serde(default, deserialize_with = "given", rename = "grant_types")]
    #[schema(nullable = false)]
    _grant_types: Option<Grants>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Scopes>)]
    #[expect(clippy::option_option, reason = "left out, taken away, and set are three things")]
    default_scopes: Option<Option<Scopes>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    audiences: Option<Audiences>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    access_token_duration: Option<Seconds>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    refresh_token_duration: Option<UpToAYear>,
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    redirect_uris: Option<RedirectUris>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct GivenName(#[serde(deserialize_with = "name")] Name);

impl From<Patch> for ClientUpdate {
    fn from(patch: Patch) -> Self {
        Self {
            name: patch.client_name.map(|name| name.0),
            scopes: patch.scopes.map(|scopes| scopes.0),
            default_scopes: patch.default_scopes.map(|scopes| scopes.map(|scopes| scopes.0)),
            audiences: patch.audiences.map(|audiences| audiences.0),
            token_duration: patch.access_token_duration.map(Duration::from),
            enabled: patch.enabled,
            refresh_token_duration: patch.refresh_token_duration.map(|duration| duration.0),
            redirect_uris: patch.redirect_uris.map(|uris| uris.0),
        }
    }
}

/// Creates a client.
#[utoipa::path(
    post, path = "/oauth2/clients", operation_id = "createClient", tag = "Clients",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    request_body = Draft,
    responses((status = 201, description = "Created; the secret is shown this once.", body = One<NewClientView>), Always, TooLarge),
)]
pub(super) async fn create(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    Body(draft): Body<Draft>,
) -> Result<Response, ManageError> {
    let audit = caller.audit(&manage);
    let new = manage.registry.create_client(caller.organization().id, draft.into(), audit).await?;
    Ok(envelope::result(StatusCode::CREATED, NewClientView::from(&new)))
}

/// Lists the organisation's own clients.
#[utoipa::path(
    get, path = "/oauth2/clients", operation_id = "listClients", tag = "Clients",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(Paging<RowCursor>),
    responses((status = 200, description = "A part of the organisation's own clients.", body = Part<ClientView>), Always),
)]
pub(super) async fn list(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging<RowCursor>>,
) -> Result<Response, ManageError> {
    let found = manage.registry.list_clients(caller.organization().id, (&paging).into()).await?;
    let views: Vec<ClientView<'_>> = found.items.iter().map(ClientView::from).collect();
    Ok(envelope::list(&views, &paging, found.next, found.total))
}

/// Shows a client.
#[utoipa::path(
    get, path = "/oauth2/clients/{id}", operation_id = "getClient", tag = "Clients",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    responses((status = 200, description = "The client.", body = One<ClientView>), Always, Absent),
)]
pub(super) async fn show(target: ClientInTree) -> Response {
    envelope::result(StatusCode::OK, ClientView::from(&target.found.client))
}

/// Changes a client. What is left out stays.
#[utoipa::path(
    patch, path = "/oauth2/clients/{id}", operation_id = "updateClient", tag = "Clients",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    request_body = Patch,
    responses((status = 200, description = "The client as it is now.", body = One<ClientView>), Always, Absent, TooLarge),
)]
pub(super) async fn update(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    Body(patch): Body<Patch>,
) -> Result<Response, ManageError> {
    let update = ClientUpdate::from(patch);
    if update == ClientUpdate::default() {
        return Ok(show(target).await);
    }
    let updated = manage.registry.update_client(target.id(), update, target.caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::OK, ClientView::from(&updated)))
}

/// Deletes a client.
#[utoipa::path(
    delete, path = "/oauth2/clients/{id}", operation_id = "deleteClient", tag = "Clients",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    responses((status = 204, description = "Deleted, and its tokens revoked with it."), Always, Absent),
)]
pub(super) async fn delete(State(manage): State<Arc<Manage>>, target: ClientInTree) -> Result<StatusCode, ManageError> {
    manage.registry.delete_client(target.id(), target.caller.audit(&manage)).await?;
    Ok(StatusCode::NO_CONTENT)
}
