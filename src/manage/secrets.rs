//! The secrets of a client: replace at once, rotate with an overlap, list, remove.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Manage,
    body::{Body, Nothing},
    caller::ClientInTree,
    envelope::{self, One},
    error::ManageError,
    paging::InQuery,
    refusals::{Absent, Always, Conflicts, TooLarge},
    values::Overlap,
    views::{NewSecretView, SecretView},
};
use crate::model::{ClientId, SecretId, Shown};

/// How a further secret comes in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretRotation)]
pub(super) struct Rotation {
    /// How long the others live on at most; left out: as configured.
    overlap: Option<Overlap>,
}

/// The query of `DELETE /oauth2/clients/{id}/secrets/{secret_id}`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Removal {
    /// Also if it was used in the last 24 hours.
    #[serde(default)]
    force: bool,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
struct OnlySecret<'a> {
    client_secret: Shown<'a>,
}

/// Gives a client a new secret; the old ones die at once.
#[utoipa::path(
    put, path = "/oauth2/clients/{id}/secret", operation_id = "replaceSecret", tag = "Clients' secrets",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    request_body = Nothing,
    responses((status = 200, description = "The new secret, shown this once.", body = One<OnlySecret>), Always, Absent, TooLarge),
)]
pub(super) async fn replace(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, ManageError> {
    let new = manage.registry.rotate_secret(target.id(), Duration::ZERO, target.caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::OK, OnlySecret { client_secret: new.text.show() }))
}

/// Lists a client's secrets. They are few: always all of them.
#[utoipa::path(
    get, path = "/oauth2/clients/{id}/secrets", operation_id = "listSecrets", tag = "Clients' secrets",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    responses((status = 200, description = "All of its secrets that are live.", body = One<Vec<SecretView>>), Always, Absent),
)]
pub(super) async fn list(target: ClientInTree) -> Response {
    let secrets: Vec<SecretView<'_>> = target.found.secrets.iter().map(SecretView::from).collect();
    envelope::result(StatusCode::OK, secrets)
}

/// Gives a client a further secret; the old ones live on for a while.
#[utoipa::path(
    post, path = "/oauth2/clients/{id}/secrets", operation_id = "addSecret", tag = "Clients' secrets",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    request_body = Rotation,
    responses((status = 201, description = "The new secret, shown this once.", body = One<NewSecretView>), Always, Absent, Conflicts, TooLarge),
)]
pub(super) async fn add(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    Body(rotation): Body<Rotation>,
) -> Result<Response, ManageError> {
    let overlap = rotation.overlap.map_or(manage.registry.settings().secret_overlap, |overlap| overlap.0);
    let new = manage.registry.rotate_secret(target.id(), overlap, target.caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::CREATED, NewSecretView::from(&new)))
}

/// Removes one of a client's secrets.
#[utoipa::path(
    delete, path = "/oauth2/clients/{id}/secrets/{secret_id}", operation_id = "removeSecret", tag = "Clients' secrets",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client."),
        ("secret_id" = SecretId, Path, description = "The secret."), Removal),
    responses((status = 204, description = "Removed."), Always, Absent, Conflicts),
)]
pub(super) async fn remove(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    InQuery(Removal { force }): InQuery<Removal>,
) -> Result<StatusCode, ManageError> {
    let secret: SecretId = target.part("secret_id")?;
    manage.registry.delete_secret(target.id(), secret, force, target.caller.audit(&manage)).await?;
    Ok(StatusCode::NO_CONTENT)
}
