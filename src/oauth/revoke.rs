//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Oauth, client_auth,
    description::{self, form_of},
    error::{OauthError, Refusals},
    form::Form,
};
use crate::{
    model::RequestId,
    store::{Actor, Audit},
    tokens::Revocation,
};

/// The answer: nothing more is to be said.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {}

form_of! {
    /// The form of a revocation request.
    RevocationRequest:
    description::token(),
    description::hint(),
}

/// Revokes a token (RFC 7009). One that is unknown or dead already is answered as one that was revoked.
#[utoipa::path(
    post, path = "/oauth2/tokens/revoke", operation_id = "revokeToken", tag = "OAuth 2.0",
    security(("client" = []), ()),
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is good no longer.", body = Revoked), Refusals),
)]
pub(super) async fn revoke(
    State(oauth): State<Arc<Oauth>>,
    request_id: Option<Extension<RequestId>>,
    from: client_auth::From,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Revoked>, OauthError> {
    let client = client_auth::authenticate(&oauth.registry, &from, &headers, &form).await?.client().id;
    let text = form.require("token")?;
    let audit = Audit {
        actor: Actor::Client(client),
        at: oauth.registry.clock().now(),
        request_id: request_id.map(|Extension(id)| id),
    };
    match oauth.tokens.revoke(text, client, audit).await? {
        Revocation::Done => Ok(Json(Revoked {})),
        Revocation::NotYours => Err(OauthError::UnauthorizedClient),
    }
}
