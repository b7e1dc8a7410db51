//! Access tokens as the store keeps them: the record without the text.

use super::{AudienceSet, ClientId, ScopeSet, Timestamp, TokenId};

/// The record of one access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// A keyed hash of the token's text, and its `jti`.
    pub id: TokenId,
    /// The client that it was issued to.
    pub client: ClientId,
    /// The client's epoch at its issue, see [`super::Client::token_epoch`].
    pub epoch: u32,
    /// The scopes granted at its issue.
    pub scopes: ScopeSet,
    /// The audiences granted at its issue.
    pub audiences: AudienceSet,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// When it was last used at the proxy; exact to a minute, unless hundreds of tokens a second come into use: of those
    /// some are noted at a later use.
    pub last_used: Option<Timestamp>,
}
