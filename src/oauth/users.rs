//! The hosted service's endpoints for people who log in: there are none here, and a program that asks is told why.

use http::StatusCode;
use utoipa::IntoResponses;

use crate::web::{DescribedResponses, Refusal, describe_refusals};

/// The one answer of them all.
enum NotForMachines {}

impl IntoResponses for NotForMachines {
    fn responses() -> DescribedResponses {
        describe_refusals([(501, "Always: this is about users, and there are machine clients only.")])
    }
}

fn refusal() -> Refusal {
    let words = "This endpoint is about users, and Portcullis serves machine clients only: \
                 they get tokens at /oauth2/tokens with grant_type=client_credentials.";
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", words)
}

/// Mints a token for a user, in the hosted service.
#[utoipa::path(
    post,
    path = "/oauth2/tokens/mint",
    operation_id = "mintToken",
    tag = "Users",
    responses(NotForMachines)
)]
pub(super) async fn mint() -> Refusal {
    refusal()
}

/// Revokes all tokens of a user, in the hosted service.
#[utoipa::path(
    post,
    path = "/oauth2/tokens/revoke-all",
    operation_id = "revokeAllTokensOfUser",
    tag = "Users",
    responses(NotForMachines)
)]
pub(super) async fn revoke_all() -> Refusal {
    refusal()
}

/// Lets a user log in, in the hosted service.
#[utoipa::path(get, path = "/oauth2/authorize", operation_id = "authorize", tag = "Users", responses(NotForMachines))]
pub(super) async fn authorize() -> Refusal {
    refusal()
}

/// The same, by a form.
#[utoipa::path(
    post,
    path = "/oauth2/authorize",
    operation_id = "authorizeByForm",
    tag = "Users",
    responses(NotForMachines)
)]
pub(super) async fn authorize_by_form() -> Refusal {
    refusal()
}

/// Tells who the user is, in the hosted service.
#[utoipa::path(get, path = "/oauth2/userinfo", operation_id = "userinfo", tag = "Users", responses(NotForMachines))]
pub(super) async fn userinfo() -> Refusal {
    refusal()
}

/// The same, by a form.
#[utoipa::path(
    post,
    path = "/oauth2/userinfo",
    operation_id = "userinfoByForm",
    tag = "Users",
    responses(NotForMachines)
)]
pub(super) async fn userinfo_by_form() -> Refusal {
    refusal()
}
