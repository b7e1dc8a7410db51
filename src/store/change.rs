//! Changes: what the audit trail shows and what caches follow. Each mutation writes one in its own transaction.

use std::{fmt, str::FromStr};

use crate::model::{ClientId, OrganizationId, RequestId, SecretId, Timestamp, TokenId};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An organisation, by its API key.
    Organization(OrganizationId),
    /// A client, by its own credentials.
    Client(ClientId),
    /// Somebody at the command line of the machine.
    CommandLine,
    /// Portcullis itself.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(id) => id.fmt(f),
            Self::Client(id) => id.fmt(f),
            Self::CommandLine => f.write_str("cli"),
            Self::System => f.write_str("system"),
        }
    }
}

impl FromStr for Actor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "cli" => Ok(Self::CommandLine),
            "system" => Ok(Self::System),
            _ => text.parse().map(Self::Organization).or_else(|_| text.parse().map(Self::Client)).map_err(drop),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An organisation was created.
    OrganizationCreated,
    /// An organisation was deleted.
    OrganizationDeleted,
    /// An organisation got a new key and the old one died.
    OrganizationKeyRotated,
    /// A client was created.
    ClientCreated,
    /// A client's fields were changed.
    ClientUpdated,
    /// A client was deleted, and its secrets and tokens with it.
    ClientDeleted,
    /// A client got a further secret.
    SecretCreated,
    /// One secret of a client was removed.
    SecretDeleted,
    /// One token was revoked.
    TokenRevoked,
    /// All tokens of a client were revoked.
    TokensRevoked,
}

impl Action {
    const ALL: [Self; 10] = [
        Self::OrganizationCreated,
        Self::OrganizationDeleted,
        Self::OrganizationKeyRotated,
        Self::ClientCreated,
        Self::ClientUpdated,
        Self::ClientDeleted,
        Self::SecretCreated,
        Self::SecretDeleted,
        Self::TokenRevoked,
        Self::TokensRevoked,
    ];

    /// The word in the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrganizationCreated => "organization.created",
            Self::OrganizationDeleted => "organization.deleted",
            Self::OrganizationKeyRotated => "organization.key_rotated",
            Self::ClientCreated => "client.created",
            Self::ClientUpdated => "client.updated",
            Self::ClientDeleted => "client.deleted",
            Self::SecretCreated => "secret.created",
            Self::SecretDeleted => "secret.deleted",
            Self::TokenRevoked => "token.revoked",
            Self::TokensRevoked => "client.tokens_revoked",
        }
    }
}

impl FromStr for Action {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(())
    }
}

/// What it was done to. Text: the identifier, a secret's with its client's before it (`cl_…/sec_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An organisation.
    Organization(OrganizationId),
    /// A client.
    Client(ClientId),
    /// A secret of a client.
    Secret(ClientId, SecretId),
    /// A token.
    Token(TokenId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(id) => id.fmt(f),
            Self::Client(id) => id.fmt(f),
            Self::Secret(client, id) => write!(f, "{client}/{id}"),
            Self::Token(id) => id.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((client, secret)) = text.split_once('/') {
            return Ok(Self::Secret(client.parse().map_err(drop)?, secret.parse().map_err(drop)?));
        }
        text.parse()
            .map(Self::Organization)
            .or_else(|_| text.parse().map(Self::Client))
            .or_else(|_| text.parse().map(Self::Token))
            .map_err(drop)
    }
}

/// Who asks for a mutation, when and in which request: goes into its [`Change`].
#[derive(Debug, Clone)]
pub struct Audit {
    /// Who asks.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// In which request; none at the command line.
    pub request_id: Option<RequestId>,
}

/// One row of the audit trail and of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order; grows, never used twice.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To what.
    pub subject: Subject,
    /// The organisation that owns (or is) the subject.
    pub organization: OrganizationId,
    /// In which request.
    pub request_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        let (client, secret) = (ClientId::random().unwrap(), SecretId::random().unwrap());
        let organization = OrganizationId::random().unwrap();
        for actor in [Actor::CommandLine, Actor::System, Actor::Client(client), Actor::Organization(organization)] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        let token = TokenId::from_bytes([3; 20]);
        for subject in [
            Subject::Client(client),
            Subject::Secret(client, secret),
            Subject::Organization(organization),
            Subject::Token(token),
        ] {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
    }
}
