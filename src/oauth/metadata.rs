//! What programs read to find the endpoints: RFC 8414 (authorization server) and RFC 9728 (protected resource).

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Oauth;

/// The well-known name of [`authorization_server`].
pub(super) const AUTHORIZATION_SERVER: &str = "oauth-authorization-server";
/// The well-known name of [`protected_resource`].
pub(super) const PROTECTED_RESOURCE: &str = "oauth-protected-resource";

const AUTHENTICATION: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// `GET /.well-known/oauth-authorization-server`.
pub(super) async fn authorization_server(State(oauth): State<Arc<Oauth>>) -> Json<Value> {
    let issuer = &*oauth.public_url;
    Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth2/tokens"),
        "token_endpoint_auth_methods_supported": AUTHENTICATION,
        "introspection_endpoint": format!("{issuer}/oauth2/tokens/introspect"),
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION,
        "revocation_endpoint": format!("{issuer}/oauth2/tokens/revoke"),
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION,
        "grant_types_supported": ["client_credentials"],
        // There is no authorization endpoint; libraries refuse an empty list.
        "response_types_supported": ["none"],
    }))
}

/// `GET /.well-known/oauth-protected-resource`.
pub(super) async fn protected_resource(State(oauth): State<Arc<Oauth>>) -> Json<Value> {
    let issuer = &*oauth.public_url;
    Json(json!({
        "resource": issuer,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    }))
}
