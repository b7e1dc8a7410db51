//! Clients: the machine programs of RFC 6749 section 2, each owned by an organisation.

use std::time::Duration;

use super::{AudienceSet, ClientId, HashedSecret, Name, OrganizationId, ScopeSet, SecretId, Timestamp};

/// A client as the store knows it, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its identifier.
    pub id: ClientId,
    /// The organisation that created it: owner of the client and of its tokens.
    pub organization: OrganizationId,
    /// Its name.
    pub name: Name,
    /// The most that a token of it can have.
    pub scopes: ScopeSet,
    /// What a token gets when the request names no scope; all of `scopes` when none are set.
    pub default_scopes: Option<ScopeSet>,
    /// The audiences that a token of it can have; all of them when the request names none.
    pub audiences: AudienceSet,
    /// How long a token of it lives, in whole seconds.
    pub token_duration: Duration,
    /// Whether it may ask for tokens and its tokens are honoured.
    pub enabled: bool,
    /// How many times all of its tokens have been revoked at once. A token lives only under the epoch of its issue.
    pub token_epoch: u32,
    /// Kept for clients of the hosted service, which may send it; without effect on machine clients.
    pub refresh_token_duration: Option<Duration>,
    /// Kept for clients of the hosted service, which may send it; without effect on machine clients.
    pub redirect_uris: Option<Vec<String>>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last authenticated or a token of it was last used; exact to a minute.
    pub last_used: Option<Timestamp>,
}

impl Client {
    /// The scopes of a token whose request names none; nothing if there are default ones and none of them is left.
    #[must_use]
    pub fn scopes_by_default(&self) -> Option<ScopeSet> {
        let Some(defaults) = &self.default_scopes else { return Some(self.scopes.clone()) };
        // A scope taken from the client is taken from its defaults too.
        let left = defaults.intersection(&self.scopes);
        (!left.is_empty() || defaults.is_empty()).then_some(left)
    }
}

/// One of a client's secrets, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its identifier.
    pub id: SecretId,
    /// The argon2id hash.
    pub hash: HashedSecret,
    /// The last four characters of its text, for people and to find the one secret worth hashing for.
    pub hint: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused; never when absent.
    pub expires_at: Option<Timestamp>,
    /// When it last authenticated its client; exact to a minute.
    pub last_used: Option<Timestamp>,
}

impl StoredSecret {
    /// Whether it is still good at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
