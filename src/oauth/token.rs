//! The token endpoint: `client_credentials` (RFC 6749 section 4.4), with `resource` (RFC 8707) and `audience`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Oauth, client_auth,
    description::{self, form_of},
    error::{OauthError, Refusals},
    form::Form,
};
use crate::{
    limits::{NOWHERE, network},
    model::{AudienceSet, ScopeSet, Shown},
    observe::OWN,
    tokens::{IssueRequest, Issued},
};

/// The reply of RFC 6749 section 5.1.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenReply<'a> {
    /// The token's text.
    pub access_token: Shown<'a>,
    /// Always `bearer`.
    #[schema(pattern = "^bearer$")]
    pub token_type: &'static str,
    /// Its lifetime in seconds.
    pub expires_in: u64,
    /// Its scopes.
    pub scope: String,
}

impl<'a> From<&'a Issued> for TokenReply<'a> {
    fn from(issued: &'a Issued) -> Self {
        Self {
            access_token: issued.text.show(),
            token_type: "bearer",
            expires_in: issued.token.expires_at.since(issued.token.issued_at).as_secs(),
            scope: issued.token.scopes.to_string(),
        }
    }
}

form_of! {
    /// The form of a token request.
    TokenRequest:
    description::grant(),
    description::scope("Scopes with one blank between two. Left out: the client's default scopes."),
    description::audiences("resource", "Some of the client's audiences (RFC 8707). Left out, as audience too: all of them."),
    description::audiences("audience", "The same as resource."),
}

/// Issues a token: the grant `client_credentials` (RFC 6749 section 4.4).
#[utoipa::path(
    post, path = "/oauth2/tokens", operation_id = "issueToken", tag = "OAuth 2.0",
    security(("client" = []), ()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token; its text is shown this once.", body = TokenReply, links(
        ("introspectToken" = (operation_id = "introspectToken", request_body = json!({"token": "$response.body#/access_token"}))),
        ("revokeToken" = (operation_id = "revokeToken", request_body = json!({"token": "$response.body#/access_token"}))),
    )), Refusals),
)]
pub(super) async fn token(
    State(oauth): State<Arc<Oauth>>,
    from: client_auth::From,
    headers: HeaderMap,
    form: Result<Form, OauthError>,
) -> Result<Response, OauthError> {
    let outcome = match count(&oauth, &from).and(form) {
        Ok(form) => issue(&oauth, &from, &headers, &form).await,
        Err(error) => Err(error),
    };
    let result = outcome.as_ref().map_or_else(OauthError::code, |_| "ok");
    oauth.registry.metrics().token_requests.with_label_values(&[result]).inc();
    outcome.map(|issued| answer(&issued))
}

/// Counts a request against the limit of its address, before anything else is done for it.
fn count(oauth: &Oauth, from: &client_auth::From) -> Result<(), OauthError> {
    let Some(limit) = &oauth.token_requests else { return Ok(()) };
    limit.count(client_auth::address(from).map_or(NOWHERE, network)).map_err(|exceeded| {
        oauth.registry.metrics().rate_limited.with_label_values(&[OWN]).inc();
        OauthError::TooManyRequests(exceeded)
    })
}

async fn issue(
    oauth: &Oauth,
    from: &client_auth::From,
    headers: &HeaderMap,
    form: &Form,
) -> Result<Issued, OauthError> {
    let client = client_auth::authenticate(&oauth.registry, from, headers, form).await?;
    if form.require("grant_type")? != "client_credentials" {
        return Err(OauthError::UnsupportedGrantType);
    }
    let request = IssueRequest { scopes: scopes(form)?, audiences: audiences(form)? };
    Ok(oauth.tokens.issue(&client, &request).await?)
}

fn scopes(form: &Form) -> Result<Option<ScopeSet>, OauthError> {
    let scopes = form.get("scope").map(str::parse).transpose();
    scopes.map_err(|_| OauthError::InvalidScope("scope must be scopes with one blank between two."))
}

fn audiences(form: &Form) -> Result<Option<AudienceSet>, OauthError> {
    let mut asked = form.all("resource").iter().chain(form.all("audience")).peekable();
    if asked.peek().is_none() {
        return Ok(None);
    }
    AudienceSet::from_texts(asked).map(Some).map_err(|error| OauthError::InvalidTarget(error.to_string()))
}

fn answer(issued: &Issued) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(TokenReply::from(issued)))
        .into_response()
}
