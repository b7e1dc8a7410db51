//! The hosted service's endpoints for people who log in: there are none here, and a program that asks is told why.

use http::StatusCode;

use crate::web::Refusal;

/// Any of them.
pub(super) async fn refuse() -> Refusal {
    let words = "This endpoint is about users, and Portcullis serves machine clients only: \
                 they get tokens at /oauth2/tokens with grant_type=client_credentials.";
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", words)
}
