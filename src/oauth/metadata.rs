//! What programs read to find the endpoints: RFC 8414 (authorization server) and RFC 9728 (protected resource).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Oauth;

/// The well-known name of [`authorization_server`].
pub(super) const AUTHORIZATION_SERVER: &str = "oauth-authorization-server";
/// The well-known name of [`protected_resource`].
pub(super) const PROTECTED_RESOURCE: &str = "oauth-protected-resource";

const AUTHENTICATION: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The metadata of RFC 8414 section 2.
#[derive(Serialize, ToSchema)]
struct AuthorizationServer<'a> {
    issuer: &'a str,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 2],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 2],
    grant_types_supported: [&'static str; 1],
    response_types_supported: [&'static str; 1],
}

/// The metadata of RFC 9728 section 2.
#[derive(Serialize, ToSchema)]
struct ProtectedResource<'a> {
    resource: &'a str,
    authorization_servers: [&'a str; 1],
    bearer_methods_supported: [&'static str; 1],
}

/// Tells programs where the endpoints are (RFC 8414).
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", operation_id = "authorizationServer", tag = "Metadata",
    responses((status = 200, description = "The metadata.", body = AuthorizationServer)),
)]
pub(super) async fn authorization_server(State(oauth): State<Arc<Oauth>>) -> Response {
    let issuer = &*oauth.public_url;
    let metadata = AuthorizationServer {
        issuer,
        token_endpoint: format!("{issuer}/oauth2/tokens"),
        token_endpoint_auth_methods_supported: AUTHENTICATION,
        introspection_endpoint: format!("{issuer}/oauth2/tokens/introspect"),
        introspection_endpoint_auth_methods_supported: AUTHENTICATION,
        revocation_endpoint: format!("{issuer}/oauth2/tokens/revoke"),
        revocation_endpoint_auth_methods_supported: AUTHENTICATION,
        grant_types_supported: ["client_credentials"],
        // There is no authorization endpoint; libraries refuse an empty list.
        response_types_supported: ["none"],
    };
    Json(metadata).into_response()
}

/// Tells programs which server's tokens are taken here (RFC 9728).
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource", operation_id = "protectedResource", tag = "Metadata",
    responses((status = 200, description = "The metadata.", body = ProtectedResource)),
)]
pub(super) async fn protected_resource(State(oauth): State<Arc<Oauth>>) -> Response {
    let issuer = &*oauth.public_url;
    let metadata =
        ProtectedResource { resource: issuer, authorization_servers: [issuer], bearer_methods_supported: ["header"] };
    Json(metadata).into_response()
}
