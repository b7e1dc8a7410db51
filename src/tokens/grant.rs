//! What a living token grants: its record and its client as they are now, and how both are told to an upstream.

use std::sync::Arc;

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    cache::Fresh,
    model::{AudienceSet, ClientId, Name, OrganizationId, ScopeSet, Timestamp, Token},
    registry::ClientEntry,
    store::UseMark,
};

/// What a header may not hold as it is: everything but blanks and visible ASCII, and `%` itself.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// A token that was in the store and unrevoked when it was looked up, with its client. Whether it still holds is
/// asked of it before each use, see [`super::Tokens::resolve`].
#[derive(Debug)]
pub struct Grant {
    token: Token,
    client: Arc<Fresh<ClientEntry>>,
    scopes: ScopeSet,
    audiences: AudienceSet,
    identity: Identity,
    mark: UseMark,
}

/// A grant as an upstream is told of it: header values, made once.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The organisation's id.
    pub owner: HeaderValue,
    /// The organisation's name, percent-encoded.
    pub owner_name: HeaderValue,
    /// The client's id.
    pub client: HeaderValue,
    /// The client's name, percent-encoded.
    pub client_name: HeaderValue,
    /// The scopes with blanks between.
    pub scopes: HeaderValue,
    /// The scopes with commas between.
    pub scopes_with_commas: HeaderValue,
    /// The audiences with blanks between.
    pub audience: HeaderValue,
    /// The `jti`.
    pub token_id: HeaderValue,
}

impl Grant {
    pub(super) fn new(token: Token, client: Arc<Fresh<ClientEntry>>) -> Self {
        // What was taken from the client since the token's issue is taken from the token.
        let scopes = token.scopes.intersection(&client.client.scopes);
        let audiences = token.audiences.intersection(&client.client.audiences);
        let text = scopes.to_string();
        let identity = Identity {
            owner: value(&client.owner.id.to_string()),
            owner_name: value(client.owner.name.as_str()),
            client: value(&client.client.id.to_string()),
            client_name: value(client.client.name.as_str()),
            scopes_with_commas: value(&text.replace(' ', ",")),
            scopes: value(&text),
            audience: value(&audiences.to_string()),
            token_id: value(&token.id.to_string()),
        };
        let mark = UseMark::new(token.last_used);
        Self { token, client, scopes, audiences, identity, mark }
    }

    /// The token's record, as at its issue.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.token
    }

    /// The client that it was issued to.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.client.client.id
    }

    /// The client's name.
    #[must_use]
    pub fn client_name(&self) -> &Name {
        &self.client.client.name
    }

    /// The organisation that owns the client, and so the token: its subject.
    #[must_use]
    pub fn owner(&self) -> OrganizationId {
        self.client.owner.id
    }

    /// Whether the owner is `organization` or a descendant of it.
    #[must_use]
    pub fn is_owned_within(&self, organization: OrganizationId) -> bool {
        self.client.owner.is_within(organization)
    }

    /// The scopes that it has now.
    #[must_use]
    pub const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// The audiences that it has now.
    #[must_use]
    pub const fn audiences(&self) -> &AudienceSet {
        &self.audiences
    }

    /// The header values that tell an upstream of it.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) const fn mark(&self) -> &UseMark {
        &self.mark
    }

    /// Whether the client still is as it was when this grant was made.
    pub(super) fn client_is_current(&self) -> bool {
        self.client.is_current()
    }

    /// Whether the token lives at `now`, its client being as it was when this grant was made.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        now < self.token.expires_at && self.client.client.enabled && self.token.epoch == self.client.client.token_epoch
    }
}

fn value(text: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(text, ENCODED).to_string();
    // Encoded text is visible ASCII and blanks: always a header value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded)).unwrap_or_else(|_| HeaderValue::from_static(""))
}
