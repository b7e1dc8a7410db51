//! The body of a request to one of our own endpoints: small, and read whole.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Refusal;

/// The most bytes that such a body may have.
pub const MAX_BODY: usize = 64 * 1024;

/// How long it may take. The public door has a limit of its own, and the body whole, before it comes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than [`MAX_BODY`].
    #[error("The body is longer than 64 KiB, the most that is read here.")]
    TooLarge,
    /// It did not come in 30 seconds.
    #[error("The body did not come within 30 seconds.")]
    Late,
    /// The connection broke, or the body is not framed as announced.
    #[error("The body ended before it was complete.")]
    Incomplete,
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "content_too_large"),
            BodyError::Late => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            BodyError::Incomplete => (StatusCode::BAD_REQUEST, "invalid_request"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// Reads a body whole.
///
/// # Errors
/// [`BodyError`] if it is too long or does not come.
pub async fn read_body(body: Body) -> Result<Bytes, BodyError> {
    // What is announced as too long is not read at all.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(BodyError::TooLarge);
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Incomplete),
        Err(_) => Err(BodyError::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_the_limit_and_not_beyond() {
        assert_eq!(read_body(Body::from(vec![b'a'; MAX_BODY])).await.map(|body| body.len()), Ok(MAX_BODY));
        assert_eq!(read_body(Body::from(vec![b'a'; MAX_BODY + 1])).await, Err(BodyError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read_body(never).await, Err(BodyError::Late));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let pieces = [Ok(Bytes::from_static(b"a")), Err(std::io::Error::other("reset"))];
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        assert_eq!(read_body(body).await, Err(BodyError::Incomplete));
    }
}
