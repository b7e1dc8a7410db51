//! Floor 4, management: the REST API by which an organisation works on its clients, their secrets and tokens, and on
//! the organisations below it. Paths, bodies and envelope are those of the hosted service's clients.
//!
//! A call is read in the same order everywhere: who calls (401), what it is about (404: absent, malformed and foreign
//! are one answer), body and query (400), verb. An organisation may do to a client what the client's owner or an
//! organisation above the owner may do.
//!
//! | path | methods |
//! |---|---|
//! | `/oauth2/clients` | POST, GET |
//! | `/oauth2/clients/{id}` | GET, PATCH, DELETE |
//! | `/oauth2/clients/{id}/secret` | PUT |
//! | `/oauth2/clients/{id}/secrets` | GET, POST |
//! | `/oauth2/clients/{id}/secrets/{secret_id}` | DELETE |
//! | `/oauth2/clients/{id}/tokens` | GET, DELETE |
//! | `/oauth2/clients/{id}/tokens/{jti}` | DELETE |
//! | `/organizations` | DELETE |
//! | `/organizations/api-keys` | PUT |
//! | `/organizations/suborganizations` | POST, GET |
//! | `/audit` | GET |

mod audit;
mod body;
mod caller;
mod clients;
mod envelope;
mod error;
mod organizations;
mod paging;
mod secrets;
mod tokens;
mod values;
mod views;

use std::sync::Arc;

use axum::{
    Router,
    routing::{delete, get, post, put},
};

pub use views::{
    ClientView, NewClientView, NewOrganizationView, NewSecretView, OrganizationView, SecretView, TokenView,
};

use crate::{registry::Registry, tokens::Tokens};

/// What the endpoints work with.
#[derive(Debug)]
pub struct Manage {
    /// Organisations, clients and secrets.
    pub registry: Arc<Registry>,
    /// The verbs on tokens.
    pub tokens: Arc<Tokens>,
}

/// The endpoints' routes; [`crate::web::desk`] makes them whole.
pub fn router(manage: Manage) -> Router {
    Router::new()
        .route("/oauth2/clients", post(clients::create).get(clients::list))
        .route("/oauth2/clients/{id}", get(clients::show).patch(clients::update).delete(clients::delete))
        .route("/oauth2/clients/{id}/secret", put(secrets::replace))
        .route("/oauth2/clients/{id}/secrets", get(secrets::list).post(secrets::add))
        .route("/oauth2/clients/{id}/secrets/{part}", delete(secrets::remove))
        .route("/oauth2/clients/{id}/tokens", get(tokens::list).delete(tokens::revoke_all))
        .route("/oauth2/clients/{id}/tokens/{part}", delete(tokens::revoke))
        .route("/organizations", delete(organizations::delete))
        .route("/organizations/api-keys", put(organizations::rotate_key))
        .route("/organizations/suborganizations", post(organizations::create_below).get(organizations::list_below))
        .route("/audit", get(audit::list))
        .with_state(Arc::new(manage))
}

#[cfg(test)]
mod tests;
