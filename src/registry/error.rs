//! Why a verb of the registry did not do its work. No HTTP statuses here.

use std::time::Duration;

use super::PasswordsBusy;
use crate::{model::RandomError, store::StoreError};

/// Why a verb of the registry did not do its work; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is no such organisation, client or secret.
    #[error("there is none of this id")]
    Absent,
    /// The organisation has others below it.
    #[error("the organisation has organisations below it; delete those first")]
    HasChildren,
    /// The organisation is as far below its root as there may be any.
    #[error("organisations stand at most {0} deep; create it further up")]
    TooDeep(usize),
    /// Token lifetimes are whole seconds, from 1 to the configured maximum.
    #[error("a token's duration is in whole seconds, from 1 to {} (tokens.max_duration)", .max.as_secs())]
    TokenDuration {
        /// The maximum.
        max: Duration,
    },
    /// Overlaps are whole seconds up to a maximum.
    #[error("an overlap is in whole seconds, at most {} days", .max.as_secs() / 86_400)]
    Overlap {
        /// The maximum.
        max: Duration,
    },
    /// Another client of the organisation has the name that was to be one client's alone.
    #[error("a client of this name has been created meanwhile")]
    NameTaken,
    /// Default scopes that the client does not have.
    #[error(
        "the default scopes must be some of the client's scopes: change both together (default_scopes, --default-scope)"
    )]
    DefaultScopes,
    /// The client has as many live secrets as it may.
    #[error("the client has {0} live secrets, the most there can be; delete one first")]
    TooManySecrets(u32),
    /// The secret was used in the last 24 hours.
    #[error("the secret was used in the last 24 hours; if it is to go all the same, say so (?force=true)")]
    SecretInUse,
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] PasswordsBusy),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}
