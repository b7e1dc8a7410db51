//! The hosted service's endpoints for people who log in: there are none here, and a program that asks is told why.

use axum::routing::MethodRouter;
use http::StatusCode;
use utoipa::openapi::{
    HttpMethod,
    path::{OperationBuilder, Paths},
};
use utoipa_axum::{PathItemExt, router::OpenApiRouter};

use crate::web::{Refusal, describe_refusals};

/// Method, path, name and meaning of each.
const ENDPOINTS: [(HttpMethod, &str, &str, &str); 6] = [
    (HttpMethod::Post, "/oauth2/tokens/mint", "mintToken", "Mints a token for a user, in the hosted service."),
    (
        HttpMethod::Post,
        "/oauth2/tokens/revoke-all",
        "revokeAllTokensOfUser",
        "Revokes all tokens of a user, in the hosted service.",
    ),
    (HttpMethod::Get, "/oauth2/authorize", "authorize", "Lets a user log in, in the hosted service."),
    (HttpMethod::Post, "/oauth2/authorize", "authorizeByForm", "The same, by a form."),
    (HttpMethod::Get, "/oauth2/userinfo", "userinfo", "Tells who the user is, in the hosted service."),
    (HttpMethod::Post, "/oauth2/userinfo", "userinfoByForm", "The same, by a form."),
];

/// Adds their routes, each with its description.
pub(super) fn add<S: Clone + Send + Sync + 'static>(router: OpenApiRouter<S>) -> OpenApiRouter<S> {
    ENDPOINTS.into_iter().fold(router, |router, (method, path, id, meaning)| {
        let refusals = describe_refusals([(501, "Always: this is about users, and there are machine clients only.")]);
        let operation = OperationBuilder::new()
            .tag("Users")
            .operation_id(Some(id))
            .summary(Some(meaning))
            .responses(refusals.into_iter().collect::<utoipa::openapi::Responses>());
        let handler = MethodRouter::new().on(method.to_method_filter(), refuse);
        let mut paths = Paths::new();
        paths.add_path_operation(path, vec![method], operation);
        router.routes((Vec::new(), paths, handler))
    })
}

/// The one answer of them all.
async fn refuse() -> Refusal {
    let words = "This endpoint is about users, and Portcullis serves machine clients only: \
                 they get tokens at /oauth2/tokens with grant_type=client_credentials.";
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", words)
}
