//! Records as programs see them: the field names of the API, for the endpoints and the command line alike. None shows a
//! secret but the one that was just made.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{
        AudienceClaim, AudienceSet, Client, ClientId, Name, Organization, OrganizationId, ScopeSet, SecretId, Shown,
        StoredSecret, Timestamp, Token, TokenId,
    },
    registry::{NewClient, NewOrganizationKey, NewSecret},
};

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub struct OrganizationView<'a> {
    /// Its identifier.
    pub id: OrganizationId,
    /// The organisation above; left out for a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parent_id: Option<OrganizationId>,
    /// Its name.
    pub org_name: &'a Name,
    /// When it was created.
    pub created_at: Timestamp,
}

impl<'a> From<&'a Organization> for OrganizationView<'a> {
    fn from(organization: &'a Organization) -> Self {
        Self {
            id: organization.id,
            parent_id: organization.parent(),
            org_name: &organization.name,
            created_at: organization.created_at,
        }
    }
}

/// An organisation with the only sight of its key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewOrganization)]
pub struct NewOrganizationView<'a> {
    /// The organisation.
    #[serde(flatten)]
    pub organization: OrganizationView<'a>,
    /// Its key.
    pub api_key: Shown<'a>,
}

impl<'a> From<&'a NewOrganizationKey> for NewOrganizationView<'a> {
    fn from(new: &'a NewOrganizationKey) -> Self {
        Self { organization: OrganizationView::from(&new.organization), api_key: new.key.show() }
    }
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView<'a> {
    /// Its identifier.
    pub client_id: ClientId,
    /// Its name.
    pub client_name: &'a Name,
    /// Always the one that there is.
    #[schema(min_items = 1)]
    pub grant_types: [&'static str; 1],
    /// None: there is no authorization endpoint.
    #[schema(max_items = 0)]
    pub response_types: [&'static str; 0],
    /// The scopes that its tokens may have.
    pub scopes: &'a ScopeSet,
    /// What a token gets whose request names no scope; left out if that is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub default_scopes: Option<&'a ScopeSet>,
    /// The audiences that its tokens may have.
    pub audiences: &'a AudienceSet,
    /// Never: machine clients are confidential.
    pub public: bool,
    /// Whether it may authenticate and its tokens are good.
    pub enabled: bool,
    /// How long its tokens live, in seconds.
    pub access_token_duration: u64,
    /// Kept for programs that set it, in seconds; left out if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh_token_duration: Option<u64>,
    /// Kept for programs that set it; left out if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub redirect_uris: Option<&'a [String]>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last authenticated or one of its tokens was used; left out while never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_used: Option<Timestamp>,
}

impl<'a> From<&'a Client> for ClientView<'a> {
    fn from(client: &'a Client) -> Self {
        Self {
            client_id: client.id,
            client_name: &client.name,
            grant_types: ["client_credentials"],
            response_types: [],
            scopes: &client.scopes,
            default_scopes: client.default_scopes.as_ref(),
            audiences: &client.audiences,
            public: false,
            enabled: client.enabled,
            access_token_duration: client.token_duration.as_secs(),
            refresh_token_duration: client.refresh_token_duration.map(|duration| duration.as_secs()),
            redirect_uris: client.redirect_uris.as_deref(),
            created_at: client.created_at,
            last_used: client.last_used,
        }
    }
}

/// A client with the only sight of its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewClient)]
pub struct NewClientView<'a> {
    /// The client.
    #[serde(flatten)]
    pub client: ClientView<'a>,
    /// Its secret.
    pub client_secret: Shown<'a>,
}

impl<'a> From<&'a NewClient> for NewClientView<'a> {
    fn from(new: &'a NewClient) -> Self {
        Self { client: ClientView::from(&new.client), client_secret: new.secret.show() }
    }
}

/// A secret of a client, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClientSecret)]
pub struct SecretView<'a> {
    /// Its identifier.
    pub id: SecretId,
    /// The last characters of its text.
    pub hint: &'a str,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused; left out if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<Timestamp>,
    /// When it last authenticated its client; left out while never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_used: Option<Timestamp>,
}

impl<'a> From<&'a StoredSecret> for SecretView<'a> {
    fn from(secret: &'a StoredSecret) -> Self {
        Self {
            id: secret.id,
            hint: &secret.hint,
            created_at: secret.created_at,
            expires_at: secret.expires_at,
            last_used: secret.last_used,
        }
    }
}

/// A secret with the only sight of its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewClientSecret)]
pub struct NewSecretView<'a> {
    /// The secret.
    #[serde(flatten)]
    pub secret: SecretView<'a>,
    /// Its text.
    pub client_secret: Shown<'a>,
}

impl<'a> From<&'a NewSecret> for NewSecretView<'a> {
    fn from(new: &'a NewSecret) -> Self {
        Self { secret: SecretView::from(&new.stored), client_secret: new.text.show() }
    }
}

/// A living token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView<'a> {
    /// Its identifier.
    pub jti: TokenId,
    /// Its scopes.
    pub scopes: &'a ScopeSet,
    /// Its audiences, as the claim has them; left out if it has none.
    #[serde(skip_serializing_if = "AudienceSet::is_empty", serialize_with = "AudienceSet::serialize_as_claim")]
    #[schema(value_type = Option<AudienceClaim>, nullable = false)]
    pub aud: &'a AudienceSet,
    /// When it was issued.
    pub iat: Timestamp,
    /// When it expires.
    pub exp: Timestamp,
    /// When it was last used at the proxy; left out while never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_used: Option<Timestamp>,
}

impl<'a> From<&'a Token> for TokenView<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            jti: token.id,
            scopes: &token.scopes,
            aud: &token.audiences,
            iat: token.issued_at,
            exp: token.expires_at,
            last_used: token.last_used,
        }
    }
}
