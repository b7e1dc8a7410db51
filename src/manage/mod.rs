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
//! | `/report` | GET |
//!
//! The report is on the private listener alone: it counts requests of nobody's, too.

mod audit;
mod body;
mod caller;
mod clients;
mod description;
mod envelope;
mod error;
mod organizations;
mod paging;
mod refusals;
mod report;
mod schema;
mod secrets;
mod tokens;
mod values;
mod views;

use std::sync::Arc;

use axum::Extension;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use report::{ObservedView, Observing, ReportView};
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

/// The endpoints' routes, each with its description; [`crate::web::desk`] makes them whole.
pub fn router<S: Clone + Send + Sync + 'static>(manage: Manage) -> OpenApiRouter<S> {
    let longest = manage.registry.settings().max_token_duration;
    let mut routes = OpenApiRouter::new()
        .routes(routes!(clients::create, clients::list))
        .routes(routes!(clients::show, clients::update, clients::delete))
        .routes(routes!(secrets::replace))
        .routes(routes!(secrets::list, secrets::add))
        .routes(routes!(secrets::remove))
        .routes(routes!(tokens::list, tokens::revoke_all))
        .routes(routes!(tokens::revoke))
        .routes(routes!(organizations::delete))
        .routes(routes!(organizations::rotate_key))
        .routes(routes!(organizations::create_below, organizations::list_below))
        .routes(routes!(audit::list))
        .with_state(Arc::new(manage));
    description::complete(routes.get_openapi_mut(), longest);
    routes
}

/// The route of the report, for the private listener.
pub fn report_router<S: Clone + Send + Sync + 'static>(manage: Manage, observing: Observing) -> OpenApiRouter<S> {
    OpenApiRouter::new().routes(routes!(report::show)).layer(Extension(observing)).with_state(Arc::new(manage))
}

#[cfg(test)]
mod tests;
