//! Errors of the endpoints, and the only place where they become responses.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::{
    model::{Exceeded, RandomError},
    registry::{AuthenticationError, PasswordsBusy, RegistryError},
    store::StoreError,
    web::{BodyError, ConflictingHeaders, Refusal},
};

/// Why a call was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ManageError {
    /// Something in headers, query or body is malformed or not allowed.
    Invalid(String),
    /// No credentials of an organisation, or wrong ones.
    Unauthorized,
    /// No such thing in the caller's tree.
    NotFound,
    /// What is there stands in the way.
    Conflict(String),
    /// Too many wrong credentials came from there.
    Throttled(Exceeded),
    /// The body was not read.
    Body(BodyError),
    /// Something did not answer that may answer later.
    Unavailable(String),
    /// Something is broken inside.
    Internal(String),
}

impl ManageError {
    fn refusal(self) -> Refusal {
        match self {
            Self::Invalid(description) => Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", description),
            Self::Unauthorized => {
                let words = "Send the organisation's id and key as X-Org-Id and X-API-Key; they are missing or wrong.";
                Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", words)
                    .with(header::WWW_AUTHENTICATE, r#"ApiKey realm="portcullis""#)
            }
            Self::NotFound => {
                let words = "There is none of this id in your organisation or below it.";
                Refusal::new(StatusCode::NOT_FOUND, "not_found", words)
            }
            Self::Conflict(description) => Refusal::new(StatusCode::CONFLICT, "conflict", description),
            Self::Throttled(exceeded) => Refusal::throttled(&exceeded),
            Self::Body(error) => error.into(),
            Self::Unavailable(cause) => Refusal::busy(cause),
            Self::Internal(cause) => Refusal::internal(cause),
        }
    }
}

impl IntoResponse for ManageError {
    fn into_response(self) -> Response {
        self.refusal().into_response()
    }
}

impl From<BodyError> for ManageError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<ConflictingHeaders> for ManageError {
    fn from(error: ConflictingHeaders) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<StoreError> for ManageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<PasswordsBusy> for ManageError {
    fn from(error: PasswordsBusy) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<RandomError> for ManageError {
    fn from(error: RandomError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<AuthenticationError> for ManageError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Wrong => Self::Unauthorized,
            AuthenticationError::Throttled(exceeded) => Self::Throttled(exceeded),
            AuthenticationError::Busy(busy) => busy.into(),
            AuthenticationError::Store(error) => error.into(),
        }
    }
}

impl From<RegistryError> for ManageError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Absent => Self::NotFound,
            RegistryError::HasChildren
            | RegistryError::NameTaken
            | RegistryError::TooDeep(_)
            | RegistryError::TooManySecrets(_)
            | RegistryError::SecretInUse => Self::Conflict(error.to_string()),
            RegistryError::TokenDuration { .. } => Self::Invalid(format!("`access_token_duration`: {error}")),
            RegistryError::Overlap { .. } | RegistryError::DefaultScopes => Self::Invalid(error.to_string()),
            RegistryError::Busy(busy) => busy.into(),
            RegistryError::Store(error) => error.into(),
            RegistryError::Random(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_work_later_says_when_and_not_why() {
        let locked = StoreError::Unavailable("database is locked".into());
        for error in [
            ManageError::from(AuthenticationError::Busy(PasswordsBusy)),
            ManageError::from(RegistryError::Busy(PasswordsBusy)),
            ManageError::from(RegistryError::Store(locked)),
        ] {
            let refusal = error.refusal();
            assert_eq!((refusal.status.as_u16(), refusal.error), (503, "temporarily_unavailable"));
            assert!(refusal.headers.iter().any(|(name, _)| name == header::RETRY_AFTER));
            assert!(refusal.cause.is_some() && !refusal.description.contains("locked"));
        }
        let broken = ManageError::from(StoreError::Corrupt("row 7".into())).refusal();
        assert_eq!((broken.status.as_u16(), broken.error), (500, "server_error"));
        assert!(!broken.description.contains("row 7"));
    }
}
