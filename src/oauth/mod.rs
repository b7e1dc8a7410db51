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
//! | `/.well-known/oauth-authorization-server` | | GET |
//! | `/.well-known/oauth-protected-resource` | | GET |

mod client_auth;
mod description;
mod error;
mod form;
mod introspect;
mod metadata;
mod revoke;
mod token;

use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

pub use introspect::{ActiveToken, Introspection};
pub use token::TokenReply;

use crate::{registry::Registry, tokens::Tokens, web::alias};

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

/// The endpoints' routes, each with its description; [`crate::web::desk`] makes them whole.
pub fn router<S: Clone + Send + Sync + 'static>(oauth: Oauth) -> OpenApiRouter<S> {
    OpenApiRouter::new()
        .routes(alias("/oauth2/token", routes!(token::token)))
        .routes(alias("/oauth2/introspect", routes!(introspect::introspect)))
        .routes(alias("/oauth2/revoke", routes!(revoke::revoke)))
        .routes(routes!(metadata::authorization_server))
        .routes(routes!(metadata::protected_resource))
        .with_state(Arc::new(oauth))
}

#[cfg(test)]
mod tests;
