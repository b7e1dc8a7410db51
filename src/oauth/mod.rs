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
//!
//! When the public URL has a path, the metadata stands at the well-known path with that path at its end as well.

mod client_auth;
mod description;
mod error;
mod form;
mod introspect;
mod metadata;
mod revoke;
mod token;
mod users;

use std::{net::IpAddr, sync::Arc};

use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

pub use client_auth::basic;
pub use error::OauthError;
pub use form::Form;
pub use introspect::{ActiveToken, Introspection};
pub use token::TokenReply;

use crate::{
    limits::Limit,
    registry::Registry,
    tokens::Tokens,
    web::{alias, well_known_path},
};

/// What the endpoints work with.
#[derive(Debug)]
pub struct Oauth {
    /// Who is who.
    pub registry: Arc<Registry>,
    /// The verbs on tokens.
    pub tokens: Arc<Tokens>,
    /// The issuer, and the base of the endpoints' URLs; without a slash at the end.
    pub public_url: Arc<str>,
    /// How often an address (as [`crate::limits::network`] has it) may ask for a token, whatever becomes of it.
    pub token_requests: Option<Arc<Limit<IpAddr>>>,
    /// Whether an organisation may introspect by its two headers: where the management API is served.
    pub organizations_introspect: bool,
}

/// The endpoints' routes, each with its description; [`crate::web::desk`] makes them whole.
pub fn router<S: Clone + Send + Sync + 'static>(oauth: Oauth) -> OpenApiRouter<S> {
    // The documents stand where the public URL has them, and, for a proxy in front that takes the URL's path away, at
    // their bare names.
    let well_known = |name: &str, routes: UtoipaMethodRouter<Arc<Oauth>>| {
        let path = well_known_path(&oauth.public_url, name);
        if path == well_known_path("", name) { routes } else { alias(&path, routes) }
    };
    let router = OpenApiRouter::new()
        .routes(alias("/oauth2/token", routes!(token::token)))
        .routes(alias("/oauth2/introspect", routes!(introspect::introspect)))
        .routes(alias("/oauth2/revoke", routes!(revoke::revoke)))
        .routes(well_known(metadata::AUTHORIZATION_SERVER, routes!(metadata::authorization_server)))
        .routes(well_known(metadata::PROTECTED_RESOURCE, routes!(metadata::protected_resource)));
    users::add(router).with_state(Arc::new(oauth))
}

#[cfg(test)]
mod tests;
