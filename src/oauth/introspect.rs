//! The introspection endpoint (RFC 7662), with the `scope` parameter of the hosted service: active only if the token
//! has every scope in it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::HeaderMap;
use serde::Serialize;

use super::{Oauth, client_auth, error::OauthError, form::Form};
use crate::{
    model::{AudienceSet, ClientId, OrganizationId, ScopeSet, TokenId},
    tokens::Grant,
    web::organization_credentials,
};

/// What a caller learns. An inactive token is this and nothing else, whatever the reason (section 2.2).
#[derive(Debug, Serialize)]
pub struct Introspection<'a> {
    /// Whether the token lives, and grants what was asked for.
    pub active: bool,
    /// What it grants.
    #[serde(flatten)]
    pub token: Option<ActiveToken<'a>>,
}

/// What a living token grants.
#[derive(Debug, Serialize)]
pub struct ActiveToken<'a> {
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// From when on it is refused, in seconds since 1970.
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// The scopes that it has now, with blanks between.
    pub scope: String,
    /// The organisation that owns the client.
    pub sub: OrganizationId,
    /// The audiences that it has now: a text, a list, or left out.
    #[serde(skip_serializing_if = "AudienceSet::is_empty", serialize_with = "AudienceSet::serialize_as_claim")]
    pub aud: &'a AudienceSet,
    /// The public URL of the issuer.
    pub iss: &'a str,
    /// The token's id.
    pub jti: TokenId,
    /// `bearer`.
    pub token_type: &'static str,
}

impl<'a> Introspection<'a> {
    /// What is learned of a token with this grant, or of one without any.
    #[must_use]
    pub fn of(grant: Option<&'a Grant>, issuer: &'a str) -> Self {
        let token = grant.map(|grant| ActiveToken {
            client_id: grant.client(),
            exp: grant.token().expires_at.as_seconds(),
            iat: grant.token().issued_at.as_seconds(),
            scope: grant.scopes().to_string(),
            sub: grant.owner(),
            aud: grant.audiences(),
            iss: issuer,
            jti: grant.token().id,
            token_type: "bearer",
        });
        Self { active: token.is_some(), token }
    }
}

/// `POST /oauth2/tokens/introspect`.
pub(super) async fn introspect(
    State(oauth): State<Arc<Oauth>>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, OauthError> {
    let viewer = viewer(&oauth, &headers, &form).await?;
    let text = form.require("token")?;
    let required = form.get("scope").map(str::parse::<ScopeSet>).transpose();
    let required = required
        .map_err(|_| OauthError::invalid("scope must be scopes with one blank between two."))?
        .unwrap_or_default();
    let grant = oauth.tokens.introspect(text, &required, viewer).await?;
    Ok(Json(Introspection::of(grant.as_ref().map(|grant| &***grant), &oauth.public_url)).into_response())
}

/// The organisation on whose behalf is asked: a client's owner, or one that shows its own key.
async fn viewer(oauth: &Oauth, headers: &HeaderMap, form: &Form) -> Result<OrganizationId, OauthError> {
    let organization = if oauth.organizations_introspect { organization_credentials(headers)? } else { None };
    let Some(credentials) = organization else {
        return Ok(client_auth::authenticate(&oauth.registry, headers, form).await?.owner().id);
    };
    if client_auth::are_present(headers, form) {
        return Err(OauthError::invalid(
            "Two credentials at once; send those of a client or those of an organisation.",
        ));
    }
    let caller = oauth.registry.authenticate_organization(&credentials.id, &credentials.key).await?;
    Ok(caller.organization().id)
}
