//! Floor 4, OAuth 2.0 for machine clients: the endpoints of RFC 6749 (token), RFC 7662 (introspection), RFC 7009
//! (revocation), and the metadata of RFC 8414 and RFC 9728.
//!
//! A call is read in the same order everywhere: form, client authentication, parameters, verb.
//!
//! | path | alias | method |
//! |---|---|---|
//! | `/oauth2/tokens` | `/oauth2/token` | POST |
//! | `/oauth2/tokens/introspect` | `/oauth2/introspect` | POST |
//! | `/oauth2/tokens/revoke` | `/oauth2/revoke` | POST |
//! | `/oauth2/tokens/mint`, `/oauth2/tokens/revoke-all` | | POST: always 501 |
//! | `/oauth2/authorize`, `/oauth2/userinfo` | | GET, POST: always 501 |
//! | `/.well-known/oauth-authorization-server` | | GET |
//! | `/.well-known/oauth-protected-resource` | | GET |

mod client_auth;
mod error;
mod form;
mod introspect;
mod metadata;
mod revoke;
mod token;
mod users;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

pub use introspect::{ActiveToken, Introspection};
pub use token::TokenReply;

use crate::{registry::Registry, tokens::Tokens};

/// What the endpoints work with.
#[derive(Debug)]
pub struct Oauth {
    /// Who is who.
    pub registry: Arc<Registry>,
    /// The verbs on tokens.
    pub tokens: Arc<Tokens>,
    /// The issuer, and the base of the endpoints' URLs; without a slash at the end.
    pub public_url: Arc<str>,
    /// Whether an organisation may introspect by its two headers: where the management API is served.
    pub organizations_introspect: bool,
}

/// The endpoints' routes; [`crate::web::desk`] makes them whole.
pub fn router(oauth: Oauth) -> Router {
    Router::new()
        .route("/oauth2/tokens", post(token::token))
        .route("/oauth2/token", post(token::token))
        .route("/oauth2/tokens/introspect", post(introspect::introspect))
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/oauth2/tokens/revoke", post(revoke::revoke))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route("/oauth2/tokens/mint", post(users::refuse))
        .route("/oauth2/tokens/revoke-all", post(users::refuse))
        .route("/oauth2/authorize", get(users::refuse).post(users::refuse))
        .route("/oauth2/userinfo", get(users::refuse).post(users::refuse))
        .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
        .route("/.well-known/oauth-protected-resource", get(metadata::protected_resource))
        .with_state(Arc::new(oauth))
}

#[cfg(test)]
mod tests;
