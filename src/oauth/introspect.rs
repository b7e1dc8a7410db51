//! The introspection endpoint (RFC 7662), with the `scope` parameter of the hosted service: active only if the token
//! has every scope in it.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::HeaderMap;
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema,
        schema::{AdditionalProperties, AllOfBuilder, OneOfBuilder, Type},
    },
};

use super::{
    Oauth, client_auth,
    description::{self, form_of},
    error::{OauthError, Refusals},
    form::Form,
};
use crate::{
    model::{AudienceClaim, AudienceSet, ClientId, OrganizationId, ScopeSet, TokenId},
    registry::AuthenticationError,
    tokens::Grant,
    web::organization_credentials,
};

/// The reply of RFC 7662 section 2.2. An inactive token is `active: false` and nothing else, whatever the reason.
#[derive(Debug, Serialize)]
pub struct Introspection {
    /// Whether the token is good for what was asked.
    pub active: bool,
    /// What it grants.
    #[serde(flatten)]
    pub token: Option<ActiveToken>,
}

/// What a living token grants.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActiveToken {
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// Its scopes.
    pub scope: String,
    /// The organisation that owns it.
    pub sub: OrganizationId,
    /// Its audiences; left out if it has none.
    #[serde(skip_serializing_if = "AudienceSet::is_empty", serialize_with = "AudienceSet::serialize_as_claim")]
    #[schema(value_type = Option<AudienceClaim>, nullable = false)]
    pub aud: AudienceSet,
    /// Who issued it.
    pub iss: String,
    /// Its identifier.
    pub jti: TokenId,
    /// Always `bearer`.
    #[schema(pattern = "^bearer$")]
    pub token_type: &'static str,
}

impl Introspection {
    /// What is told of a token that grants this, or of one that is not good.
    #[must_use]
    pub fn of(grant: Option<&Grant>, issuer: &str) -> Self {
        let token = grant.map(|grant| ActiveToken {
            client_id: grant.client(),
            exp: grant.expires_at().as_seconds(),
            iat: grant.issued_at().as_seconds(),
            scope: grant.scopes().to_string(),
            sub: grant.owner(),
            aud: grant.audiences().clone(),
            iss: issuer.to_owned(),
            jti: grant.id(),
            token_type: "bearer",
        });
        Self { active: token.is_some(), token }
    }
}

impl utoipa::PartialSchema for Introspection {
    fn schema() -> RefOr<Schema> {
        let active = |active: bool| {
            let value = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([active]));
            ObjectBuilder::new().property("active", value).required("active")
        };
        let good = AllOfBuilder::new().item(active(true)).item(Ref::from_schema_name(ActiveToken::name()));
        let bad = active(false).additional_properties(Some(AdditionalProperties::FreeForm(false)));
        Schema::from(OneOfBuilder::new().item(good).item(bad)).into()
    }
}

impl ToSchema for Introspection {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ActiveToken::name().into_owned(), <ActiveToken as utoipa::PartialSchema>::schema()));
        ActiveToken::schemas(schemas);
    }
}

form_of! {
    /// The form of an introspection request.
    IntrospectionRequest:
    description::token(),
    description::hint(),
    description::scope("Scopes with one blank between two. The token counts as active only if it has them all."),
}

/// Tells whether a token is good, and what it grants (RFC 7662).
#[utoipa::path(
    post, path = "/oauth2/tokens/introspect", operation_id = "introspectToken", tag = "OAuth 2.0",
    security(
        ("client" = []), (),
        ("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = []),
    ),
    request_body(content = IntrospectionRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What the token grants, or that it is not good.", body = Introspection), Refusals),
)]
pub(super) async fn introspect(
    State(oauth): State<Arc<Oauth>>,
    from: client_auth::From,
    headers: HeaderMap,
    form: Form,
) -> Result<Json<Introspection>, OauthError> {
    let viewer = viewer(&oauth, &from, &headers, &form).await?;
    let text = form.require("token")?;
    let required = form.get("scope").map(str::parse::<ScopeSet>).transpose();
    let required = required
        .map_err(|_| OauthError::invalid("scope must be scopes with one blank between two."))?
        .unwrap_or_default();
    let grant = oauth.tokens.introspect(text, &required, viewer).await?;
    Ok(Json(Introspection::of(grant.as_ref().map(|grant| &***grant), &oauth.public_url)))
}

/// The organisation on whose behalf is asked: a client's owner, or one that shows its own key.
async fn viewer(
    oauth: &Oauth,
    from: &client_auth::From,
    headers: &HeaderMap,
    form: &Form,
) -> Result<OrganizationId, OauthError> {
    let organization = if oauth.organizations_introspect { organization_credentials(headers)? } else { None };
    let Some(credentials) = organization else {
        return Ok(client_auth::authenticate(&oauth.registry, from, headers, form).await?.owner().id);
    };
    if client_auth::are_present(headers, form) {
        return Err(OauthError::invalid(
            "Two credentials at once; send those of a client or those of an organisation.",
        ));
    }
    let from = client_auth::address(from);
    match oauth.registry.authenticate_organization(&credentials.id, &credentials.key, from).await {
        Ok(caller) => Ok(caller.organization().id),
        Err(AuthenticationError::Wrong) => Err(OauthError::InvalidClient("The organisation's id or key is wrong.")),
        Err(error) => Err(error.into()),
    }
}
