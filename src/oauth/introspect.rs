//! The introspection endpoint (RFC 7662), with the `scope` parameter of the hosted service: active only if the token
//! has every scope in it.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::HeaderMap;
use serde::Serialize;

use super::{Oauth, client_auth, error::OauthError, form::Form};
use crate::{
    model::{AudienceSet, ClientId, OrganizationId, ScopeSet, TokenId},
    tokens::Grant,
    web::organization_credentials,
};

/// What a caller learns. An inactive token is this and nothing else, whatever the reason (section 2.2).
#[derive(Serialize)]
pub(super) struct Answer {
    active: bool,
    #[serde(flatten)]
    token: Option<ActiveToken>,
}

#[derive(Serialize)]
struct ActiveToken {
    client_id: ClientId,
    exp: i64,
    iat: i64,
    scope: String,
    sub: OrganizationId,
    #[serde(skip_serializing_if = "AudienceSet::is_empty", serialize_with = "AudienceSet::serialize_as_claim")]
    aud: AudienceSet,
    iss: Arc<str>,
    jti: TokenId,
    token_type: &'static str,
}

/// `POST /oauth2/tokens/introspect`.
pub(super) async fn introspect(
    State(oauth): State<Arc<Oauth>>,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Answer>, OauthError> {
    let viewer = viewer(&oauth, &headers, &form).await?;
    let text = form.require("token")?;
    let required = form.get("scope").map(str::parse::<ScopeSet>).transpose();
    let required = required
        .map_err(|_| OauthError::invalid("scope must be scopes with one blank between two."))?
        .unwrap_or_default();
    let grant = oauth.tokens.introspect(text, &required, viewer).await?;
    let token = grant.map(|grant| active(&grant, oauth.public_url.clone()));
    Ok(Json(Answer { active: token.is_some(), token }))
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

fn active(grant: &Grant, issuer: Arc<str>) -> ActiveToken {
    ActiveToken {
        client_id: grant.client(),
        exp: grant.token().expires_at.as_seconds(),
        iat: grant.token().issued_at.as_seconds(),
        scope: grant.scopes().to_string(),
        sub: grant.owner(),
        aud: grant.audiences().clone(),
        iss: issuer,
        jti: grant.token().id,
        token_type: "bearer",
    }
}
