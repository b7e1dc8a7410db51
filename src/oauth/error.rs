//! Errors of the endpoints, and the only place where they become responses (RFC 6749 section 5.2, RFC 7009 section
//! 2.2.1, RFC 7662 section 2.3, RFC 8707 section 2).

use std::{borrow::Cow, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use utoipa::IntoResponses;

use crate::{
    model::{Exceeded, RandomError},
    registry::AuthenticationError,
    store::StoreError,
    tokens::IssueError,
    web::{BodyError, ConflictingHeaders, DescribedResponses, Refusal, describe_refusals},
};

/// Why a call was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OauthError {
    /// A parameter is missing, repeated or malformed, or two credentials were sent.
    InvalidRequest(Cow<'static, str>),
    /// No credentials, or wrong ones.
    InvalidClient(&'static str),
    /// A client may not revoke another's token.
    UnauthorizedClient,
    /// Another grant than `client_credentials`.
    UnsupportedGrantType,
    /// A scope that is malformed or beyond the client's.
    InvalidScope(&'static str),
    /// An audience that is malformed or not one of the client's.
    InvalidTarget(String),
    /// Too many wrong credentials came from there.
    Throttled(Exceeded),
    /// Too many token requests came from there.
    TooManyRequests(Exceeded),
    /// The client has as many living tokens as it may, and there is room for one only after this time.
    TooManyTokens(Duration),
    /// The body was not read.
    Body(BodyError),
    /// Something did not answer that may answer later.
    Unavailable(String),
    /// Something is broken inside.
    Internal(String),
}

impl OauthError {
    pub(super) const WRONG_CLIENT: Self =
        Self::InvalidClient("The client is unknown or disabled, or its secret is wrong.");

    /// An `invalid_request`.
    pub(super) fn invalid(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(description.into())
    }

    /// The `error` code, also the `result` of the metric.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::Body(BodyError::Incomplete) => "invalid_request",
            Self::InvalidClient(_) => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::Throttled(_) | Self::TooManyRequests(_) | Self::TooManyTokens(_) => "rate_limited",
            Self::Body(BodyError::TooLarge) => "content_too_large",
            Self::Body(BodyError::Late) => "request_timeout",
            Self::Unavailable(_) => "temporarily_unavailable",
            Self::Internal(_) => "server_error",
        }
    }

    fn refusal(self) -> Refusal {
        let bad = |error: &Self, description: &str| {
            Refusal::new(StatusCode::BAD_REQUEST, error.code(), description_text(description))
        };
        match &self {
            Self::InvalidRequest(description) => bad(&self, description),
            Self::InvalidTarget(description) => bad(&self, description),
            Self::InvalidScope(description) => bad(&self, description),
            Self::UnauthorizedClient => bad(&self, "The token belongs to another client and was not revoked."),
            Self::UnsupportedGrantType => bad(&self, "The one grant_type served here is client_credentials."),
            Self::InvalidClient(description) => Refusal::new(StatusCode::UNAUTHORIZED, self.code(), *description)
                .with(header::WWW_AUTHENTICATE, r#"Basic realm="portcullis", charset="UTF-8""#),
            Self::Throttled(exceeded) => Refusal::throttled(exceeded),
            Self::TooManyRequests(exceeded) => Refusal::exceeded(
                "Too many token requests came from this address; keep tokens while they last.",
                exceeded,
            ),
            Self::TooManyTokens(wait) => {
                let words = "The client has as many living tokens as it may; use them, or revoke some.";
                Refusal::rate_limited(words, *wait)
            }
            Self::Body(error) => (*error).into(),
            Self::Unavailable(cause) => Refusal::busy(cause),
            Self::Internal(cause) => Refusal::internal(cause),
        }
    }
}

/// The characters that RFC 6749 section 5.2 allows in a description; a caller's own text may hold others.
fn description_text(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars().map(|c| if allowed(c) { c } else { '?' }).collect()
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        self.refusal().into_response()
    }
}

impl From<BodyError> for OauthError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<ConflictingHeaders> for OauthError {
    fn from(error: ConflictingHeaders) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<RandomError> for OauthError {
    fn from(error: RandomError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<AuthenticationError> for OauthError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Wrong => Self::WRONG_CLIENT,
            AuthenticationError::Throttled(exceeded) => Self::Throttled(exceeded),
            AuthenticationError::Busy(busy) => Self::Unavailable(busy.to_string()),
            AuthenticationError::Store(error) => error.into(),
        }
    }
}

impl From<IssueError> for OauthError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Scope => Self::InvalidScope("The client may not have every scope that was asked for."),
            IssueError::NoDefaultScopes => {
                Self::InvalidScope("None of the client's default scopes is left; ask for a scope.")
            }
            IssueError::Target(_) => Self::InvalidTarget(error.to_string()),
            IssueError::TooMany { wait } => Self::TooManyTokens(wait),
            IssueError::ClientGone => Self::WRONG_CLIENT,
            IssueError::Store(error) => error.into(),
            IssueError::Random(error) => error.into(),
        }
    }
}

/// What each of the endpoints may refuse with, for the API's description.
pub(super) enum Refusals {}

impl IntoResponses for Refusals {
    fn responses() -> DescribedResponses {
        describe_refusals([
            (400, "A parameter is missing, repeated, malformed or beyond what the client may have."),
            (401, "The client's credentials are missing or wrong."),
            (408, "The form did not come within 30 seconds."),
            (413, "The form is longer than 64 KiB."),
            (429, "Too many wrong credentials or token requests, or the client has as many living tokens as it may."),
            (500, "Something is broken; the operator finds the cause in the log by the request's id."),
            (503, "It cannot be answered at the moment; try again."),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::PasswordsBusy;

    #[test]
    fn what_may_work_later_says_when_and_not_why() {
        let locked = StoreError::Unavailable("database is locked".into());
        for error in [
            OauthError::from(AuthenticationError::Busy(PasswordsBusy)),
            OauthError::from(AuthenticationError::Store(locked.clone())),
            OauthError::from(IssueError::Store(locked)),
        ] {
            let refusal = error.refusal();
            assert_eq!((refusal.status.as_u16(), refusal.error), (503, "temporarily_unavailable"));
            assert!(refusal.headers.iter().any(|(name, _)| name == header::RETRY_AFTER));
            assert!(refusal.cause.is_some() && !refusal.description.contains("locked"));
        }
        let broken = OauthError::from(StoreError::Corrupt("row 7".into())).refusal();
        assert_eq!((broken.status.as_u16(), broken.error), (500, "server_error"));
        assert!(!broken.description.contains("row 7"));
    }

    #[test]
    fn a_description_keeps_to_the_characters_of_the_standard() {
        let refusal = OauthError::invalid("no `\u{e4}\"\\\n` here").refusal();
        assert_eq!(refusal.description, "no `????` here");
    }
}
