//! What the description of these endpoints as a whole says, beyond that of each: bodies that may be left out, the
//! configured bound of durations, and which answer names what another call is about.

use std::{collections::BTreeMap, time::Duration};

use utoipa::{
    ToSchema,
    openapi::{
        Content, OpenApi, RefOr, Schema,
        link::LinkBuilder,
        path::{Operation, PathItem},
    },
};

use super::{schema::bound, values::Seconds};

/// An operation's answer, and in which parameters of other operations parts of it go.
struct Source {
    operation: &'static str,
    status: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    targets: &'static [&'static str],
}

const SAME_CLIENT: (&str, &str) = ("id", "$request.path.id");

const SOURCES: [Source; 4] = [
    Source {
        operation: "createClient",
        status: "201",
        parameters: &[("id", "$response.body#/result/client_id")],
        targets: &[
            "getClient",
            "updateClient",
            "deleteClient",
            "replaceSecret",
            "listSecrets",
            "addSecret",
            "listTokens",
            "revokeTokens",
        ],
    },
    Source {
        operation: "addSecret",
        status: "201",
        parameters: &[SAME_CLIENT, ("secret_id", "$response.body#/result/id")],
        targets: &["removeSecret"],
    },
    Source {
        operation: "listSecrets",
        status: "200",
        parameters: &[SAME_CLIENT, ("secret_id", "$response.body#/result/0/id")],
        targets: &["removeSecret"],
    },
    Source {
        operation: "listTokens",
        status: "200",
        parameters: &[SAME_CLIENT, ("jti", "$response.body#/result/0/jti")],
        targets: &["revokeTokenById"],
    },
];

/// Adds all this to the document of these endpoints.
pub(super) fn complete(document: &mut OpenApi, longest_token_duration: Duration) {
    bound_token_durations(document, longest_token_duration);
    let schemas = document.components.as_ref().map(|components| components.schemas.clone()).unwrap_or_default();
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        if let Some(RefOr::T(body)) = &mut operation.request_body
            && body.content.values().all(|content| takes_empty_object(content, &schemas))
        {
            // Left out, it counts as `{}`.
            body.required = None;
        }
        let id = operation.operation_id.clone();
        let sources = SOURCES.iter().filter(|source| id.as_deref() == Some(source.operation));
        sources.for_each(|source| link(operation, source));
    }
}

/// Whether no member is required.
fn takes_empty_object(content: &RefOr<Content>, schemas: &BTreeMap<String, RefOr<Schema>>) -> bool {
    let RefOr::T(Content { schema: Some(RefOr::Ref(reference)), .. }) = content else { return false };
    let schema = reference.ref_location.rsplit('/').next().and_then(|name| schemas.get(name));
    matches!(schema, Some(RefOr::T(Schema::Object(object))) if object.required.is_empty())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn link(operation: &mut Operation, source: &Source) {
    let Some(RefOr::T(response)) = operation.responses.responses.get_mut(source.status) else { return };
    for target in source.targets {
        let mut link = LinkBuilder::new().operation_id(*target);
        for (name, value) in source.parameters {
            link = link.parameter(*name, *value);
        }
        response.links.insert((*target).to_owned(), link.build().into());
    }
}

/// The longest duration of tokens is configured, so the type does not know it.
fn bound_token_durations(document: &mut OpenApi, longest: Duration) {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(Schema::Object(seconds))) = schemas.and_then(|schemas| schemas.get_mut(&*Seconds::name())) {
        seconds.maximum = Some(bound(i64::try_from(longest.as_secs()).unwrap_or(i64::MAX)));
    }
}
