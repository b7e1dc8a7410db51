//! What programs see of records: the results of the API, and what the command line prints.

use serde::Serialize;

use crate::{
    model::{
        AudienceSet, Client, ClientId, Name, Organization, OrganizationId, ScopeSet, SecretId, StoredSecret, Timestamp,
        Token, TokenId,
    },
    registry::{NewClient, NewOrganizationKey, NewSecret},
};

/// A client, as the hosted service's clients know it, with what is ours beyond that.
#[derive(Debug, Serialize)]
pub struct ClientView<'a> {
    /// See [`Client::id`].
    pub client_id: ClientId,
    /// See [`Client::name`].
    pub client_name: &'a Name,
    /// The one grant of machine clients.
    pub grant_types: [&'static str; 1],
    /// None: machine clients have no authorization endpoint.
    pub response_types: [&'static str; 0],
    /// See [`Client::scopes`].
    pub scopes: &'a ScopeSet,
    /// See [`Client::default_scopes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_scopes: Option<&'a ScopeSet>,
    /// See [`Client::audiences`].
    pub audiences: &'a AudienceSet,
    /// Never: machine clients keep a secret.
    pub public: bool,
    /// See [`Client::enabled`].
    pub enabled: bool,
    /// See [`Client::token_duration`]; in seconds.
    pub access_token_duration: u64,
    /// See [`Client::refresh_token_duration`]; in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_duration: Option<u64>,
    /// See [`Client::redirect_uris`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<&'a [String]>,
    /// See [`Client::created_at`].
    pub created_at: Timestamp,
    /// See [`Client::last_used`].
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// A client just created, with the only sight of its secret.
#[derive(Serialize)]
pub struct NewClientView<'a> {
    /// The client.
    #[serde(flatten)]
    pub client: ClientView<'a>,
    /// The secret's text.
    pub client_secret: &'a str,
}

impl<'a> From<&'a NewClient> for NewClientView<'a> {
    fn from(new: &'a NewClient) -> Self {
        Self { client: ClientView::from(&new.client), client_secret: new.secret.expose() }
    }
}

/// A secret of a client, without its text.
#[derive(Debug, Serialize)]
pub struct SecretView<'a> {
    /// See [`StoredSecret::id`].
    pub id: SecretId,
    /// See [`StoredSecret::hint`].
    pub hint: &'a str,
    /// See [`StoredSecret::created_at`].
    pub created_at: Timestamp,
    /// See [`StoredSecret::expires_at`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// See [`StoredSecret::last_used`].
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// A secret just made, with the only sight of its text.
#[derive(Serialize)]
pub struct NewSecretView<'a> {
    /// The secret's record.
    #[serde(flatten)]
    pub secret: SecretView<'a>,
    /// The text.
    pub client_secret: &'a str,
}

impl<'a> From<&'a NewSecret> for NewSecretView<'a> {
    fn from(new: &'a NewSecret) -> Self {
        Self { secret: SecretView::from(&new.stored), client_secret: new.text.expose() }
    }
}

/// An organisation.
#[derive(Debug, Serialize)]
pub struct OrganizationView<'a> {
    /// See [`Organization::id`].
    pub id: OrganizationId,
    /// See [`Organization::parent`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<OrganizationId>,
    /// See [`Organization::name`].
    pub org_name: &'a Name,
    /// See [`Organization::created_at`].
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
#[derive(Serialize)]
pub struct NewOrganizationView<'a> {
    /// The organisation.
    #[serde(flatten)]
    pub organization: OrganizationView<'a>,
    /// The key's text.
    pub api_key: &'a str,
}

impl<'a> From<&'a NewOrganizationKey> for NewOrganizationView<'a> {
    fn from(new: &'a NewOrganizationKey) -> Self {
        Self { organization: OrganizationView::from(&new.organization), api_key: new.key.expose() }
    }
}

/// An access token, without its text.
#[derive(Debug, Serialize)]
pub struct TokenView<'a> {
    /// See [`Token::id`].
    pub jti: TokenId,
    /// See [`Token::scopes`].
    pub scopes: &'a ScopeSet,
    /// See [`Token::audiences`].
    #[serde(skip_serializing_if = "AudienceSet::is_empty", serialize_with = "AudienceSet::serialize_as_claim")]
    pub aud: &'a AudienceSet,
    /// See [`Token::issued_at`].
    pub iat: Timestamp,
    /// See [`Token::expires_at`].
    pub exp: Timestamp,
    /// See [`Token::last_used`].
    #[serde(skip_serializing_if = "Option::is_none")]
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
