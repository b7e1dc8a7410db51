//! What the descriptions of all endpoints have in common: refusals, and paths that say the same.

use std::collections::BTreeMap;

use http::header;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Content, Header, Ref, RefOr, Response, ResponseBuilder, Schema, path::PathItem, schema::ObjectBuilder,
        schema::Type,
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::Body;

/// Responses by their status.
pub type DescribedResponses = BTreeMap<String, RefOr<Response>>;

/// The responses of these refusals: status and what it means. Each has the one body of all refusals.
#[must_use]
pub fn describe_refusals<const N: usize>(refusals: [(u16, &str); N]) -> DescribedResponses {
    let describe = |(status, description): (u16, &str)| {
        let content = Content::new(Some(Ref::from_schema_name(Body::name())));
        let mut response = ResponseBuilder::new().description(description).content("application/json", content).build();
        let header = match status {
            401 => Some((header::WWW_AUTHENTICATE, "How to authenticate.", Type::String)),
            429 | 503 => Some((header::RETRY_AFTER, "In how many seconds to try again.", Type::Integer)),
            _ => None,
        };
        if let Some((name, description, kind)) = header {
            let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
            header.description = Some(description.to_owned());
            response.headers.insert(name.to_string(), header.into());
        }
        (status.to_string(), response.into())
    };
    refusals.into_iter().map(describe).collect()
}

/// The schemas that [`describe_refusals`] refers to, by name.
#[must_use]
pub fn refusal_schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(Body::name().into_owned(), Body::schema())];
    Body::schemas(&mut schemas);
    schemas
}

/// Routes of one path, at another path as well.
pub fn alias<S>(path: &str, (schemas, mut paths, methods): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    if let Some((original, item)) = paths.paths.first_key_value() {
        let mut item: PathItem = item.clone();
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            operation.summary = Some(format!("The same as {original}."));
            operation.description = None;
            operation.operation_id = operation.operation_id.take().map(|id| id + "Alias");
        }
        paths.paths.insert(path.to_owned(), item);
    }
    (schemas, paths, methods)
}
