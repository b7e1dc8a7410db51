//! The secrets of a client: replace at once, rotate with an overlap, list, remove.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Manage,
    body::{Body, Nothing},
    caller::ClientInTree,
    envelope,
    error::ManageError,
    paging::InQuery,
    values::Overlap,
};
use crate::model::{SecretId, StoredSecret, Timestamp};

/// A secret as programs see it: its text never.
#[derive(Serialize)]
struct View<'a> {
    id: SecretId,
    hint: &'a str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<Timestamp>,
}

impl<'a> From<&'a StoredSecret> for View<'a> {
    fn from(secret: &'a StoredSecret) -> Self {
        Self {
            id: secret.id,
            hint: &secret.hint,
            created_at: secret.created_at,
            expires_at: secret.expires_at,
            last_used: secret.last_used,
        }
    }
}

/// A secret just made, with the only sight of its text.
#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    secret: View<'a>,
    client_secret: &'a str,
}

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
    let secrets: Vec<View<'_>> = target.found.secrets.iter().map(View::from).collect();
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
    let created = Created { secret: View::from(&new.stored), client_secret: new.text.expose() };
    Ok(envelope::result(StatusCode::CREATED, created))
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
