//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{Oauth, client_auth, error::OauthError, form::Form};
use crate::{
    model::RequestId,
    store::{Actor, Audit},
    tokens::Revocation,
};

/// `POST /oauth2/tokens/revoke`. A token that is unknown or dead already is answered as one that was revoked.
pub(super) async fn revoke(
    State(oauth): State<Arc<Oauth>>,
    request_id: Option<Extension<RequestId>>,
    from: client_auth::From,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Value>, OauthError> {
    let client = client_auth::authenticate(&oauth.registry, &from, &headers, &form).await?.client().id;
    let text = form.require("token")?;
    let audit = Audit {
        actor: Actor::Client(client),
        at: oauth.registry.clock().now(),
        request_id: request_id.map(|Extension(id)| id),
    };
    match oauth.tokens.revoke(text, client, audit).await? {
        Revocation::Done => Ok(Json(json!({}))),
        Revocation::NotYours => Err(OauthError::UnauthorizedClient),
    }
}
