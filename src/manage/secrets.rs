//! The secrets of a client: replace at once, rotate with an overlap, list, remove.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    Manage,
    body::{Body, Nothing},
    caller::ClientInTree,
    envelope,
    error::ManageError,
    paging::InQuery,
    values::Overlap,
    views::{NewSecretView, SecretView},
};
use crate::model::SecretId;

/// The body of `POST /oauth2/clients/{id}/secrets`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    overlap: Option<Overlap>,
}

/// The query of `DELETE /oauth2/clients/{id}/secrets/{secret_id}`.
#[derive(Deserialize)]
pub(super) struct Removal {
    #[serde(default)]
    force: bool,
}

/// `PUT /oauth2/clients/{id}/secret`: the old ones die at once.
pub(super) async fn replace(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Response, ManageError> {
    let new = manage.registry.rotate_secret(target.id(), Duration::ZERO, target.caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::OK, json!({"client_secret": new.text.expose()})))
}

/// `GET /oauth2/clients/{id}/secrets`. They are few: always all of them.
pub(super) async fn list(target: ClientInTree) -> Response {
    let secrets: Vec<SecretView<'_>> = target.found.secrets.iter().map(SecretView::from).collect();
    envelope::result(StatusCode::OK, secrets)
}

/// `POST /oauth2/clients/{id}/secrets`: the old ones live on for a while.
pub(super) async fn add(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    Body(rotation): Body<Rotation>,
) -> Result<Response, ManageError> {
    let overlap = rotation.overlap.map_or(manage.registry.settings().secret_overlap, |overlap| overlap.0);
    let new = manage.registry.rotate_secret(target.id(), overlap, target.caller.audit(&manage)).await?;
    Ok(envelope::result(StatusCode::CREATED, NewSecretView::from(&new)))
}

/// `DELETE /oauth2/clients/{id}/secrets/{secret_id}`.
pub(super) async fn remove(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    InQuery(Removal { force }): InQuery<Removal>,
) -> Result<StatusCode, ManageError> {
    let secret: SecretId = target.part()?;
    manage.registry.delete_secret(target.id(), secret, force, target.caller.audit(&manage)).await?;
    Ok(StatusCode::NO_CONTENT)
}
