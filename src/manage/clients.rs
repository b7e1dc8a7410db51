//! Clients: create, list, show, change, delete.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;

use super::{
    Manage,
    body::Body,
    caller::{Caller, ClientInTree},
    envelope,
    error::ManageError,
    paging::{InQuery, Paging},
    values::{Audiences, Confidential, Grants, RedirectUris, Scopes, Seconds, UpToAYear, given, name},
    views::{ClientView, NewClientView},
};
use crate::{model::Name, registry::ClientDraft, store::ClientUpdate};

/// The body of `POST /oauth2/clients`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

/// The body of `PATCH /oauth2/clients/{id}`. What is left out stays; `null` takes away, where there may be none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    #[serde(default, deserialize_with = "given")]
    client_name: Option<GivenName>,
    #[serde(default, deserialize_with = "given")]
    scopes: Option<Scopes>,
    #[serde(default, deserialize_with = "given", rename = "grant_types")]
    _grant_types: Option<Grants>,
    #[serde(default, deserialize_with = "given")]
    #[expect(clippy::option_option, reason = "left out, taken away, and set are three things")]
    default_scopes: Option<Option<Scopes>>,
    #[serde(default, deserialize_with = "given")]
    audiences: Option<Audiences>,
    #[serde(default, deserialize_with = "given")]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    access_token_duration: Option<Seconds>,
    #[serde(default, deserialize_with = "given")]
    refresh_token_duration: Option<UpToAYear>,
    #[serde(default, deserialize_with = "given")]
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

/// `POST /oauth2/clients`.
pub(super) async fn create(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    Body(draft): Body<Draft>,
) -> Result<Response, ManageError> {
    let audit = caller.audit(&manage);
    let new = manage.registry.create_client(caller.organization().id, draft.into(), audit).await?;
    Ok(envelope::result(StatusCode::CREATED, NewClientView::from(&new)))
}

/// `GET /oauth2/clients`: the caller's own.
pub(super) async fn list(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(paging): InQuery<Paging>,
) -> Result<Response, ManageError> {
    let found = manage.registry.list_clients(caller.organization().id, paging.page()?).await?;
    let views: Vec<ClientView<'_>> = found.items.iter().map(ClientView::from).collect();
    envelope::list(&views, &paging, found.next, found.total)
}

/// `GET /oauth2/clients/{id}`.
pub(super) async fn show(target: ClientInTree) -> Response {
    envelope::result(StatusCode::OK, ClientView::from(&target.found.client))
}

/// `PATCH /oauth2/clients/{id}`.
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

/// `DELETE /oauth2/clients/{id}`.
pub(super) async fn delete(State(manage): State<Arc<Manage>>, target: ClientInTree) -> Result<StatusCode, ManageError> {
    manage.registry.delete_client(target.id(), target.caller.audit(&manage)).await?;
    Ok(StatusCode::NO_CONTENT)
}
