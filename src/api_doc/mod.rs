//! Floor 6, the API's description: one OpenAPI document of all routes of a listener, made of what each face registered
//! with its routes, and a page of it for people.

mod page;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header;
use utoipa::openapi::{
    Components, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Server,
    path::Operation,
    schema::{ObjectBuilder, Type},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::web::refusal_schemas;

const ABOUT: &str = "An OAuth 2.0 server for machine clients, and the management of those clients. Every answer carries \
    X-Request-Id, and none may be kept by a cache. Every refusal has one form: Refusal.";

const CLIENT: &str = "A client's id and secret. In place of it both may be sent in the form, as client_id and \
    client_secret.";

const TAGS: [(&str, &str); 10] = [
    ("OAuth 2.0", "Tokens: issue, introspect, revoke. Parameters are sent as a form."),
    ("Metadata", "Where the endpoints are."),
    ("Clients", "The programs that get tokens. Done by the organisation that owns a client, or one above it."),
    ("Clients' secrets", "Replace at once, rotate with an overlap, remove."),
    ("Clients' tokens", "List and revoke; a token's text is never shown."),
    ("Organisations", "The organisations below the caller, the caller's own key, its own end."),
    ("Audit trail", "What was done, by whom."),
    ("Observe mode", "What upstreams that only observe would have refused."),
    ("Operation", "Metrics, health, and this description."),
    ("Users", "What the hosted service has for people who log in: there are machine clients only."),
];

/// The document in its two forms, written once.
#[derive(Debug, Default)]
pub struct Description {
    json: Bytes,
    page: Bytes,
}

/// The routes with the document of them at `/openapi.json`, for a listener that is reached under this URL.
pub fn described(routes: OpenApiRouter<Arc<Description>>, reached_at: &str) -> Router {
    finish(routes.routes(routes!(document)), reached_at)
}

/// The same, with a page for people at `/reference`.
pub fn described_with_page(routes: OpenApiRouter<Arc<Description>>, reached_at: &str) -> Router {
    finish(routes.routes(routes!(document)).routes(routes!(reference)), reached_at)
}

/// This description, as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Operation", operation_id = "openapi",
    responses((status = 200, description = "The document.", body = Object, content_type = "application/json")),
)]
async fn document(State(description): State<Arc<Description>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description.json.clone()).into_response()
}

/// This description, for people.
#[utoipa::path(
    get, path = "/reference", tag = "Operation", operation_id = "reference",
    responses((status = 200, description = "A page that needs nothing from elsewhere.", body = String, content_type = "text/html")),
)]
async fn reference(State(description): State<Arc<Description>>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, description.page.clone()).into_response()
}

fn finish(routes: OpenApiRouter<Arc<Description>>, reached_at: &str) -> Router {
    let (served, parts) = routes.split_for_parts();
    let document = serde_json::to_value(whole(parts, reached_at)).unwrap_or_default();
    let page = page::write(&document).into();
    served.with_state(Arc::new(Description { json: document.to_string().into(), page }))
}

/// The document with what no face says on its own.
fn whole(described: OpenApi, reached_at: &str) -> OpenApi {
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Portcullis")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license));
    let mut components: Components = described.components.unwrap_or_default();
    components.schemas.extend(refusal_schemas());
    components.security_schemes.extend(security_schemes().into_iter().map(|(name, scheme)| (name, scheme.into())));
    let mut paths = described.paths;
    for item in paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(name_request);
    }
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(reached_at)]))
        .tags(Some(TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// Every answer names its request.
fn name_request(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String).build());
            header.description = Some("The request's name in the log.".to_owned());
            response.headers.insert("x-request-id".to_owned(), header.into());
        }
    }
}

fn security_schemes() -> Vec<(String, SecurityScheme)> {
    let header = |name: &str, about: &str| {
        let value = ApiKeyValue::with_description(name, about);
        (name.to_owned(), SecurityScheme::ApiKey(ApiKey::Header(value)))
    };
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(CLIENT)).build();
    vec![
        ("client".to_owned(), SecurityScheme::Http(basic)),
        header("X-Org-Id", "An organisation's id."),
        header("X-API-Key", "The organisation's key."),
        header("SlashID-OrgID", "The same as X-Org-Id, for programs of the hosted service."),
        header("SlashID-API-Key", "The same as X-API-Key, for programs of the hosted service."),
    ]
}

#[cfg(test)]
mod tests;
