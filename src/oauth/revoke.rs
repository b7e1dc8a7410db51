//! The revocation endpoint (RFC 7009).

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Oauth, client_auth,
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

/// What the form of a revocation request may hold.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is a description: the form is read by its parameters' names")]
struct RevocationRequest {
    /// The token's text.
    #[schema(min_length = 1)]
    token: String,
    /// What kind of token it may be; there is one kind.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
    /// With `client_secret`, in place of HTTP Basic.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// See `client_id`.
    #[schema(nullable = false)]
    client_secret: Option<String>,
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
